use super::*;
use crate::drive::job::tests::job;

fn poll(dispatch: &mut Dispatch, id: usize) -> Poll<Job> {
    dispatch.poll_job(id, 0, &Context::from_waker(Waker::noop()))
}

/// Opens a connection, which is wanted.
fn open(dispatch: &mut Dispatch) -> usize {
    let id = dispatch.wants_connection(|| 0).expect("something waits");
    dispatch.opened(id, 1);
    id
}

#[test]
fn connections_are_opened_for_what_waits_and_never_beyond_the_bound() {
    let mut dispatch = Dispatch::new(2, 10, 1_000);
    for ns in 0..4 {
        assert_eq!(dispatch.place(job(ns)), Placed::Waits);
    }
    let first = dispatch.wants_connection(|| 0).unwrap();
    assert!(dispatch.wants_connection(|| 0).is_some());
    assert!(dispatch.wants_connection(|| 0).is_none(), "two is the bound");
    assert!(!dispatch.has_room());
    dispatch.opened(first, 1);
    assert_eq!(
        poll(&mut dispatch, first),
        Poll::Ready(job(0)),
        "first come, first served"
    );
}

#[test]
fn the_connection_used_last_is_used_next() {
    let mut dispatch = Dispatch::new(2, 10, 1_000);
    let ids: Vec<usize> = (0..2)
        .map(|ns| {
            dispatch.place(job(ns));
            let id = open(&mut dispatch);
            assert!(poll(&mut dispatch, id).is_ready());
            id
        })
        .collect();
    assert!(poll(&mut dispatch, ids[0]).is_pending());
    assert!(poll(&mut dispatch, ids[1]).is_pending());
    assert!(dispatch.has_room(), "two are idle");
    assert_eq!(dispatch.place(job(7)), Placed::Handed);
    assert_eq!(poll(&mut dispatch, ids[1]), Poll::Ready(job(7)));
}

/// A connection that carries three requests at once: its slots.
fn open_three(dispatch: &mut Dispatch) -> [usize; 3] {
    let lead = dispatch.wants_connection(|| 0).expect("something waits");
    dispatch.opened(lead, 3);
    [lead, dispatch.add_slot(lead), dispatch.add_slot(lead)]
}

#[test]
fn a_connection_that_carries_several_requests_is_opened_for_as_many() {
    let mut dispatch = Dispatch::new(9, 20, 1_000);
    dispatch.expect_slots(3);
    (0..7).for_each(|ns| assert_eq!(dispatch.place(job(ns)), Placed::Waits));
    let slots = open_three(&mut dispatch);
    for (ns, id) in (0..).zip(slots) {
        assert_eq!(poll(&mut dispatch, id), Poll::Ready(job(ns)));
    }
    // Four are left, so two are opened.
    assert!(dispatch.wants_connection(|| 0).is_some());
    assert!(dispatch.wants_connection(|| 0).is_some());
    assert!(dispatch.wants_connection(|| 0).is_none());
    assert_eq!(dispatch.open(), 1);
}

#[test]
fn the_other_slots_of_a_connection_that_has_just_opened_are_room_for_what_waits() {
    let mut dispatch = Dispatch::new(9, 20, 1_000);
    dispatch.expect_slots(3);
    (0..3).for_each(|ns| assert_eq!(dispatch.place(job(ns)), Placed::Waits));
    let [first, second, third] = open_three(&mut dispatch);
    assert!(poll(&mut dispatch, first).is_ready());
    assert!(
        dispatch.wants_connection(|| 0).is_none(),
        "two wait, and two slots are about to ask"
    );
    assert!(poll(&mut dispatch, second).is_ready());
    dispatch.place(job(3));
    assert!(dispatch.wants_connection(|| 0).is_some(), "two wait, and one is");
    assert_eq!(dispatch.left(third), None);
    assert!(
        dispatch.wants_connection(|| 0).is_none(),
        "one is being opened, which carries three"
    );
}

#[test]
fn a_slot_whose_request_ran_out_of_time_takes_the_next_one() {
    let mut dispatch = Dispatch::new(9, 20, 1_000);
    dispatch.place(job(0));
    let [first, ..] = open_three(&mut dispatch);
    assert!(poll(&mut dispatch, first).is_ready());
    dispatch.begin(first, job(0), 100);
    dispatch.expire(100, 100);
    assert!(dispatch.is_expired(first));
    dispatch.end(first);
    assert!(!dispatch.is_expired(first), "the connection goes on");
}

#[test]
fn connections_have_numbers_of_their_own_and_the_smallest_that_are_free() {
    let mut dispatch = Dispatch::new(9, 20, 1_000);
    let mut lead = |ns| {
        dispatch.place(job(ns));
        let [lead, second, third] = open_three(&mut dispatch);
        for id in [lead, second, third] {
            let _ = poll(&mut dispatch, id);
        }
        dispatch.begin(lead, job(ns), 9_000);
        dispatch.idle = Idle::new();
        (lead, [second, third], dispatch.number(lead))
    };
    let (first, added, number) = lead(0);
    assert_eq!((number, lead(1).2, lead(2).2), (0, 1, 2));
    dispatch.end(first);
    dispatch.closed(first, &added);
    dispatch.place(job(3));
    let again = dispatch.wants_connection(|| 0).unwrap();
    assert_eq!(dispatch.number(again), 0);
}

