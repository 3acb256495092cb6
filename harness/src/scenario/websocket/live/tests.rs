//! Connections and texts on a clock that the test moves.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::record::{Interval, PhaseBounds, Series, SocketEnd};
use crate::template::{BodyCheck, Check, Escape, Sources, Template, Websocket};
use crate::transport::{Origin, Parts};

const MS: u64 = 1_000_000;
const UNTIL_NS: u64 = 5_000 * MS;

/// A text of each of two connections every second, from 20 ms on.
fn entry(answer: Option<Check>) -> Arc<Entry> {
    let sources = Arc::new(Sources::default());
    let template = |text: &str| Template::compile(text, &sources, Escape::Plain).unwrap();
    Arc::new(Entry {
        flow: 0,
        series: 0,
        first_number: 0,
        to: Origin::new("h:80", ""),
        websocket: Websocket {
            path: template("/live"),
            headers: vec![],
            hold: 2,
            connect_rate: 100.0,
            says: Some(Says {
                every: Duration::from_secs(1),
                text: template("ping"),
                answer,
                within: Duration::from_millis(300),
            }),
        },
        headers: Arc::new([]),
        sources,
        seed: 1,
        until_ns: UNTIL_NS,
    })
}

fn any() -> Option<Check> {
    Some(Check::default())
}

struct Run {
    live: Live,
    recorder: Recorder,
    opened: Opened,
}

impl Run {
    fn of(answer: Option<Check>) -> Self {
        let phases = PhaseBounds::new([(Duration::ZERO, Duration::from_nanos(UNTIL_NS))]);
        Self {
            live: Live::new(&entry(answer), 0, 1),
            recorder: Recorder::new(0, 1, 0, phases),
            opened: Opened {
                since_ns: 0,
                parts: Parts::default(),
            },
        }
    }

    /// With both connections open.
    fn open(answer: Option<Check>) -> Self {
        let mut run = Self::of(answer);
        for line in 0..2 {
            assert_eq!(run.next(), Todo::Open(line));
            run.opened(line, 10 * MS);
        }
        run
    }

    /// Does what is due next, when it is.
    fn next(&mut self) -> Todo<usize> {
        let now_ns = self.live.next_ns().unwrap();
        self.live.take_due(now_ns, &mut self.recorder)
    }

    /// The next text is due, and its connection takes it at once.
    fn says(&mut self) -> (usize, u64) {
        let now_ns = self.live.next_ns().unwrap();
        let Todo::Say(line) = self.next() else {
            panic!("a text is due on an open connection");
        };
        assert_eq!(self.live.say(line, now_ns).as_deref(), Some("ping"));
        self.live.said(line, now_ns, &mut self.recorder);
        (line, now_ns)
    }

    fn opened(&mut self, line: usize, now_ns: u64) {
        self.live.opened(line, self.opened, now_ns, &mut self.recorder);
    }

    fn heard(&mut self, line: usize, text: &str, now_ns: u64) {
        self.live
            .heard(line, Heard::Text(text), now_ns, &|_| 0, &mut self.recorder);
    }

    fn breaks(&mut self, line: usize, end: SocketEnd, now_ns: u64) {
        self.live.ended(line, HeldEnd::Target(end), now_ns, &mut self.recorder);
    }

    /// All that was recorded; every text has one end.
    fn whole(mut self) -> Series {
        self.live.end_of_run(&mut self.recorder);
        let mut whole = Series::default();
        let intervals: Vec<Interval> = self.recorder.drain().collect();
        intervals.iter().for_each(|interval| whole.merge(&interval.series[0]));
        let ended: u64 = Outcome::ALL.iter().map(|outcome| whole.count(*outcome)).sum();
        assert_eq!(whole.scheduled, ended + whole.unsent() + whole.cut_off, "{whole:?}");
        whole
    }
}

fn sockets(series: &Series) -> &Sockets {
    series.sockets.as_deref().unwrap()
}

#[test]
fn an_answer_ends_the_oldest_text_and_all_else_is_only_heard() {
    let contains = Check {
        body: vec![BodyCheck::Contains("pong".to_owned())],
        ..Check::default()
    };
    let mut run = Run::open(Some(contains));
    let (line, due_ns) = run.says();
    run.heard(line, "news", due_ns + MS);
    run.heard(1 - line, "pong", due_ns + 2 * MS);
    assert!(run.live.is_pending());
    run.heard(line, "pong", due_ns + 7 * MS);
    assert!(!run.live.is_pending());
    run.heard(line, "pong", due_ns + 8 * MS);
    let whole = run.whole();
    let times = whole.times(Outcome::Ok).unwrap();
    assert_eq!((times.response.count(), times.response.max_us()), (1, Some(7_000)));
    let sockets = sockets(&whole);
    assert_eq!((sockets.messages, sockets.bytes, sockets.pushes), (4, 16, 3));
}

#[test]
fn a_text_without_an_answer_times_out_and_its_late_answer_is_nobody_elses() {
    let mut run = Run::open(any());
    let (line, due_ns) = run.says();
    run.live.expire(due_ns + 299 * MS, &mut run.recorder);
    assert!(run.live.is_pending());
    run.live.expire(due_ns + 300 * MS, &mut run.recorder);
    assert!(!run.live.is_pending());
    run.heard(line, "late", due_ns + 350 * MS);
    run.live.expire(due_ns + 400 * MS, &mut run.recorder);
    let whole = run.whole();
    assert_eq!(whole.times(Outcome::Timeout).unwrap().response.max_us(), Some(300_000));
    assert_eq!((sockets(&whole).late, sockets(&whole).pushes), (1, 0));
}

