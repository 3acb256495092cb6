//! Who else noticed: traffic that was not the storm, compared with itself before the storm, block by block.
//!
//! A bystander is an operation with a rate of its own. It is judged apart on the hot chat's shard and on the others,
//! for that is what isolation is about. Its own `base` phase is the reference, so a variant that is slow at all times
//! is not called a victim of the spike. Where that reference is already slow, or is not the target's own figure,
//! nothing can be said of the harm: it is [`Harm::Unknown`] then.

use std::collections::BTreeMap;

use super::figure::{self, error_share, phase};
use super::validity;
use crate::arrival::PhaseKind;
use crate::metric::Placement;
use crate::record::{Cell, OperationResult, Outcome, PhaseResult, Run};

/// A p99 this many times the one before counts as degraded …
pub(super) const P99_RATIO: f64 = 2.0;
/// … if it also grew by this much: a few milliseconds are nobody's complaint.
pub(super) const P99_GROWTH_US: f64 = 20_000.0;
/// More failures than before by this part of all requests count as degraded.
pub(super) const ERROR_GROWTH: f64 = 0.01;
/// A bystander whose p99 was above this before the storm was degraded already, and growth alone does not tell by what.
const SLOW_BEFORE_US: f64 = 100_000.0;
/// Any growth of an already slow p99 by this factor is degradation all the same.
const SLOW_RATIO: f64 = 1.25;

/// Whether a bystander noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// Not so that anybody would complain.
    Unaffected,
    /// The reference is missing, disturbed, or slow itself.
    Unknown,
    /// Slower, or with more failures.
    Degraded,
}

/// What the storm did to one bystander of one variant, over all blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Bystander {
    /// Name of the traffic entry.
    pub operation: String,
    /// Where its chats live.
    pub placement: Option<Placement>,
    /// p99 of `ok` answers before the storm: the median block's.
    pub p99_before_us: Option<u64>,
    /// The same in the storm.
    pub p99_during_us: Option<u64>,
    /// Part that did not end `ok` before the storm, mean of the blocks.
    pub errors_before: f64,
    /// The same in the storm.
    pub errors_during: f64,
    /// Blocks in which it was degraded.
    pub degraded: usize,
    /// Blocks that were compared.
    pub blocks: usize,
    /// The answer of most blocks.
    pub harm: Harm,
}

/// One block's comparison.
#[derive(Debug, Clone, PartialEq)]
struct Compared {
    operation: String,
    placement: Option<Placement>,
    p99_before_us: Option<u64>,
    p99_during_us: Option<u64>,
    errors_before: f64,
    errors_during: f64,
    harm: Harm,
}

/// The bystanders of a variant: what most of its blocks say.
#[must_use]
pub fn of_variant(run: &Run, variant: &str) -> Vec<Bystander> {
    let whole = run
        .cells
        .iter()
        .filter(|cell| cell.header.variant == variant && cell.ended_early.is_none() && cell.not_as_planned().is_none());
    let mut by_bystander: BTreeMap<(usize, Option<Placement>), Vec<Compared>> = BTreeMap::new();
    for compared in whole.flat_map(|cell| of_cell(run, cell)) {
        let mut entries = run.header.workload.traffic.iter();
        let entry = entries.position(|entry| entry.name == compared.operation);
        let key = (entry.unwrap_or(usize::MAX), compared.placement);
        by_bystander.entry(key).or_default().push(compared);
    }
    by_bystander.values().map(|blocks| summed_up(blocks)).collect()
}

fn summed_up(blocks: &[Compared]) -> Bystander {
    let count = |harm: Harm| blocks.iter().filter(|one| one.harm == harm).count();
    let degraded = count(Harm::Degraded);
    let mean = |value: fn(&Compared) -> f64| blocks.iter().map(value).sum::<f64>() / blocks.len() as f64;
    let harm = if degraded * 2 > blocks.len() {
        Harm::Degraded
    } else if count(Harm::Unaffected) * 2 > blocks.len() {
        Harm::Unaffected
    } else {
        Harm::Unknown
    };
    Bystander {
        operation: blocks[0].operation.clone(),
        placement: blocks[0].placement,
        p99_before_us: median(blocks.iter().map(|one| one.p99_before_us)),
        p99_during_us: median(blocks.iter().map(|one| one.p99_during_us)),
        errors_before: mean(|one| one.errors_before),
        errors_during: mean(|one| one.errors_during),
        degraded,
        blocks: blocks.len(),
        harm,
    }
}

fn median(values: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    let values: Vec<f64> = values.map(|us| us.map(|us| us as f64)).collect::<Option<_>>()?;
    figure::median(values).map(|us| us.round() as u64)
}

/// The bystanders of a cell, between the last base phase before its first spike and the spike that each fared worst in;
/// empty where the profile has no base before a spike.
fn of_cell(run: &Run, cell: &Cell) -> Vec<Compared> {
    let is_spike = |phase: &&PhaseResult| phase.kind == PhaseKind::Spike;
    let first = cell.phases.iter().position(|phase| is_spike(&phase));
    let (quiet, later) = cell.phases.split_at(first.unwrap_or(0));
    let Some(before) = quiet.iter().rfind(|phase| phase.kind == PhaseKind::Base) else {
        return Vec::new();
    };
    let entries = run.header.workload.traffic.iter();
    let entries = entries.filter(|entry| entry.rate > 0.0 && entry.follow.is_none());
    entries
        .flat_map(|entry| {
            let spikes = later.iter().filter(is_spike);
            worst(spikes.flat_map(|during| of_operation(&entry.name, before, during)))
        })
        .collect()
}

