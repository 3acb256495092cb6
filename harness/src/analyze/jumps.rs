//! Whether a jump was one: what its first tenth of a second carried.
//!
//! A rehearsal of a jump that took the generator a while to reach is one of a ramp, and it flatters the target. So a
//! cell in which the generator itself was late with more than a tenth of what was due in the onset of a jump is
//! INVALID. Where it was the target that took no more (its connections were all busy, or it was slow to accept further
//! ones), the callers did wait for it, as they would have at midnight: that is told, and no fault of the figures.

use crate::arrival::PhaseKind;
use crate::record::{Cell, ONSET, Onset, PhaseResult};

/// Part of the arrivals due in the onset of a jump that must have been sent in it.
const SENT_SHARE_MIN: f64 = 0.9;
/// With fewer arrivals than this in an onset, one of them is more than a twentieth: nothing is judged.
const DUE_MIN: u64 = 20;

/// A jump of a cell.
#[derive(Debug, Clone, Copy)]
pub struct Jump<'a> {
    /// The phase that it leads to.
    pub phase: &'a PhaseResult,
    /// The phase before it; `None` where the cell begins with the jump.
    pub before: Option<&'a PhaseResult>,
    /// The first phase of everyday load after it, where there is one.
    pub after: Option<&'a PhaseResult>,
}

/// The jumps of a cell, in order: spikes that offer more than the phase before them.
pub fn jumps(cell: &Cell) -> impl Iterator<Item = Jump<'_>> {
    let phases = &cell.phases;
    let jumps = phases.iter().enumerate().map(|(index, phase)| Jump {
        phase,
        before: index.checked_sub(1).map(|before| &phases[before]),
        after: phases[index + 1..].iter().find(|after| after.kind == PhaseKind::Base),
    });
    jumps.filter(|jump| {
        let from = jump.before.map_or(0.0, |before| before.target_rate);
        jump.phase.kind == PhaseKind::Spike && jump.phase.target_rate > from
    })
}

/// Why jumps were none, one sentence each: the generator was late.
pub(super) fn reasons(cell: &Cell) -> Vec<String> {
    let late = judged(cell).filter(|(_, onset)| is_own(onset));
    late.map(|(phase, onset)| {
        format!(
            "{}: of {} the generator itself was late with {}, so it was no jump; give it a core of its own (--pin), free this \
             machine of other work, or lower the rate",
            phase.name,
            told(onset),
            onset.own_late
        )
    })
    .collect()
}

/// Jumps of which the target took less at once.
pub(super) fn notes(cell: &Cell) -> Vec<String> {
    let is_short = |onset: &Onset| (onset.sent as f64) < onset.due as f64 * SENT_SHARE_MIN;
    let short = judged(cell).filter(|(_, onset)| is_short(onset) && !is_own(onset));
    short
        .map(|(phase, onset)| {
            format!(
                "{}: of {} only {} were sent in them: the others waited for the target's connections",
                phase.name,
                told(onset),
                onset.sent
            )
        })
        .collect()
}

/// Whether the generator itself was late with too much of it.
fn is_own(onset: &Onset) -> bool {
    onset.own_late as f64 > onset.due as f64 * (1.0 - SENT_SHARE_MIN)
}

/// Onsets that can be judged. Of a cell that ended early it is not known when its last requests were sent.
fn judged(cell: &Cell) -> impl Iterator<Item = (&PhaseResult, Onset)> {
    let known = jumps(cell).filter_map(|jump| Some((jump.phase, jump.phase.onset?)));
    let known = known.filter(|_| cell.ended_early.is_none());
    known.filter(|(_, onset)| onset.due >= DUE_MIN)
}

fn told(onset: Onset) -> String {
    format!(
        "{} arrivals due in the first {} ms of the jump",
        onset.due,
        ONSET.as_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::fixture;

    fn cell(onset: Option<Onset>) -> Cell {
        let phase = |name: &str, kind, target_rate| PhaseResult {
            target_rate,
            ..fixture::phase(name, kind, fixture::operation(1000, 100, 100))
        };
        let mut jump = phase("spike 1", PhaseKind::Spike, 2000.0);
        jump.onset = onset;
        let phases = vec![
            phase("base", PhaseKind::Base, 100.0),
            jump,
            phase("recovery 1", PhaseKind::Recovery, 100.0),
            phase("base 1", PhaseKind::Base, 100.0),
        ];
        fixture::cell("a", 1, phases)
    }

    fn onset(due: u64, sent: u64, own_late: u64) -> Option<Onset> {
        Some(Onset { due, sent, own_late })
    }

    #[test]
    fn a_jump_that_the_generator_was_late_for_is_none_and_one_that_the_target_held_up_is_told() {
        for (onset, is_valid, is_told) in [
            (None, true, false),
            (onset(200, 200, 0), true, false),
            (onset(200, 180, 19), true, false),
            (onset(200, 179, 19), true, true),
            (onset(200, 179, 21), false, false),
            (onset(200, 120, 0), true, true),
            (onset(19, 0, 19), true, false),
        ] {
            let cell = cell(onset);
            assert_eq!(reasons(&cell).is_empty(), is_valid, "{onset:?}");
            assert_eq!(!notes(&cell).is_empty(), is_told, "{onset:?}");
        }
        let reasons = reasons(&cell(onset(200, 100, 90)));
        let begins =
            "spike 1: of 200 arrivals due in the first 100 ms of the jump the generator itself was late with 90";
        assert!(reasons[0].starts_with(begins), "{reasons:?}");
    }

    #[test]
    fn a_spike_is_a_jump_only_where_it_goes_up() {
        let mut cell = cell(None);
        let found: Vec<_> = jumps(&cell).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].before.unwrap().name, "base");
        assert_eq!(found[0].after.unwrap().name, "base 1");
        // Of two jumps that overlapped one is over.
        cell.phases[2].kind = PhaseKind::Spike;
        assert_eq!(jumps(&cell).count(), 1);
        cell.phases.remove(0);
        assert!(jumps(&cell).next().unwrap().before.is_none());
    }
}
