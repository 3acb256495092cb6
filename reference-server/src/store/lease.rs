//! A database connection in use.
//!
//! It returns to the pool only when it is given back. Dropped in any other way (a time-out, a panic, a cancelled task) it
//! is closed: nobody knows what the server is still doing on it, and closing makes the server roll it back.

use std::ops::{Deref, DerefMut};

use deadpool::managed::Object;
use sqlx::MySqlConnection;

use super::connect::Connector;
use crate::metrics::PoolMetrics;

pub(crate) struct Lease {
    object: Option<Object<Connector>>,
    metrics: PoolMetrics,
}

impl Lease {
    pub(crate) fn new(object: Object<Connector>, metrics: &PoolMetrics) -> Self {
        metrics.taken();
        Self {
            object: Some(object),
            metrics: metrics.clone(),
        }
    }

    /// Returns the connection to the pool. Only for one that is between transactions.
    pub(crate) fn give_back(mut self) {
        drop(self.object.take());
    }
}

const HELD: &str = "a lease holds its connection until it is given back, which consumes it";

impl Deref for Lease {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        self.object.as_ref().expect(HELD)
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        self.object.as_mut().expect(HELD)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.metrics.returned();
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}
