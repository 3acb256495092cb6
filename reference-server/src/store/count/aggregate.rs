//! One row holds a chat's count; joins and leaves update it in their own transaction.
//!
//! Reading is a single look-up, and no query cache is needed. The price: the row is locked from the update until the
//! commit has reached the disk, so the joins of one chat commit one after the other. To keep the lock short, the update
//! comes last before the commit and in the same round trip. `LAST_INSERT_ID(…)` returns the new count with the update's
//! own answer: the exact count at the moment of the join.

use super::{Direction, sql};

/// The statements after the one that changed the member's row.
pub(super) fn after(chat: u64, direction: Direction) -> String {
    format!("{}; COMMIT", update(chat, 0, direction))
}

/// Adds or subtracts one.
pub(super) fn update(chat: u64, slot: u32, direction: Direction) -> String {
    let step = match direction {
        Direction::Joins => "+ 1",
        Direction::Leaves => "- 1",
    };
    format!(
        "UPDATE member_counts SET joined = LAST_INSERT_ID(joined {step}) \
         WHERE chat_id = {chat} AND slot = {slot}"
    )
}

/// Answers: … update, commit.
pub(super) fn count(answers: &[sql::Answer]) -> Option<u64> {
    let [.., update, _commit] = answers else { return None };
    (update.affected == 1).then_some(update.last_id)
}
