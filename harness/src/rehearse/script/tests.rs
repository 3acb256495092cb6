//! The script on a real target whose admin API accepts connections and never answers.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::TcpListener;

use super::*;
use crate::provision::{Admin, External};
use crate::workload::TargetUrl;
use crate::workload::{Injection, Settings};

/// A target that accepts connections and never answers; the listener goes on as long as it is kept.
async fn silent() -> (TcpListener, Target) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let external = External {
        admin: Some(Admin {
            url: format!("http://{address}"),
            token: String::new(),
        }),
        ..External::new(TargetUrl::parse(&format!("http://{address}")).unwrap())
    };
    let target = Target::external(&external).await.unwrap();
    (listener, target)
}

fn stop_publish(at: u64, until: u64) -> Fault {
    Fault {
        at: Duration::from_millis(at),
        until: Duration::from_millis(until),
        inject: Injection::StopPublish,
    }
}

#[tokio::test]
async fn an_interrupt_does_not_wait_for_an_injection_or_a_change_that_takes_long() {
    let (_listener, mut target) = silent().await;
    let change = Change {
        at: Duration::ZERO,
        settings: Settings::new(),
        variants: vec![],
    };
    for (changes, faults) in [(vec![], vec![stop_publish(0, 60_000)]), (vec![change], vec![])] {
        let mut script = Script::of(&changes, &faults);
        let clock = Clock::starting_in(Duration::ZERO);
        let begun = Instant::now();
        let interrupted = tokio::time::sleep(Duration::from_millis(100));
        script.play(clock, &mut target, interrupted).await;
        // The admin API's own patience is 5 s.
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        let problems = script.faults.iter().map(|fault| &fault.problem);
        let mut problems = problems.chain(script.changes.iter().map(|change| &change.problem));
        assert!(
            problems.all(|problem| problem.as_ref().unwrap().contains("interrupted")),
            "{script:?}"
        );
        assert_eq!(
            script.broken.len(),
            faults.len(),
            "what may have been broken is to be undone"
        );
    }
}

#[tokio::test]
async fn what_fails_and_what_is_never_reached_is_in_the_record_with_its_reason() {
    let (_listener, mut target) = silent().await;
    target.admin = None;
    let change = |at: u64| Change {
        at: Duration::from_millis(at),
        settings: Settings::new(),
        variants: vec![],
    };
    let changes = [change(0), change(60_000)];
    let mut script = Script::of(&changes, &[stop_publish(0, 30_000), stop_publish(40_000, 50_000)]);
    let clock = Clock::starting_in(Duration::ZERO);
    script.play(clock, &mut target, std::future::pending()).await;
    script.undo(clock, &mut target, std::future::pending()).await;
    let problem = |problem: &Option<String>, part: &str| {
        let problem = problem.as_deref().unwrap_or("none");
        assert!(problem.contains(part), "{problem}");
    };
    assert_eq!((script.faults.len(), script.changes.len()), (2, 2));
    problem(&script.faults[0].problem, "--target-admin");
    assert!(script.faults[0].start_s.is_some() && script.faults[0].end_s.is_none());
    problem(&script.faults[1].problem, "not reached: the cell ended at 0.");
    assert_eq!((script.faults[1].start_s, script.faults[1].planned_s), (None, 40.0));
    problem(&script.changes[0].problem, "--target-admin");
    problem(&script.changes[1].problem, "not reached: the cell ended at 0.");
    assert_eq!((script.changes[1].applied_s, script.changes[1].planned_s), (None, 60.0));
}

#[tokio::test]
async fn a_step_under_way_gets_its_grace_and_no_more() {
    let at_once = || std::future::ready(());
    let (short, long) = (Duration::from_millis(20), Duration::from_secs(60));
    assert!(!finishes(std::future::pending(), at_once(), short).await);
    assert!(finishes(tokio::time::sleep(short), at_once(), long).await);
    assert!(
        finishes(at_once(), at_once(), Duration::ZERO).await,
        "it was done already"
    );
    assert!(finishes(tokio::time::sleep(short), std::future::pending(), Duration::ZERO).await);
}
