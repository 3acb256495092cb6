//! A database connection in use.
//!
//! It returns to the pool only when it is given back explicitly. Dropped in any other way (a time-out, a panic, a
//! caller's disconnect) it is closed and its session killed: the database may still be working on it, and this makes it
//! stop and roll back.

use std::ops::{Deref, DerefMut};

use deadpool::managed::Object;
use sqlx::MySqlConnection;

use super::cancel::{Cancel, Session};
use super::connect::Connector;
use crate::metrics::PoolMetrics;

pub(super) struct Lease<'a> {
    object: Option<Object<Connector>>,
    metrics: &'a PoolMetrics,
    cancel: &'a Cancel,
}

impl<'a> Lease<'a> {
    pub(super) fn new(object: Object<Connector>, metrics: &'a PoolMetrics, cancel: &'a Cancel) -> Self {
        metrics.taken();
        Self {
            object: Some(object),
            metrics,
            cancel,
        }
    }

    /// Returns the connection to the pool. It must be between transactions.
    pub(super) fn give_back(mut self) {
        drop(self.object.take());
    }

    /// Closes a broken connection: its session has ended.
    pub(super) fn discard(mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

const HELD: &str = "a lease holds its connection until it is given back, which consumes it";

impl Deref for Lease<'_> {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        &self.object.as_ref().expect(HELD).connection
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.object.as_mut().expect(HELD).connection
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.metrics.returned();
        if let Some(object) = self.object.take() {
            self.cancel.kill(Session {
                id: object.id,
                since: Object::metrics(&object).created,
            });
            drop(Object::take(object));
        }
    }
}
