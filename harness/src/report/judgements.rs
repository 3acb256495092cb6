//! Gates and expectations in words.

use super::table::{Kind, Table};
use super::words::{bare, value};
use crate::record::{Answer, BoundKind, GateResult};

/// What answers are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// What must hold for the build to ship.
    Gates,
    /// What the run must show in order to show anything.
    Expectations,
}

impl Judged {
    /// The title of the list.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Gates => "Gates",
            Self::Expectations => "Expectations: what the run needs in order to show anything",
        }
    }

    fn answer(self, answer: Answer) -> &'static str {
        match (self, answer) {
            (Self::Gates, Answer::Pass) => "PASS",
            (Self::Gates, Answer::Fail) => "FAIL",
            (Self::Expectations, Answer::Pass) => "MET",
            (Self::Expectations, Answer::Fail) => "NOT MET",
            (_, Answer::Inconclusive) => "INCONCLUSIVE",
        }
    }
}

/// `PASS variant · phase · figure: 5.76 x [5.10–6.40] n=5 (at least 5.00 x)`, and the reason where the figures do not
/// explain it.
pub(super) fn line(judged: Judged, gate: &GateResult) -> String {
    format!(
        "{} {} · {} · {}: {} ({}){}",
        judged.answer(gate.answer),
        gate.variant,
        gate.phase,
        gate.name,
        measured(gate),
        limit(gate),
        reason(gate).map_or(String::new(), |reason| format!(": {reason}")),
    )
}

/// The list as a table.
pub(super) fn table(judged: Judged, gates: &[GateResult]) -> Option<Table> {
    let rows = gates.iter().map(|gate| {
        let answer = match gate.answer {
            Answer::Pass => judged.answer(gate.answer).to_owned(),
            _ => format!("**{}**", judged.answer(gate.answer)),
        };
        vec![
            answer,
            gate.variant.clone(),
            gate.phase.clone(),
            gate.name.clone(),
            measured(gate),
            limit(gate),
            reason(gate).unwrap_or_default().to_owned(),
            gate.because.clone().unwrap_or_default(),
        ]
    });
    Table::new(judged.title())
        .columns(Kind::Key, ["", "variant", "phase", "figure"])
        .columns(Kind::Figure, ["actual", "limit"])
        .columns(Kind::Text, ["reason", "because"])
        .rows(rows)
        .unless_empty()
}

/// The figure with what it rests on: `[ ]` is an interval, `( )` the least and the largest of the blocks.
fn measured(gate: &GateResult) -> String {
    let unit = gate.unit.as_str();
    let Some(actual) = gate.actual else {
        let what = if gate.answer == Answer::Fail {
            "no data"
        } else {
            "undecided"
        };
        return what.to_owned();
    };
    let centre = value(actual, unit);
    let (low, high) = (gate.low.unwrap_or(actual), gate.high.unwrap_or(actual));
    let ends = format!("{}–{}", bare(low, unit), bare(high, unit));
    let same = bare(low, unit) == bare(high, unit);
    match gate.n {
        1 if gate.blocks.len() == 1 => format!("{centre} one draw"),
        1 => format!("{centre} in one block"),
        2 if same => format!("{centre} two draws"),
        2 => format!("{centre} two draws, {ends}"),
        n if gate.method.as_deref() == Some("t95_log") => format!("{centre} [{ends}] n={n}"),
        n if same => format!("{centre} in each of {n} blocks"),
        n => format!("{centre}, {ends} in {n} blocks"),
    }
}

fn limit(gate: &GateResult) -> String {
    let side = match gate.bound {
        BoundKind::AtMost => "at most",
        BoundKind::AtLeast => "at least",
    };
    format!("{side} {}", value(gate.limit, &gate.unit))
}

/// Why it says so, unless that is told by the figure already.
fn reason(gate: &GateResult) -> Option<&str> {
    let reason = gate.reason.as_deref()?;
    let is_told = reason == "no data" || (reason == "one draw" && gate.answer != Answer::Inconclusive);
    // Metrics say why they are absent as a clause: "where nothing was scheduled".
    (!is_told).then(|| reason.strip_prefix("where ").unwrap_or(reason))
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn a_gate_is_told_with_its_interval_its_limit_and_its_reason() {
        let ratio = fixture::gate("hot_join response_p99 relative to both", "response_p99", "ratio", 5.0);
        let told = |gate: &GateResult| line(Judged::Gates, gate);
        let gate = GateResult {
            bound: BoundKind::AtLeast,
            ..fixture::measured(&ratio, &[5.1, 5.8, 6.4, 5.6, 5.9], (5.76, 5.1, 6.42))
        };
        assert_eq!(
            told(&gate),
            "PASS none · spike · hot_join response_p99 relative to both: 5.76 x [5.10–6.42] n=5 (at least 5.00 x)"
        );
        let one = GateResult {
            reason: Some("one draw".to_owned()),
            ..fixture::measured(&ratio, &[5.76], (5.76, 5.76, 5.76))
        };
        assert!(
            told(&one).ends_with(": 5.76 x one draw (at most 5.00 x)"),
            "{}",
            told(&one)
        );
        let inconclusive = GateResult {
            answer: Answer::Inconclusive,
            actual: None,
            reason: Some("others used 0.7 of 2 cores".to_owned()),
            n: 0,
            ..ratio
        };
        let told = line(Judged::Expectations, &inconclusive);
        assert!(told.starts_with("INCONCLUSIVE none"), "{told}");
        assert!(
            told.ends_with(": undecided (at most 5.00 x): others used 0.7 of 2 cores"),
            "{told}"
        );
    }

    #[test]
    fn a_gate_without_a_figure_says_why_once() {
        let gate = GateResult {
            answer: Answer::Fail,
            ..fixture::gate("count response_p99", "response_p99", "us", 50_000.0)
        };
        for (reason, told) in [
            ("no data", ": no data (at most 50.0 ms)"),
            (
                "where no call ended `ok`",
                ": no data (at most 50.0 ms): no call ended `ok`",
            ),
        ] {
            let gate = GateResult {
                reason: Some(reason.to_owned()),
                ..gate.clone()
            };
            let line = line(Judged::Gates, &gate);
            assert!(line.ends_with(told), "{line}");
        }
    }

    #[test]
    fn blocks_that_are_judged_one_by_one_have_no_interval() {
        let share = fixture::gate("count error_share", "error_share", "share", 0.01);
        let gate = GateResult {
            answer: Answer::Fail,
            reason: Some("in 1 of 3 blocks".to_owned()),
            ..fixture::measured(&share, &[0.0, 0.004, 0.031], (0.0117, 0.0, 0.031))
        };
        assert_eq!(
            line(Judged::Gates, &gate),
            "FAIL none · spike · count error_share: 1.2 %, 0–3.1 in 3 blocks (at most 1.0 %): in 1 of 3 blocks"
        );
        let none = fixture::measured(&share, &[0.0, 0.0, 0.0], (0.0, 0.0, 0.0));
        assert!(line(Judged::Gates, &none).contains(": 0 % in each of 3 blocks (at most 1.0 %)"));
    }
}
