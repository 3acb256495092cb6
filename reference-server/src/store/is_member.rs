//! Checks membership before a user listens to chats.

use super::error::StoreError;
use super::sql::run_one;
use super::{CallKind, Place, Store};
use crate::deadline::Deadline;

/// Chats per statement.
const CHATS: usize = 100;

impl Store {
    /// One of `chats` that `user` is not a member of, if any; a chat that does not exist has no members.
    pub(crate) async fn not_a_member(
        &self,
        deadline: &Deadline,
        chats: &[u64],
        user: u64,
    ) -> Result<Option<u64>, StoreError> {
        for (index, shard) in self.shards.iter().enumerate() {
            let here = chats
                .iter()
                .map(|&chat| self.place(chat))
                .filter(|place| place.shard == index);
            let here: Vec<u64> = here.map(|place| place.local).collect();
            for some in here.chunks(CHATS) {
                let statement = sql(some, user);
                let call = shard.call(CallKind::Membership, deadline, |connection| {
                    let statement = statement.clone();
                    Box::pin(async move { run_one(connection, statement).await?.number() })
                });
                if let Some(local) = call.await? {
                    return Ok(Some(self.chat_id(Place { shard: index, local })));
                }
            }
        }
        Ok(None)
    }
}

fn sql(chats: &[u64], user: u64) -> String {
    let asked: Vec<String> = chats.iter().map(|chat| format!("SELECT {chat} AS chat")).collect();
    format!(
        "SELECT SQL_NO_CACHE asked.chat FROM ({}) AS asked WHERE NOT EXISTS (SELECT 1 FROM members \
         WHERE chat_id = asked.chat AND user_id = {user} AND state = 'JOINED') LIMIT 1",
        asked.join(" UNION ALL ")
    )
}
