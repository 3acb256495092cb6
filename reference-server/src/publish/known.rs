//! The last answers of Redis for each chat, used while it is away.
//!
//! An answer is valid as long as the mark it reported may have lasted when Redis went away; what happens to the mark
//! later cannot be known. Pure: `now` comes in, as the time of the server's clock.

use std::collections::HashMap;
use std::time::Duration;

/// Maximum number of chats remembered: far more than are ever hot at once.
const MAX: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Known {
    /// When Redis reported the chat as hot.
    hot: HashMap<u64, Duration>,
}

impl Known {
    pub(super) fn told(&mut self, chat_id: u64, hot: bool, now: Duration) {
        if !hot {
            self.hot.remove(&chat_id);
        } else if self.hot.len() < MAX || self.hot.contains_key(&chat_id) {
            self.hot.insert(chat_id, now);
        }
    }

    /// Whether the chat was hot when Redis went away, as far as known.
    pub(super) fn was_hot(&self, chat_id: u64, away_since: Duration, ttl: Duration) -> bool {
        self.hot.get(&chat_id).is_some_and(|&told| told + ttl > away_since)
    }

    /// Forgets chats not queried within a mark's time to live.
    pub(super) fn prune(&mut self, now: Duration, ttl: Duration) {
        self.hot.retain(|_, told| *told + ttl > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn an_answer_counts_if_its_mark_may_have_lasted_until_redis_went_away() {
        let mut known = Known::default();
        known.told(7, true, at(5));
        for (away_since, hot) in [(5, true), (14, true), (15, false), (100, false)] {
            assert_eq!(known.was_hot(7, at(away_since), TTL), hot, "{away_since}");
        }
        assert!(!known.was_hot(8, at(5), TTL));
        known.told(7, false, at(6));
        assert!(!known.was_hot(7, at(6), TTL));
    }

    #[test]
    fn it_is_bounded_and_forgets() {
        let mut known = Known::default();
        (0..2 * MAX as u64).for_each(|chat| known.told(chat, true, at(1)));
        known.told(0, true, at(5));
        assert_eq!(known.hot.len(), MAX);
        known.prune(at(11), TTL);
        assert_eq!(known.hot.len(), 1, "the one reported later");
    }
}