/// Of each placement the comparison with the most harm; of equals that with the longest p99.
fn worst(all: impl Iterator<Item = Compared>) -> Vec<Compared> {
    let mut worst: BTreeMap<Option<Placement>, Compared> = BTreeMap::new();
    for compared in all {
        let rank = |compared: &Compared| (compared.harm, compared.p99_during_us);
        match worst.get_mut(&compared.placement) {
            Some(known) if rank(known) >= rank(&compared) => {}
            Some(known) => *known = compared,
            None => drop(worst.insert(compared.placement, compared)),
        }
    }
    worst.into_values().collect()
}

fn of_operation(name: &str, before: &PhaseResult, during: &PhaseResult) -> Vec<Compared> {
    let disturbed = [before, during]
        .iter()
        .any(|phase| validity::disturbed(phase).is_some() || phase.withdrawn() > 0);
    let (Some(before), Some(during)) = (before.operations.get(name), during.operations.get(name)) else {
        return Vec::new();
    };
    if during.placements.is_empty() {
        return vec![compare((name, None), before, during, disturbed)];
    }
    let placements = during.placements.iter();
    placements
        .filter_map(|(placement, during)| {
            let before = before.placements.get(placement)?;
            Some(compare((name, Some(*placement)), before, during, disturbed))
        })
        .collect()
}

fn compare(
    (name, placement): (&str, Option<Placement>),
    before: &OperationResult,
    during: &OperationResult,
    disturbed: bool,
) -> Compared {
    let p99 = |operation: &OperationResult| operation.response_us.get(Outcome::Ok.name()).and_then(|ok| ok.p99);
    let (p99_before_us, p99_during_us) = (p99(before), p99(during));
    let (errors_before, errors_during) = (error_share(before), error_share(during));
    let late = [before, during]
        .into_iter()
        .any(|operation| validity::marked_p99(operation).is_some());
    let harm = if errors_during - errors_before > ERROR_GROWTH {
        Harm::Degraded
    } else {
        match (p99_before_us, p99_during_us) {
            // The generator's own lateness, or a neighbour's work, is in one of them.
            _ if late || disturbed => Harm::Unknown,
            (Some(before), Some(during)) => slower(before as f64, during as f64),
            _ => Harm::Unknown,
        }
    };
    Compared {
        operation: name.to_owned(),
        placement,
        p99_before_us,
        p99_during_us,
        errors_before,
        errors_during,
        harm,
    }
}

fn slower(before_us: f64, during_us: f64) -> Harm {
    let grew_us = during_us - before_us;
    if before_us > SLOW_BEFORE_US {
        // It was degraded before the storm began: more of that is harm, the same again says nothing.
        return if during_us > before_us * SLOW_RATIO && grew_us > P99_GROWTH_US {
            Harm::Degraded
        } else {
            Harm::Unknown
        };
    }
    if during_us > before_us * P99_RATIO && grew_us > P99_GROWTH_US {
        Harm::Degraded
    } else {
        Harm::Unaffected
    }
}

/// The phase that tables show: the spike or peak, of several the one that offered most and of equals the last; without
/// one the last phase in which something was offered.
#[must_use]
pub fn headline_phase(run: &Run) -> Option<&PhaseResult> {
    let cell = run.cells.iter().max_by_key(|cell| cell.phases.len())?;
    let tops = cell
        .phases
        .iter()
        .filter(|phase| matches!(phase.kind, PhaseKind::Spike | PhaseKind::Peak));
    tops.max_by(|a, b| a.target_rate.total_cmp(&b.target_rate))
        .or_else(|| cell.phases.iter().rfind(|phase| phase.kind != PhaseKind::Settle))
        .or(cell.phases.last())
        .and_then(|headline| phase(cell, &headline.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::fixture;

    fn get(name: &str, kind: PhaseKind, (rate, us): (f64, u64)) -> PhaseResult {
        PhaseResult {
            target_rate: rate,
            ..fixture::phase(name, kind, fixture::operation(1000, us, us))
        }
    }

    #[test]
    fn of_several_spikes_the_worst_counts_against_the_time_before_the_first() {
        let cell = fixture::cell(
            "a",
            1,
            vec![
                get("base", PhaseKind::Base, (100.0, 2_000)),
                get("spike 1", PhaseKind::Spike, (1000.0, 90_000)),
                get("base 1", PhaseKind::Base, (100.0, 80_000)),
                get("spike 2", PhaseKind::Spike, (900.0, 3_000)),
            ],
        );
        let mut workload = fixture::snapshot(&["a"], 1);
        workload.traffic[0].rate = 10.0;
        let run = fixture::run(workload, vec![cell]);
        let found = of_variant(&run, "a");
        let [found] = &found[..] else { panic!("{found:?}") };
        let p99_ms = |us: Option<u64>| us.map(|us| (us + 500) / 1000);
        assert_eq!(
            (p99_ms(found.p99_before_us), p99_ms(found.p99_during_us)),
            (Some(2), Some(90))
        );
        assert_eq!(found.harm, Harm::Degraded);
        assert_eq!(
            headline_phase(&run).unwrap().name,
            "spike 1",
            "the one that offered most"
        );
    }

    #[test]
    fn a_slow_reference_neither_hides_harm_nor_is_called_unaffected() {
        for (before_ms, during_ms, harm) in [
            (4.0, 9.0, Harm::Unaffected),
            (4.0, 23.0, Harm::Unaffected),
            (4.0, 25.0, Harm::Degraded),
            (15.0, 36.0, Harm::Degraded),
            (40.0, 75.0, Harm::Unaffected),
            (196.0, 360.0, Harm::Degraded),
            (196.0, 200.0, Harm::Unknown),
            (196.0, 3.0, Harm::Unknown),
        ] {
            let found = slower(before_ms * 1e3, during_ms * 1e3);
            assert_eq!(found, harm, "{before_ms} → {during_ms} ms");
        }
    }
}
