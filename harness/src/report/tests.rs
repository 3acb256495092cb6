//! What a reader sees: whole reports, at the width of a small and of a wide terminal.

use super::fixture::{self, storm};
use super::{markdown, terminal_of};
use crate::arrival::PhaseKind;
use crate::record::{
    Blast, BoundKind, Cell, ChangeResult, DatabaseConnections, DatabaseSide, Delay, Durations, FaultResult,
    GateSnapshot, GatewaySide, JoinSide, Neighbours, Notifications, OperationResult, PushConnections, Quantiles,
    Retries, RoleNotifications, Run, SessionsResult, ShardBlast, ShardTimeline, Timeline, Verdict,
};

mod guards;

/// The report for a terminal, checked for its width.
fn terminal(run: &Run, columns: usize) -> String {
    let text = terminal_of(run, columns);
    let too_wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > columns).collect();
    assert!(too_wide.is_empty(), "{too_wide:#?}\n{text}");
    text
}

/// What is a number to a reader, with its interval.
fn numbers(text: &str) -> Vec<String> {
    let is_number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit() || first == '[');
    let mut numbers: Vec<String> = text.split_whitespace().filter(is_number).map(str::to_owned).collect();
    numbers.sort_unstable();
    numbers
}

/// A cell of `length_s` in which shard 1 is paused from 15 s to 20 s; `during_us` is the other shard's p99 meanwhile.
fn outage_cell(variant: &str, length_s: u64, during_us: u64, fail_fast_s: Option<f64>) -> Cell {
    let seconds = |sick: bool| {
        let during = |second: &u64| (15..20).contains(second);
        let p99 = move |second: u64| match (sick, during(&second)) {
            (_, false) => Some(4_000),
            (false, true) => Some(during_us),
            (true, true) => (second == 15).then_some(800_000),
        };
        let not_ok = move |second: u64| if sick && during(&second) { 45 } else { 0 };
        ShardTimeline {
            shard: usize::from(sick),
            requests: vec![50; length_s as usize],
            not_ok: (0..length_s).map(not_ok).collect(),
            ok_p99_us: (0..length_s).map(p99).collect(),
        }
    };
    let blast = |sick: bool, p99_during_us: Option<u64>, error_rate_during: f64| ShardBlast {
        shard: usize::from(sick),
        sick,
        sick_of_another: false,
        requests_before: 1_000,
        requests_during: 1_000,
        p99_before_us: Some(4_000),
        p99_during_us,
        error_rate_before: Some(0.0),
        error_rate_during: Some(error_rate_during),
    };
    let fault = FaultResult {
        kind: "pause_shard".to_owned(),
        target: "shard 1".to_owned(),
        planned_s: 15.0,
        planned_end_s: 20.0,
        start_s: Some(15.02),
        end_s: Some(20.03),
        problem: None,
        blast: Blast {
            after_s: Some((20.1, length_s as f64)),
            before_s: Some((9.5, 14.5)),
            fail_fast_s,
            recovered_s: Some(0.47),
            acknowledged_lost: Some(0),
            shards: vec![blast(false, Some(during_us), 0.0), blast(true, None, 0.9)],
        },
    };
    let settings = serde_json::json!({"joins": {"rate": 500, "per_chat": true}, "isolation": "both"});
    Cell {
        phases: vec![
            fixture::phase("warm-up", PhaseKind::WarmUp, 0.0, 5.0, 100.0),
            fixture::phase("constant", PhaseKind::Step, 5.0, length_s as f64, 100.0),
        ],
        faults: vec![fault],
        changes: vec![ChangeResult {
            planned_s: 24.0,
            at_s: 24.0,
            applied_s: Some(24.01),
            settings: settings.as_object().unwrap().clone(),
            revision: Some(2),
            problem: None,
        }],
        timeline: Some(Timeline {
            shards: vec![seconds(false), seconds(true)],
        }),
        ..fixture::cell(variant, 1, 1)
    }
}

fn outage(cells: Vec<Cell>) -> Run {
    let mut header = fixture::header(1);
    header.workload.traffic = vec![fixture::traffic("count", 1.0, 0.0)];
    fixture::judged(header, cells)
}

