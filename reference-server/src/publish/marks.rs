//! The marks that this partition holds in Redis: which are due for storing, which have expired. Pure: `now` comes in.
//!
//! While its chat is hot, a mark is renewed after half of its time to live: one renewal may be lost without the mark
//! expiring. Once the chat has cooled the mark expires by itself, so a role that dies leaves nothing behind.

use std::collections::HashMap;
use std::time::Duration;

use hotchat_policy::HotChat;

#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Marks held, and expired marks of chats that are still hot.
    known: HashMap<u64, Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    /// When its chat became hot.
    since: Duration,
    renew_at: Duration,
    /// `None` if it has expired although its chat is hot: it could not be renewed.
    until: Option<Duration>,
}

/// Effect of storing a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// The chat became hot; the mark was stored after this delay.
    Set { delay: Duration },
    /// The mark had expired and was set again.
    SetAgain,
    /// The mark was extended.
    Renewed,
}

impl Marks {
    /// The hot chats whose mark is due for storing.
    pub(super) fn due(&self, hot: &[HotChat], now: Duration) -> Vec<HotChat> {
        let due = |chat: &&HotChat| match self.known.get(&chat.chat_id) {
            Some(mark) => mark.since != chat.since || mark.until.is_none() || mark.renew_at <= now,
            None => true,
        };
        hot.iter().filter(due).copied().collect()
    }

    /// A mark was stored with this time to live.
    pub(super) fn stored(&mut self, chat: &HotChat, now: Duration, ttl: Duration) -> Stored {
        let mark = Mark {
            since: chat.since,
            renew_at: now + ttl / 2,
            until: Some(now + ttl),
        };
        match self.known.insert(chat.chat_id, mark) {
            Some(before) if before.since == chat.since && before.until.is_some() => Stored::Renewed,
            Some(before) if before.since == chat.since => Stored::SetAgain,
            _ => Stored::Set {
                delay: now.saturating_sub(chat.since),
            },
        }
    }

    /// Records the marks that have expired and returns how many. Marks of chats that are no longer hot are forgotten.
    pub(super) fn expire(&mut self, hot: &[HotChat], now: Duration) -> usize {
        let before = self.held();
        for mark in self.known.values_mut() {
            mark.until = mark.until.filter(|&until| until > now);
        }
        self.known
            .retain(|id, mark| mark.until.is_some() || hot.iter().any(|chat| chat.chat_id == *id));
        before - self.held()
    }

    /// Marks that have not expired.
    pub(super) fn held(&self) -> usize {
        self.known.values().filter(|mark| mark.until.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    fn hot(since: u64) -> HotChat {
        HotChat {
            chat_id: 7,
            since: at(since),
            count: 100,
        }
    }

    #[test]
    fn a_mark_is_set_once_renewed_at_half_its_time_and_runs_out() {
        let mut marks = Marks::default();
        assert_eq!(marks.due(&[hot(1)], at(2)), [hot(1)]);
        assert_eq!(
            marks.due(&[hot(1)], at(3)),
            [hot(1)],
            "a mark that was not stored stays due"
        );
        assert_eq!(marks.stored(&hot(1), at(3), TTL), Stored::Set { delay: at(2) });
        assert_eq!(marks.due(&[hot(1)], at(7)), []);
        assert_eq!(marks.due(&[hot(1)], at(8)), [hot(1)]);
        assert_eq!(marks.stored(&hot(1), at(8), TTL), Stored::Renewed);
        assert_eq!((marks.expire(&[], at(17)), marks.held()), (0, 1));
        assert_eq!((marks.expire(&[], at(18)), marks.held()), (1, 0));
        assert!(marks.known.is_empty());
    }

    #[test]
    fn a_chat_that_is_hot_again_before_its_mark_has_run_out_is_marked_anew() {
        let mut marks = Marks::default();
        marks.stored(&hot(1), at(1), TTL);
        assert_eq!(marks.due(&[hot(4)], at(4)), [hot(4)]);
        assert_eq!(marks.stored(&hot(4), at(4), TTL), Stored::Set { delay: at(0) });
        assert_eq!(marks.expire(&[], at(13)), 0);
    }

    #[test]
    fn a_mark_that_could_not_be_renewed_is_set_again_and_that_is_no_detection() {
        let mut marks = Marks::default();
        marks.stored(&hot(1), at(1), TTL);
        assert_eq!((marks.expire(&[hot(1)], at(20)), marks.held()), (1, 0));
        assert_eq!(marks.expire(&[hot(1)], at(21)), 0, "only once");
        assert_eq!(marks.due(&[hot(1)], at(21)), [hot(1)]);
        assert_eq!(marks.stored(&hot(1), at(21), TTL), Stored::SetAgain);
        assert_eq!(marks.held(), 1);
    }
}
