//! Creating a chat.

use super::error::StoreError;
use super::sql::{self, Text};
use super::{CallKind, Place, Store};
use crate::deadline::Deadline;

impl Store {
    /// Creates a chat on the next shard; returns its id and the shard's index.
    pub(crate) async fn create_chat(&self, deadline: &Deadline, name: &str) -> Result<(u64, usize), StoreError> {
        let shard = self.next_shard();
        let statements = format!(
            "BEGIN; INSERT INTO chats (name) VALUES ({}); \
             INSERT INTO chat_revisions (chat_id, revision) VALUES (LAST_INSERT_ID(), 0); {}COMMIT",
            Text(name),
            self.count.create_sql().map_or(String::new(), |sql| format!("{sql}; ")),
        );
        let call = self.shards[shard].call(CallKind::Create, deadline, |connection| {
            let statements = statements.clone();
            Box::pin(async move { sql::run(connection, statements).await.map(|answers| answers[1].last_id) })
        });
        let local = call.await?;
        Ok((self.chat_id(Place { shard, local }), shard))
    }

    /// How many members the chat has; `None` if it does not exist.
    pub(crate) async fn count(&self, deadline: &Deadline, chat_id: u64) -> Result<Option<u64>, StoreError> {
        let place = self.place(chat_id);
        let count = self.count;
        let call = self.shard_of(place).call(CallKind::Count, deadline, |connection| {
            Box::pin(count.read(connection, place.local))
        });
        call.await
    }
}