#[test]
fn five_blocks_are_told_with_their_intervals() {
    let wide = terminal(&storm(5), 120);
    insta::assert_snapshot!(wide);
}

#[test]
fn a_small_terminal_shows_the_same_numbers() {
    let distinct = |text: &str| {
        let mut numbers = numbers(text);
        numbers.dedup();
        numbers
    };
    let mut run = storm(5);
    let of_wide = distinct(&terminal(&run, 200));
    for columns in (80..200).step_by(8) {
        let narrow = terminal(&run, columns);
        assert_eq!(distinct(&narrow), of_wide, "{narrow}");
    }
    insta::assert_snapshot!(terminal(&run, 80));
    // A name that is too long may be broken; a number next to it may not.
    let long = "isolated-by-shard-with-a-queue-for-each-of-the-chats";
    for cell in run.cells.iter_mut().filter(|cell| cell.header.variant == "both") {
        cell.header.variant = long.to_owned();
    }
    run.header.workload.variants[1] = long.to_owned();
    let run = fixture::judged(run.header, run.cells);
    assert_eq!(distinct(&terminal(&run, 80)), distinct(&terminal(&run, 200)));
}

#[test]
fn one_block_and_two_have_no_interval_and_say_so() {
    let one = terminal(&storm(1), 120);
    assert!(
        one.contains(" x one draw") && !one.contains("n=5") && !one.contains('['),
        "{one}"
    );
    let two = terminal(&storm(2), 120);
    assert!(
        two.contains(" x two draws") && !two.contains("[ ]: 95 % t interval over 2 blocks; without")
            || two.contains("two draws"),
        "{two}"
    );
    insta::assert_snapshot!(one);
}

#[test]
fn the_heading_tells_what_the_entry_offers_and_not_the_profile() {
    let text = terminal(&storm(1), 120);
    assert!(
        text.contains("hot_join in phase `spike` (20 s, 1800/s offered)"),
        "{text}"
    );
    assert!(text.contains("Everything in phase `spike`"), "{text}");
}

#[test]
fn a_pass_tells_beside_itself_what_is_rejected_and_who_is_degraded() {
    let mut run = storm(5);
    assert_eq!(run.verdict, Verdict::Passed, "{:?}", run.reasons);
    let line = |run: &Run| super::verdict::verdict(run);
    assert_eq!(
        line(&run),
        "PASSED: all 2 gates hold, and the expectation is met (5.7 % of hot_join rejected under both)"
    );
    // Where no gate judges, everybody's harm is told.
    (run.gates, run.expectations) = (vec![], vec![]);
    assert_eq!(
        line(&run),
        "DONE: no gate was judged (1 bystander degraded under none; 5.7 % of hot_join rejected under both)"
    );
}

#[test]
fn every_reason_is_printed_the_first_first() {
    let mut run = storm(5);
    run.verdict = Verdict::Unconvincing;
    run.reasons = vec!["expectation not met: a".to_owned(), "inconclusive: b".to_owned()];
    for text in [terminal(&run, 80), markdown(&run)] {
        let places: Vec<usize> = ["UNCONVINCING", "expectation not met: a", "inconclusive: b"]
            .map(|part| text.find(part).unwrap())
            .to_vec();
        assert!(places.is_sorted(), "{text}");
    }
}

#[test]
fn each_reason_for_being_invalid_is_printed_once() {
    let mut run = storm(1);
    run.cells[1].valid = false;
    run.cells[1].warnings = [
        "spike: a neighbour",
        "INVALID: spike: no port",
        "INVALID: spike: a busy worker",
    ]
    .map(str::to_owned)
    .to_vec();
    let run = fixture::judged(run.header, run.cells);
    let text = terminal(&run, 120);
    assert!(
        text.contains("\nINVALID: figures speak of the load generator"),
        "{text}"
    );
    assert!(text.contains("\n  - both, block 1: spike: no port"), "{text}");
    assert!(text.contains("\n  - both, block 1: spike: a busy worker"), "{text}");
    for told in ["no port", "a busy worker", "a neighbour"] {
        assert_eq!(text.matches(told).count(), 1, "{told}: {text}");
    }
}

