//! Compares a chat's count with its rows: used after storms.

use std::time::Duration;

use super::error::StoreError;
use super::{Store, sql};

/// Two numbers that must be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Audit {
    /// Rows with state JOINED.
    pub(crate) joined_rows: u64,
    /// The count according to the configured policy.
    pub(crate) count: u64,
}

/// Time limit of the two queries.
const LIMIT: Duration = Duration::from_secs(30);

/// Both numbers are read from one snapshot, so they agree in the middle of a storm as well.
const ONE_MOMENT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT";

impl Store {
    /// `None` if the chat does not exist.
    pub(crate) async fn audit(&self, chat_id: u64) -> Result<Option<Audit>, StoreError> {
        let place = self.place(chat_id);
        let (chat, count) = (place.local, self.count);
        let call = self.shard_of(place).call_by_operator(LIMIT, |connection| {
            Box::pin(async move {
                sql::run(connection, ONE_MOMENT.to_owned()).await?;
                let count = count.read(connection, chat).await?;
                // Not through the policy's own statement, which is what is being audited.
                let rows = format!(
                    "SELECT SQL_NO_CACHE CAST(SUM(state = 'JOINED') AS UNSIGNED) \
                     FROM members FORCE INDEX (uq_members_user) WHERE chat_id = {chat}"
                );
                let joined_rows = sql::run_one(connection, rows).await?.number()?.unwrap_or(0);
                sql::run(connection, "COMMIT".to_owned()).await?;
                Ok(count.map(|count| Audit { joined_rows, count }))
            })
        });
        call.await
    }
}
