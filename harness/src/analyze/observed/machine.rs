//! Neighbours, by phase and second: the machine's CPU less that of bmt and of the target.

use super::growth::Reading;
use super::phases::{Overlap, Phases};
use crate::observe::{MachineSample, TargetCpu};
use crate::record::Neighbours;

/// A phase that lasts longer than two hours keeps no further seconds apart.
const SECONDS_MAX: usize = 7200;

/// What the machine did, folded into phases as it comes.
#[derive(Debug)]
pub(super) struct MachineFold {
    totals: Vec<MachineTotals>,
    last: Option<Reading<MachineSample>>,
}

#[derive(Debug, Clone, Default)]
struct MachineTotals {
    observed_s: f64,
    softirq_s: f64,
    steal_s: f64,
    own_s: f64,
    foreign: Known,
    target: Known,
    cpus: u32,
    by_second: Vec<Second>,
}

/// What happened in one second of a phase.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    foreign: Known,
    steal: Known,
}

/// CPU seconds, and the time in which they are known.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    used_s: f64,
    known_s: f64,
}

/// What was used between two readings.
#[derive(Debug, Clone, Copy)]
struct Used {
    softirq_s: f64,
    steal_s: f64,
    own_s: f64,
    /// Below 0 by as much as the two clocks differ: rounded up only where it is read, for a sum of what was rounded
    /// up is too high.
    foreign_s: Option<f64>,
    target_s: Option<f64>,
    cpus: u32,
}

impl MachineFold {
    pub(super) fn new(phases: usize) -> Self {
        Self {
            totals: vec![MachineTotals::default(); phases],
            last: None,
        }
    }

    pub(super) fn take(&mut self, phases: &Phases, at_s: f64, value: MachineSample) {
        let Some(before) = self.last.replace(Reading { at_s, value }) else {
            return;
        };
        let used = Used::between(&before.value, &value);
        for overlap in phases.overlaps(before.at_s, at_s) {
            let (start_s, _) = phases.bounds_s(overlap.phase);
            self.totals[overlap.phase].add(&used, overlap, start_s);
        }
    }

    /// `None` where the machine was not observed in the phase.
    pub(super) fn neighbours(&self, phase: usize, (start_s, end_s): (f64, f64)) -> Option<Neighbours> {
        let totals = &self.totals[phase];
        let cores = |used_s: f64| used_s / totals.observed_s;
        (totals.observed_s > 0.0).then(|| Neighbours {
            foreign_cpu: totals.foreign.cores(totals.observed_s).map(|cores| cores.max(0.0)),
            softirq_cpu: cores(totals.softirq_s),
            steal: cores(totals.steal_s),
            own_cpu: cores(totals.own_s),
            target_cpu: totals.target.cores(totals.observed_s),
            cpus: totals.cpus,
            by_second: totals.by_second(end_s - start_s, |second| second.foreign),
            steal_by_second: totals.by_second(end_s - start_s, |second| second.steal),
        })
    }
}

impl Used {
    fn between(before: &MachineSample, after: &MachineSample) -> Self {
        // The kernel's own counters have gone back by a tick before now.
        let grown = |of: fn(&MachineSample) -> f64| (of(after) - of(before)).max(0.0);
        let own_s = grown(|sample| sample.own_s);
        let target_s = match (before.target, after.target) {
            (TargetCpu::UsedS(before), TargetCpu::UsedS(after)) => Some((after - before).max(0.0)),
            _ => None,
        };
        let here_s = match (before.target, after.target) {
            (TargetCpu::Elsewhere, TargetCpu::Elsewhere) => Some(0.0),
            _ => target_s,
        };
        Self {
            softirq_s: grown(|sample| sample.softirq_s),
            steal_s: grown(|sample| sample.steal_s),
            own_s,
            foreign_s: here_s.map(|target_s| grown(|sample| sample.busy_s) - own_s - target_s),
            target_s,
            cpus: before.cpus.max(after.cpus),
        }
    }
}

impl Known {
    fn add(&mut self, used_s: Option<f64>, known_s: f64) {
        if let Some(used_s) = used_s {
            self.used_s += used_s;
            self.known_s += known_s;
        }
    }

