//! A lane: a queue with its connections and its breaker. Roles that share a lane share its troubles; a role with a lane
//! of its own has only its own.
//!
//! A notification leaves the queue when there is a slot for it, not before: while the gateway does not keep up, what
//! waits waits in the queue, where its number is bounded and where it can be dropped. Without a bound on connections
//! there is a slot for everything at once, which is how a burst becomes as many connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hotchat_policy::{Breaker, BreakerState, RetryBudget};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::ledger::{InFlight, Reason};
use super::notification::{Notification, Role};
use super::queue::Queue;
use crate::clock::Clock;
use crate::config::{GatewayClient, NotifyBreakerScope, Protocol, Retries};
use crate::metrics::NotifyMetrics;

/// How often a breaker is shown that time passes.
const WATCH: Duration = Duration::from_millis(20);

pub(super) struct Lane {
    name: &'static str,
    queue: Mutex<Queue>,
    /// Tells the one task that empties the queue.
    arrived: Notify,
    /// `None` without a bound.
    slots: Option<Arc<Semaphore>>,
    pub(super) client: Client,
    pub(super) breaker: Option<Breaker>,
    budget: Mutex<RetryBudget>,
    pub(super) retries: Retries,
    pub(super) clock: Clock,
    pub(super) metrics: NotifyMetrics,
}

/// Taken from the queue: to be sent now.
pub(super) struct Due {
    pub(super) notification: Notification,
    pub(super) account: InFlight,
    /// Held until its fate is known, through pauses before retries too: while a gateway fails, a pause is what it
    /// needs.
    pub(super) slot: Option<OwnedSemaphorePermit>,
}

impl Lane {
    /// `connections`: how many may be open, of those that are configured.
    pub(super) fn new(
        name: &'static str,
        settings: &GatewayClient,
        connections: Option<usize>,
        client: Client,
        metrics: &NotifyMetrics,
    ) -> Self {
        let of_each = match settings.protocol {
            Protocol::H2 if settings.keep_alive => settings.streams.as_usize(),
            Protocol::H1 | Protocol::H2 => 1,
        };
        let breaker = match settings.breaker.scope {
            NotifyBreakerScope::None => None,
            NotifyBreakerScope::Queue => {
                let made = Breaker::try_new(settings.breaker.into(), rand::random());
                Some(made.expect("the settings' ranges lie within the policy's"))
            }
        };
        Self {
            name,
            queue: Mutex::new(Queue::new(settings.capacity.as_usize(), settings.when_full)),
            arrived: Notify::new(),
            slots: connections.map(|connections| Arc::new(Semaphore::new(connections * of_each))),
            client,
            breaker,
            budget: Mutex::new(settings.retries.into()),
            retries: settings.retries,
            clock: Clock::start(),
            metrics: metrics.clone(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// `None` without a breaker.
    pub(super) fn breaker_state(&self) -> Option<BreakerState> {
        self.breaker.as_ref().map(Breaker::state)
    }

    pub(super) fn enqueue(&self, role: Role, chat_id: u64, revision: u64, users: impl Iterator<Item = u64>) {
        let enqueued = Instant::now();
        let mut queue = self.queue();
        if queue.is_closed() {
            let number = users.count() as u64;
            self.metrics.ledger.enqueued(role, number);
            self.metrics.ledger.dropped(role, Reason::Stopped, number);
            return;
        }
        let mut number = 0;
        let mut displaced = [0; Role::ALL.len()];
        for user_id in users {
            number += 1;
            let notification = Notification {
                role,
                chat_id,
                user_id,
                revision,
                enqueued,
            };
            if let Some(lost) = queue.push(notification) {
                displaced[lost.role as usize] += 1;
            }
        }
        // Within the queue's lock: what is in the queue is in the accounts.
        let ledger = &self.metrics.ledger;
        ledger.enqueued(role, number);
        for (role, displaced) in Role::ALL.into_iter().zip(displaced) {
            if displaced > 0 {
                ledger.dropped(role, Reason::Full, displaced);
            }
        }
        drop(queue);
        if number > 0 {
            self.arrived.notify_one();
        }
    }

    /// Sends what is enqueued, until `stop`. Each notification is delivered in a task of its own.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken, tasks: TaskTracker) {
        loop {
            let due = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                due = self.due() => due,
            };
            tasks.spawn(Arc::clone(&self).deliver(due));
        }
        // Requests that drain may still cause events.
        self.queue().close();
        self.drop_waiting(Reason::Stopped);
    }

    /// Shows the breaker that time passes, until `stop`. With every slot taken by a gateway that stands still, nobody
    /// asks it for anything, and it would notice with the first time-out; what waits behind such slots is dropped here.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let Some(breaker) = &self.breaker else { return };
        let mut ticks = tokio::time::interval(WATCH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            self.entered(breaker.look(self.clock.now()));
            let is_full = self.slots.as_ref().is_some_and(|slots| slots.available_permits() == 0);
            if is_full && breaker.state() == BreakerState::Open {
                self.drop_waiting(Reason::Breaker);
            }
        }
    }

    /// Closes connections that have not been used for long, until `stop`.
    pub(super) async fn reap(self: Arc<Self>, stop: CancellationToken) {
        let every = (self.client.idle_timeout() / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.client.reap(),
            }
        }
    }

    /// The next notification, once there is a slot for it. May be dropped while it waits: it takes nothing before.
    async fn due(&self) -> Due {
        let slot = match &self.slots {
            None => None,
            Some(slots) => {
                let slot = Arc::clone(slots).acquire_owned().await;
                Some(slot.expect("the semaphore is never closed"))
            }
        };
        loop {
            if let Some((notification, account)) = self.pop() {
                return Due {
                    notification,
                    account,
                    slot,
                };
            }
            self.arrived.notified().await;
        }
    }

    fn pop(&self) -> Option<(Notification, InFlight)> {
        let mut queue = self.queue();
        let next = queue.pop()?;
        Some((next, self.metrics.ledger.taken(next.role)))
    }

    fn drop_waiting(&self, reason: Reason) {
        let mut queue = self.queue();
        while let Some(left) = queue.pop() {
            self.metrics.ledger.dropped(left.role, reason, 1);
        }
    }

    pub(super) fn budget(&self) -> MutexGuard<'_, RetryBudget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
