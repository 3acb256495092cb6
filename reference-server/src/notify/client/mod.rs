//! Bytes to and from the gateway.
//!
//! HTTP is spoken by hyper's connections. The pool around them is ours, since how many connections there are is what
//! this component is about: see docs/decisions/notifications.md.
//!
//! ```text
//! connect.rs   opens a connection: TCP, TLS, HTTP; bounds and times it
//! one.rs       HTTP/1.1: connections that carry one request at a time
//! many.rs      HTTP/2: connections that carry many
//! request.rs   one request and its answer, over either
//! ```

mod connect;
mod many;
mod one;
mod request;

use std::time::Duration;

use hyper::StatusCode;

use super::notification::Notification;
use crate::config::{GatewayClient, Protocol};
use crate::metrics::NotifyMetrics;
use connect::Connector;
use many::ManyPool;
use one::OnePool;
use request::Requests;

pub(crate) use connect::InvalidTrust;

/// How sending a notification ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Answered(StatusCode),
    /// Certainly not a byte of it was written.
    Unsent,
    /// It may have been written, perhaps in part, and no whole answer came.
    Unanswered,
}

/// A client of the gateway with connections of its own.
pub(super) struct Client {
    pool: Pool,
    requests: Requests,
    idle_timeout: Duration,
    metrics: NotifyMetrics,
}

enum Pool {
    One(OnePool),
    Many(ManyPool),
}

impl Client {
    /// `connections`: how many may be open at a time.
    pub(super) fn new(
        settings: &GatewayClient,
        connections: Option<usize>,
        metrics: &NotifyMetrics,
    ) -> Result<Self, InvalidTrust> {
        let connector = Connector::new(settings, connections, metrics)?;
        let pool = match settings.protocol {
            Protocol::H1 => Pool::One(OnePool::new(connector, settings.keep_alive)),
            Protocol::H2 => Pool::Many(ManyPool::new(
                connector,
                settings.keep_alive,
                settings.streams.as_usize(),
            )),
        };
        Ok(Self {
            pool,
            requests: Requests::new(settings),
            idle_timeout: settings.idle_timeout.get(),
            metrics: metrics.clone(),
        })
    }

    /// Sends a notification once.
    pub(super) async fn send(&self, notification: &Notification) -> Sent {
        let (sent, took) = match &self.pool {
            Pool::One(pool) => pool.send(&self.requests, notification).await,
            Pool::Many(pool) => pool.send(&self.requests, notification).await,
        };
        if matches!(sent, Sent::Answered(_)) {
            self.metrics.answered(notification.role, took);
        }
        sent
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// Closes connections that were unused for the idle time-out, and forgets those that the gateway has closed.
    pub(super) fn reap(&self) {
        match &self.pool {
            Pool::One(pool) => pool.reap(self.idle_timeout),
            Pool::Many(pool) => pool.reap(self.idle_timeout),
        }
    }
}
