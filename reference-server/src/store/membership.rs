//! Joining and leaving a chat.
//!
//! A join inserts a row. A member who left still has one, so a join that finds a row inspects it: JOINED is rejected,
//! LEFT is turned back.

use std::sync::Arc;

use sqlx::MySqlConnection;

use super::change::{Change, Changed};
use super::count::{Count, Direction};
use super::error::{Key, Meaning, StoreError, meaning};
use super::insert::Insertion;
use super::sql::{Text, run, run_one};
use super::{CallKind, Store};
use crate::deadline::Deadline;

/// A member who has just joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) member_id: u64,
    pub(crate) member_count: u64,
}

/// Why a user cannot join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinRefusal {
    AlreadyMember,
    NameTaken,
    NoChat,
}

/// What a join found in the chat.
enum Found {
    Joined(Joined),
    Refused(JoinRefusal),
    /// The user has a row with state LEFT.
    Left {
        member_id: u64,
    },
    /// The conflicting row has just gone.
    Nothing,
}

/// Attempts of a join that finds the chat changed under it.
const LOOKS: u32 = 4;

impl Store {
    /// Lets `user` join under `name`.
    pub(crate) async fn join(
        &self,
        deadline: &Deadline,
        chat_id: u64,
        user: u64,
        name: &str,
    ) -> Result<Result<Joined, JoinRefusal>, StoreError> {
        let place = self.place(chat_id);
        let name = name.to_owned();
        let join = Arc::new(Join {
            insertion: self.insertion,
            count: self.count,
            chat: place.local,
            user,
            name,
        });
        let call = self.shard_of(place).call(CallKind::Join, deadline, |connection| {
            let join = Arc::clone(&join);
            Box::pin(async move { join.run(connection).await })
        });
        let joined = call.await?;
        joined.ok_or(StoreError::Contended {
            shard: place.shard,
            attempts: LOOKS,
        })
    }

    /// Lets `user` leave; `false` if not a member.
    pub(crate) async fn leave(&self, deadline: &Deadline, chat_id: u64, user: u64) -> Result<bool, StoreError> {
        let place = self.place(chat_id);
        let (chat, count) = (place.local, self.count);
        let update = format!(
            "UPDATE members SET state = 'LEFT', name = NULL \
             WHERE chat_id = {chat} AND user_id = {user} AND state = 'JOINED'"
        );
        let call = self.shard_of(place).call(CallKind::Leave, deadline, |connection| {
            let update = update.clone();
            Box::pin(async move {
                let direction = Direction::Leaves;
                let change = Change {
                    count,
                    chat,
                    user,
                    direction,
                    statement: &update,
                    certain: false,
                };
                Ok(change.run(connection).await?.row.affected == 1)
            })
        });
        call.await
    }
}

struct Join {
    insertion: Insertion,
    count: Count,
    chat: u64,
    user: u64,
    name: String,
}

impl Join {
    /// `None` when the chat kept changing.
    async fn run(&self, connection: &mut MySqlConnection) -> Result<Option<Result<Joined, JoinRefusal>>, sqlx::Error> {
        for _ in 0..LOOKS {
            let found = match self.insert(connection).await? {
                Found::Left { member_id } => self.rejoin(connection, member_id).await?,
                other => other,
            };
            match found {
                Found::Joined(joined) => return Ok(Some(Ok(joined))),
                Found::Refused(refusal) => return Ok(Some(Err(refusal))),
                Found::Left { .. } | Found::Nothing => {}
            }
        }
        Ok(None)
    }

    async fn insert(&self, connection: &mut MySqlConnection) -> Result<Found, sqlx::Error> {
        let insert = self.insertion.sql(self.chat, self.user, &Text(&self.name));
        let changed = self.change(&insert, self.insertion.is_certain()).run(connection).await;
        match changed {
            Ok(Changed { row, count }) if row.affected == 1 => self.joined(connection, row.last_id, count).await,
            Ok(_) => self.look(connection).await,
            Err(error) => match self.refused(connection, error).await? {
                JoinRefusal::AlreadyMember => self.look(connection).await,
                refusal => Ok(Found::Refused(refusal)),
            },
        }
    }

    /// Turns LEFT back to JOINED.
    async fn rejoin(&self, connection: &mut MySqlConnection, member_id: u64) -> Result<Found, sqlx::Error> {
        let update = format!(
            "UPDATE members SET state = 'JOINED', name = {}, joined_at = CURRENT_TIMESTAMP(6) \
             WHERE id = {member_id} AND state = 'LEFT'",
            Text(&self.name)
        );
        match self.change(&update, false).run(connection).await {
            Ok(Changed { row, count }) if row.affected == 1 => self.joined(connection, member_id, count).await,
            Ok(_) => Ok(Found::Nothing),
            Err(error) => self.refused(connection, error).await.map(Found::Refused),
        }
    }

    fn change<'a>(&self, statement: &'a str, certain: bool) -> Change<'a> {
        let Self { count, chat, user, .. } = *self;
        Change {
            count,
            chat,
            user,
            direction: Direction::Joins,
            statement,
            certain,
        }
    }

    /// Reads the count if the change did not return it.
    async fn joined(
        &self,
        connection: &mut MySqlConnection,
        member_id: u64,
        count: Option<u64>,
    ) -> Result<Found, sqlx::Error> {
        let member_count = match count {
            Some(count) => count,
            None => self
                .count
                .read(connection, self.chat)
                .await?
                .ok_or(sqlx::Error::RowNotFound)?,
        };
        Ok(Found::Joined(Joined {
            member_id,
            member_count,
        }))
    }

    /// Maps a violated key to its meaning; any other error is passed on.
    async fn refused(&self, connection: &mut MySqlConnection, error: sqlx::Error) -> Result<JoinRefusal, sqlx::Error> {
        let refusal = match meaning(&error) {
            Meaning::Duplicate(Key::User) => JoinRefusal::AlreadyMember,
            Meaning::Duplicate(Key::Name) => JoinRefusal::NameTaken,
            Meaning::NoParent => JoinRefusal::NoChat,
            _ => return Err(error),
        };
        run(connection, "ROLLBACK".to_owned()).await?;
        Ok(refusal)
    }

    /// Why nothing was inserted: the user has a row, or the name is taken.
    async fn look(&self, connection: &mut MySqlConnection) -> Result<Found, sqlx::Error> {
        let Self { chat, user, name, .. } = self;
        let of_user = format!("SELECT id, state FROM members WHERE chat_id = {chat} AND user_id = {user}");
        let row = run_one(connection, of_user).await?;
        if let Some(member_id) = row.number()? {
            let left = row.second_text()?.as_deref() == Some("LEFT");
            return Ok(if left {
                Found::Left { member_id }
            } else {
                Found::Refused(JoinRefusal::AlreadyMember)
            });
        }
        let of_name = format!("SELECT 1 FROM members WHERE chat_id = {chat} AND name = {}", Text(name));
        let taken = !run_one(connection, of_name).await?.is_empty();
        Ok(if taken {
            Found::Refused(JoinRefusal::NameTaken)
        } else {
            Found::Nothing
        })
    }
}