    /// Mean over the known part of `length_s`; `None` where that is less than half of it.
    fn cores(&self, length_s: f64) -> Option<f64> {
        (self.known_s > 0.0 && self.known_s * 2.0 >= length_s).then(|| self.used_s / self.known_s)
    }
}

impl MachineTotals {
    fn add(&mut self, used: &Used, overlap: Overlap, start_s: f64) {
        let Overlap { from_s, to_s, part, .. } = overlap;
        let of = |used_s: Option<f64>| used_s.map(|used_s| used_s * part);
        let length_s = to_s - from_s;
        self.observed_s += length_s;
        self.softirq_s += used.softirq_s * part;
        self.steal_s += used.steal_s * part;
        self.own_s += used.own_s * part;
        self.foreign.add(of(used.foreign_s), length_s);
        self.target.add(of(used.target_s), length_s);
        self.cpus = self.cpus.max(used.cpus);
        let (from_s, to_s) = (from_s - start_s, to_s - start_s);
        let last = (to_s.ceil() as usize).min(SECONDS_MAX);
        if self.by_second.len() < last {
            self.by_second.resize(last, Second::default());
        }
        for (second, seen) in self.by_second.iter_mut().enumerate().skip(from_s as usize) {
            let (from_s, to_s) = (from_s.max(second as f64), to_s.min(second as f64 + 1.0));
            if to_s > from_s {
                let part = (to_s - from_s) / length_s;
                seen.foreign
                    .add(of(used.foreign_s).map(|used_s| used_s * part), to_s - from_s);
                seen.steal
                    .add(of(Some(used.steal_s)).map(|used_s| used_s * part), to_s - from_s);
            }
        }
    }

