//! Whether a ramp in steps alone would have passed a configuration whose push component the jump overwhelms: one
//! sentence for each such variant, made of its figures.
//!
//! The ramp would have passed it where no step lost a notification. The jump says otherwise where it lost some,
//! delivered them late, or opened many times the connections that the same rate needed on the ramp. Figures are medians
//! over the blocks, but for what the ramp lost: that has to be nothing in each of them.

use crate::analyze::figure::{by_block, median_over_blocks, phase};
use crate::arrival::{Phase, PhaseKind};
use crate::record::{PhaseResult, Run};
use crate::report::shown::variants;
use crate::report::words::{ms, number, value};

/// So many times the ramp's connections, or its delay, are the jump's doing.
const TIMES: f64 = 5.0;
/// A delay is late from here on, whatever the ramp's was.
const LATE_US: f64 = 1e6;

/// One sentence for each variant that the ramp alone would have passed.
pub(in crate::report) fn would_have_passed(run: &Run) -> Vec<String> {
    let phases = &run.header.workload.phases;
    let last = |kind: PhaseKind| phases.iter().rfind(|phase| phase.kind == kind);
    let (Some(ramp), Some(jump)) = (last(PhaseKind::Step), last(PhaseKind::Spike)) else {
        return Vec::new();
    };
    // Another rate would be another question.
    if (ramp.rate - jump.rate).abs() > 1e-6 {
        return Vec::new();
    }
    let variants = variants(run).into_iter();
    variants
        .filter_map(|variant| Compared { run, variant }.sentence(ramp, jump))
        .collect()
}

/// A variant of a run.
struct Compared<'a> {
    run: &'a Run,
    variant: &'a str,
}

impl Compared<'_> {
    fn sentence(&self, ramp: &Phase, jump: &Phase) -> Option<String> {
        if !self.ramp_lost_none() {
            return None;
        }
        let lost = self.median(&jump.name, lost).filter(|lost| *lost > 0.0);
        let (open_then, open) = (self.median(&ramp.name, open_max), self.median(&jump.name, open_max));
        let times = open_then.zip(open).map(|(then, now)| now / then.max(1.0));
        let times = times.filter(|times| *times >= TIMES);
        let (delay_then, delay) = (self.median(&ramp.name, delay_p99), self.median(&jump.name, delay_p99));
        let is_late = |delay: &f64| *delay >= LATE_US && delay_then.is_none_or(|then| *delay >= TIMES * then);
        let late = delay.filter(is_late);
        if lost.is_none() && times.is_none() && late.is_none() {
            return None;
        }
        let mut told = Vec::new();
        told.extend(times.map(|times| {
            format!(
                "had {} push connections open at once, {} the ramp's {}",
                number(open, 0),
                value(times, "ratio"),
                number(open_then, 0)
            )
        }));
        told.extend(
            lost.map(|lost| format!("lost {lost:.0} notifications or their answers, where the ramp lost none")),
        );
        told.extend(late.map(|late| {
            format!(
                "took {} ms from queue to delivery (p99), against {} ms",
                ms(Some(late)),
                ms(delay_then)
            )
        }));
        Some(format!(
            "The ramp would have passed `{}`: the jump to the same {} {}.",
            self.variant,
            value(jump.rate, "per_s"),
            told.join("; it ")
        ))
    }

    /// No notification was dropped or left unknown in any step of any block, and there were some.
    fn ramp_lost_none(&self) -> bool {
        let of_cell = by_block(self.run, self.variant, |cell| {
            let steps = cell.phases.iter().filter(|phase| phase.kind == PhaseKind::Step);
            let lost = steps.map(lost).collect::<Option<Vec<f64>>>()?;
            (!lost.is_empty()).then(|| lost.iter().sum())
        });
        !of_cell.is_empty() && of_cell.values().all(|lost| lost.is_some_and(|lost| lost <= 0.0))
    }

    fn median(&self, name: &str, figure: fn(&PhaseResult) -> Option<f64>) -> Option<f64> {
        median_over_blocks(self.run, self.variant, |cell| figure(phase(cell, name)?))
    }
}

/// Notifications that were given up, or of which nobody knows.
fn lost(phase: &PhaseResult) -> Option<f64> {
    let all = &phase.notifications.as_ref()?.all;
    Some((all.dropped + all.unknown) as f64)
}

fn open_max(phase: &PhaseResult) -> Option<f64> {
    Some(phase.connections.push.as_ref()?.open_max? as f64)
}

