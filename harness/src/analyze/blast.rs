//! How far a fault reached: each shard during it against the same shard before it, and how soon calls failed fast and
//! were well again.
//!
//! Everything is told by when calls were *due*, in tenths of a second, so a call that a stalled shard held up belongs
//! to the moment at which its caller began to wait. *Before* ends `GUARD` before the fault: what was under way when it
//! began is not held against the time before.

use super::bystanders::{ERROR_GROWTH, P99_GROWTH_US, P99_RATIO};
use super::figure::p99_us;
use crate::metric::Metric;
use crate::record::{Blast, Calls, Cell, FaultResult, ShardBlast, TENTHS, TimeAxis};

/// Lengths in tenths of a second, as are all positions here.
const SECOND: usize = TENTHS;
/// Between *before* and the fault.
const GUARD: usize = SECOND / 2;
/// *Before* is as long as the fault, but at least this long, if the phase is …
const BEFORE: usize = 5 * SECOND;
/// … and nothing is said of less than this.
const BEFORE_MIN: usize = SECOND;
/// Part of a second's calls that must be answered promptly for the shard to fail fast; trial calls of a half-open
/// breaker are not.
const FAST_SHARE: f64 = 0.95;
/// A shard is well again if it is well for so long.
const WELL: usize = 3 * SECOND;

/// A fault in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    /// When it began, in seconds of the cell.
    pub start_s: f64,
    /// When it was undone.
    pub end_s: f64,
    /// The shard that it was done to.
    pub sick: Option<usize>,
}

/// Fills in what the cell's faults did; `sick` names the shard of each, in the same order.
pub(super) fn fill(cell: &mut Cell, axis: &TimeAxis, sick: &[Option<u16>]) {
    let phases: Vec<(f64, f64)> = cell.phases.iter().map(|phase| (phase.start_s, phase.end_s)).collect();
    let end_s = phases.last().map_or(0.0, |(_, end_s)| *end_s);
    // Faults begin in the planned order, so those that never began are the last.
    let stretches: Vec<Stretch> = cell
        .faults
        .iter()
        .zip(sick)
        .map_while(|(fault, sick)| {
            Some(Stretch {
                start_s: fault.start_s?,
                end_s: fault.end_s.unwrap_or(end_s).min(end_s),
                sick: sick.map(usize::from),
            })
        })
        .collect();
    let mut earlier: Vec<Blast> = Vec::new();
    for (index, fault) in cell.faults.iter_mut().enumerate().take(stretches.len()) {
        let blast = of_fault(axis, &phases, &stretches, index, &earlier);
        earlier.push(blast.clone());
        fault.blast = Blast {
            acknowledged_lost: fault.blast.acknowledged_lost,
            ..blast
        };
    }
}

/// What the fault `index` of `faults`, which are in order of time, did. `earlier` are the results of those before it.
#[must_use]
pub(super) fn of_fault(
    axis: &TimeAxis,
    phases: &[(f64, f64)],
    faults: &[Stretch],
    index: usize,
    earlier: &[Blast],
) -> Blast {
    let fault = faults[index];
    let during = (first_whole(fault.start_s), last_whole(fault.end_s));
    let before = before(phases, faults, index, earlier);
    let shards: Vec<ShardBlast> = axis
        .shards()
        .iter()
        .enumerate()
        .map(|(shard, calls)| {
            let place = Place {
                shard,
                sick: fault.sick == Some(shard),
                sick_of_another: is_sick_of_another(faults, index, shard),
            };
            shard_blast(place, calls, before, during)
        })
        .collect();
    let mut blast = Blast {
        before_s: before.map(seconds),
        ..Blast::default()
    };
    let since = |from_s: f64| move |tenth: usize| (tenth as f64 / SECOND as f64 - from_s).max(0.0);
    let end = phases.last().map_or(0, |(_, end_s)| last_whole(*end_s));
    let limit = next_of_its_own(faults, index).min(end);
    let after = (first_whole(fault.end_s), limit);
    blast.after_s = (after.0 + SECOND <= after.1).then(|| seconds(after));
    let well_again = |shard: usize| recovered(&axis.shards()[shard], after, &shards[shard]).map(since(fault.end_s));
    match fault.sick {
        Some(sick) if sick < shards.len() => {
            blast.fail_fast_s = fails_fast(&axis.shards()[sick], during).map(since(fault.start_s));
            blast.recovered_s = well_again(sick);
        }
        Some(_) => {}
        // Done to no shard, it is over when every shard that answered before is well again.
        None => {
            let asked = (0..shards.len()).filter(|shard| shards[*shard].p99_before_us.is_some());
            let all: Option<Vec<f64>> = asked.map(well_again).collect();
            blast.recovered_s = all.and_then(|all| all.into_iter().max_by(f64::total_cmp));
        }
    }
    blast.shards = shards;
    blast
}

