//! When trailing pushes are due: entries in slots of 5 ms. Pure; time comes in, as the time since the hub began.
//!
//! A slot comes due at its beginning, so its entries come a few milliseconds early and never late. All chats share one
//! wheel: everything owed costs one timer.

use std::collections::BTreeMap;
use std::time::Duration;

const SLOT: Duration = Duration::from_millis(5);

/// Entries by due time.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    slots: BTreeMap<u128, Vec<T>>,
}

/// The number of the slot that holds `time`.
fn slot(time: Duration) -> u128 {
    time.as_nanos() / SLOT.as_nanos()
}

fn begin(slot: u128) -> Duration {
    Duration::from_nanos_u128(slot * SLOT.as_nanos())
}

/// Everything in the slots that have begun by `now` is due before this time.
pub(super) fn horizon(now: Duration) -> Duration {
    begin(slot(now) + 1) - Duration::from_nanos(1)
}

impl<T> Wheel<T> {
    pub(super) fn new() -> Self {
        Self { slots: BTreeMap::new() }
    }

    /// Returns whether this entry is due before all others: a task sleeping until the first must sleep less.
    pub(super) fn insert(&mut self, due: Duration, entry: T) -> bool {
        let slot = slot(due);
        let first = self.slots.first_key_value().is_none_or(|(first, _)| slot < *first);
        self.slots.entry(slot).or_default().push(entry);
        first
    }

    /// When the next slot comes due.
    pub(super) fn first(&self) -> Option<Duration> {
        self.slots.first_key_value().map(|(slot, _)| begin(*slot))
    }

    /// Takes the first slot if it has begun.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Vec<T>> {
        let first = self.slots.first_entry()?;
        (begin(*first.key()) <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn an_entry_is_at_most_a_slot_early_and_never_late() {
        for due in [0, 1, 4, 5, 6, 99, 1500].map(ms) {
            let mut wheel = Wheel::new();
            wheel.insert(due, ());
            let up = wheel.first().unwrap();
            assert!(up <= due && due < up + SLOT, "{due:?}");
            assert!(horizon(up) >= due, "a slot that has come up is due");
            assert!(horizon(up) < up + SLOT, "and later ones are not");
        }
    }

    #[test]
    fn slots_are_taken_in_order_and_only_when_due() {
        let mut wheel = Wheel::new();
        assert!(wheel.insert(ms(50), 'b'));
        assert!(!wheel.insert(ms(52), 'c'), "the same slot");
        assert!(wheel.insert(ms(20), 'a'));
        assert!(!wheel.insert(ms(70), 'd'));
        assert_eq!(wheel.take_due(ms(19)), None);
        assert_eq!(wheel.take_due(ms(60)), Some(vec!['a']));
        assert_eq!(wheel.take_due(ms(60)), Some(vec!['b', 'c']));
        assert_eq!(wheel.take_due(ms(60)), None);
        assert_eq!(wheel.first(), Some(ms(70)));
    }
}
