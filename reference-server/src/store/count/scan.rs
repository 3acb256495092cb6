//! Count the rows, every time. Right by construction; dearer with every member the chat has.
//!
//! `SQL_NO_CACHE` keeps the query cache out of it where the shard happens to run one.

pub(super) fn sql(chat: u64) -> String {
    format!("SELECT SQL_NO_CACHE COUNT(*) FROM members WHERE chat_id = {chat} AND state = 'JOINED'")
}