#[test]
fn a_connection_is_unused_only_when_all_its_slots_are() {
    let mut dispatch = Dispatch::new(9, 20, 1_000);
    dispatch.place(job(0));
    let [first, second, third] = open_three(&mut dispatch);
    assert!(poll(&mut dispatch, first).is_ready());
    dispatch.begin(first, job(0), 9_000);
    assert!(poll(&mut dispatch, second).is_pending() && poll(&mut dispatch, third).is_pending());
    dispatch.expire(5_000, 9_999);
    assert!(!dispatch.is_expired(second), "another slot is busy");
    dispatch.end(first);
    assert!(
        dispatch
            .poll_job(first, 6_000, &Context::from_waker(Waker::noop()))
            .is_pending()
    );
    dispatch.expire(6_999, 9_999);
    assert!(!dispatch.is_expired(second), "the connection was used at 6000");
    dispatch.expire(7_000, 9_999);
    assert!([first, second, third].into_iter().all(|id| dispatch.is_expired(id)));
}

#[test]
fn what_was_handed_to_a_slot_that_leaves_is_given_back_and_its_number_is_free_when_the_connection_closes() {
    let mut dispatch = Dispatch::new(1, 20, 1_000);
    dispatch.place(job(0));
    let [first, second, third] = open_three(&mut dispatch);
    assert!(poll(&mut dispatch, first).is_ready());
    assert!(poll(&mut dispatch, second).is_pending() && poll(&mut dispatch, third).is_pending());
    assert_eq!(dispatch.place(job(1)), Placed::Handed);
    dispatch.retire(&[first, second, third]);
    assert!(
        dispatch.is_expired(second) && !dispatch.is_expired(third),
        "one idle, one about to be busy"
    );
    assert_eq!((dispatch.left(third), dispatch.left(second)), (Some(job(1)), None));
    dispatch.place_first(job(1));
    assert!(dispatch.wants_connection(|| 0).is_none(), "one is the bound");
    assert_eq!(dispatch.closed(first, &[second, third]), None);
    assert_eq!(dispatch.open(), 0);
    let again = open_three(&mut dispatch);
    assert_eq!(
        again.iter().max(),
        [first, second, third].iter().max(),
        "numbers are used again"
    );
}

#[test]
fn too_many_waiting_are_rejected() {
    let mut dispatch = Dispatch::new(1, 2, 1_000);
    assert_eq!(dispatch.place(job(0)), Placed::Waits);
    assert_eq!(dispatch.place(job(1)), Placed::Waits);
    assert_eq!(dispatch.place(job(2)), Placed::Rejected);
}

#[test]
fn an_arrival_handed_to_a_connection_that_closes_is_not_lost() {
    let mut dispatch = Dispatch::new(1, 2, 1_000);
    dispatch.place(job(0));
    let id = open(&mut dispatch);
    assert!(poll(&mut dispatch, id).is_ready());
    assert!(poll(&mut dispatch, id).is_pending());
    assert_eq!(dispatch.place(job(1)), Placed::Handed);
    dispatch.place(job(2));
    assert_eq!(dispatch.closed(id, &[]), Some(job(1)));
    dispatch.place_first(job(1));
    let id = open(&mut dispatch);
    assert_eq!(poll(&mut dispatch, id), Poll::Ready(job(1)), "before what came later");
}

#[test]
fn what_waits_too_long_is_given_up_and_what_runs_too_long_is_told() {
    let mut dispatch = Dispatch::new(1, 10, 1_000);
    dispatch.place(job(0));
    let id = open(&mut dispatch);
    assert!(poll(&mut dispatch, id).is_ready());
    dispatch.begin(id, job(0), 100);
    dispatch.place(job(50));
    dispatch.place(job(51));
    assert_eq!(dispatch.expire(99, 100), []);
    assert!(!dispatch.is_expired(id));
    let waited = Waited {
        job: job(50),
        is_opening: false,
    };
    assert_eq!(dispatch.expire(150, 100), [waited], "every connection is busy");
    assert!(dispatch.is_expired(id));
}

#[test]
fn what_waits_for_a_connection_that_the_target_never_accepts_is_told_apart() {
    let mut dispatch = Dispatch::new(2, 10, 1_000);
    for ns in 0..3 {
        dispatch.place(job(ns));
    }
    assert!(dispatch.wants_connection(|| 0).is_some());
    assert!(dispatch.wants_connection(|| 90).is_some(), "this one has hardly begun");
    let opening: Vec<bool> = dispatch
        .expire(110, 100)
        .iter()
        .map(|waited| waited.is_opening)
        .collect();
    assert_eq!(opening, [true, false, false]);
}

#[test]
fn a_connection_that_nobody_uses_is_told_to_close() {
    let mut dispatch = Dispatch::new(1, 10, 1_000);
    dispatch.place(job(0));
    let id = open(&mut dispatch);
    assert!(poll(&mut dispatch, id).is_ready());
    assert!(poll(&mut dispatch, id).is_pending(), "idle since 0");
    dispatch.expire(999, 100);
    assert!(!dispatch.is_expired(id));
    dispatch.expire(1_000, 100);
    assert!(dispatch.is_expired(id));
}

#[test]
fn what_is_abandoned_is_told_apart_by_whether_it_was_sent() {
    let mut dispatch = Dispatch::new(1, 10, 1_000);
    dispatch.place(job(1));
    let id = open(&mut dispatch);
    assert!(poll(&mut dispatch, id).is_ready());
    dispatch.begin(id, job(1), 100);
    dispatch.place(job(2));
    assert_eq!(dispatch.abandon(), (vec![job(2)], vec![job(1)]));
    assert_eq!(dispatch.abandon(), (vec![], vec![]));
}
