//! The connections of a traffic entry that one worker holds, and what is under way on them.
//!
//! ```text
//!   opens ──► opened ──► heard, ended ──► opens again, after a pause
//!   turn ──► due ──► waits for its connection ──► said ──► answered, given up, or broken
//! ```
//!
//! What is sent is due by a timetable that does not wait for answers, and each text has one end. A text that is due
//! while its connection is being opened waits for that; one that is due while it is shut has failed.
//!
//! Pure: time and what was heard come in, what is to be done is returned, and what was seen goes into the recorder that
//! the caller passes. Memory is bounded by the connections and by what is sent within twice the longest time that an
//! answer may take.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use super::entry::{Entry, nanos};
use super::line::{Answers, Exchange, Is, Line};
use super::timetable::{Turn, Turns};
use crate::record::{Due, Outcome, Recorder, Sample, Sockets, UnsentCause};
use crate::scenario::Todo;
use crate::template::Says;
use crate::transport::{Address, Heard, HeldEnd, Opened};

/// One worker's share of the connections.
pub(super) struct Live {
    entry: Arc<Entry>,
    worker: usize,
    workers: usize,
    lines: Vec<Line>,
    /// Connections that are to be opened, by when.
    agenda: BinaryHeap<Reverse<(u64, usize)>>,
    /// What is to be sent.
    turns: Option<Turns>,
    within_ns: u64,
    /// What may still be answered, by when it is given up.
    deadlines: VecDeque<(u64, usize, u64)>,
    /// What has no end yet.
    under_way: usize,
    open: u64,
    /// The last phase has ended.
    is_closed: bool,
}

impl Live {
    pub(super) fn new(entry: &Arc<Entry>, worker: usize, workers: usize) -> Self {
        let all = entry.websocket.hold as usize;
        let count = (all + workers - 1 - worker) / workers;
        let number = |line: usize| line * workers + worker;
        let says = entry.websocket.says.as_ref();
        Self {
            lines: vec![Line::default(); count],
            agenda: (0..count)
                .map(|line| Reverse((entry.opens_ns(number(line)), line)))
                .collect(),
            turns: entry.timetable().map(|timetable| timetable.share_of(worker, workers)),
            within_ns: says.map_or(0, |says| nanos(says.within)),
            deadlines: VecDeque::new(),
            under_way: 0,
            open: 0,
            is_closed: false,
            entry: Arc::clone(entry),
            worker,
            workers,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    /// The number of a connection among those of all workers.
    fn number(&self, line: usize) -> usize {
        line * self.workers + self.worker
    }

    pub(super) fn address(&self, line: usize) -> Address {
        self.entry.address(self.number(line), false)
    }

    fn sockets<'a>(&self, now_ns: u64, recorder: &'a mut Recorder) -> &'a mut Sockets {
        recorder.sockets(self.entry.series, now_ns)
    }

    fn turn(&self) -> Option<Turn> {
        self.turns.as_ref().and_then(Turns::peek)
    }

