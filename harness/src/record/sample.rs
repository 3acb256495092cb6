//! What happened to one arrival, whoever made it: the generator, a user of a closed model, a simulator, another
//! machine.

use super::Outcome;

/// An arrival that was due. Times are nanoseconds from the start of the cell, on one monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Index of its series.
    pub series: usize,
    /// Index of the phase in which it was due.
    pub phase: usize,
    /// The shard that it concerns, where that is known and told apart.
    pub shard: Option<u16>,
    /// Index of the host that it goes to; 0 where there is one.
    pub host: usize,
    /// When it should have been sent.
    pub intended_ns: u64,
    /// Whether it repeats what came to nothing before.
    pub is_retry: bool,
}

/// An arrival that was sent and has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// What was due.
    pub due: Due,
    /// When it was handed to its connection.
    pub sent_ns: u64,
    /// When its answer was complete, or it was given up.
    pub done_ns: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The part of done − intended that is the lateness of whoever sent it and not the target's: nanoseconds, at most
    /// done − intended.
    pub own_ns: u64,
}

impl Sample {
    /// Done − intended.
    #[must_use]
    pub fn response_ns(&self) -> u64 {
        self.done_ns.saturating_sub(self.due.intended_ns)
    }

    /// Done − sent.
    #[must_use]
    pub fn service_ns(&self) -> u64 {
        self.done_ns.saturating_sub(self.sent_ns)
    }

    /// The response time of a punctual sender.
    #[must_use]
    pub fn net_ns(&self) -> u64 {
        self.response_ns().saturating_sub(self.own_ns)
    }
}
