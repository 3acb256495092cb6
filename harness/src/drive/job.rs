//! An arrival on its way to a connection, and what lies behind it where it is a retry.
//!
//! A leaf: knows what an arrival is and what is recorded of it; nothing here knows connections, queues or the worker.

use crate::arrival::Arrival;
use crate::record::Due;
use crate::scenario::Call;
use crate::transport::Free;

/// An admitted arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) arrival: Arrival,
    pub(crate) phase: usize,
    pub(crate) series: usize,
    /// The shard that it concerns, where that is known.
    pub(crate) shard: Option<u16>,
    /// Its retry state, where it is a retry.
    pub(crate) tried: Option<Tried>,
    /// When the pacer admitted it, or its connection had to be replaced.
    pub(crate) admitted_ns: u64,
    /// How late it was admitted, where the pacer fell behind while a connection was to be had: whatever it then waits
    /// for, it would not have waited for so much of it.
    pub(crate) behind_ns: u64,
    /// What came of sending it on a connection that had to be replaced.
    pub(crate) replaced: Option<Replaced>,
}

/// The part of a job's life before its connection was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// When the connection turned out to be closed: the request could be sent again from then on.
    at_ns: u64,
    /// The generator's lateness until then.
    own_ns: u64,
}

/// The retry state of a logical call: what lies behind its next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tried {
    /// Intended start of the first attempt.
    pub(crate) first_ns: u64,
    /// Its phase.
    pub(crate) phase: u32,
    /// Attempts before this one.
    pub(crate) attempts: u16,
    /// One of them may have been done although no answer said so.
    pub(crate) unknown: bool,
}

impl Job {
    /// What is recorded of it.
    pub(crate) fn due(&self) -> Due {
        Due {
            series: self.series,
            phase: self.phase,
            shard: self.shard,
            host: self.arrival.host,
            intended_ns: self.arrival.intended_ns,
            is_retry: self.tried.is_some(),
        }
    }

    /// What its scenario is told of it.
    pub(crate) fn call(&self) -> Call {
        Call {
            arrival: self.arrival,
            due: self.due(),
            first_ns: self.first_ns(),
        }
    }

    /// Attempts made with this one.
    pub(crate) fn attempts(&self) -> u16 {
        self.tried.map_or(0, |tried| tried.attempts) + 1
    }

    /// Intended start of the first attempt.
    pub(crate) fn first_ns(&self) -> u64 {
        self.tried.map_or(self.arrival.intended_ns, |tried| tried.first_ns)
    }

    /// Phase of the first attempt.
    pub(crate) fn first_phase(&self) -> usize {
        self.tried.map_or(self.phase, |tried| tried.phase as usize)
    }

    /// The generator's own lateness in sending it at `sent_ns` on a connection.
    ///
    /// A punctual generator sends as soon as the arrival is due and the connection is free. On a connection that was
    /// opened because of the arrival, it would also have begun to open it as soon as the arrival was due; opening it
    /// took the time that it took. And if the pacer fell behind, the arrivals that it comes back to get in each other's
    /// way: all that they were admitted late is the generator's, whichever connection takes them.
    pub(crate) fn own_ns(&self, free: Free, sent_ns: u64) -> u64 {
        let (ready_ns, before_ns) = self.ready();
        let handing_over_ns = sent_ns.saturating_sub(ready_ns.max(free.since_ns));
        let admitting_ns = match free.is_new {
            true => self.admitted_ns.min(free.since_ns).saturating_sub(ready_ns),
            false => 0,
        };
        before_ns + (admitting_ns + handing_over_ns).max(self.behind_ns)
    }

    /// The generator's own lateness where no connection was to be had.
    pub(crate) fn own_unconnected_ns(&self) -> u64 {
        let (ready_ns, before_ns) = self.ready();
        before_ns + self.admitted_ns.saturating_sub(ready_ns)
    }

    /// The same job, to be sent again: the connection that it was sent on is found closed at `now_ns`.
    pub(crate) fn again(mut self, own_ns: u64, now_ns: u64) -> Self {
        self.admitted_ns = now_ns;
        self.behind_ns = 0; // is in `own_ns`
        self.replaced = Some(Replaced { at_ns: now_ns, own_ns });
        self
    }

    /// From when on it could be sent, and the generator's lateness before that.
    fn ready(&self) -> (u64, u64) {
        self.replaced.map_or((self.arrival.intended_ns, 0), |replaced| {
            (replaced.at_ns, replaced.own_ns)
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A job that was due and admitted at `intended_ns`.
    pub(crate) fn job(intended_ns: u64) -> Job {
        Job {
            arrival: Arrival {
                intended_ns,
                flow: 0,
                ordinal: intended_ns,
                item: 0,
                host: 0,
            },
            phase: 0,
            series: 0,
            shard: None,
            tried: None,
            admitted_ns: intended_ns,
            behind_ns: 0,
            replaced: None,
        }
    }

    fn free(since_ns: u64, is_new: bool) -> Free {
        Free { since_ns, is_new }
    }

    #[test]
    fn own_lateness_is_what_a_punctual_generator_would_have_saved() {
        let late = Job {
            admitted_ns: 130,
            ..job(100)
        };
        for (connection, sent_ns, own_ns, why) in [
            (
                free(50, false),
                140,
                40,
                "it was free before: all of the delay is the generator's",
            ),
            (free(120, false), 140, 20, "it was busy until 120, which is not"),
            (
                free(200, false),
                210,
                10,
                "busy for long: a late admission changed nothing",
            ),
            (
                free(200, true),
                210,
                40,
                "opened for it: 30 late to begin with, 10 late to send",
            ),
            (free(110, true), 140, 40, "open before it was admitted"),
            (free(50, true), 140, 40, "open before it was due"),
        ] {
            assert_eq!(late.own_ns(connection, sent_ns), own_ns, "{why}");
        }
        assert_eq!(late.own_unconnected_ns(), 30);
        let behind = Job { behind_ns: 30, ..late };
        assert_eq!(
            behind.own_ns(free(200, false), 210),
            30,
            "busy with the rest of the backlog"
        );
        assert_eq!(
            behind.own_ns(free(50, false), 140),
            40,
            "late once, and not counted twice"
        );
    }

    #[test]
    fn the_detour_over_a_closed_connection_is_not_the_generators_own() {
        let sent_ns = 105;
        let own_ns = job(100).own_ns(free(50, false), sent_ns);
        let again = job(100).again(own_ns, 400);
        assert_eq!(again.own_ns(free(300, false), 407), 5 + 7);
        assert_eq!(
            again.own_ns(free(900, true), 901),
            5 + 1,
            "the time to open another is the target's"
        );
        assert_eq!(again.own_unconnected_ns(), 5);
    }
}
