//! What guards did.

use super::*;
use crate::record::{GuardAction, GuardResult};

fn guarded() -> Run {
    let mut header = fixture::header(1);
    header.workload.variants = vec!["none".to_owned()];
    let mut cell = fixture::storm_cell("none", 1, 1);
    let spike = cell
        .phases
        .iter_mut()
        .rfind(|phase| phase.kind == PhaseKind::Spike)
        .unwrap();
    spike.operations.get_mut("hot_join").unwrap().withdrawn = 812;
    let at_s = spike.start_s + 3.1;
    let back_off = GuardResult {
        name: "hot_join.error_share".to_owned(),
        because: Some("the shop is shared".to_owned()),
        at_s,
        until_s: Some(at_s + 20.0),
        ..crate::analyze::fixture::back_off()
    };
    let abort = GuardResult {
        action: GuardAction::Abort,
        until_s: None,
        ..back_off.clone()
    };
    cell.guards = vec![back_off, abort];
    fixture::judged(header, vec![cell])
}

#[test]
fn what_guards_did_is_told_with_its_figures_and_before_everything_else() {
    let run = guarded();
    assert_eq!(run.verdict, Verdict::Guarded);
    for text in [terminal(&run, 80), terminal(&run, 200), markdown(&run)] {
        for told in [
            "What guards did",
            "GUARDED: guards lowered or ended the load",
            "above 2.0 %",
            "4.1 %",
            "1000/s",
            "100/s",
            "812",
        ] {
            assert!(text.contains(told), "{told}: {text}");
        }
    }
    let wide = markdown(&run);
    assert!(wide.contains("back_off: hot_join.error_share over 3 s"), "{wide}");
    assert!(
        wide.contains("the shop is shared") && wide.contains("withdrawn 812"),
        "{wide}"
    );
    let abort = wide.lines().find(|line| line.contains("| abort: ")).unwrap();
    assert!(
        abort.contains("| – | – | – |"),
        "nothing was offered any more, nor again: {abort}"
    );
}
