//! Keeps what the server acknowledged, in cells in which it is looked for afterwards.

use super::dispatch::Job;
use super::worker::Worker;
use crate::record::Outcome;

impl Worker {
    /// Whether the answer's revision is kept.
    pub(super) fn wants_revision(&self, job: &Job) -> bool {
        self.keeps_acknowledged && self.requests.gets_revision(&job.arrival)
    }

    /// A request ended; keeps what was promised. Returns what the outcome really is: a success that does not say what was stored
    /// is none.
    pub(super) fn keep_promise(&self, job: &Job, outcome: Outcome, body: &[u8]) -> Outcome {
        if !self.keeps_acknowledged || outcome != Outcome::Ok {
            return outcome;
        }
        match self.requests.promised(&job.arrival, body) {
            None => Outcome::Ok,
            Some(Ok(promise)) => {
                self.ledger.borrow_mut().promised(job, promise);
                Outcome::Ok
            }
            Some(Err(_)) => Outcome::ProtocolError,
        }
    }
}