#[test]
fn a_connection_that_breaks_takes_its_texts_along_and_is_opened_again_after_a_pause() {
    let mut run = Run::open(any());
    let (line, due_ns) = run.says();
    run.breaks(line, SocketEnd::Closed, due_ns + 5 * MS);
    // The other one sends, then this one would have.
    let (other, other_ns) = run.says();
    run.heard(other, "pong", other_ns + MS);
    let mut opens_ns = None;
    while opens_ns.is_none() {
        let now_ns = run.live.next_ns().unwrap();
        match run.next() {
            Todo::Open(opened) => {
                assert_eq!(opened, line);
                opens_ns = Some(now_ns);
            }
            Todo::Say(other) => {
                run.live.say(other, now_ns);
                run.heard(other, "pong", now_ns + MS);
            }
            _ => {}
        }
    }
    let pause_ms = (opens_ns.unwrap() - due_ns) / MS - 5;
    assert!((500..=1_500).contains(&pause_ms), "{pause_ms}");
    run.opened(line, opens_ns.unwrap() + MS);
    let whole = run.whole();
    let sockets = sockets(&whole);
    assert_eq!(
        (sockets.connections.opened, sockets.reopened, sockets.connections.closed),
        (3, 1, 1)
    );
    assert_eq!(sockets.ends, BTreeMap::from([(SocketEnd::Closed, 1)]));
    let lost = whole.times(Outcome::ConnectError).unwrap();
    assert!(lost.response.count() >= 1, "{whole:?}");
}

#[test]
fn a_text_waits_while_its_connection_is_opened_and_fails_while_it_is_shut() {
    let mut run = Run::of(any());
    assert_eq!((run.next(), run.next()), (Todo::Open(0), Todo::Open(1)));
    assert_eq!((run.next(), run.next()), (Todo::Nothing, Todo::Nothing));
    assert!(run.live.is_pending());
    // Texts are due at 20 and 520 ms.
    run.opened(0, 600 * MS);
    run.live.expire(600 * MS, &mut run.recorder);
    run.breaks(1, SocketEnd::NotUpgraded, 700 * MS);
    let said = run.live.say(0, 601 * MS);
    let whole = run.whole();
    let count = |outcome| whole.count(outcome);
    assert_eq!(count(Outcome::Timeout), 1, "the first waited for too long");
    match said {
        Some(_) => assert_eq!(whole.cut_off, 1),
        None => assert_eq!(count(Outcome::ConnectError), 1),
    }
    assert_eq!(sockets(&whole).connections.failed, 1);
}

#[test]
fn what_this_machine_cannot_open_was_not_sent() {
    let mut run = Run::of(any());
    assert_eq!((run.next(), run.next()), (Todo::Open(0), Todo::Open(1)));
    for line in 0..2 {
        let end = HeldEnd::Local(UnsentCause::NoFile);
        run.live.ended(line, end, 11 * MS, &mut run.recorder);
    }
    assert_eq!(run.next(), Todo::Nothing);
    let whole = run.whole();
    assert_eq!(whole.unsent, BTreeMap::from([(UnsentCause::NoFile, 1)]));
    assert_eq!(sockets(&whole).local, BTreeMap::from([(UnsentCause::NoFile, 2)]));
}

#[test]
fn without_an_answer_a_text_is_done_when_it_has_left() {
    let mut run = Run::open(None);
    let (line, due_ns) = run.says();
    assert!(!run.live.is_pending());
    run.heard(line, "news", due_ns + MS);
    let whole = run.whole();
    assert_eq!((whole.count(Outcome::Ok), sockets(&whole).pushes), (1, 1));
}

#[test]
fn at_the_end_nothing_new_is_sent_and_what_is_under_way_is_cut_off() {
    let mut run = Run::open(any());
    run.says();
    let (line, due_ns) = run.says();
    run.live.close(2_000 * MS, &mut run.recorder);
    assert_eq!(run.live.next_ns(), None);
    assert!(run.live.is_pending(), "an answer may still come");
    run.heard(line, "pong", due_ns + MS);
    run.breaks(0, SocketEnd::Closed, 2_100 * MS);
    assert_eq!(run.live.next_ns(), None, "nothing is opened again");
    let whole = run.whole();
    // Due at 20, 520, 1020 and 1520 ms; the pacer did not come to the last two.
    assert_eq!((whole.scheduled, whole.unsent()), (4, 2));
    assert_eq!(whole.count(Outcome::Ok), 1);
    assert_eq!(whole.cut_off + whole.count(Outcome::ConnectError), 1);
}

#[test]
fn memory_does_not_grow_with_a_target_that_never_answers() {
    let mut run = Run::open(any());
    let mut sent = 0;
    while run.live.turn().is_some() {
        let (line, now_ns) = run.says();
        run.live.expire(now_ns, &mut run.recorder);
        sent += 1;
        assert!(run.live.deadlines.len() <= 2, "{}", run.live.deadlines.len());
        let kept = run.live.lines[line].clone().abandon().count();
        assert!(kept <= 1, "{kept}");
    }
    assert_eq!(sent, 10);
    run.live.expire(UNTIL_NS + 300 * MS, &mut run.recorder);
    assert_eq!(run.whole().count(Outcome::Timeout), 10);
}
