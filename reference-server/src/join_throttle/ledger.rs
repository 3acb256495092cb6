//! Who has which share of a chat's pool: kept in Redis, by a script that is one step for all processes.
//!
//! A grant is counted until its lease has run out and a window has passed since, by the clock of Redis, and the sum of what is counted (of each process
//! the largest) is never more than the pool. Among those who want more than there is, the pool is divided by demand; if there is enough, each
//! gets what it wants and an even part of the rest. Who wants more than is free gets what is free now, and the others, told of
//! their new part the next time they ask, are lower a window later.
//!
//! The time at which the ledger began, and the run of Redis that keeps it, are a key without a time to live. Where it is missing, or names another
//! run (a restart, a replica that took over, whatever they still know), grants may have been forgotten, and nothing is granted until whatever was
//! granted before is over. Keys that Redis evicts would be forgotten without a trace, so it must evict none.

use std::time::Duration;

use hotchat_policy::Want;
use redis::Cmd;

use super::in_redis::micros;

const GRANT: &str = include_str!("grant.lua");
pub(super) const SINCE: &str = "hotchat:join_shares:since";

/// What all processes agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) pool: u32,
    pub(super) processes: u32,
    pub(super) window: Duration,
    /// How long a share may be used after it was asked for.
    pub(super) lease: Duration,
    /// How often it is asked for.
    pub(super) reconcile: Duration,
}

impl Terms {
    /// How long a grant is counted.
    pub(super) fn counted(&self) -> Duration {
        self.window + self.lease
    }

    /// Grants of one process within this time are counted as one: a window holds at most some twenty.
    pub(super) fn precision(&self) -> Duration {
        self.reconcile.max(self.window / 20)
    }
}

/// The question for all shares that `process` wants; answered by a number for each.
pub(super) fn question(process: u64, wants: &[Want], terms: &Terms) -> Cmd {
    question_by(GRANT, process, wants, terms)
}

pub(super) fn question_by(script: &str, process: u64, wants: &[Want], terms: &Terms) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(wants.len() + 1).arg(SINCE);
    for want in wants {
        command.arg(format!("hotchat:join_shares:{}", want.chat_id));
    }
    command.arg(format!("{process:x}")).arg(terms.pool).arg(terms.processes);
    for time in [terms.counted(), terms.lease, terms.precision()] {
        command.arg(micros(time));
    }
    for want in wants {
        command.arg(want.joins);
    }
    command
}

#[cfg(test)]
pub(super) const SCRIPT: &str = GRANT;
