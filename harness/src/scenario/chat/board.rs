//! Which revisions were acknowledged when: what every member should have by now.
//!
//! Shared by the workers; written once for each message that was sent, so far from the hot path.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The acknowledged revisions of the followed chats.
#[derive(Debug)]
pub struct Board {
    chats: Vec<Mutex<VecDeque<Acknowledged>>>,
    stale_after_ns: u64,
}

#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    at_ns: u64,
    revision: u64,
}

impl Board {
    /// Nothing acknowledged yet in `chats` chats.
    #[must_use]
    pub fn new(chats: usize, stale_after_ns: u64) -> Self {
        Self {
            chats: (0..chats).map(|_| Mutex::default()).collect(),
            stale_after_ns,
        }
    }

    /// The server acknowledged `revision` of a chat at `now_ns`.
    pub(crate) fn note(&self, chat: usize, revision: u64, now_ns: u64) {
        let mut seen = self.chats[chat].lock().unwrap_or_else(PoisonError::into_inner);
        // Only the last entry older than the limit will ever be asked for; workers ask within a second of one another.
        let needed_ns = now_ns.saturating_sub(self.stale_after_ns + 2_000_000_000);
        while seen.get(1).is_some_and(|second| second.at_ns <= needed_ns) {
            seen.pop_front();
        }
        let highest = seen.back().map_or(0, |last| last.revision);
        let at_ns = seen.back().map_or(now_ns, |last| last.at_ns.max(now_ns));
        seen.push_back(Acknowledged {
            at_ns,
            revision: revision.max(highest),
        });
    }

    /// The newest revision of a chat that a member must have by now; 0 where there is none.
    pub(crate) fn owed(&self, chat: usize, now_ns: u64) -> u64 {
        let seen = self.chats[chat].lock().unwrap_or_else(PoisonError::into_inner);
        let Some(limit_ns) = now_ns.checked_sub(self.stale_after_ns) else {
            return 0;
        };
        let owed = seen.iter().rev().find(|entry| entry.at_ns <= limit_ns);
        owed.map_or(0, |entry| entry.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_revision_is_owed_once_its_time_has_passed() {
        let board = Board::new(2, 5 * S);
        assert_eq!(board.owed(0, 100 * S), 0);
        board.note(0, 7, 10 * S);
        board.note(0, 8, 12 * S);
        assert_eq!(board.owed(0, 15 * S - 1), 0);
        assert_eq!(board.owed(0, 15 * S), 7);
        assert_eq!(board.owed(0, 17 * S), 8);
        assert_eq!(board.owed(1, 17 * S), 0, "chats are apart");
    }

    #[test]
    fn an_acknowledgement_that_comes_late_takes_nothing_back() {
        let board = Board::new(1, S);
        board.note(0, 9, 10 * S);
        board.note(0, 8, 11 * S);
        assert_eq!(board.owed(0, 12 * S), 9);
    }

    #[test]
    fn memory_does_not_grow_with_the_run() {
        let board = Board::new(1, S);
        for second in 0..1000 {
            board.note(0, second, second * S);
            assert_eq!(board.owed(0, second * S), second.saturating_sub(1));
        }
        assert!(board.chats[0].lock().unwrap().len() < 8);
    }
}