    /// The last second of a phase may be shorter than one.
    fn by_second(&self, phase_s: f64, of: fn(&Second) -> Known) -> Vec<Option<f64>> {
        let seconds = self.by_second.iter().enumerate();
        let cores = seconds.map(|(place, second)| {
            let length_s = (phase_s - place as f64).min(1.0);
            of(second).cores(length_s).map(|cores| cores.max(0.0))
        });
        cores.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(busy_s: f64, own_s: f64, target: TargetCpu) -> MachineSample {
        MachineSample {
            cpus: 2,
            busy_s,
            softirq_s: busy_s / 10.0,
            steal_s: busy_s / 100.0,
            own_s,
            target,
        }
    }

    fn folded(bounds_s: &[(f64, f64)], samples: &[(f64, MachineSample)]) -> Vec<Option<Neighbours>> {
        let phases = Phases::new(bounds_s);
        let mut fold = MachineFold::new(phases.len());
        for (at_s, sample) in samples {
            fold.take(&phases, *at_s, *sample);
        }
        (0..phases.len())
            .map(|phase| fold.neighbours(phase, bounds_s[phase]))
            .collect()
    }

    fn rounded(seconds: &[Option<f64>]) -> Vec<Option<f64>> {
        let seconds = seconds.iter();
        seconds
            .map(|cores| cores.map(|cores| (cores * 1000.0).round() / 1000.0))
            .collect()
    }

    #[test]
    fn what_is_neither_bmts_nor_the_targets_is_a_neighbours_in_each_second_and_phase() {
        let used = TargetCpu::UsedS;
        let samples = [
            (0.0, sample(100.0, 0.0, used(0.0))),
            (1.0, sample(101.0, 0.25, used(0.75))),
            (2.0, sample(103.0, 0.5, used(1.5))),
            (3.5, sample(106.0, 0.75, used(2.25))),
        ];
        let phases = folded(&[(0.0, 2.0), (2.0, 3.0), (3.0, 9.0), (9.0, 10.0)], &samples);
        let first = phases[0].as_ref().unwrap();
        assert_eq!(first.foreign_cpu, Some(0.5));
        assert_eq!((first.own_cpu, first.target_cpu, first.cpus), (0.25, Some(0.75), 2));
        assert!(
            (first.softirq_cpu - 0.15).abs() < 1e-9 && (first.steal - 0.015).abs() < 1e-9,
            "{first:?}"
        );
        assert_eq!(rounded(&first.by_second), [Some(0.0), Some(1.0)]);
        assert_eq!(rounded(&first.steal_by_second), [Some(0.01), Some(0.02)]);
        let second = phases[1].as_ref().unwrap();
        assert_eq!(rounded(&[second.foreign_cpu]), [Some(1.333)]);
        let third = phases[2].as_ref().unwrap();
        assert_eq!(rounded(&third.by_second), [Some(1.333)], "half of it is known");
        assert_eq!(phases[3], None, "not observed is not idle");
    }

    #[test]
    fn the_last_second_of_a_phase_may_be_a_short_one() {
        let samples = [0u32, 1, 2].map(|second| {
            let at_s = f64::from(second);
            (at_s, sample(at_s, 0.0, TargetCpu::Elsewhere))
        });
        let phases = folded(&[(0.0, 1.25), (1.25, 4.0)], &samples);
        assert_eq!(rounded(&phases[0].as_ref().unwrap().by_second), [Some(1.0), Some(1.0)]);
        assert_eq!(rounded(&phases[1].as_ref().unwrap().by_second), [Some(1.0)]);
    }

    #[test]
    fn clocks_that_differ_make_no_neighbour_out_of_noise() {
        let used = TargetCpu::UsedS;
        // The machine's clock is half a second behind, and catches up.
        let samples = [
            (0.0, sample(0.0, 0.0, used(0.0))),
            (1.0, sample(0.5, 0.5, used(0.5))),
            (2.0, sample(2.0, 1.0, used(1.0))),
        ];
        let phase = folded(&[(0.0, 2.0)], &samples)[0].clone().unwrap();
        assert_eq!(
            phase.foreign_cpu,
            Some(0.0),
            "a sum of what was rounded up would say 0.25"
        );
        assert_eq!(rounded(&phase.by_second), [Some(0.0), Some(0.5)]);
    }

    #[test]
    fn an_unknown_target_makes_foreign_cpu_null_and_a_target_elsewhere_does_not() {
        let of = |targets: [TargetCpu; 4]| {
            let samples: Vec<_> = targets
                .into_iter()
                .zip(0u32..)
                .map(|(target, second)| (f64::from(second), sample(f64::from(second), 0.0, target)))
                .collect();
            folded(&[(0.0, 3.0)], &samples)[0].clone().unwrap()
        };
        let (elsewhere, unknown, used) = (TargetCpu::Elsewhere, TargetCpu::Unknown, TargetCpu::UsedS(7.0));
        let remote = of([elsewhere; 4]);
        assert_eq!((remote.foreign_cpu, remote.target_cpu), (Some(1.0), None));
        let never = of([unknown; 4]);
        assert_eq!((never.foreign_cpu, never.target_cpu), (None, None));
        assert_eq!(never.by_second, [None, None, None]);
        let mostly = of([used, used, used, unknown]);
        assert_eq!((mostly.foreign_cpu, mostly.target_cpu), (Some(1.0), Some(0.0)));
        assert_eq!(mostly.by_second, [Some(1.0), Some(1.0), None]);
        assert_eq!(
            of([used, used, unknown, unknown]).foreign_cpu,
            None,
            "one second of three"
        );
    }

    #[test]
    fn counters_that_go_back_are_no_negative_cpu() {
        let used = TargetCpu::UsedS;
        let samples = [(0.0, sample(9.0, 5.0, used(5.0))), (1.0, sample(8.0, 4.0, used(4.0)))];
        let phase = folded(&[(0.0, 1.0)], &samples)[0].clone().unwrap();
        assert_eq!(
            (phase.foreign_cpu, phase.own_cpu, phase.target_cpu),
            (Some(0.0), 0.0, Some(0.0))
        );
        assert_eq!((phase.softirq_cpu, phase.steal), (0.0, 0.0));
    }

    #[test]
    fn a_day_long_phase_keeps_two_hours_of_seconds_and_its_mean() {
        let phases = Phases::new(&[(0.0, 86_400.0)]);
        let mut fold = MachineFold::new(1);
        for minute in 0..=1440 {
            let at_s = f64::from(minute) * 60.0;
            fold.take(&phases, at_s, sample(at_s, 0.0, TargetCpu::Elsewhere));
        }
        let neighbours = fold.neighbours(0, (0.0, 86_400.0)).unwrap();
        assert_eq!(neighbours.by_second.len(), SECONDS_MAX);
        assert_eq!(rounded(&[neighbours.foreign_cpu]), [Some(1.0)]);
    }
}
