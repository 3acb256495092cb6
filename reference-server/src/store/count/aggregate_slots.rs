//! Several rows share a chat's count; each join and leave updates one of them, reading sums them up.
//!
//! Joins of different slots commit together (one disk flush for many), so the hot row is no longer the limit. The slot
//! is a function of the user, not random: a member leaves from the slot used for joining, and no slot goes negative.
//! The sum is read after the commit, when no lock is held: it is a count of committed joins, this one included.

use super::{Direction, aggregate, sql};

pub(super) fn after(chat: u64, user: u64, slots: u32, direction: Direction) -> String {
    let update = aggregate::update(chat, slot(user, slots), direction);
    let read = match direction {
        Direction::Joins => format!("; {}", read_sql(chat)),
        Direction::Leaves => String::new(), // not needed
    };
    format!("{update}; COMMIT{read}")
}

/// The sum; NULL for a chat that does not exist. Correct for a single slot as well.
pub(super) fn read_sql(chat: u64) -> String {
    format!("SELECT CAST(SUM(joined) AS UNSIGNED) FROM member_counts WHERE chat_id = {chat}")
}

/// Answers: … update, commit, sum.
pub(super) fn count(answers: &[sql::Answer]) -> Result<Option<u64>, sqlx::Error> {
    answers.last().map_or(Ok(None), sql::Answer::number)
}

/// Spreads neighbouring user ids (Fibonacci hashing: multiply by 2⁶⁴/φ, take the high bits).
pub(super) fn slot(user: u64, slots: u32) -> u32 {
    let hash = user.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    u32::try_from((hash * u64::from(slots)) >> 32).expect("less than the number of slots")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_spread_evenly_and_always_map_to_the_same_slot() {
        for slots in [1, 2, 7, 16, 256] {
            let mut users = vec![0_u32; slots as usize];
            for user in 0..10_000 {
                users[slot(user, slots) as usize] += 1;
            }
            let (least, most) = (users.iter().min().unwrap(), users.iter().max().unwrap());
            assert!(
                most - least <= 10_000 / slots / 5 + 1,
                "{slots} slots: {least} to {most}"
            );
        }
        assert_eq!(slot(u64::MAX, 256), slot(u64::MAX, 256));
    }
}
