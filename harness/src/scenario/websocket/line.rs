//! One held connection, and what was sent over it and is not answered yet. Pure: time comes in.
//!
//! ```text
//!   due ──► waits for the connection ──► sent ──► answered        (or given up, or broken with the connection)
//! ```
//!
//! A message carries no number that says what it answers, so it counts as the answer to the oldest text that has none.
//! One that was given up is remembered for as long again as an answer may take: an answer that comes late is then its
//! own, and not that of a younger text, which would seem to be answered before its time.

use std::collections::VecDeque;

use crate::record::{Due, UnsentCause};

/// Something that is to be sent, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exchange {
    /// Its number.
    pub(super) text: u64,
    pub(super) due: Due,
    /// When the connection took it; `None` where it waits.
    pub(super) sent_ns: Option<u64>,
    /// The generator's own lateness in that.
    pub(super) own_ns: u64,
    is_given_up: bool,
}

impl Exchange {
    pub(super) fn new(text: u64, due: Due) -> Self {
        Self {
            text,
            due,
            sent_ns: None,
            own_ns: 0,
            is_given_up: false,
        }
    }
}

/// What a message is the answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// This.
    Exchange(Exchange),
    /// Something that was given up.
    Late,
    /// Nothing.
    Nothing,
}

/// How a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    /// Not open, and nobody opens it at the moment; the last attempt may have failed on this machine.
    Shut(Option<UnsentCause>),
    /// On its way.
    Opening,
    /// Open.
    Open,
}

impl Default for Is {
    fn default() -> Self {
        Self::Shut(None)
    }
}

/// One held connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) is: Is,
    /// Whether it has been open before.
    pub(super) was_open: bool,
    /// How often it ended or failed.
    pub(super) ends: u32,
    /// Since when it could take a text.
    free_ns: u64,
    /// In order of their numbers.
    exchanges: VecDeque<Exchange>,
}

impl Line {
    pub(super) fn opened(&mut self, now_ns: u64) {
        self.is = Is::Open;
        self.free_ns = now_ns;
    }

    /// It ended, or could not be opened; returns what has no end yet.
    pub(super) fn ended(&mut self, cause: Option<UnsentCause>) -> impl Iterator<Item = Exchange> + use<> {
        self.was_open |= self.is == Is::Open;
        self.is = Is::Shut(cause);
        self.ends += 1;
        self.abandon()
    }

    /// Everything that has no end yet; nothing of it is waited for any more.
    pub(super) fn abandon(&mut self) -> impl Iterator<Item = Exchange> + use<> {
        let exchanges = std::mem::take(&mut self.exchanges);
        exchanges.into_iter().filter(|exchange| !exchange.is_given_up)
    }

    /// Something is to be sent as soon as that is possible. What was given up before `forget_ns` is forgotten.
    pub(super) fn take(&mut self, exchange: Exchange, forget_ns: u64) {
        self.forget(forget_ns);
        self.exchanges.push_back(exchange);
    }

    /// The connection takes the next text at `now_ns`: its number.
    pub(super) fn say(&mut self, now_ns: u64) -> Option<u64> {
        let free_ns = self.free_ns;
        let exchange = self.exchanges.iter_mut().find(|exchange| exchange.sent_ns.is_none())?;
        exchange.sent_ns = Some(now_ns);
        exchange.own_ns = now_ns.saturating_sub(exchange.due.intended_ns.max(free_ns));
        Some(exchange.text)
    }

    /// What the connection took last has left at `now_ns`. Where nothing `is_answered`, that was its end.
    pub(super) fn said(&mut self, is_answered: bool, now_ns: u64) -> Option<Exchange> {
        self.free_ns = now_ns;
        let is_sent = self
            .exchanges
            .front()
            .is_some_and(|exchange| exchange.sent_ns.is_some());
        if is_answered || !is_sent {
            return None;
        }
        self.exchanges.pop_front().filter(|exchange| !exchange.is_given_up)
    }

    /// An answer came. What was given up before `forget_ns` is forgotten.
    pub(super) fn answered(&mut self, forget_ns: u64) -> Answers {
        self.forget(forget_ns);
        match self.exchanges.front() {
            Some(exchange) if exchange.sent_ns.is_some() => {}
            _ => return Answers::Nothing,
        }
        match self.exchanges.pop_front() {
            Some(exchange) if exchange.is_given_up => Answers::Late,
            Some(exchange) => Answers::Exchange(exchange),
            None => Answers::Nothing,
        }
    }

