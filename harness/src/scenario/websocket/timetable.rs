//! When connections are opened and when something is sent over them: pure functions of a number.
//!
//! Connections are opened one after the other at their rate, from the beginning of the cell on. When the last one is
//! due, sending begins: text number `n` is due `n × every ÷ hold` later, so that what is sent is spread evenly. In
//! each round of `hold` texts every connection sends one, in an order that is drawn from the seed and stays the same.
//! So each connection sends every `every`, with a phase of its own, and the texts of a run do not depend on the number
//! of workers.
//!
//! A leaf.

use std::sync::Arc;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Keeps the order of connections apart from all else that follows from the same seed.
const ORDER: u64 = 0x6f72_6465_7273;

/// When connections are opened.
pub(super) fn opens_ns(number: usize, connect_rate: f64) -> u64 {
    (number as f64 / connect_rate * 1e9) as u64
}

/// What decides when something is sent.
#[derive(Debug, Clone)]
pub(super) struct Timetable {
    /// By place in a round: which connection sends.
    order: Arc<[u32]>,
    first_ns: u64,
    until_ns: u64,
    every_ns: u64,
}

/// A text that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) intended_ns: u64,
    /// Its number among all of the entry, from 0.
    pub(super) text: u64,
    /// The connection that sends it.
    pub(super) connection: usize,
}

impl Timetable {
    /// Texts on `hold` connections, each every `every_ns`, from `first_ns` on and before `until_ns`.
    pub(super) fn new(hold: u32, every_ns: u64, first_ns: u64, until_ns: u64, seed: u64) -> Self {
        let mut order: Vec<u32> = (0..hold).collect();
        order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed ^ ORDER));
        Self {
            order: order.into(),
            first_ns,
            until_ns,
            every_ns,
        }
    }

    fn intended_ns(&self, text: u64) -> u64 {
        let after_ns = u128::from(text) * u128::from(self.every_ns) / self.order.len() as u128;
        u64::try_from(after_ns)
            .unwrap_or(u64::MAX)
            .saturating_add(self.first_ns)
    }

    /// The texts of each `workers`-th connection, beginning with number `worker`.
    pub(super) fn share_of(&self, worker: usize, workers: usize) -> Turns {
        let own = |place: &usize| self.order[*place] as usize % workers == worker;
        Turns {
            places: (0..self.order.len()).filter(own).map(|place| place as u32).collect(),
            timetable: self.clone(),
            at: 0,
            round: 0,
        }
    }
}

/// The texts of one worker, in order.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    timetable: Timetable,
    /// Places in a round at which one of its connections sends.
    places: Vec<u32>,
    at: usize,
    round: u64,
}

impl Turns {
    /// The next text; `None` where there is none any more.
    pub(super) fn peek(&self) -> Option<Turn> {
        let place = *self.places.get(self.at)?;
        let text = self.round * self.timetable.order.len() as u64 + u64::from(place);
        let intended_ns = self.timetable.intended_ns(text);
        (intended_ns < self.timetable.until_ns).then(|| Turn {
            intended_ns,
            text,
            connection: self.timetable.order[place as usize] as usize,
        })
    }

    /// Goes on to the next text.
    pub(super) fn skip_one(&mut self) {
        self.at += 1;
        if self.at == self.places.len() {
            self.at = 0;
            self.round += 1;
        }
    }
}

impl Iterator for Turns {
    type Item = Turn;

    fn next(&mut self) -> Option<Turn> {
        let turn = self.peek()?;
        self.skip_one();
        Some(turn)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const MS: u64 = 1_000_000;

    fn all(hold: u32, workers: usize, seed: u64) -> Vec<Turn> {
        let timetable = Timetable::new(hold, 200 * MS, 500 * MS, 2_500 * MS, seed);
        let mut turns: Vec<Turn> = (0..workers)
            .flat_map(|worker| timetable.share_of(worker, workers))
            .collect();
        turns.sort_by_key(|turn| turn.text);
        turns
    }

    #[test]
    fn texts_are_spread_evenly_and_each_connection_sends_at_its_own_interval() {
        for (hold, workers) in [(1, 1), (1, 3), (7, 1), (7, 3), (100, 4)] {
            let turns = all(hold, workers, 1);
            assert_eq!(turns.len(), hold as usize * 10, "2 s of a text every 200 ms");
            let mut of_connection: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
            for (number, turn) in turns.iter().enumerate() {
                assert_eq!(turn.text, number as u64, "none is left out and none comes twice");
                assert_eq!(
                    turn.intended_ns,
                    500 * MS + number as u64 * 200 * MS / u64::from(hold),
                    "{hold} on {workers}"
                );
                of_connection.entry(turn.connection).or_default().push(turn.intended_ns);
            }
            assert_eq!(of_connection.len(), hold as usize);
            for times in of_connection.values() {
                assert!(times.is_sorted_by(|one, next| next - one == 200 * MS), "{times:?}");
            }
        }
    }

    #[test]
    fn the_order_follows_from_the_seed_and_not_from_the_workers() {
        assert_eq!(all(50, 1, 3), all(50, 4, 3));
        assert_ne!(all(50, 1, 3), all(50, 1, 4));
    }

    #[test]
    fn connections_are_opened_one_after_the_other() {
        let opened: Vec<u64> = (0..4).map(|number| opens_ns(number, 200.0)).collect();
        assert_eq!(opened, [0, 5 * MS, 10 * MS, 15 * MS]);
    }
}
