//! What guards did, because of how a cell went.

use crate::record::{BoundKind, Cell, GuardAction, GuardResult, Run};
use crate::report::shown::cell_name;
use crate::report::table::{Kind, Table};
use crate::report::words::{NONE, number, value};

/// One row for each act; `None` where no guard acted.
pub(super) fn guards(run: &Run) -> Option<Table> {
    let rows = run.cells.iter().flat_map(|cell| {
        let acts = cell.guards.iter();
        acts.map(move |act| row(cell_name(run, cell), cell, act))
    });
    Table::new("What guards did")
        .legend(
            "at: seconds of the cell · took: from the end of the last second that was judged until it took effect, in seconds · from, to: the \
             profile's rate · again: when that was tried again · withdrawn: arrivals that were not offered, of the phase",
        )
        .columns(Kind::Key, ["variant", "phase"])
        .columns(Kind::Figure, ["at", "took", "figure", "limit", "from", "to", "again", "withdrawn"])
        .columns(Kind::Text, ["what", "because"])
        .rows(rows)
        .unless_empty()
}

fn row(name: String, cell: &Cell, act: &GuardResult) -> Vec<String> {
    let phase = cell.phases.iter().rfind(|phase| phase.start_s <= act.at_s);
    let rate = |rate: f64| value(rate, "per_s");
    let (from, to) = match act.action {
        GuardAction::Abort => (NONE.to_owned(), NONE.to_owned()),
        GuardAction::BackOff | GuardAction::Hold => (rate(act.rate_before), rate(act.rate_after)),
    };
    let side = match act.bound {
        BoundKind::AtMost => "above",
        BoundKind::AtLeast => "below",
    };
    vec![
        name,
        phase.map_or(NONE.to_owned(), |phase| phase.name.clone()),
        number(Some(act.at_s), 1),
        number(Some(act.reaction_s), 2),
        value(act.figure, &act.unit),
        format!("{side} {}", value(act.limit, &act.unit)),
        from,
        to,
        number(act.until_s, 1),
        phase.map_or(NONE.to_owned(), |phase| phase.withdrawn().to_string()),
        format!("{}: {} over {} s", act.action.name(), act.name, act.over_s),
        act.because.clone().unwrap_or_default(),
    ]
}
