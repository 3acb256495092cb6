//! What the jump did, in words: one or two sentences for somebody who has read nothing.

use super::compared::{Columns, operation};
use crate::analyze::figure::error_share;
use crate::arrival::PhaseKind;
use crate::metric::{Metric, Unit};
use crate::record::{Answer, GateResult, OperationResult, Outcome, PhaseResult, Run, Verdict, samples_min};
use crate::report::words::{ms, percent, value};

/// What was done.
pub(super) fn title(run: &Run) -> String {
    let mut phases = run.header.workload.phases.iter();
    let mut rate = |kind: PhaseKind| {
        let phase = phases.find(|phase| phase.kind == kind);
        phase.map_or("–".to_owned(), |phase| value(phase.rate, "per_s"))
    };
    // The base comes before the jump, which has the rate of the ramp's last step.
    let (everyday, top) = (rate(PhaseKind::Base), rate(PhaseKind::Spike));
    format!("Everyday load of {everyday}, a ramp to {top} in steps, back, and a jump to the same rate at once")
}

/// The verdict and what it rests on.
pub(super) fn sentence(run: &Run, shown: &Columns<'_>) -> String {
    let said: Vec<String> = errors(run).into_iter().chain(ratio(run, shown)).collect();
    let said = said.join(" ");
    match run.verdict {
        Verdict::Passed => format!("PASSED: {said}"),
        Verdict::Failed | Verdict::Unconvincing => format!("FAILED: {said}"),
        Verdict::Inconclusive => format!("INCONCLUSIVE: {said}"),
        Verdict::Invalid => {
            format!("INVALID: these numbers speak of the load generator, and not of the target. {said}")
        }
        Verdict::Guarded => "GUARDED: a guard lowered or ended the load.".to_owned(),
        Verdict::Interrupted => "INTERRUPTED: what is shown is what was measured until then.".to_owned(),
        Verdict::Unfinished => "UNFINISHED: what is shown is what was measured until then.".to_owned(),
        Verdict::TargetLost => "TARGET LOST: it went away, or was never there.".to_owned(),
    }
}

/// Why the numbers are not to be trusted, and what to do about it; the sentence has told the rest, but not why errors
/// are undecided where the jump is not.
pub(super) fn doubts(run: &Run) -> impl Iterator<Item = &String> {
    let is_open = of_phases(run).is_some_and(|gate| gate.answer == Answer::Inconclusive);
    let is_told =
        move |reason: &str| reason.starts_with("gate failed: ") || is_open && reason.starts_with("inconclusive: ");
    run.reasons.iter().filter(move |reason| !is_told(reason))
}

/// The judgement of the jump against the ramp.
fn of_phases(run: &Run) -> Option<&GateResult> {
    run.gates.iter().find(|gate| gate.unit == Unit::Ratio.name())
}

/// Where too many requests failed, and how: of the phases that are judged, that in which most did.
fn errors(run: &Run) -> Option<String> {
    let phases = &run.cells.first()?.phases;
    let judged = run.gates.iter().filter(|gate| gate.metric == Metric::ErrorShare.name());
    let failed = judged.filter_map(|gate| {
        let phase = phases.iter().find(|phase| phase.name == gate.phase)?;
        let operation = operation(phase)?;
        let share = error_share(operation);
        (share > gate.limit).then_some((share, gate, (phase, operation)))
    });
    let (share, gate, (phase, operation)) =
        failed.max_by_key(|(_, _, (_, operation))| operation.scheduled - ok(operation).min(operation.scheduled))?;
    let mut ended: Vec<(u64, &str)> = operation
        .outcomes
        .iter()
        .filter(|(outcome, _)| **outcome != Outcome::Ok)
        .map(|(outcome, count)| (*count, words(*outcome)))
        .collect();
    ended.extend([
        (operation.unsent, "were never sent"),
        (operation.cut_off, "were cut off"),
    ]);
    ended.retain(|(count, _)| *count > 0);
    ended.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let ended: Vec<String> = ended.iter().map(|(count, how)| format!("{count} {how}")).collect();
    Some(format!(
        "{} of the requests {} failed, where at most {} may: {}.",
        percent(share),
        place(phase),
        percent(gate.limit),
        ended.join(", ")
    ))
}

fn place(phase: &PhaseResult) -> String {
    match (phase.kind, phase.name.as_str()) {
        (PhaseKind::Spike, "spike") => "in the jump".to_owned(),
        (PhaseKind::Base, "base") => "under everyday load".to_owned(),
        (PhaseKind::Recovery, "recovery") => "right after the ramp".to_owned(),
        (PhaseKind::Step, step) => format!("in {step} of the ramp"),
        (_, name) => format!("in {name}"),
    }
}

/// How requests ended, for people.
fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "were ok",
        Outcome::WrongAnswer => "had a wrong answer",
        Outcome::Throttled => "were throttled (429)",
        Outcome::Shed => "were turned away (503)",
        Outcome::StreamRefused => "were turned away (REFUSED_STREAM)",
        Outcome::Timeout => "had no answer in time",
        Outcome::NotAccepted => "found no connection",
        Outcome::ConnectError => "were refused or lost their connection",
        Outcome::StreamReset => "were given up by the server (RST_STREAM)",
        Outcome::ClientError => "were answered with another 3xx or 4xx",
        Outcome::ServerError => "were answered with another 5xx",
        Outcome::ProtocolError => "had an answer that is not HTTP",
    }
}

/// The jump against the ramp.
fn ratio(run: &Run, shown: &Columns<'_>) -> Option<String> {
    let gate = of_phases(run)?;
    let reason = gate.reason.as_deref().unwrap_or("too little was measured");
    let reason = reason.strip_prefix("where ").unwrap_or(reason);
    let p99 = |phase: Option<&PhaseResult>| operation(phase?)?.response_us.get(Outcome::Ok.name())?.p99;
    let (Some(ramp), Some(jump)) = (p99(shown.ramp), p99(shown.jump)) else {
        let count = |phase: Option<&PhaseResult>| phase.and_then(operation).map_or(0, ok);
        return Some(format!(
            "Whether the jump is worse than the ramp cannot be said: a p99 takes {} ok answers, and the ramp had {}, the jump {}. A \
             longer --for or a higher --rate gives more.",
            samples_min(0.99),
            count(shown.ramp),
            count(shown.jump)
        ));
    };
    let worth = match gate.answer {
        Answer::Inconclusive => format!(" That decides nothing: {reason}; try it again on a machine that is idle."),
        // One draw is not a finding.
        _ => " That is one jump; several show how much of it is chance.".to_owned(),
    };
    Some(format!(
        "The jump's p99 is {:.1} x the ramp's at the same rate: {} ms against {} ms; up to {:.1} x passes.{}{worth}",
        gate.actual.unwrap_or(jump as f64 / ramp.max(1) as f64),
        ms(Some(jump as f64)),
        ms(Some(ramp as f64)),
        gate.limit,
        connections(shown),
    ))
}

/// Answers that were ok.
fn ok(operation: &OperationResult) -> u64 {
    operation.outcomes.get(&Outcome::Ok).copied().unwrap_or(0)
}

/// What the jump did that the ramp did not.
fn connections(shown: &Columns<'_>) -> String {
    let opened = shown.jump.map_or(0, |phase| phase.connections.client.opened);
    let open = shown.ramp.map_or(0, |phase| phase.connections.client.open_max);
    if opened > open {
        format!(" The jump opened {opened} connections, where the ramp had {open} open at once.")
    } else {
        String::new()
    }
}
