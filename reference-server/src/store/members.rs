//! Who belongs to a chat, page by page: a chat may have tens of thousands of members.

use sqlx::Row;

use super::error::StoreError;
use super::sql::run_one;
use super::{CallKind, Store};
use crate::deadline::Deadline;

impl Store {
    /// Up to `limit` members with a user id above `after`, in the order of their ids. A page is read along the unique
    /// key of chat and user, so it costs the same wherever it begins.
    pub(crate) async fn members_after(
        &self,
        deadline: &Deadline,
        chat_id: u64,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<u64>, StoreError> {
        let place = self.place(chat_id);
        let from = after.map_or(String::new(), |after| format!("AND user_id > {after} "));
        let statement = format!(
            "SELECT SQL_NO_CACHE user_id FROM members WHERE chat_id = {} {from}AND state = 'JOINED' \
             ORDER BY user_id LIMIT {limit}",
            place.local
        );
        let call = self.shard_of(place).call(CallKind::Members, deadline, |connection| {
            let statement = statement.clone();
            Box::pin(async move {
                let rows = run_one(connection, statement).await?.rows;
                rows.iter().map(|row| row.try_get_unchecked(0)).collect()
            })
        });
        call.await
    }
}