#[test]
fn a_recording_without_an_end_is_told_as_partial_with_the_reason() {
    let run = storm(3);
    let run = crate::analyze::judged(run.header, run.cells, None);
    let text = terminal(&run, 80);
    assert!(text.contains("\nUNFINISHED: the result is partial"), "{text}");
    assert!(
        text.contains("\n  - the run goes on, or ended without a word"),
        "{text}"
    );
    let empty = crate::analyze::judged(run.header, vec![], None);
    assert!(terminal(&empty, 80).contains("UNFINISHED") && markdown(&empty).contains("UNFINISHED"));
}

#[test]
fn a_figure_that_is_partly_the_generators_is_marked_and_the_other_value_is_there() {
    let mut run = storm(1);
    for phase in run.cells.iter_mut().flat_map(|cell| &mut cell.phases) {
        let join = phase.operations.get_mut("hot_join").unwrap();
        let net = join.response_net_us.get_mut("ok").unwrap();
        net.p99 = net.p99.map(|us| us / 2);
    }
    let text = terminal(&run, 120);
    let whole = run.cells[0].phases[2].operations["hot_join"].response_us["ok"]
        .p99
        .unwrap() as f64;
    let (whole, net) = (super::words::ms(Some(whole)), super::words::ms(Some(whole / 2.0)));
    assert!(text.contains(&format!("{whole}*")), "{text}");
    assert!(
        text.contains(&format!("* none: p99 is {net} ms without the generator's own lateness")),
        "{text}"
    );
    assert!(text.contains("2 figures marked *"), "{text}");
    assert!(
        markdown(&run).contains(&format!("{whole}\\* ({net})")),
        "{}",
        markdown(&run)
    );
}

#[test]
fn the_other_value_of_a_marked_figure_is_made_of_the_blocks_as_the_figure_is() {
    let mut run = storm(5);
    for cell in &mut run.cells {
        let us = if cell.header.block == 5 { 100_000 } else { 10_000 };
        for phase in &mut cell.phases {
            let join = phase.operations.get_mut("hot_join").unwrap();
            join.response_us.get_mut("ok").unwrap().p99 = Some(us);
            join.response_net_us.get_mut("ok").unwrap().p99 = Some(us - 2_000);
        }
    }
    let text = terminal(&run, 200);
    // Geometric means in the headline, which has intervals; the median block in the table of all operations.
    assert!(text.contains("* none: p99 is 13.2 ms without"), "{text}");
    assert!(text.contains("* hot_join, none: p99 is 8.00 ms without"), "{text}");
}

#[test]
fn what_variant_left_out_is_told_beside_the_verdict() {
    let mut run = storm(1);
    let before = run.gates.len() + run.expectations.len();
    let gate = crate::analyze::fixture::gate("response_p99", (BoundKind::AtMost, 1.0));
    run.header.workload.gates = vec![GateSnapshot {
        variants: vec!["none".to_owned(), "gone".to_owned(), "gone too".to_owned()],
        ..gate
    }];
    let text = terminal(&run, 200);
    let told = format!("--variant left 2 of {} judgements out", before + 2);
    assert!(text.contains(&told), "{text}");
}

#[test]
fn figures_of_every_operation_are_marked() {
    let mut run = storm(1);
    for phase in run.cells.iter_mut().flat_map(|cell| &mut cell.phases) {
        let count = phase.operations.get_mut("count").unwrap();
        let net = count.response_net_us.get_mut("ok").unwrap();
        net.p99 = net.p99.map(|us| us / 2);
    }
    let text = terminal(&run, 120);
    assert!(text.contains("\n* count, none: p99 is "), "{text}");
}

