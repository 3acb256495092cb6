//! Notifications: what tells the members who are not online, through a push gateway that belongs to somebody else.
//!
//! A gateway is slow at times, fails at times, and is reached over connections that cost more than what they carry. So
//! its client is where a jump in traffic does its damage, and every defence here is a switch: how many connections,
//! whose queue, what is dropped when it is full, when to stop trying.
//!
//! ```text
//! notification.rs  what is sent, and in which role
//! ledger.rs        every notification is accounted for: nothing is lost silently (pure)
//! counts.rs        connections to the gateway, counted (pure)
//! queue.rs         a bounded queue that drops at one end or the other (pure)
//! lane.rs          a queue with its connections and its breaker: one for all roles, or one for each
//! deliver.rs       one notification: attempts, retries, what became of it
//! client/          bytes to and from the gateway: connections, their number, their cost
//! ```
//!
//! The publish role fills the queues (`publish/notices.rs`), and never waits for one.

mod client;
pub(crate) mod counts;
mod deliver;
mod lane;
pub(crate) mod ledger;
pub(crate) mod notification;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hotchat_policy::BreakerState;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Audience, Audiences, Connections, GatewayClient, Queues};
use crate::metrics::NotifyMetrics;
use client::Client;
use lane::Lane;

pub(crate) use client::InvalidTrust;
pub(crate) use counts::Counts;
pub(crate) use ledger::{Account, Reason};
pub(crate) use notification::Role;

/// Sends notifications until the server stops.
pub(crate) struct Notifier {
    lanes: Vec<Arc<Lane>>,
    audiences: Audiences,
    metrics: NotifyMetrics,
}

impl Notifier {
    /// Its work runs in `tasks`. At `stop` what still waits is dropped and counted, and what is on its way is awaited.
    pub(crate) fn new(
        settings: &GatewayClient,
        metrics: &NotifyMetrics,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, InvalidTrust> {
        let names: &[&'static str] = match settings.queues {
            Queues::Shared => &["shared"],
            Queues::PerRole => &Role::NAMES,
        };
        let mut lanes = Vec::new();
        for (&name, connections) in names.iter().zip(divided(settings.connections, names.len())) {
            let client = Client::new(settings, connections, metrics)?;
            lanes.push(Arc::new(Lane::new(name, settings, connections, client, metrics)));
        }
        for lane in &lanes {
            metrics.show_queue(lane.name());
            tasks.spawn(Arc::clone(lane).run(stop.clone(), tasks.clone()));
            tasks.spawn(Arc::clone(lane).reap(stop.clone()));
            tasks.spawn(Arc::clone(lane).watch(stop.clone()));
        }
        Ok(Self {
            lanes,
            audiences: settings.audience,
            metrics: metrics.clone(),
        })
    }

    /// Whom a role's notifications are for.
    pub(crate) fn audience(&self, role: Role) -> Audience {
        match role {
            Role::Message => self.audiences.message,
            Role::Reaction => self.audiences.reaction,
            Role::JoinNotice => self.audiences.join_notice,
        }
    }

    /// Enqueues a notification for each of `users`. Never waits: what finds no room is dropped and counted.
    pub(crate) fn enqueue(&self, role: Role, chat_id: u64, revision: u64, users: impl Iterator<Item = u64>) {
        let lane = match self.lanes.as_slice() {
            [shared] => shared,
            each => &each[role as usize],
        };
        lane.enqueue(role, chat_id, revision, users);
    }

    /// An event's members were read, or could not be.
    pub(crate) fn looked_at(&self, role: Role, is_read: bool) {
        self.metrics.looked_at(role, is_read);
    }

    /// What has become of the notifications of each role, and the connections: each from one moment.
    pub(crate) fn sums(&self) -> ([Account; Role::ALL.len()], Counts) {
        (self.metrics.ledger.accounts(), self.metrics.connections.counts())
    }

    /// Updates the gauges that are not kept up to date.
    pub(crate) fn scrape(&self, lag_records: u64) {
        self.metrics.lag(lag_records);
        for lane in &self.lanes {
            self.metrics
                .breaker(lane.name(), lane.breaker_state().unwrap_or(BreakerState::Closed));
        }
    }
}

/// The connections of each of `lanes`: all of them together have what is configured.
fn divided(connections: Connections, lanes: usize) -> impl Iterator<Item = Option<usize>> {
    (0..lanes).map(move |lane| match connections {
        Connections::Unbounded => None,
        Connections::Max(max) => {
            let (each, left) = (max.as_usize() / lanes, max.as_usize() % lanes);
            Some(each + usize::from(lane < left))
        }
    })
}