/// When the next fault begins that is done to the same shard, or to no shard: recovery is not looked for beyond.
fn next_of_its_own(faults: &[Stretch], index: usize) -> usize {
    let sick = faults[index].sick;
    let later = faults[index + 1..].iter();
    let own = later.filter(|next| sick.is_none() || next.sick.is_none() || next.sick == sick);
    own.fold(usize::MAX, |limit, next| limit.min(last_whole(next.start_s)))
}

/// A stretch of tenths, in seconds.
fn seconds((from, to): (usize, usize)) -> (f64, f64) {
    (from as f64 / SECOND as f64, to as f64 / SECOND as f64)
}

/// Whether another fault that overlaps with `index` is done to the shard: what it suffers is then that fault's.
fn is_sick_of_another(faults: &[Stretch], index: usize, shard: usize) -> bool {
    let fault = faults[index];
    faults.iter().enumerate().any(|(other_index, other)| {
        let overlaps = other.start_s < fault.end_s && fault.start_s < other.end_s;
        other_index != index && other.sick == Some(shard) && overlaps
    })
}

/// The first tenth that lies after `s` as a whole; a little less than a tenth is rounding.
fn first_whole(s: f64) -> usize {
    (s * SECOND as f64 - 1e-6).ceil().max(0.0) as usize
}

/// The end of the last tenth that lies before `s` as a whole.
fn last_whole(s: f64) -> usize {
    (s * SECOND as f64 + 1e-6).floor().max(0.0) as usize
}

/// The undisturbed stretch right before a fault, at the rate that the fault met: within its phase, and after what an
/// earlier fault did.
fn before(phases: &[(f64, f64)], faults: &[Stretch], index: usize, earlier: &[Blast]) -> Option<(usize, usize)> {
    let fault = faults[index];
    let end = last_whole(fault.start_s).saturating_sub(GUARD);
    let length = last_whole(fault.end_s)
        .saturating_sub(first_whole(fault.start_s))
        .max(BEFORE);
    let phase_s = phases.iter().rfind(|(start_s, _)| *start_s <= fault.start_s)?.0;
    let unrecovered = |blast: &Blast| blast.recovered_s.is_none() && !blast.shards.is_empty();
    if earlier.iter().any(unrecovered) {
        return None; // what came after it is no state to compare with
    }
    let over_s = faults[..index]
        .iter()
        .zip(earlier)
        .map(|(fault, blast)| fault.end_s + blast.recovered_s.unwrap_or(0.0));
    let disturbed_s = over_s.fold(phase_s, f64::max);
    let start = end.saturating_sub(length).max(first_whole(disturbed_s));
    (start + BEFORE_MIN <= end).then_some((start, end))
}

fn part(calls: &[Calls], (from, to): (usize, usize)) -> &[Calls] {
    let to = to.min(calls.len());
    &calls[from.min(to)..to]
}

/// Figures of a stretch: calls, p99 of the `ok` answers, part that did not end `ok`.
fn figures(calls: &[Calls]) -> (u64, Option<u64>, Option<f64>) {
    let all: u64 = calls.iter().map(|calls| u64::from(calls.all)).sum();
    let not_ok: u64 = calls.iter().map(Calls::not_ok).sum();
    let error_rate = (all > 0).then(|| not_ok as f64 / all as f64);
    (all, p99_us(calls), error_rate)
}

/// Which shard, and what is done to it.
#[derive(Clone, Copy)]
struct Place {
    shard: usize,
    sick: bool,
    sick_of_another: bool,
}

fn shard_blast(
    Place {
        shard,
        sick,
        sick_of_another,
    }: Place,
    calls: &[Calls],
    before: Option<(usize, usize)>,
    during: (usize, usize),
) -> ShardBlast {
    let (requests_before, p99_before_us, error_rate_before) =
        before.map_or((0, None, None), |before| figures(part(calls, before)));
    let (requests_during, p99_during_us, error_rate_during) = figures(part(calls, during));
    ShardBlast {
        shard,
        sick,
        sick_of_another,
        requests_before,
        requests_during,
        p99_before_us,
        p99_during_us,
        error_rate_before,
        error_rate_during,
    }
}

/// The first tenth of the fault from which on, to its end, each second's calls are answered promptly; the last second
/// begins a second before the end. `None` where that second is none of them, or where nothing was called.
fn fails_fast(calls: &[Calls], during: (usize, usize)) -> Option<usize> {
    let calls = part(calls, during);
    let is_fast = |second: &[Calls]| {
        let all: u32 = second.iter().map(|calls| calls.all).sum();
        let prompt: u32 = second.iter().map(|calls| calls.prompt).sum();
        f64::from(prompt) >= f64::from(all) * FAST_SHARE
    };
    let last_slow = calls.windows(SECOND).rposition(|second| !is_fast(second));
    let from = last_slow.map_or(0, |tenth| tenth + 1);
    let rest = &calls[from.min(calls.len())..];
    let is_called = rest.iter().any(|calls| calls.all > 0);
    (rest.len() >= SECOND && is_called).then_some(during.0 + from)
}

