//! Whether the figures speak of the target. What the generator did itself is known for each of them.
//!
//! Every response time is recorded twice: as the caller sees it, and less the generator's own lateness (`net`). Where
//! the two give different figures, the generator is part of the figure. A little of that is everywhere: close arrivals
//! are sent together, up to 75 µs late, which is as long as a server on the same machine takes to answer. So a headline
//! figure makes a cell INVALID only where the generator's share exceeds a relative *and* an absolute bound;
//! `docs/METHOD.md` has the measurements that chose them.

use super::jumps;
use crate::arrival::PhaseKind;
use crate::record::{Cell, OperationResult, Outcome, PhaseResult, Quantiles, Snapshot, UnsentCause};

/// The generator's share of a headline figure may be this part of it …
const OWN_SHARE_MAX: f64 = 0.25;
/// … or this long: neither alone makes a cell INVALID.
const OWN_US_MAX: f64 = 1000.0;
/// A printed figure whose two values differ by more than this part of it …
pub(super) const MARKED_SHARE: f64 = 0.05;
/// … and by more than this is marked.
pub(super) const MARKED_US: f64 = 100.0;
/// Part of the scheduled arrivals that must have been sent.
const SENT_SHARE_MIN: f64 = 0.995;
/// A worker busier than this was probably the bottleneck itself.
const WORKER_CPU_MAX: f64 = 0.9;
/// Part of all CPUs that others may use before a phase is disturbed.
const FOREIGN_SHARE_MAX: f64 = 0.1;

/// Why the cell is not valid, one sentence a reason; nothing when it is. The warm-up is not judged.
#[must_use]
pub(super) fn reasons(workload: &Snapshot, cell: &Cell) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for phase in judged(cell) {
        reasons.extend(local_errors(phase));
        reasons.extend(unsent(phase, cell.ended_early.is_some()));
        reasons.extend(busy(phase));
        reasons.extend(own_shares(workload, phase));
    }
    reasons.extend(jumps::reasons(cell));
    if cell.generator.clipped > 0 {
        reasons.push(format!(
            "{} durations were above one hour and are recorded as one hour",
            cell.generator.clipped
        ));
    }
    reasons
}

/// What does not make the cell invalid and yet should be known.
#[must_use]
pub(super) fn notes(workload: &Snapshot, cell: &Cell) -> Vec<String> {
    let mut notes = Vec::new();
    for phase in judged(cell) {
        for entry in &workload.traffic {
            let Some(marked) = phase.operations.get(&entry.name).and_then(marked_p99) else {
                continue;
            };
            notes.push(format!(
                "{}: {} p99 is {} ms, and {} ms without the generator's own lateness",
                phase.name,
                entry.name,
                ms(marked.0),
                ms(marked.1)
            ));
        }
        notes.extend(disturbed(phase).map(|by| format!("{}: {by}", phase.name)));
    }
    notes.extend(jumps::notes(cell));
    let is_unknown = |phase: &PhaseResult| {
        let neighbours = phase.neighbours.as_ref();
        neighbours.is_some_and(|neighbours| neighbours.foreign_cpu.is_none())
    };
    if judged(cell).any(is_unknown) {
        notes.push(
            "it is not known whether other programs used this machine: the target's processes cannot be told from \
             them (run bmt as root, or as the user of the target)"
                .to_owned(),
        );
    }
    notes
}

/// Other programs than bmt and its target used so much of this machine in a phase that its figures are disturbed; says
/// how much.
#[must_use]
pub fn disturbed(phase: &PhaseResult) -> Option<String> {
    let neighbours = phase.neighbours.as_ref()?;
    let cpus = f64::from(neighbours.cpus.max(1));
    let foreign = neighbours.foreign_cpu.unwrap_or(0.0);
    let taken = foreign + neighbours.steal;
    (taken > cpus * FOREIGN_SHARE_MAX).then(|| {
        if neighbours.steal > foreign {
            format!("the host took {:.1} of {cpus:.0} cores away (steal)", neighbours.steal)
        } else {
            format!("others used {foreign:.1} of {cpus:.0} cores")
        }
    })
}

/// The p99 of `ok` answers and the same without the generator's own lateness, in µs, where the two differ enough to be
/// told.
#[must_use]
pub fn marked_p99(operation: &OperationResult) -> Option<(u64, u64)> {
    marked(operation, |quantiles| quantiles.p99)
}

/// A figure of the response times of `ok` answers, and the same without the generator's own lateness, where the two
/// differ enough.
#[must_use]
pub fn marked(operation: &OperationResult, figure: fn(&Quantiles) -> Option<u64>) -> Option<(u64, u64)> {
    let (whole, net) = both(operation, figure)?;
    let own = whole.saturating_sub(net) as f64;
    (own > MARKED_US && own > whole as f64 * MARKED_SHARE).then_some((whole, net))
}

