//! Changes a member's row, and the count with it.
//!
//! The change is either one autocommit statement, or shares a transaction with the count's update, as the counting
//! policy requires. The update comes last, in one packet with the commit, so that the hot row is locked for no round
//! trip.
//!
//! If the statement is certain to fail rather than change nothing, everything goes in one packet: the server stops at
//! the failure. Otherwise the commit waits until the statement's result is known. Rejected: `… AND ROW_COUNT() = 1` in
//! the update's condition. `MariaDB` sets it to −1 when the connection breaks between two statements of a packet,
//! continues, and commits the row without its count.

use sqlx::MySqlConnection;

use super::count::{Count, Direction};
use super::sql::{Answer, run, run_one};

/// A change of one member's row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) count: Count,
    pub(super) chat: u64,
    pub(super) user: u64,
    pub(super) direction: Direction,
    /// Changes one row or none.
    pub(super) statement: &'a str,
    /// The statement fails rather than change no row.
    pub(super) certain: bool,
}

/// Effect of a change, and the count after it if it came along.
pub(super) struct Changed {
    pub(super) row: Answer,
    pub(super) count: Option<u64>,
}

impl Change<'_> {
    /// Leaves no transaction open, except on an error.
    pub(super) async fn run(self, connection: &mut MySqlConnection) -> Result<Changed, sqlx::Error> {
        let Self { count, statement, .. } = self;
        let Some(after) = count.after(self.chat, self.user, self.direction) else {
            let row = run_one(connection, statement.to_owned()).await?;
            return Ok(Changed { row, count: None });
        };
        // BEGIN is the first answer, the change of the row the second.
        if self.certain {
            let mut answers = run(connection, format!("BEGIN; {statement}; {after}")).await?;
            let count = count.in_answers(&answers)?;
            return Ok(Changed {
                row: answers.swap_remove(1),
                count,
            });
        }
        let row = run(connection, format!("BEGIN; {statement}")).await?.swap_remove(1);
        if row.affected == 0 {
            run(connection, "ROLLBACK".to_owned()).await?;
            return Ok(Changed { row, count: None });
        }
        let answers = run(connection, after).await?;
        Ok(Changed {
            row,
            count: count.in_answers(&answers)?,
        })
    }
}
