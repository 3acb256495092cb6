//! Count the rows and let MariaDB's query cache remember the answer: how the storm was met the first time.
//!
//! Every join invalidates all cached answers about the table, under the cache's one lock. Splendid while nobody joins.
//!
//! The statement must be the same text to the byte each time to be found again, and plain text rather than prepared.

pub(super) fn sql(chat: u64) -> String {
    format!("SELECT SQL_CACHE COUNT(*) FROM members WHERE chat_id = {chat} AND state = 'JOINED'")
}