#[test]
fn databases_are_not_mentioned_where_there_is_none() {
    let mut run = storm(1);
    let with = terminal(&run, 120);
    for phase in run.cells.iter_mut().flat_map(|cell| &mut cell.phases) {
        phase.contention = None;
        phase.resources = [].into();
    }
    run.comparisons
        .retain(|compared| compared.metric.starts_with("response"));
    let without = terminal(&run, 120);
    for column in ["AUTO-INC", "row lock", "q-cache", "DB CPU", "CPU/answer"] {
        assert!(
            with.contains(column) && !without.contains(column),
            "{column}: {without}"
        );
    }
}

#[test]
fn a_neighbour_is_told_by_phase_and_where_a_block_does_not_count_for_it() {
    let mut run = storm(5);
    let phase = &mut run.cells[3].phases[2];
    phase.neighbours = Some(Neighbours {
        cpus: 2,
        foreign_cpu: Some(0.7),
        softirq_cpu: 0.06,
        steal: 0.01,
        ..Neighbours::default()
    });
    run.cells[3].warnings = vec!["spike: others used 0.7 of 2 cores".to_owned()];
    let run = fixture::judged(run.header, run.cells);
    let text = terminal(&run, 120);
    let note =
        "note: both, block 2: spike: others used 0.7 of 2 cores; the block does not count for the gates of this phase";
    assert!(text.replace("\n    ", " ").contains(note), "{text}");
    let text = text.replace("\n    ", " ");
    for told in [
        "both†",
        "† both: in block 2 others used 0.7 of 2 cores",
        "other programs disturbed 1 cell",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(
        markdown(&run).contains("others 0.70, softirq 0.06"),
        "{}",
        markdown(&run)
    );
}

#[test]
fn a_percentile_of_too_few_answers_is_a_dash_with_the_least_number_below() {
    let mut run = storm(1);
    for cell in &mut run.cells {
        let phase = &mut cell.phases[2];
        phase
            .operations
            .insert("hot_join".to_owned(), fixture::operation(20.0, 15.0, 4.0, 0.0));
    }
    let text = markdown(&run);
    let row = text.lines().find(|line| line.starts_with("| none | 15 |")).unwrap();
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    assert_eq!(cells[4..6], ["–", "–"], "{row}");
    assert!(
        text.contains("a median needs 10, p90 50, p99 500, p99.9 5000"),
        "{text}"
    );
}

#[test]
fn a_cell_that_was_killed_does_not_hide_the_whole_blocks() {
    let mut run = storm(3);
    let killed = run
        .cells
        .iter_mut()
        .rfind(|cell| cell.header.variant == "none")
        .unwrap();
    killed.ended_early = Some("the recording ends here: bmt was killed, or is still running".to_owned());
    killed.phases.truncate(1);
    let text = terminal(&run, 120);
    let row = text
        .lines()
        .find(|line| line.trim_start().starts_with("none "))
        .unwrap();
    assert!(row.contains("1800"), "{text}");
    assert!(text.contains("none, block 3: ended early"), "{text}");
}

#[test]
fn the_noise_floor_has_each_headline_figure_with_half_its_interval() {
    let mut run = storm(5);
    for compared in &mut run.comparisons {
        (compared.ratio, compared.low, compared.high) = (Some(1.0), Some(0.98), Some(1.02));
    }
    run.header.aa = true;
    let text = terminal_of(&run, 120);
    let from = text.find("Noise floor").unwrap();
    let to = text.find("\nBystanders").unwrap();
    insta::assert_snapshot!(text[from..to]);
}

#[test]
fn the_report_as_markdown() {
    insta::assert_snapshot!(markdown(&storm(3)));
}

#[test]
fn a_fault_is_shown_by_shard_and_on_the_time_axis() {
    let run = outage(vec![
        outage_cell("none", 35, 900_000, None),
        outage_cell("both", 35, 4_500, Some(0.98)),
    ]);
    terminal(&run, 80);
    insta::assert_snapshot!(terminal(&run, 120));
}

#[test]
fn several_blocks_of_a_fault_are_summed_up() {
    let mut cells = Vec::new();
    for (block, during_us, fail_fast_s, lost) in
        [(1, 4_500, Some(0.9), 0), (2, 5_000, None, 2), (3, 9_000, Some(1.1), 1)]
    {
        let mut cell = outage_cell("both", 35, during_us, fail_fast_s);
        cell.header.block = block;
        cell.faults[0].blast.acknowledged_lost = Some(lost);
        cells.push(cell);
    }
    let mut header = fixture::header(3);
    header.workload.variants = vec!["both".to_owned()];
    let text = terminal(&fixture::judged(header, cells), 120);
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("1 pause_shard") && line.contains('→'))
        .collect();
    assert_eq!(rows.len(), 2, "one a shard: {text}");
    assert!(
        rows[0].contains("4.00 → 5.00") && rows[0].contains("1.2 x"),
        "{}",
        rows[0]
    );
    assert!(
        rows[1].contains("never: 1 of 3") && rows[1].ends_with('3'),
        "{}",
        rows[1]
    );
    assert_eq!(text.matches("pause_shard (shard 1)").count(), 1, "{text}");
}

