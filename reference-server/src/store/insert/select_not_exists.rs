//! Inserts unless the row exists already, in one statement: the one in use during the first storm.
//!
//! InnoDB cannot know how many rows an `INSERT … SELECT` will insert, so it treats it as a *bulk insert*: under
//! `innodb_autoinc_lock_mode=1` it holds the table's AUTO-INC lock until the statement ends, and as an autocommit
//! statement it ends after its commit has reached the disk. This serialises the joins of the whole table.
//!
//! Two subqueries rather than one with `OR`: each is then a single look-up in a unique index, whatever the optimizer
//! decides. They do not make duplicates impossible (two joins may both see nothing): the unique keys do.

use super::Text;

pub(super) fn sql(chat: u64, user: u64, name: &Text<'_>) -> String {
    format!(
        "INSERT INTO members (chat_id, user_id, name, state) SELECT {chat}, {user}, {name}, 'JOINED' FROM DUAL \
         WHERE NOT EXISTS (SELECT 1 FROM members WHERE chat_id = {chat} AND user_id = {user}) \
         AND NOT EXISTS (SELECT 1 FROM members WHERE chat_id = {chat} AND name = {name})"
    )
}
