//! Sends what a worker has measured, without ever making it wait while the run goes on.
//!
//! Knows intervals and a channel, and nothing of the run.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, TrySendError};

use super::message::Message;
use crate::record::Recorder;

/// What has been taken from the recorder and not been sent yet.
///
/// As long as there is something, nothing more is taken: the recorder adds up what belongs to the same second, so a
/// receiver that is behind costs one interval for each second, and not one for each attempt.
#[derive(Debug)]
pub(super) struct Outbox {
    sink: SyncSender<Message>,
    waiting: VecDeque<Message>,
}

impl Outbox {
    pub(super) fn new(sink: SyncSender<Message>) -> Self {
        Self {
            sink,
            waiting: VecDeque::new(),
        }
    }

    /// Sends as much of what has happened by `now_ns` as the receiver has room for.
    pub(super) fn send(&mut self, recorder: &mut Recorder, now_ns: u64) {
        self.send_waiting();
        if self.waiting.is_empty() {
            self.take(recorder);
            self.waiting.push_back(Message::Until {
                worker: recorder.worker(),
                ns: now_ns,
            });
            self.send_waiting();
        }
    }

    /// Sends everything, and says that it was everything. Waits for the receiver.
    pub(super) fn finish(&mut self, recorder: &mut Recorder) {
        self.take(recorder);
        self.waiting.push_back(Message::Done);
        for message in self.waiting.drain(..) {
            // A receiver that is gone wants nothing more.
            let _ = self.sink.send(message);
        }
    }

    fn take(&mut self, recorder: &mut Recorder) {
        let intervals = recorder.drain().map(|interval| Message::Interval(Box::new(interval)));
        self.waiting.extend(intervals);
    }

    fn send_waiting(&mut self) {
        while let Some(message) = self.waiting.pop_front() {
            match self.sink.try_send(message) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => {}
                Err(TrySendError::Full(message)) => {
                    self.waiting.push_front(message);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use super::*;
    use crate::record::{Due, Merged, PhaseBounds};

    const SECOND_NS: u64 = 1_000_000_000;

    fn due(second: u64) -> Due {
        Due {
            series: 0,
            phase: 0,
            shard: None,
            host: 0,
            intended_ns: second * SECOND_NS,
            is_retry: false,
        }
    }

    #[test]
    fn a_receiver_that_is_behind_holds_nobody_up_and_loses_nothing() {
        let (sink, receiver) = sync_channel(2);
        let mut outbox = Outbox::new(sink);
        let mut recorder = Recorder::new(0, 1, 0, PhaseBounds::new([(Duration::ZERO, Duration::from_secs(99))]));
        for second in 0..10 {
            for _ in 0..5 {
                recorder.due(&due(second), second * SECOND_NS);
                outbox.send(&mut recorder, second * SECOND_NS);
            }
        }
        assert!(outbox.waiting.len() <= 2, "what waits is added up in the recorder");
        let reader = std::thread::spawn(move || {
            let (mut merged, mut is_done) = (Merged::new(1, 1), false);
            for message in receiver {
                match message {
                    Message::Interval(interval) => assert!(merged.take(&interval)),
                    Message::Until { .. } => {}
                    Message::Done => is_done = true,
                }
            }
            (merged, is_done)
        });
        outbox.finish(&mut recorder);
        drop(outbox);
        let (merged, is_done) = reader.join().unwrap();
        assert_eq!((merged.phases[0].series[0].scheduled, is_done), (50, true));
    }
}
