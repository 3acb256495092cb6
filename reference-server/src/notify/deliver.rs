//! One notification on its way: attempts, retries, what became of it.
//!
//! An attempt ends in one of three ways that a sender must tell apart. *Unsent*: no connection, or it closed before a
//! byte was written; trying again is safe. *Answered*: the gateway says what it did. *Unanswered*: it may have been
//! written and no answer came; it may have been delivered, so trying again may deliver it twice, and giving up leaves
//! it unknown, whatever a later attempt that did not succeed has shown.

use std::sync::Arc;
use std::time::Duration;

use hotchat_policy::{BreakerState, Outcome};
use hyper::StatusCode;

use super::client::Sent;
use super::lane::{Due, Lane};
use super::ledger::{Fate, Reason};
use super::notification::Notification;

/// Longest pause before a retry.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How an attempt ended.
enum Tried {
    Delivered,
    /// The breaker is open: nothing was tried.
    Shut,
    Unsent,
    /// `again`: the answer says that trying again may help.
    Rejected {
        again: bool,
    },
    Unanswered,
}

impl Lane {
    pub(super) async fn deliver(self: Arc<Self>, due: Due) {
        let Due {
            notification,
            account,
            slot,
        } = due;
        let fate = self.fate_of(&notification).await;
        if fate == Fate::Delivered {
            self.metrics
                .delivered(notification.role, notification.enqueued.elapsed());
        }
        account.ended(fate);
        drop(slot);
    }

    async fn fate_of(&self, notification: &Notification) -> Fate {
        let (mut retries, mut may_have_come) = (0, false);
        loop {
            let (reason, again) = match self.attempt(notification, retries > 0).await {
                Tried::Delivered => return Fate::Delivered,
                Tried::Shut => (Reason::Breaker, false),
                Tried::Unsent => (Reason::Failed, true),
                Tried::Rejected { again } => (Reason::Rejected, again),
                Tried::Unanswered => {
                    may_have_come = true;
                    (Reason::Failed, self.retries.unanswered)
                }
            };
            let lost = |reason| {
                if may_have_come {
                    Fate::Unknown
                } else {
                    Fate::Dropped(reason)
                }
            };
            if !again || retries >= self.retries.max.get() {
                return lost(reason);
            }
            if !self.budget().retry() {
                return lost(Reason::NoBudget);
            }
            tokio::time::sleep(pause(self.retries.pause.get(), retries, rand::random())).await;
            retries += 1;
        }
    }

    async fn attempt(&self, notification: &Notification, is_retry: bool) -> Tried {
        let permit = match self.breaker.as_ref().map(|breaker| breaker.permit(self.clock.now())) {
            None => None,
            Some(Ok(permit)) => {
                self.entered(permit.entered());
                Some(permit)
            }
            Some(Err(open)) => {
                self.entered(open.entered);
                return Tried::Shut;
            }
        };
        if !is_retry {
            // What the breaker drops entitles to no retries.
            self.budget().first_try();
        }
        self.metrics.ledger.attempt(notification.role, is_retry);
        let sent = self.client.send(notification).await;
        if let Some(permit) = permit {
            self.entered(permit.done(self.clock.now(), outcome(sent)));
        }
        match sent {
            Sent::Answered(status) if status.is_success() => Tried::Delivered,
            Sent::Answered(status) => Tried::Rejected {
                again: is_passing(status),
            },
            Sent::Unsent => Tried::Unsent,
            Sent::Unanswered => Tried::Unanswered,
        }
    }

    /// Records a transition of the breaker.
    pub(super) fn entered(&self, state: Option<BreakerState>) {
        let Some(state) = state else { return };
        let queue = self.name();
        self.metrics.entered(queue, state);
        match state {
            BreakerState::Open => tracing::warn!(queue, "breaker of the gateway opened"),
            BreakerState::HalfOpen => tracing::info!(queue, "breaker of the gateway half-open"),
            BreakerState::Closed => tracing::info!(queue, "breaker of the gateway closed"),
        }
    }
}

/// What an attempt says of the gateway. That it rejects a notification says nothing against it.
fn outcome(sent: Sent) -> Outcome {
    match sent {
        Sent::Answered(status) if !is_passing(status) => Outcome::Ok,
        Sent::Answered(_) | Sent::Unsent | Sent::Unanswered => Outcome::Failed,
    }
}

/// Whether the answer speaks of the gateway's state, which passes, rather than of the notification.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Exponential with full jitter; `retries` were made before, `chance` is uniform in [0, 1).
fn pause(first: Duration, retries: u32, chance: f64) -> Duration {
    let ceiling = first.mul_f64(2_f64.powi(retries.min(30).cast_signed()));
    ceiling.min(PAUSE_MAX).mul_f64(chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_with_full_jitter() {
        let first = Duration::from_millis(50);
        let ceilings: Vec<u128> = (0..7).map(|retries| pause(first, retries, 1.0).as_millis()).collect();
        assert_eq!(ceilings, [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(pause(first, u32::MAX, 0.5).as_millis(), 500);
        assert_eq!(pause(Duration::ZERO, 3, 1.0), Duration::ZERO);
    }

    #[test]
    fn only_the_gateways_own_state_counts_against_it() {
        for (status, failed) in [
            (204, false),
            (400, false),
            (404, false),
            (429, true),
            (500, true),
            (503, true),
        ] {
            let expected = if failed { Outcome::Failed } else { Outcome::Ok };
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(outcome(Sent::Answered(status)), expected, "{status}");
        }
        assert_eq!(outcome(Sent::Unsent), Outcome::Failed);
        assert_eq!(outcome(Sent::Unanswered), Outcome::Failed);
    }
}