fn both(operation: &OperationResult, figure: fn(&Quantiles) -> Option<u64>) -> Option<(u64, u64)> {
    let ok = Outcome::Ok.name();
    let whole = figure(operation.response_us.get(ok)?)?;
    let net = figure(operation.response_net_us.get(ok)?)?;
    Some((whole, net))
}

/// The phases that decide whether a cell is valid: all but the warm-up.
pub(super) fn judged(cell: &Cell) -> impl Iterator<Item = &PhaseResult> {
    cell.phases.iter().filter(|phase| phase.kind != PhaseKind::WarmUp)
}

/// Headline figures of a phase, the reference phases of bystanders included, that are the generator's to a large part.
fn own_shares(workload: &Snapshot, phase: &PhaseResult) -> Vec<String> {
    type Figure = fn(&Quantiles) -> Option<u64>;
    if !phase.kind.is_judged() {
        return Vec::new();
    }
    let figures: [(&str, Figure); 2] = [("median", |of| of.p50), ("p99", |of| of.p99)];
    let mut reasons = Vec::new();
    for entry in workload.traffic.iter().filter(|entry| entry.follow.is_none()) {
        let Some(operation) = phase.operations.get(&entry.name) else {
            continue;
        };
        for (name, figure) in figures {
            let Some((whole, net)) = both(operation, figure) else {
                continue;
            };
            let own = whole.saturating_sub(net) as f64;
            if own > OWN_US_MAX && own > whole as f64 * OWN_SHARE_MAX {
                reasons.push(format!(
                    "{}: of the {name} of {}, {} ms, {} ms are the generator's own lateness; \
                     give it a core of its own (--pin), free this machine of other work, or lower the rate",
                    phase.name,
                    entry.name,
                    ms(whole),
                    ms(own as u64)
                ));
            }
        }
    }
    reasons
}

fn ms(us: u64) -> String {
    format!("{:.2}", us as f64 / 1e3)
}

/// Sockets of this machine that failed, by name.
fn local_errors(phase: &PhaseResult) -> Vec<String> {
    let mut counts: std::collections::BTreeMap<UnsentCause, u64> = std::collections::BTreeMap::new();
    let of_requests = phase.requests().flat_map(|operation| &operation.unsent_causes);
    let held = phase.requests().filter_map(|operation| operation.websockets.as_ref());
    let of_held = held.flat_map(|websockets| &websockets.local_errors);
    for (cause, count) in of_requests.chain(of_held) {
        if cause.is_local_error() {
            *counts.entry(*cause).or_default() += count;
        }
    }
    let remedy = |cause: &UnsentCause| match cause {
        UnsentCause::NoPort => {
            "this machine ran out of local ports (net.ipv4.ip_local_port_range); name more addresses in generator.sources, \
             or lower generator.connections"
        }
        UnsentCause::NoFile | UnsentCause::NoFileAnywhere => {
            "no more files may be opened; raise the limit (`ulimit -n`), or lower generator.connections"
        }
        _ => "its sockets failed; see `bmt doctor`",
    };
    counts
        .iter()
        .map(|(cause, count)| {
            format!(
                "{}: {count} arrivals were not sent because of {}: {}",
                phase.name,
                cause.name(),
                remedy(cause)
            )
        })
        .collect()
}

fn unsent(phase: &PhaseResult, ended_early: bool) -> Option<String> {
    let sum = |count: fn(&OperationResult) -> u64| phase.requests().map(count).sum::<u64>();
    let of_cause = |wanted: UnsentCause| {
        let causes = phase.requests().flat_map(|operation| &operation.unsent_causes);
        let counts = causes.filter(|(cause, _)| **cause == wanted).map(|(_, count)| *count);
        counts.sum::<u64>()
    };
    // What still waited when the load was ended says nothing of whether it could have been sent.
    let left = if ended_early {
        of_cause(UnsentCause::RunEnded)
    } else {
        0
    };
    let scheduled = sum(|operation| operation.scheduled).saturating_sub(left);
    let unsent = sum(|operation| operation.unsent).saturating_sub(left);
    let sent = scheduled.saturating_sub(unsent) as f64;
    let too_late = of_cause(UnsentCause::TooLate);
    let remedy = if too_late * 2 > unsent {
        "the generator came to the others too late: give it a core of its own (--pin), free this machine of other work"
    } else {
        "raise generator.connections or generator.waiting"
    };
    (sent < scheduled as f64 * SENT_SHARE_MIN).then(|| {
        format!(
            "{}: only {:.1} % of {scheduled} scheduled arrivals could be sent; {remedy}, or lower the rate",
            phase.name,
            sent / scheduled as f64 * 100.0
        )
    })
}

fn busy(phase: &PhaseResult) -> Option<String> {
    (phase.worker_cpu > WORKER_CPU_MAX).then(|| {
        format!(
            "{}: a generator worker used {:.0} % of a core; raise generator.workers or lower the rate",
            phase.name,
            phase.worker_cpu * 100.0
        )
    })
}

#[cfg(test)]
mod tests;
