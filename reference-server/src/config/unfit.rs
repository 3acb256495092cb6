//! Checks across several keys: settings that are well formed but cannot work together.

use std::fmt;

use super::{
    BreakerScope, BulkheadScope, JoinLimit, JoinThrottle, LocalShared, PushThrottle, RequestPolicy, Requests, Settings,
};

/// A setting that cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// Path below `settings`; empty for the whole block.
    pub(crate) key: String,
    pub(crate) message: String,
}

impl Unfit {
    /// Path from the top of the file.
    pub(crate) fn path(&self) -> String {
        if self.key.is_empty() {
            "settings".to_owned()
        } else {
            format!("settings.{}", self.key)
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path(), self.message)
    }
}

impl Settings {
    /// Rejects combinations that cannot work; `redis`: whether the server has Redis.
    pub(crate) fn check(&self, redis: bool) -> Result<(), Unfit> {
        self.labels.check()?;
        self.requests.check()?;
        self.check_breaker()?;
        self.notify.check()?;
        self.join_throttle.check(self.join_limit, redis)?;
        if redis || self.push_throttle == PushThrottle::None {
            return Ok(());
        }
        Err(Unfit {
            key: "push_throttle".to_owned(),
            message: "a throttle needs Redis for the marks of hot chats, and the file has no `redis`; \
                      add `redis: redis://host:port/` and restart, or set `push_throttle: none`"
                .to_owned(),
        })
    }

    /// Rejects a breaker that the other limits would blind, or whose view of the shard they would distort.
    fn check_breaker(&self) -> Result<(), Unfit> {
        let (breaker, bulkhead) = (self.breaker, self.bulkhead);
        if breaker.scope == BreakerScope::None {
            return Ok(());
        }
        let (slow_call, deadline) = (breaker.slow_call.get(), self.requests.deadline.get());
        // A slow call in progress is detected up to a sixteenth late.
        if deadline <= slow_call + slow_call / 16 {
            return Err(Unfit {
                key: "breaker.slow_call".to_owned(),
                message: format!(
                    "with a `requests.deadline` of {:?} the breaker would detect nothing: calls to a stalled shard would end before they are \
                     slow, which takes {:?} and up to a sixteenth more; lower `breaker.slow_call`, or raise `requests.deadline` and restart",
                    self.requests.deadline, breaker.slow_call
                ),
            });
        }
        if bulkhead.scope != BulkheadScope::None && bulkhead.wait.get() >= slow_call {
            return Err(Unfit {
                key: "bulkhead.wait".to_owned(),
                message: format!(
                    "a wait of up to {:?} for the bulkhead would count as slowness of the shard, for which {:?} is enough; \
                     lower `bulkhead.wait` below `breaker.slow_call`, or raise that",
                    bulkhead.wait, breaker.slow_call
                ),
            });
        }
        Ok(())
    }
}

impl Requests {
    /// Rejects a policy that its own values, or the limits around it, would disable.
    fn check(&self) -> Result<(), Unfit> {
        let (key, message) = match self.policy {
            RequestPolicy::Codel(codel) if codel.target.get() > codel.interval.get() => (
                "codel.target",
                format!(
                    "{:?} under overload is more than the {:?} without one, expected at most that; lower `target` or raise \
                     `interval`",
                    codel.target, codel.interval
                ),
            ),
            RequestPolicy::Gradient(gradient) if gradient.min.get() > self.in_progress.get() => (
                "gradient.min",
                format!(
                    "{} is above the maximum, expected at most the {} of `requests.in_progress`; lower `min` or raise that",
                    gradient.min.get(),
                    self.in_progress.get()
                ),
            ),
            RequestPolicy::Dagor(dagor) if dagor.queue_delay.get() >= self.wait.get() && self.waiting.get() > 0 => (
                "dagor.queue_delay",
                format!(
                    "a mean wait above {:?} cannot be seen with a `requests.wait` of {:?}; lower `queue_delay` or raise that",
                    dagor.queue_delay, self.wait
                ),
            ),
            RequestPolicy::BoundedFifo
            | RequestPolicy::Codel(_)
            | RequestPolicy::Gradient(_)
            | RequestPolicy::Dagor(_) => return Ok(()),
        };
        let key = format!("requests.policy.{key}");
        Err(Unfit { key, message })
    }
}

impl JoinThrottle {
    fn check(self, limit: JoinLimit, redis: bool) -> Result<(), Unfit> {
        let unfit = |message| {
            let key = "join_throttle".to_owned();
            Err(Unfit { key, message })
        };
        if self.needs_redis() && !redis {
            return unfit(
                "joins are counted in Redis, and the file has no `redis`; add `redis: redis://host:port/` and restart, \
                 or set `join_throttle: local` (each process for itself) or `none`"
                    .to_owned(),
            );
        }
        match self {
            Self::LocalShared(LocalShared { processes, .. }) if processes.get() > limit.joins.get() => unfit(format!(
                "{} processes cannot share {} joins, expected at least one for each; raise `join_limit.joins`",
                processes.get(),
                limit.joins.get()
            )),
            _ => Ok(()),
        }
    }
}