#[test]
fn what_a_rejection_cost_is_shown_by_variant() {
    let retried = |variant: &str, attempts_per_success: Option<f64>| {
        let mut cell = outage_cell(variant, 35, 4_000, None);
        (cell.faults, cell.changes, cell.timeline) = (vec![], vec![], None);
        let mut until_done = Durations::default();
        for step in 1..=1900 {
            until_done.record_ns(step * 5_000_000);
        }
        let retries = Retries {
            first_tries: 2_000,
            retries: 3_100,
            retries_max: 412,
            succeeded: 1_900,
            succeeded_at_first: 600,
            gave_up: 90,
            out_of_budget: 0,
            cut_off: 10,
            attempts_per_success,
            attempts_max: 5,
            until_done_us: Quantiles::from(&until_done),
        };
        let operation = OperationResult {
            scheduled: 5_100,
            retries: Some(retries),
            ..OperationResult::default()
        };
        cell.phases[1].operations = [("count".to_owned(), operation)].into();
        cell
    };
    let mut run = outage(vec![retried("none", Some(1.0)), retried("both", Some(2.63))]);
    run.header.workload.traffic[0].retries = true;
    terminal(&run, 80);
    insta::assert_snapshot!(terminal(&run, 120));
}

#[test]
fn what_became_of_sessions_is_shown_with_the_steps_at_which_they_ended() {
    let mut cell = outage_cell("none", 35, 4_000, None);
    (cell.faults, cell.changes, cell.timeline) = (vec![], vec![], None);
    let sessions = SessionsResult {
        started: 900,
        completed: 880,
        ended_at: [("login", 0), ("pay", 13), ("look", 4)]
            .map(|(step, count)| (step.to_owned(), count))
            .into(),
        cut_off: 3,
    };
    let operation = OperationResult {
        scheduled: 900,
        sessions: Some(sessions),
        ..OperationResult::default()
    };
    cell.phases[1].operations = [("count".to_owned(), operation)].into();
    let mut run = outage(vec![cell]);
    run.header.workload.traffic[0].steps = ["login", "look", "pay"].map(str::to_owned).to_vec();
    let text = markdown(&run);
    let table = text.split("## Sessions").nth(1).unwrap();
    let row = table.lines().find(|line| line.contains("| none |")).unwrap();
    assert_eq!(row, "| none | count | constant | 900 | 880 | 3 | look 4, pay 13 |");
}

#[test]
fn a_long_cell_is_drawn_in_columns_of_several_seconds() {
    let text = markdown(&outage(vec![outage_cell("both", 200, 30_000, None)]));
    let drawing = text.split("```").nth(1).unwrap();
    insta::assert_snapshot!(drawing);
}

#[test]
fn what_a_throttle_of_joins_did_is_shown_for_the_variants_that_have_one() {
    let mut cells = vec![
        outage_cell("none", 30, 4_000, None),
        outage_cell("both", 30, 4_000, None),
    ];
    cells[1].phases[1].join_throttle = Some(JoinSide {
        admitted: 7500,
        refused: 2500,
        open: 50,
        closed: 0,
        redis_calls: 10_000,
        lag_s_max: Some(3.25),
    });
    let text = markdown(&outage(cells));
    let table = text.split("Throttle of joins").nth(1).unwrap();
    let row = table.lines().find(|line| line.contains("constant")).unwrap();
    let figures: Vec<&str> = row.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(figures, ["both", "constant", "300", "100", "2", "400", "3.25"]);
    let lines = table.lines().skip_while(|line| !line.starts_with('|'));
    let drawn = lines.take_while(|line| line.starts_with('|')).count();
    assert_eq!(drawn, 3, "head, rule, and one row: {table}");
    let without = markdown(&outage(vec![outage_cell("none", 30, 4_000, None)]));
    assert!(!without.contains("Throttle of joins"));
}