    /// Gives a text up, if it has no end yet. One that was never sent is not sent any more.
    pub(super) fn give_up(&mut self, text: u64) -> Option<Exchange> {
        let place = self
            .exchanges
            .binary_search_by_key(&text, |exchange| exchange.text)
            .ok()?;
        let exchange = self.exchanges[place];
        if exchange.is_given_up {
            return None;
        }
        match exchange.sent_ns {
            Some(_) => self.exchanges[place].is_given_up = true,
            None => drop(self.exchanges.remove(place)),
        }
        Some(exchange)
    }

    fn forget(&mut self, forget_ns: u64) {
        let is_old = |exchange: &Exchange| exchange.is_given_up && exchange.due.intended_ns < forget_ns;
        while self.exchanges.front().is_some_and(is_old) {
            self.exchanges.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(text: u64) -> Exchange {
        let due = Due {
            series: 0,
            phase: 0,
            shard: None,
            host: 0,
            intended_ns: text * 100,
            is_retry: false,
        };
        Exchange::new(text, due)
    }

    /// An open line with so many texts that were sent when they were due.
    fn line(texts: u64) -> Line {
        let mut line = Line::default();
        line.opened(0);
        for text in 0..texts {
            line.take(exchange(text), 0);
            assert_eq!(line.say(text * 100), Some(text));
        }
        line
    }

    fn answered(line: &mut Line, forget_ns: u64) -> Option<u64> {
        match line.answered(forget_ns) {
            Answers::Exchange(exchange) => Some(exchange.text),
            Answers::Late | Answers::Nothing => None,
        }
    }

    #[test]
    fn an_answer_is_that_to_the_oldest_text_without_one() {
        let mut line = line(3);
        assert_eq!(
            [0, 0, 0, 0].map(|_| answered(&mut line, 0)),
            [Some(0), Some(1), Some(2), None]
        );
        assert_eq!(line.answered(0), Answers::Nothing);
    }

    #[test]
    fn nothing_is_the_answer_to_a_text_that_was_not_sent() {
        let mut line = Line::default();
        line.take(exchange(0), 0);
        assert_eq!(line.answered(0), Answers::Nothing);
        line.opened(50);
        assert_eq!((line.say(60), line.say(60)), (Some(0), None));
        assert_eq!(answered(&mut line, 0), Some(0));
    }

    #[test]
    fn a_late_answer_is_not_that_to_a_younger_text_until_the_old_one_is_forgotten() {
        let mut late = line(2);
        assert_eq!(late.give_up(0).map(|exchange| exchange.text), Some(0));
        assert_eq!(late.give_up(0), None, "once");
        assert_eq!(late.answered(0), Answers::Late);
        assert_eq!(answered(&mut late, 0), Some(1));
        let mut lost = line(2);
        lost.give_up(0);
        assert_eq!(
            answered(&mut lost, 1),
            Some(1),
            "the answer to the first one will never come"
        );
    }

    #[test]
    fn what_is_given_up_before_it_is_sent_is_not_sent() {
        let mut line = Line::default();
        line.take(exchange(0), 0);
        line.take(exchange(1), 0);
        assert_eq!(line.give_up(0).and_then(|exchange| exchange.sent_ns), None);
        line.opened(90);
        assert_eq!((line.say(100), line.say(100)), (Some(1), None));
    }

    #[test]
    fn own_lateness_is_what_a_punctual_sender_would_have_saved() {
        let mut line = Line::default();
        line.take(exchange(1), 0);
        line.opened(150);
        line.say(160);
        line.said(true, 170);
        line.take(exchange(2), 0);
        line.say(230);
        let own: Vec<u64> = line.abandon().map(|exchange| exchange.own_ns).collect();
        assert_eq!(own, [10, 30], "the first one waited for its connection");
    }

    #[test]
    fn where_nothing_is_answered_a_text_has_its_end_when_it_has_left() {
        let mut line = line(1);
        assert_eq!(line.said(false, 10).map(|exchange| exchange.text), Some(0));
        assert_eq!(line.said(false, 10), None);
        assert_eq!(line.abandon().count(), 0);
    }

    #[test]
    fn a_connection_takes_with_it_what_has_no_end() {
        let mut line = line(3);
        line.give_up(0);
        let lost: Vec<u64> = line.ended(None).map(|exchange| exchange.text).collect();
        assert_eq!(lost, [1, 2]);
        assert!(line.was_open && line.is == Is::Shut(None) && line.ends == 1);
    }
}
