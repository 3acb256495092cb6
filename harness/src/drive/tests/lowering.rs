//! Load that is lowered or ended while it goes on.

use super::*;
use crate::arrival::Thinning;

/// Answers after `pause`.
fn slow(pause: Duration) -> SocketAddr {
    server(None, move |_, _| {
        std::thread::sleep(pause);
        Act::Answer("200 OK", "ok")
    })
}

#[test]
fn a_request_to_finish_lets_what_is_under_way_end_and_begins_nothing_new() {
    let mut plan = plan(slow(700 * MS), get, 50.0, 20_000 * MS);
    plan.limits.connections = 5;
    let stop = Stop::default();
    let messages = begin(&plan, &stop);
    std::thread::sleep(1_500 * MS);
    let asked = Instant::now();
    stop.ask_to_finish();
    let (series, _, _) = outcome(messages);
    assert!(asked.elapsed() < 1_500 * MS, "{:?}", asked.elapsed());
    assert_eq!(series.cut_off, 0, "what was sent is answered");
    assert!((10..=20).contains(&series.count(Outcome::Ok)), "{:?}", counts(&series));
    assert_eq!(unsent(&series), [UnsentCause::RunEnded], "what waited for a connection");
    assert!((65..150).contains(&series.scheduled), "{}", series.scheduled);
    let answered: u64 = series.ok_answered.values().sum();
    assert_eq!(
        answered + 5,
        series.count(Outcome::Ok),
        "the last five are goodput of no second"
    );
}

#[test]
fn a_request_to_finish_waits_for_one_time_out_and_one_to_stop_for_nothing() {
    let mut plan = plan(server(None, |_, _| Act::Hang), get, 50.0, 20_000 * MS);
    plan.limits.timeout = 800 * MS;
    for (stops, least) in [(false, 500 * MS), (true, Duration::ZERO)] {
        let stop = Stop::default();
        let messages = begin(&plan, &stop);
        std::thread::sleep(500 * MS);
        let asked = Instant::now();
        stop.ask_to_finish();
        if stops {
            stop.ask();
        }
        let (series, _, _) = outcome(messages);
        assert!(
            asked.elapsed() >= least && asked.elapsed() < least + 2_000 * MS,
            "{:?}",
            asked.elapsed()
        );
        assert_eq!(series.cut_off > 0, stops, "{:?}", counts(&series));
        assert_eq!(series.count(Outcome::Timeout) > 0, !stops, "{:?}", counts(&series));
    }
}

#[test]
fn a_cap_lowers_what_is_sent_and_what_it_leaves_out_is_counted() {
    let seen = Arc::new(Mutex::new(0u64));
    let count = Arc::clone(&seen);
    let address = server(None, move |_, _| {
        *count.lock().unwrap() += 1;
        Act::Answer("200 OK", "ok")
    });
    let mut plan = plan(address, get, 200.0, 3_000 * MS);
    plan.workers = 2;
    let flow = Flow {
        share: 1.0,
        rate: 0.0,
        items: 1,
        zipf: 0.0,
    };
    let cap = Cap::default();
    plan.capped = Some(Capped {
        cap: cap.clone(),
        thinning: Arc::new(Thinning::new(&plan.profile, &[flow], Arrivals::Uniform, 1)),
    });
    cap.set(Some(50.0), 1_000 * MS);
    let (series, _, _) = outcome(begin(&plan, &Stop::default()));
    assert_eq!(series.scheduled + series.withdrawn, 600);
    assert!((299..=301).contains(&series.scheduled), "{}", series.scheduled);
    assert_eq!(series.count(Outcome::Ok), series.scheduled);
    assert_eq!(*seen.lock().unwrap(), series.scheduled, "the server saw no more");
}
