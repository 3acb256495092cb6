//! Figures and verdicts in words.

use crate::record::{Environment, Run, Verdict};

/// Microseconds as milliseconds, with the digits that matter; a dash where nothing was observed.
pub(super) fn ms(us: Option<f64>) -> String {
    match us {
        None => "–".to_owned(),
        Some(us) if us < 9_950.0 => format!("{:.2}", us / 1e3),
        Some(us) if us < 99_500.0 => format!("{:.1}", us / 1e3),
        Some(us) => format!("{:.0}", us / 1e3),
    }
}

/// A number with `digits` decimals; a dash where nothing was observed.
pub(super) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}

/// A fraction as a percentage.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        small if small < 0.1 => "< 0.1 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

/// The verdict in one line.
pub(super) fn verdict(run: &Run) -> String {
    let failed = run.gates.iter().filter(|gate| !gate.passed).count();
    match run.verdict {
        Verdict::Passed if run.gates.is_empty() => "DONE: no gate was judged".to_owned(),
        Verdict::Passed => format!("PASSED: all {} gates hold", run.gates.len()),
        Verdict::Failed => format!("FAILED: {failed} of {} gates do not hold", run.gates.len()),
        Verdict::Invalid => {
            "INVALID: the generator did not keep its schedule, so these figures say nothing about the target".to_owned()
        }
        Verdict::Interrupted => {
            "INTERRUPTED: stopped by a signal; what is shown is what was measured until then".to_owned()
        }
        Verdict::Unfinished => {
            "UNFINISHED: still running, or ended without a word; what is shown is what was measured until then"
                .to_owned()
        }
        Verdict::TargetLost => {
            "TARGET LOST: what was driven, or something it needs, went away or never came up".to_owned()
        }
    }
}

/// The machine in one line.
pub(super) fn machine(environment: &Environment) -> String {
    let mut parts = vec![format!("{} cores", environment.cpus)];
    parts.extend(environment.cpu_model.clone());
    parts.extend(
        environment
            .memory_bytes
            .map(|bytes| format!("{:.0} GiB", bytes as f64 / f64::from(1 << 30))),
    );
    parts.push(environment.kernel.clone());
    parts.extend(environment.database.clone());
    parts.extend(environment.target.as_ref().map(|target| format!("target {target}")));
    if environment.is_pinned() {
        parts.push(format!(
            "generator on CPU {:?}, target on {:?}",
            environment.generator_cpus, environment.target_cpus
        ));
    }
    parts.join(", ")
}