fn delay_p99(phase: &PhaseResult) -> Option<f64> {
    phase.notifications.as_ref()?.delay_us.p99
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::fixture;
    use crate::record::{Cell, Delay, Notifications, PushConnections, RoleNotifications};

    /// A phase with so many push connections at once, notifications lost, and this p99 of delay.
    fn phase(name: &str, kind: PhaseKind, open_max: u64, dropped: u64, p99_us: f64) -> PhaseResult {
        let mut phase = fixture::phase(name, kind, fixture::operation(10, 10, 10));
        phase.connections.push = Some(PushConnections {
            open_max: Some(open_max),
            ..PushConnections::default()
        });
        phase.notifications = Some(Notifications {
            all: RoleNotifications {
                dropped,
                ..RoleNotifications::default()
            },
            delay_us: Delay {
                p99: Some(p99_us),
                ..Delay::default()
            },
            ..Notifications::default()
        });
        phase
    }

    fn cell(step: (u64, u64, f64), spike: (u64, u64, f64)) -> Cell {
        let phases = vec![
            phase("step 1", PhaseKind::Step, 2, 0, 5_000.0),
            phase("step 2", PhaseKind::Step, step.0, step.1, step.2),
            phase("spike", PhaseKind::Spike, spike.0, spike.1, spike.2),
        ];
        fixture::cell("a", 1, phases)
    }

    fn told(cells: Vec<Cell>, jump_rate: f64) -> Vec<String> {
        let mut snapshot = fixture::snapshot(&["a"], 1);
        let planned = |name: &str, kind, rate| Phase {
            name: name.to_owned(),
            kind,
            rate,
            ..snapshot.phases[0].clone()
        };
        snapshot.phases = vec![
            planned("step 1", PhaseKind::Step, 250.0),
            planned("step 2", PhaseKind::Step, 500.0),
            planned("spike", PhaseKind::Spike, jump_rate),
        ];
        would_have_passed(&fixture::run(snapshot, cells))
    }

    #[test]
    fn a_jump_that_overwhelms_what_the_ramp_did_not_is_told_with_its_numbers() {
        assert_eq!(
            told(vec![cell((12, 0, 20_000.0), (640, 1_200, 3_100_000.0))], 500.0),
            [
                "The ramp would have passed `a`: the jump to the same 500/s had 640 push connections open at once, 53.3 x the ramp's 12; \
                 it lost 1200 notifications or their answers, where the ramp lost none; it took 3100 ms from queue to delivery (p99), against 20.0 ms."
            ]
        );
    }

    #[test]
    fn each_of_the_three_is_told_by_itself_and_nothing_of_what_is_as_on_the_ramp() {
        let only = |spike| told(vec![cell((12, 0, 20_000.0), spike)], 500.0);
        assert!(only((16, 0, 21_000.0)).is_empty());
        assert!(
            only((59, 0, 999_000.0)).is_empty(),
            "less than five times, and not late"
        );
        for (spike, part) in [
            (
                (60, 0, 21_000.0),
                "500/s had 60 push connections open at once, 5.00 x the ramp's 12.",
            ),
            (
                (16, 1, 21_000.0),
                "500/s lost 1 notifications or their answers, where the ramp lost none.",
            ),
            (
                (16, 0, 1_000_000.0),
                "500/s took 1000 ms from queue to delivery (p99), against 20.0 ms.",
            ),
        ] {
            let told = only(spike);
            assert!(told.len() == 1 && told[0].ends_with(part), "{told:?}");
        }
    }

    #[test]
    fn a_ramp_that_lost_some_itself_would_not_have_passed_and_another_rate_is_another_question() {
        let overwhelmed = (640, 1_200, 3_100_000.0);
        assert!(told(vec![cell((12, 1, 20_000.0), overwhelmed)], 500.0).is_empty());
        assert!(told(vec![cell((12, 0, 20_000.0), overwhelmed)], 900.0).is_empty());
        let mut silent = cell((12, 0, 20_000.0), overwhelmed);
        silent.phases.iter_mut().for_each(|phase| phase.notifications = None);
        assert!(told(vec![silent], 500.0).is_empty(), "no push component");
        // One block in which the ramp lost some is enough.
        let mut second = cell((12, 1, 20_000.0), overwhelmed);
        second.header.block = 2;
        assert!(told(vec![cell((12, 0, 20_000.0), overwhelmed), second], 500.0).is_empty());
    }
}