    /// When something is to be done next.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let opens_ns = self.agenda.peek().map(|Reverse((ns, _))| *ns);
        let sends_ns = self.turn().map(|turn| turn.intended_ns);
        opens_ns.into_iter().chain(sends_ns).min()
    }

    /// Does what is due next.
    pub(super) fn take_due(&mut self, now_ns: u64, recorder: &mut Recorder) -> Todo<usize> {
        let turn = self.turn();
        let opens = self.agenda.peek().map(|Reverse(due)| *due);
        match (opens, turn) {
            (Some((opens_ns, line)), turn) if turn.is_none_or(|turn| opens_ns <= turn.intended_ns) => {
                self.agenda.pop();
                self.lines[line].is = Is::Opening;
                Todo::Open(line)
            }
            (_, Some(turn)) => {
                self.turns.iter_mut().for_each(Turns::skip_one);
                self.send(turn, now_ns, recorder)
            }
            (_, None) => Todo::Nothing,
        }
    }

    fn due(&self, turn: Turn, recorder: &Recorder) -> Due {
        Due {
            series: self.entry.series,
            phase: recorder.phases().at(turn.intended_ns),
            shard: None,
            host: 0,
            intended_ns: turn.intended_ns,
            is_retry: false,
        }
    }

    fn send(&mut self, turn: Turn, now_ns: u64, recorder: &mut Recorder) -> Todo<usize> {
        let due = self.due(turn, recorder);
        recorder.due(&due, now_ns);
        let deadline_ns = turn.intended_ns.saturating_add(self.within_ns);
        if deadline_ns <= now_ns {
            recorder.unsent(&due, UnsentCause::TooLate);
            return Todo::Nothing;
        }
        let line = turn.connection / self.workers;
        let exchange = Exchange::new(turn.text, due);
        match self.lines[line].is {
            Is::Shut(Some(cause)) => {
                recorder.unsent(&due, cause);
                return Todo::Nothing;
            }
            Is::Shut(None) => {
                let own_ns = now_ns.saturating_sub(due.intended_ns);
                done(&exchange, Outcome::ConnectError, now_ns, own_ns, recorder);
                return Todo::Nothing;
            }
            Is::Opening | Is::Open => {}
        }
        self.under_way += 1;
        self.deadlines.push_back((deadline_ns, line, turn.text));
        let forget_ns = self.forget_ns(now_ns);
        self.lines[line].take(exchange, forget_ns);
        match self.lines[line].is {
            Is::Open => Todo::Say(line),
            Is::Opening | Is::Shut(_) => Todo::Nothing,
        }
    }

    /// Nobody waits any more for answers to what was due before this.
    fn forget_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.within_ns.saturating_mul(2))
    }

    /// What the connection is to say next.
    pub(super) fn say(&mut self, line: usize, now_ns: u64) -> Option<String> {
        let text = self.lines[line].say(now_ns)?;
        Some(self.entry.text(text, false))
    }

    fn says(&self) -> Option<&Says> {
        self.entry.websocket.says.as_ref()
    }

    /// What the connection was to say has left.
    pub(super) fn said(&mut self, line: usize, now_ns: u64, recorder: &mut Recorder) {
        let is_answered = self.says().is_some_and(|says| says.answer.is_some());
        if let Some(exchange) = self.lines[line].said(is_answered, now_ns) {
            self.end(&exchange, Outcome::Ok, now_ns, 0, recorder);
        }
    }

    /// Something came over the connection.
    pub(super) fn heard(
        &mut self,
        line: usize,
        heard: Heard<'_>,
        now_ns: u64,
        delay_ns: &dyn Fn(u64) -> u64,
        recorder: &mut Recorder,
    ) {
        let sockets = self.sockets(now_ns, recorder);
        let bytes = match heard {
            Heard::Ping => {
                sockets.pings += 1;
                return;
            }
            Heard::Text(text) => text.as_bytes(),
            Heard::Binary(bytes) => bytes,
        };
        sockets.messages += 1;
        sockets.bytes += bytes.len() as u64;
        let answer = self.says().and_then(|says| says.answer.as_ref());
        let is_answer = answer.is_some_and(|answer| answer.has_right_body(bytes));
        let forget_ns = self.forget_ns(now_ns);
        let answers = match is_answer {
            true => self.lines[line].answered(forget_ns),
            false => Answers::Nothing,
        };
        match answers {
            Answers::Nothing => self.sockets(now_ns, recorder).pushes += 1,
            Answers::Late => self.sockets(now_ns, recorder).late += 1,
            Answers::Exchange(exchange) => {
                let sent_ns = exchange.sent_ns.unwrap_or(now_ns);
                let late_ns = delay_ns(sent_ns).min(now_ns.saturating_sub(sent_ns));
                self.end(&exchange, Outcome::Ok, now_ns, late_ns, recorder);
            }
        }
    }

    /// `late_ns` is how much later than it should have this thread learnt of the end.
    fn end(&mut self, exchange: &Exchange, outcome: Outcome, now_ns: u64, late_ns: u64, recorder: &mut Recorder) {
        self.under_way -= 1;
        done(exchange, outcome, now_ns, exchange.own_ns + late_ns, recorder);
    }

    /// The connection is open.
    pub(super) fn opened(&mut self, line: usize, opened: Opened, now_ns: u64, recorder: &mut Recorder) {
        let is_again = self.lines[line].was_open;
        self.lines[line].opened(now_ns);
        self.open += 1;
        let sockets = self.sockets(now_ns, recorder);
        sockets.reopened += u64::from(is_again);
        let connections = &mut sockets.connections;
        connections.opened += 1;
        connections.open_max = connections.open_max.max(self.open);
        connections.handshake.record_ns(now_ns.saturating_sub(opened.since_ns));
        let parts = opened.parts;
        connections.resumed += u64::from(parts.is_resumed);
        connections.connect.record_ns(nanos(parts.connect));
        for (took, times) in [
            (parts.tls, &mut connections.tls),
            (parts.upgrade, &mut connections.upgrade),
        ] {
            took.into_iter().for_each(|took| times.record_ns(nanos(took)));
        }
    }

    /// The connection ended, or could not be opened: it is opened again after a pause.
    pub(super) fn ended(&mut self, line: usize, end: HeldEnd, now_ns: u64, recorder: &mut Recorder) {
        let was_open = self.lines[line].is == Is::Open;
        self.open -= u64::from(was_open);
        let sockets = self.sockets(now_ns, recorder);
        match was_open {
            true => sockets.connections.closed += 1,
            false => sockets.connections.failed += 1,
        }
        let cause = match end {
            HeldEnd::Local(cause) => {
                *sockets.local.entry(cause).or_default() += 1;
                Some(cause)
            }
            HeldEnd::Target(end) => {
                *sockets.ends.entry(end).or_default() += 1;
                None
            }
        };
        for exchange in self.lines[line].ended(cause) {
            match (cause, exchange.sent_ns) {
                (Some(cause), None) => {
                    self.under_way -= 1;
                    recorder.unsent(&exchange.due, cause);
                }
                _ => self.end(&exchange, Outcome::ConnectError, now_ns, 0, recorder),
            }
        }
        if !self.is_closed {
            let pause_ns = self.entry.pause_ns(self.number(line), self.lines[line].ends);
            self.agenda.push(Reverse((now_ns.saturating_add(pause_ns), line)));
        }
    }

    /// Gives up what has run out of time.
    pub(super) fn expire(&mut self, now_ns: u64, recorder: &mut Recorder) {
        while let Some((_, line, text)) = self.deadlines.pop_front_if(|(deadline_ns, ..)| *deadline_ns <= now_ns) {
            if let Some(exchange) = self.lines[line].give_up(text) {
                self.end(&exchange, Outcome::Timeout, now_ns, 0, recorder);
            }
        }
    }

    /// Whether something has no end yet.
    pub(super) fn is_pending(&self) -> bool {
        self.under_way > 0
    }

    /// Another second has begun.
    pub(super) fn look(&self, now_ns: u64, recorder: &mut Recorder) {
        if !self.is_closed {
            let most = &mut self.sockets(now_ns, recorder).connections.open_max;
            *most = self.open.max(*most);
        }
    }

    /// The last phase has ended at `end_ns`: nothing more is opened or sent, but what is under way may still be
    /// answered.
    pub(super) fn close(&mut self, end_ns: u64, recorder: &mut Recorder) {
        self.is_closed = true;
        self.agenda.clear();
        for turn in self.turns.take().into_iter().flatten() {
            // The pacer did not come to it.
            if turn.intended_ns < end_ns {
                let due = self.due(turn, recorder);
                recorder.due(&due, end_ns);
                recorder.unsent(&due, UnsentCause::TooLate);
            }
        }
    }

    /// The run has ended.
    pub(super) fn end_of_run(&mut self, recorder: &mut Recorder) {
        self.under_way = 0;
        for exchange in self.lines.iter_mut().flat_map(Line::abandon) {
            match exchange.sent_ns {
                Some(_) => recorder.cut_off(&exchange.due),
                None => recorder.unsent(&exchange.due, UnsentCause::RunEnded),
            }
        }
    }
}

fn done(exchange: &Exchange, outcome: Outcome, now_ns: u64, own_ns: u64, recorder: &mut Recorder) {
    let due = exchange.due;
    recorder.done(&Sample {
        due,
        sent_ns: exchange.sent_ns.unwrap_or(due.intended_ns),
        done_ns: now_ns,
        outcome,
        own_ns: own_ns.min(now_ns.saturating_sub(due.intended_ns)),
    });
}

#[cfg(test)]
mod tests;
