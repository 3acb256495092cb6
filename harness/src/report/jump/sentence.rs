//! What the jump did, in words: one or two sentences for somebody who has read nothing.

use super::compared::{Columns, operation};
use crate::analyze::figure::error_share;
use crate::record::{Answer, GateResult, Outcome, PhaseResult, Run, Verdict};
use crate::report::words::{ms, percent, value};

/// What was done.
pub(super) fn title(shown: &Columns<'_>) -> String {
    let rate = |phase: Option<&PhaseResult>| phase.map_or("–".to_owned(), |phase| value(phase.target_rate, "per_s"));
    let top = shown.ramp.or(shown.jump);
    format!(
        "Everyday load of {}, a ramp to {} in steps, back, and a jump to the same rate at once",
        rate(shown.everyday),
        rate(top)
    )
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
        Verdict::Interrupted => "INTERRUPTED: what is shown is what was measured until then.".to_owned(),
        Verdict::Unfinished => "UNFINISHED: what is shown is what was measured until then.".to_owned(),
        Verdict::TargetLost => "TARGET LOST: it went away, or was never there.".to_owned(),
    }
}

/// Why the numbers are not to be trusted, and what to do about it; the sentence has told the rest.
pub(super) fn doubts(run: &Run) -> impl Iterator<Item = &String> {
    let told = ["gate failed: ", "inconclusive: "];
    let reasons = run.reasons.iter();
    reasons.filter(move |reason| !told.iter().any(|told| reason.starts_with(told)))
}

/// Where too many requests failed, and how.
fn errors(run: &Run) -> Option<String> {
    let judged = run.gates.iter().filter(|gate| gate.metric == "error_share");
    let failed = judged.filter(|gate| gate.answer == Answer::Fail);
    let worst = failed.max_by(|a, b| share(a).total_cmp(&share(b)))?;
    let mut phases = run.cells.first()?.phases.iter();
    let operation = operation(phases.find(|phase| phase.name == worst.phase)?)?;
    let mut ended: Vec<(u64, &str)> = operation
        .outcomes
        .iter()
        .filter(|(outcome, _)| **outcome != Outcome::Ok)
        .map(|(outcome, count)| (*count, words(*outcome)))
        .collect();
    if operation.unsent > 0 {
        ended.push((operation.unsent, "were never sent"));
    }
    if operation.cut_off > 0 {
        ended.push((operation.cut_off, "were cut off"));
    }
    ended.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let ended: Vec<String> = ended.iter().map(|(count, how)| format!("{count} {how}")).collect();
    Some(format!(
        "{} of the requests {} were not answered well, which is more than {}: {}.",
        percent(error_share(operation)),
        place(&worst.phase),
        percent(worst.limit),
        ended.join(", ")
    ))
}

fn share(gate: &GateResult) -> f64 {
    gate.actual.unwrap_or(0.0)
}

fn place(phase: &str) -> String {
    match phase {
        "spike" => "in the jump".to_owned(),
        "base" => "under everyday load".to_owned(),
        "recovery" => "right after the ramp".to_owned(),
        step => format!("in {step} of the ramp"),
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
    let gate = run.gates.iter().find(|gate| gate.unit == "ratio")?;
    let p99 = |phase: Option<&PhaseResult>| operation(phase?)?.response_us.get(Outcome::Ok.name())?.p99;
    let (ramp, jump) = (p99(shown.ramp), p99(shown.jump));
    let (Some(actual), Some(ramp), Some(jump)) = (gate.actual, ramp, jump) else {
        let reason = gate.reason.as_deref().unwrap_or("there is no figure");
        return Some(format!(
            "Whether the jump is worse than the ramp cannot be said: {}. A longer --for or a higher --rate gives more answers.",
            reason.strip_prefix("where ").unwrap_or(reason)
        ));
    };
    let opened = shown.jump.map_or(0, |phase| phase.connections.client.opened);
    let open = shown.ramp.map_or(0, |phase| phase.connections.client.open_max);
    let connections = match (opened, open) {
        (opened, open) if opened > open => {
            format!(" The jump opened {opened} connections, where the ramp had {open} open at once.")
        }
        _ => String::new(),
    };
    let undecided = match gate.answer {
        Answer::Inconclusive => format!(
            " That decides nothing: {}.",
            gate.reason.as_deref().unwrap_or("too little was measured")
        ),
        _ => String::new(),
    };
    Some(format!(
        "The jump's p99 is {actual:.1} x the ramp's at the same rate: {} ms against {} ms, where at most {:.1} x passes.{connections}{undecided}",
        ms(Some(jump as f64)),
        ms(Some(ramp as f64)),
        gate.limit
    ))
}
