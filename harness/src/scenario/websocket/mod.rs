//! WebSocket connections that a workload describes: held to any server, with what is said over them and answered.
//!
//! ```text
//!   mod ──► live ──► entry ──► timetable (a leaf)
//!             └────► line (a leaf)
//! ```
//!
//! What may enter: connections, texts and answers as such. What a particular service means by them is the workload's to
//! say. Nothing here is on the schedule: connections are opened and texts are sent by a timetable of their own.

mod entry;
mod line;
mod live;
mod timetable;

use std::sync::Arc;

pub use self::entry::Entry;
use self::live::Live;
use super::plan::{Call, Place, Scenario, ScenarioPlan, Todo};
use crate::arrival::Arrival;
use crate::record::{Outcome, Recorder};
use crate::transport::{Address, Answer, Heard, HeldEnd, Opened, Request, Wanted, websocket};

/// The WebSocket connections that are held in a cell.
#[derive(Debug, Clone)]
pub struct WebsocketPlan {
    /// The traffic entries that hold some.
    pub entries: Vec<Arc<Entry>>,
}

/// A connection as it would be opened, for people: without what comes from the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preview {
    /// Index of its traffic entry.
    pub(crate) flow: usize,
    /// When it is opened.
    pub(crate) opens_ns: u64,
    /// The request for it.
    pub(crate) request: Vec<u8>,
    /// When it sends its first text, and that text.
    pub(crate) says: Option<(u64, String)>,
}

impl WebsocketPlan {
    /// The first `count` connections of each entry.
    pub(crate) fn previews(&self, count: usize) -> impl Iterator<Item = Preview> {
        self.entries.iter().flat_map(move |entry| {
            let hold = entry.websocket.hold as usize;
            // The first round has a text of each connection.
            let turns: Vec<_> = entry
                .timetable()
                .into_iter()
                .flat_map(|timetable| timetable.share_of(0, 1))
                .take(hold)
                .filter(|turn| turn.connection < count)
                .collect();
            (0..hold.min(count)).map(move |number| {
                let turn = turns.iter().find(|turn| turn.connection == number);
                Preview {
                    flow: entry.flow,
                    opens_ns: entry.opens_ns(number),
                    request: websocket::written(&entry.address(number, true)).unwrap_or_else(String::into_bytes),
                    says: turn.map(|turn| (turn.intended_ns, entry.text(turn.text, true))),
                }
            })
        })
    }
}

impl ScenarioPlan for WebsocketPlan {
    fn part(&self, worker: usize, workers: usize) -> Box<dyn Scenario> {
        let lives: Vec<Live> = self
            .entries
            .iter()
            .map(|entry| Live::new(entry, worker, workers))
            .collect();
        let firsts = lives.iter().scan(0, |next, live| {
            let first = *next;
            *next += live.count();
            Some(first)
        });
        Box::new(Part {
            firsts: firsts.collect(),
            lives,
        })
    }
}

struct Part {
    lives: Vec<Live>,
    /// The number of the first connection of each.
    firsts: Vec<usize>,
}

impl Part {
    /// Whose connection it is, and which of its own.
    fn find(&self, socket: usize) -> (usize, usize) {
        let live = self.firsts.partition_point(|first| *first <= socket) - 1;
        (live, socket - self.firsts[live])
    }

    fn of(&mut self, socket: usize) -> (&mut Live, usize) {
        let (live, line) = self.find(socket);
        (&mut self.lives[live], line)
    }
}

/// Says of what only arrivals are asked that there are none.
const NO_ARRIVALS: &str = "no arrival on the schedule is a WebSocket's";

impl Scenario for Part {
    fn place(&self, _arrival: &Arrival) -> Place {
        unreachable!("{NO_ARRIVALS}")
    }

    fn begin(&mut self, _call: &Call, _request: &mut Request) -> Wanted {
        unreachable!("{NO_ARRIVALS}")
    }

    fn answered(
        &mut self,
        _call: &Call,
        _outcome: Outcome,
        _answer: &Answer<'_>,
        _now_ns: u64,
        _recorder: &mut Recorder,
    ) -> Outcome {
        unreachable!("{NO_ARRIVALS}")
    }

    fn acts(&self) -> bool {
        !self.lives.is_empty()
    }

    fn next_ns(&self) -> Option<u64> {
        self.lives.iter().filter_map(Live::next_ns).min()
    }

    fn take_due(&mut self, now_ns: u64, recorder: &mut Recorder) -> Todo<usize> {
        let next_ns = self.next_ns();
        let mut lives = self.lives.iter_mut().zip(&self.firsts);
        let due = lives.find(|(live, _)| next_ns.is_some() && live.next_ns() == next_ns);
        let Some((live, first)) = due else {
            return Todo::Nothing;
        };
        match live.take_due(now_ns, recorder) {
            Todo::Open(line) => Todo::Open(first + line),
            Todo::Say(line) => Todo::Say(first + line),
            other => other,
        }
    }

    fn look(&mut self, now_ns: u64, recorder: &mut Recorder) {
        self.lives.iter().for_each(|live| live.look(now_ns, recorder));
    }

    fn close(&mut self, end_ns: u64, recorder: &mut Recorder) {
        self.lives.iter_mut().for_each(|live| live.close(end_ns, recorder));
    }

    fn end(&mut self, _now_ns: u64, recorder: &mut Recorder) {
        self.lives.iter_mut().for_each(|live| live.end_of_run(recorder));
    }

    fn sockets(&self) -> usize {
        self.lives.iter().map(Live::count).sum()
    }

    fn address(&self, socket: usize) -> Option<Address> {
        let (live, line) = self.find(socket);
        Some(self.lives[live].address(line))
    }

    fn opened(&mut self, socket: usize, opened: Opened, now_ns: u64, recorder: &mut Recorder) {
        let (live, line) = self.of(socket);
        live.opened(line, opened, now_ns, recorder);
    }

    fn heard(
        &mut self,
        socket: usize,
        heard: Heard<'_>,
        now_ns: u64,
        delay_ns: &dyn Fn(u64) -> u64,
        recorder: &mut Recorder,
    ) {
        let (live, line) = self.of(socket);
        live.heard(line, heard, now_ns, delay_ns, recorder);
    }

    fn say(&mut self, socket: usize, now_ns: u64) -> Option<String> {
        let (live, line) = self.of(socket);
        live.say(line, now_ns)
    }

    fn said(&mut self, socket: usize, now_ns: u64, recorder: &mut Recorder) {
        let (live, line) = self.of(socket);
        live.said(line, now_ns, recorder);
    }

    fn ended(&mut self, socket: usize, end: HeldEnd, now_ns: u64, recorder: &mut Recorder) {
        let (live, line) = self.of(socket);
        live.ended(line, end, now_ns, recorder);
    }

    fn expire(&mut self, now_ns: u64, recorder: &mut Recorder) {
        self.lives.iter_mut().for_each(|live| live.expire(now_ns, recorder));
    }

    fn is_pending(&self) -> bool {
        self.lives.iter().any(Live::is_pending)
    }
}
