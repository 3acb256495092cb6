//! The ledger of shares of a chat's pool: kept in Redis, by a script that is atomic for all processes.
//!
//! A grant is counted until its lease has expired and a window has passed since, by the clock of Redis. The sum of what
//! is counted (the largest grant of each process) never exceeds the pool. When demand exceeds the pool, it is divided
//! in proportion to demand; otherwise each process gets what it wants and an even part of the rest. A process that
//! wants more than is free gets what is free now; the others learn of their lower part at their next request, so the
//! rest becomes free a window later.
//!
//! The time at which the ledger began, and the Redis run that keeps it, are stored in a key without a time to live. If
//! the key is missing or names another run (a restart, a replica that took over, whatever data they still hold), grants
//! may have been lost, and nothing is granted until every earlier grant has expired. Evicted keys would be lost without
//! a trace, so Redis must not evict any.

use std::time::Duration;

use hotchat_policy::Want;
use redis::Cmd;

use super::in_redis::micros;

const GRANT: &str = include_str!("grant.lua");
pub(super) const SINCE: &str = "hotchat:join_shares:since";

/// The parameters on which all processes agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) pool: u32,
    pub(super) processes: u32,
    pub(super) window: Duration,
    /// How long a share may be used after it was requested.
    pub(super) lease: Duration,
    /// How often it is requested.
    pub(super) reconcile: Duration,
}

impl Terms {
    /// How long a grant is counted.
    pub(super) fn counted(&self) -> Duration {
        self.window + self.lease
    }

    /// Grants of one process within this time are counted as one: a window holds at most about twenty.
    pub(super) fn precision(&self) -> Duration {
        self.reconcile.max(self.window / 20)
    }
}

/// The request for all shares that `process` wants; the answer is one number for each.
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