/// The storm with a push component in the spike of `none`.
fn notified() -> Run {
    let mut run = storm(1);
    let cell = run.cells.iter_mut().find(|cell| cell.header.variant == "none").unwrap();
    let spike = cell.phases.last_mut().unwrap();
    spike.connections.push = Some(PushConnections {
        opened: 640,
        failed: 2,
        open_end: Some(600),
        open_max: Some(640),
        requests: 1_920,
        tcp_us: Some(50.0),
        request_us: Some(250_000.0),
        gateway: Some(GatewaySide {
            over_budget_s: 12.5,
            ..GatewaySide::default()
        }),
        ..PushConnections::default()
    });
    spike.connections.database = Some(DatabaseSide {
        open_max: Some(65),
        counted: Some(DatabaseConnections {
            opened: 4,
            failed: 0,
            refused: 0,
            open_end: Some(66),
            requests: 40_000,
        }),
        ..DatabaseSide::default()
    });
    spike.notifications = Some(Notifications {
        all: RoleNotifications {
            enqueued: 24_000,
            delivered: 20_000,
            dropped: 3_000,
            unknown: 1_000,
            waiting_max: Some(640),
            ..RoleNotifications::default()
        },
        delay_us: Delay {
            count: 20_000,
            p50: Some(250_000.0),
            p99: Some(3_100_000.0),
            ..Delay::default()
        },
        breaker_opened: 2,
        ..Notifications::default()
    });
    run
}

#[test]
fn connections_of_generator_push_component_and_databases_stand_side_by_side() {
    let text = markdown(&notified());
    for row in [
        "| phase | variant | of | opened | open | most | per conn | failed | refused | opening | request |",
        "| spike | none | generator | 0 | – | 40 | – | 0 | 0 | – | – |",
        "| spike | none | push component | 640 | 600 | 640 | 3.0 | 2 | – | 0.05 | 250 |",
        "| spike | none | databases | 4 | 66 | 65 | 10000.0 | 0 | 0 | – | – |",
        "| spike | both | generator | 0 | – | 40 | – | 0 | 0 | – | – |",
    ] {
        assert!(text.contains(&format!("\n{row}\n")), "{row}: {text}");
    }
    assert!(
        !text.contains("| spike | both | push component |"),
        "it has none: {text}"
    );
}

#[test]
fn what_became_of_notifications_is_a_table_where_there_are_any() {
    let row = "| none | spike | 1200 | 1000 | 3000 | 1000 | 640 | 250 | 3100 | 2 | 12.5 |";
    let text = markdown(&notified());
    assert!(text.contains(&format!("\n{row}\n")), "{text}");
    assert!(!markdown(&storm(1)).contains("## Notifications"));
    // The report fits a small terminal as well.
    terminal(&notified(), 80);
}

#[test]
fn notifications_that_do_not_add_up_are_the_verdict() {
    let mut run = notified();
    let counts = crate::record::NotificationCounts {
        enqueued: 5,
        delivered: 3,
        ..crate::record::NotificationCounts::default()
    };
    run.cells[0].notifications = Some(crate::record::NotificationBooks {
        roles: [("message".to_owned(), counts)].into(),
        ..crate::record::NotificationBooks::default()
    });
    let run = fixture::judged(run.header, run.cells);
    assert_eq!(run.verdict, Verdict::Failed);
    let text = terminal(&run, 120);
    assert!(text.contains("\nFAILED: notifications do not add up"), "{text}");
    assert!(text.contains("2 not accounted for"), "{text}");
}