/// The first tenth within `from..limit` from which the shard is as before for [`WELL`], or to the end if that comes
/// earlier, but at least a second.
fn recovered(calls: &[Calls], (from, limit): (usize, usize), before: &ShardBlast) -> Option<usize> {
    let (p99_us, error_rate) = (before.p99_before_us? as f64, before.error_rate_before?);
    let p99_max_us = (p99_us * P99_RATIO).max(p99_us + P99_GROWTH_US);
    let is_well = |calls: &[Calls]| match figures(calls) {
        (_, Some(p99_us), Some(errors)) => errors <= error_rate + ERROR_GROWTH && p99_us as f64 <= p99_max_us,
        _ => false,
    };
    (from..limit.min(calls.len())).find(|tenth| {
        let following = part(calls, (*tenth, limit.min(tenth + WELL)));
        following.len() >= SECOND && is_well(following)
    })
}

/// One figure of a fault, as gates ask for it; `None` where there is none, and of a fault that did not come about or
/// was not undone.
#[must_use]
pub fn figure(fault: &FaultResult, metric: Metric) -> Option<f64> {
    let blast = &fault.blast;
    match metric {
        _ if fault.problem.is_some() => None,
        Metric::BlastP99Ratio => worst(blast, |shard| shard.p99_ratio(metric.min_samples())),
        Metric::BlastErrorRate => worst(blast, |shard| shard.error_rate_during),
        Metric::FailFastS => blast.fail_fast_s,
        Metric::RecoveredS => blast.recovered_s,
        Metric::AcknowledgedLost => blast.acknowledged_lost.map(|lost| lost as f64),
        _ => None, // not a fault's
    }
}

/// Why a fault has no figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoFigure {
    /// It cannot be known.
    Cannot(String),
    /// It is as bad as can be.
    Bad(String),
}

/// Why the fault has no such figure; `None` where it has, and where there is no reason.
#[must_use]
pub fn why_none(fault: &FaultResult, metric: Metric) -> Option<NoFigure> {
    if figure(fault, metric).is_some() {
        return None;
    }
    if let Some(problem) = &fault.problem {
        return Some(NoFigure::Cannot(format!("the fault failed: {problem}")));
    }
    let blast = &fault.blast;
    let has_before = blast.before_s.is_some();
    let sick = blast.shards.iter().find(|shard| shard.sick);
    let is_called = sick.is_some_and(|sick| sick.requests_during > 0);
    let lasted = |fault: &FaultResult| Some(last_whole(fault.end_s?).saturating_sub(first_whole(fault.start_s?)));
    let is_short = lasted(fault).is_some_and(|tenths| tenths < SECOND);
    let mut compared = blast.shards.iter().filter(|shard| shard.sick || sick.is_none());
    let cannot = |why: &str| Some(NoFigure::Cannot(why.to_owned()));
    let bad = |why: &str| Some(NoFigure::Bad(why.to_owned()));
    match metric {
        Metric::AcknowledgedLost => cannot("could not be asked"),
        Metric::FailFastS if is_called && is_short => cannot("it lasted less than a second"),
        Metric::FailFastS if is_called => bad("never"),
        Metric::BlastP99Ratio | Metric::RecoveredS if !has_before => cannot("nothing before it to compare with"),
        Metric::RecoveredS if blast.after_s.is_none() => cannot("less than a second after it to recover in"),
        Metric::RecoveredS if compared.any(|shard| shard.p99_before_us.is_some()) => bad("not within the run"),
        Metric::RecoveredS => cannot("no `ok` answer before it to compare with"),
        Metric::BlastP99Ratio if others(blast).any(|shard| shard.p99_during_us.is_none()) => bad("no ok answer"),
        Metric::BlastP99Ratio if others(blast).count() > 0 => Some(NoFigure::Cannot(format!(
            "fewer than {} ok answers before or during it",
            metric.min_samples()
        ))),
        _ => None,
    }
}

/// The shards that no fault is done to meanwhile, where anything was sent to them during it.
fn others(blast: &Blast) -> impl Iterator<Item = &ShardBlast> {
    let others = blast
        .shards
        .iter()
        .filter(|shard| !shard.sick && !shard.sick_of_another);
    others.filter(|shard| shard.requests_during > 0)
}

/// The largest figure of the other shards; `None` where one of them lacks it.
fn worst(blast: &Blast, figure: impl Fn(&ShardBlast) -> Option<f64>) -> Option<f64> {
    let figures: Vec<f64> = others(blast).map(figure).collect::<Option<_>>()?;
    figures.into_iter().max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests;
