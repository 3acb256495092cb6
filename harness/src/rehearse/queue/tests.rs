use proptest::prelude::*;

use super::Step::{Begin, Change, End};
use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn fault(at: u64, until: u64, target: &str) -> Stretch {
    Stretch {
        at: ms(at),
        until: ms(until),
        target: target.to_owned(),
    }
}

/// Plays until `to`, looking every `look` ms; each step takes what `cost` says. Steps with the times at which they
/// were taken.
fn played(mut queue: Queue, look: u64, to: u64, mut cost: impl FnMut(usize) -> u64) -> Vec<(u64, Step)> {
    let (mut now, mut taken) = (0, Vec::new());
    while now <= to {
        while let Some(step) = queue.next(ms(now)) {
            taken.push((now, step));
            now += cost(taken.len());
        }
        now += look;
    }
    taken
}

/// What is shown, times of changes, faults, what each step costs, steps as they are taken.
type Row = (&'static str, Vec<u64>, Vec<Stretch>, u64, Vec<(u64, Step)>);

fn rows() -> [Row; 6] {
    [
        (
            "at equal times an end comes first, then a change, then a begin",
            vec![10],
            vec![fault(5, 10, "a"), fault(10, 15, "b")],
            0,
            vec![
                (5, Begin(0)),
                (10, End(0)),
                (10, Change(0)),
                (10, Begin(1)),
                (15, End(1)),
            ],
        ),
        (
            "a late begin shifts its end",
            vec![5],
            vec![fault(5, 10, "a")],
            3,
            vec![(5, Change(0)), (8, Begin(0)), (13, End(0))],
        ),
        (
            "the end of an earlier fault of the target does not wait for its full length",
            vec![5],
            vec![fault(5, 10, "a"), fault(10, 15, "a")],
            2,
            vec![
                (5, Change(0)),
                (7, Begin(0)),
                (10, End(0)),
                (12, Begin(1)),
                (17, End(1)),
            ],
        ),
        (
            "another target's fault lasts",
            vec![5],
            vec![fault(5, 10, "a"), fault(10, 15, "b")],
            2,
            vec![
                (5, Change(0)),
                (7, Begin(0)),
                (10, Begin(1)),
                (12, End(0)),
                (15, End(1)),
            ],
        ),
        (
            "faults that overlap as planned may",
            vec![],
            vec![fault(5, 12, "a"), fault(10, 15, "a")],
            0,
            vec![(5, Begin(0)), (10, Begin(1)), (12, End(0)), (15, End(1))],
        ),
        (
            "three in a row behind a long delay",
            vec![1],
            vec![fault(2, 3, "a"), fault(3, 4, "a"), fault(4, 5, "a")],
            9,
            vec![
                (1, Change(0)),
                (10, Begin(0)),
                (19, End(0)),
                (28, Begin(1)),
                (37, End(1)),
                (46, Begin(2)),
                (55, End(2)),
            ],
        ),
    ]
}

#[test]
fn steps_come_in_order_whatever_is_late() {
    for (what, changes, faults, cost, expected) in rows() {
        let queue = Queue::new(changes.into_iter().map(ms), faults);
        assert_eq!(played(queue, 1, 70, |_| cost), expected, "{what}");
    }
}

fn any_faults() -> impl Strategy<Value = Vec<Stretch>> {
    let one = (0..60u64, 1..20u64, 0..3usize);
    let one = one.prop_map(|(at, length, target)| fault(at, at + length, ["a", "b", "c"][target]));
    proptest::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn no_fault_is_undone_by_the_end_of_another(
        faults in any_faults(),
        changes in proptest::collection::vec(0..80u64, 0..5),
        costs in proptest::collection::vec(0..25u64, 1..20),
        look in 1..10u64,
    ) {
        let queue = Queue::new(changes.iter().copied().map(ms), faults.clone());
        let taken = played(queue, look, 2000, |step| costs[step % costs.len()]);
        let place = |step: Step| taken.iter().position(|(_, taken)| *taken == step);
        prop_assert_eq!(taken.len(), changes.len() + 2 * faults.len(), "each step once");
        for (index, fault) in faults.iter().enumerate() {
            let (begin, end) = (place(Begin(index)).unwrap(), place(End(index)).unwrap());
            prop_assert!(begin < end);
            prop_assert!(ms(taken[begin].0) >= fault.at, "never early");
            for (later, other) in faults.iter().enumerate() {
                let overlap = fault.at < other.until && other.at < fault.until;
                if later != index && fault.target == other.target && !overlap {
                    let between = place(Begin(later)).unwrap();
                    prop_assert!(!(begin..end).contains(&between), "{fault:?} and {other:?}: {taken:?}");
                }
            }
            let is_cut_short = ms(taken[end].0 - taken[begin].0) < fault.until - fault.at;
            let next_is_due = |other: &Stretch| other.target == fault.target
                && other.at >= fault.until && other.at <= ms(taken[end].0);
            prop_assert!(!is_cut_short || faults.iter().any(next_is_due), "only for the next one: {fault:?}");
        }
    }
}
