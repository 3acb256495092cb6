//! Counts the rows every time. Correct by construction; the cost grows with the chat's members.
//!
//! `SQL_NO_CACHE` bypasses the query cache if the shard runs one.

pub(super) fn sql(chat: u64) -> String {
    format!("SELECT SQL_NO_CACHE COUNT(*) FROM members WHERE chat_id = {chat} AND state = 'JOINED'")
}
