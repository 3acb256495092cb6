//! The heaviest keys: known answers, and the bounds against exact counts.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::collections::BTreeMap;
use std::time::Duration;

use hotchat_policy::{InvalidTop, RecentTop, TopEntry, TopSize};
use proptest::prelude::*;

const SPAN: Duration = Duration::from_secs(10);
const START: Duration = Duration::ZERO;

fn top(counters: usize, cells: usize) -> RecentTop {
    let span = SPAN;
    RecentTop::try_new(TopSize { counters, cells, span }).unwrap()
}

fn short(entries: &[TopEntry]) -> Vec<(u64, u64, u64)> {
    entries
        .iter()
        .map(|entry| (entry.key, entry.at_least, entry.at_most))
        .collect()
}

#[test]
fn the_example_of_the_paper_is_reproduced() {
    // With two counters the stream X, Y, Y, Z gives Y = 2 (exact) and Z = 2 with an error of 1.
    let mut top = top(2, 1);
    for key in [b'X', b'Y', b'Y', b'Z'] {
        top.record(u64::from(key), 0, 1, START);
    }
    let entries = top.top(10, START, |_| true);
    assert_eq!(short(&entries), [(u64::from(b'Y'), 2, 2), (u64::from(b'Z'), 1, 2)]);
    assert_eq!(top.totals(START), [4]);
}

#[test]
fn weight_is_divided_and_selected_by_cell() {
    let mut top = top(8, 3);
    for (key, cell, weight) in [(1, 0, 5), (1, 2, 1), (2, 2, 4), (3, 1, 2), (3, 9, 1)] {
        top.record(key, cell, weight, START);
    }
    let entries = top.top(2, START, |_| true);
    assert_eq!(short(&entries), [(1, 6, 6), (2, 4, 4)]);
    assert_eq!(entries[0].by_cell, [5, 0, 1]);
    let selected = top.top(10, START, |cell| cell == 2);
    assert_eq!(
        short(&selected),
        [(2, 4, 4), (1, 1, 1), (3, 1, 1)],
        "an unknown cell is the last"
    );
    assert_eq!(selected[1].by_cell, [0, 0, 1]);
    assert_eq!(top.totals(START), [5, 2, 6]);
}

#[test]
fn an_answer_covers_one_to_two_spans() {
    let mut top = top(4, 1);
    top.record(1, 0, 7, START);
    assert_eq!(short(&top.top(9, SPAN, |_| true)), [(1, 7, 7)], "the older generation");
    top.record(1, 0, 2, SPAN + SPAN / 2);
    assert_eq!(
        short(&top.top(9, SPAN * 2 - Duration::from_nanos(1), |_| true)),
        [(1, 9, 9)]
    );
    assert_eq!(
        top.covers(SPAN * 2 - Duration::from_nanos(1)),
        SPAN * 2 - Duration::from_nanos(1)
    );
    assert_eq!(short(&top.top(9, SPAN * 2, |_| true)), [(1, 2, 2)]);
    assert_eq!(top.covers(SPAN * 2), SPAN);
    assert!(top.top(9, SPAN * 4, |_| true).is_empty(), "after a pause");
    assert_eq!((top.totals(SPAN * 4), top.covers(SPAN * 4)), (vec![0], START));
}

#[test]
fn a_heavy_key_is_found_among_ten_thousand_in_the_same_memory() {
    let mut top = top(64, 4);
    let bytes = top.memory_bytes();
    for id in 0..10_000_u64 {
        top.record(id, 0, 1, START);
        if id % 10 == 0 {
            top.record(u64::MAX, 3, 1, START);
        }
    }
    let first = top.top(1, START, |_| true).remove(0);
    assert_eq!(first.key, u64::MAX);
    assert!(first.at_least > 990 && first.at_most <= 1000 + 11_000 / 64, "{first:?}");
    assert_eq!(top.memory_bytes(), bytes);
}

#[test]
fn invalid_parameters_are_rejected() {
    let new = |counters, cells, span| {
        RecentTop::try_new(TopSize { counters, cells, span })
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(new(0, 1, SPAN), InvalidTop::Counters(0));
    assert_eq!(new(4097, 1, SPAN), InvalidTop::Counters(4097));
    assert_eq!(new(1, 0, SPAN), InvalidTop::Cells(0));
    assert_eq!(new(1, 1, START), InvalidTop::Span);
}

proptest! {
    #[test]
    fn every_weight_lies_between_its_bounds(
        records in prop::collection::vec((0_u64..40, 0_usize..3, 0_u64..20, 0_u64..200), 1..600),
        counters in 1_usize..30,
        selected in 0_usize..4,
    ) {
        let selects = |cell: usize| selected == 3 || cell == selected;
        let mut top = top(counters, 3);
        let mut now = START;
        // What each generation should hold, under the same rotation.
        let (mut young, mut old, mut since) = (Vec::new(), Vec::new(), START);
        for (key, cell, weight, pause) in records {
            now += Duration::from_millis(pause);
            if now - since >= SPAN {
                old = std::mem::take(&mut young);
                since = now;
            }
            young.push((key, cell, weight));
            top.record(key, cell, weight, now);
        }
        let (mut truth, mut all) = (BTreeMap::<u64, u64>::new(), BTreeMap::<u64, u64>::new());
        for (key, cell, weight) in young.iter().chain(&old) {
            *all.entry(*key).or_default() += weight;
            *truth.entry(*key).or_default() += if selects(*cell) { *weight } else { 0 };
        }
        let weight = |records: &[(u64, usize, u64)]| records.iter().map(|record| record.2).sum::<u64>();
        let error_max = weight(&young) / counters as u64 + weight(&old) / counters as u64;
        let entries = top.top(usize::MAX, now, selects);
        prop_assert!(entries.is_sorted_by(|a, b| a.at_least >= b.at_least));
        for entry in &entries {
            let truth = truth[&entry.key];
            prop_assert!(entry.at_least <= truth && truth <= entry.at_most, "{truth}: {entry:?}");
            prop_assert!(entry.at_most - entry.at_least <= error_max, "{error_max}: {entry:?}");
            prop_assert_eq!(entry.by_cell.iter().sum::<u64>(), entry.at_least);
        }
        let shown: Vec<u64> = top.top(usize::MAX, now, |_| true).iter().map(|entry| entry.key).collect();
        for (key, weight) in all {
            prop_assert!(weight <= error_max || shown.contains(&key), "{key} weighs {weight} of {error_max}");
        }
    }
}
