//! What a worker thread uses, booked to the second and phase in which it did.
//!
//! Nothing is booked after the end of the profile: then the worker waits for the last answers, and counting that time
//! would make a busy last phase look idle.
//!
//! Pure: readings come in.

use crate::record::{Recorder, WorkerUse};

const SECOND_NS: u64 = 1_000_000_000;

/// What the worker had used at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) wall_ns: u64,
    pub(super) cpu_ns: u64,
    /// `None` where the kernel does not say.
    pub(super) run_delay_ns: Option<u64>,
}

/// Books what is used from reading to reading.
#[derive(Debug)]
pub(super) struct Meter {
    end_ns: u64,
    before: Reading,
}

impl Meter {
    /// Nothing booked yet, of a profile that ends at `end_ns`.
    pub(super) fn new(end_ns: u64, first: Reading) -> Self {
        Self { end_ns, before: first }
    }

    /// The load ends at `ns`, before the profile does.
    pub(super) fn ends_at(&mut self, ns: u64) {
        self.end_ns = self.end_ns.min(ns);
    }

    /// The schedule has not begun: what was used by now is not counted.
    pub(super) fn begins_after(&mut self, reading: Reading) {
        self.before = reading;
    }

    /// Whether another second or phase has begun since the last booking, or the profile has ended.
    pub(super) fn is_due(&self, now_ns: u64, recorder: &Recorder) -> bool {
        let before_ns = self.before.wall_ns;
        let phases = recorder.phases();
        now_ns / SECOND_NS != before_ns / SECOND_NS
            || phases.at(now_ns) != phases.at(before_ns)
            || (before_ns < self.end_ns) != (now_ns < self.end_ns)
    }

    /// Books what was used since the last booking to the phase and second in which that was.
    pub(super) fn book(&mut self, now: Reading, recorder: &mut Recorder) {
        let from = std::mem::replace(&mut self.before, now);
        // Before the schedule begins no time passes.
        let Some(wall_ns) = now.wall_ns.checked_sub(from.wall_ns).filter(|wall_ns| *wall_ns > 0) else {
            return;
        };
        let Some(counted_ns) = now
            .wall_ns
            .min(self.end_ns)
            .checked_sub(from.wall_ns)
            .filter(|ns| *ns > 0)
        else {
            return;
        };
        let part = |used_ns: u64| (u128::from(used_ns) * u128::from(counted_ns) / u128::from(wall_ns)) as u64;
        let delays = now.run_delay_ns.zip(from.run_delay_ns);
        let used = WorkerUse {
            cpu_ns: part(now.cpu_ns.saturating_sub(from.cpu_ns)),
            wall_ns: counted_ns,
            run_delay_ns: delays.map(|(now_ns, from_ns)| part(now_ns.saturating_sub(from_ns))),
        };
        recorder.used(from.wall_ns, used);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::{Merged, PhaseBounds};

    const MS: u64 = 1_000_000;

    /// A worker that uses half of a CPU until 2.5 s, when the profile ends, and nothing while it waits for the last
    /// answers.
    fn reading(ms: u64) -> Reading {
        Reading {
            wall_ns: ms * MS,
            cpu_ns: 7 * MS + ms.min(2_500) * MS / 2,
            run_delay_ns: Some(ms * MS / 10),
        }
    }

    fn booked(readings: impl IntoIterator<Item = Reading>) -> [WorkerUse; 2] {
        let phases =
            [(0, 1_500), (1_500, 2_500)].map(|(from, to)| (Duration::from_millis(from), Duration::from_millis(to)));
        let mut recorder = Recorder::new(0, 1, 0, PhaseBounds::new(phases));
        let mut readings = readings.into_iter();
        let mut meter = Meter::new(2_500 * MS, readings.next().unwrap());
        for reading in readings {
            meter.book(reading, &mut recorder);
        }
        let mut merged = Merged::new(2, 1);
        recorder.drain().for_each(|interval| assert!(merged.take(&interval)));
        [0, 1].map(|phase: usize| merged.phases[phase].workers.get(&0).copied().unwrap_or_default())
    }

    #[test]
    fn the_last_second_counts_and_the_wait_for_the_last_answers_does_not() {
        let [first, last] = booked([0, 1_000, 1_500, 2_000, 2_500, 3_000, 7_500].map(reading));
        assert_eq!((first.wall_ns, first.cpu_ns), (1_500 * MS, 750 * MS));
        assert_eq!((last.wall_ns, last.cpu_ns), (1_000 * MS, 500 * MS));
        assert_eq!(last.run_delay_ns, Some(100 * MS));
    }

    #[test]
    fn a_reading_that_comes_after_the_end_counts_in_part() {
        let late = Reading {
            cpu_ns: 7 * MS + 1_500 * MS,
            ..reading(3_000)
        };
        let [_, last] = booked([reading(0), reading(1_500), reading(2_000), late]);
        assert_eq!((last.wall_ns, last.cpu_ns), (1_000 * MS, 500 * MS));
    }

    #[test]
    fn what_was_used_before_the_schedule_began_is_not_counted_and_unknown_delays_stay_unknown() {
        let at = |wall_ms: u64, cpu_ms: u64| Reading {
            wall_ns: wall_ms * MS,
            cpu_ns: cpu_ms * MS,
            run_delay_ns: None,
        };
        let [first, _] = booked([at(0, 90), at(1_000, 100)]);
        assert_eq!(
            (first.cpu_ns, first.wall_ns, first.run_delay_ns),
            (10 * MS, 1_000 * MS, None)
        );
    }
}
