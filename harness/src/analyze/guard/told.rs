//! What guards did, in words.

use crate::record::{BoundKind, Cell, GuardAction, GuardResult, PhaseResult};

/// What a guard did in a cell: `back_off at 12.1 s, from 800/s to 100/s: order.error_share was 4.00 % over 3 s, above
/// 2.00 %`.
pub(in crate::analyze) fn told(guard: &GuardResult) -> String {
    let value = |value| value_in(value, &guard.unit);
    let side = match guard.bound {
        BoundKind::AtMost => "above",
        BoundKind::AtLeast => "below",
    };
    let rates = match guard.action {
        GuardAction::Abort => String::new(),
        GuardAction::BackOff | GuardAction::Hold => {
            format!(", from {} to {}", rate(guard.rate_before), rate(guard.rate_after))
        }
    };
    let because = guard.because.iter().map(|because| format!(" ({because})"));
    format!(
        "{} at {:.1} s{rates}: {} was {} over {} s, {side} {}{}",
        guard.action.name(),
        guard.at_s,
        guard.name,
        value(guard.figure),
        guard.over_s,
        value(guard.limit),
        because.collect::<String>()
    )
}

/// Why a phase is not the one that was asked for: what guards withdrew from it.
pub(in crate::analyze) fn withdrew(cell: &Cell, phase: &PhaseResult) -> Option<String> {
    let withdrawn = phase.withdrawn();
    if withdrawn == 0 {
        return None;
    }
    let acted = cell.guards.iter().rfind(|guard| guard.at_s < phase.end_s);
    let by = acted.map_or_else(String::new, |guard| {
        format!(" ({} at {:.1} s)", guard.action.name(), guard.at_s)
    });
    let noun = if withdrawn == 1 { "arrival" } else { "arrivals" };
    Some(format!("a guard withdrew {withdrawn} {noun} of it{by}"))
}

fn rate(rate: f64) -> String {
    value_in(rate, "per_s")
}

fn value_in(value: f64, unit: &str) -> String {
    match unit {
        "us" => format!("{:.2} ms", value / 1e3),
        "per_s" if value < 10.0 && value.fract() != 0.0 => format!("{value:.2}/s"),
        "per_s" => format!("{value:.0}/s"),
        "share" => format!("{:.2} %", value * 100.0),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::fixture;

    #[test]
    fn an_act_is_told_with_its_figure_its_limit_and_the_rates() {
        let guard = GuardResult {
            rate_after: 2.5,
            ..fixture::back_off()
        };
        assert_eq!(
            told(&guard),
            "back_off at 12.1 s, from 1000/s to 2.50/s: get.error_share was 4.10 % over 3 s, above 2.00 %"
        );
        let abort = GuardResult {
            because: Some("the shop is shared".to_owned()),
            name: "connections_open_max".to_owned(),
            unit: "number".to_owned(),
            figure: 2100.0,
            limit: 2000.0,
            action: GuardAction::Abort,
            ..guard
        };
        assert_eq!(
            told(&abort),
            "abort at 12.1 s: connections_open_max was 2100 over 3 s, above 2000 (the shop is shared)"
        );
    }
}
