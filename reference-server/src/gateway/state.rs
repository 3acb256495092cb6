//! What connections and requests of the gateway share: the settings in force, the heap, the dice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;

use super::file::GatewayFile;
use super::heap::{Cost, Heap};
use super::metrics::GatewayMetrics;
use super::settings::Settings;
use crate::config::{Unfit, merged};

pub(super) struct State {
    started: Instant,
    settings: Mutex<Arc<Settings>>,
    heap: Mutex<Heap>,
    dice: Mutex<Xoshiro256PlusPlus>,
    pub(super) metrics: GatewayMetrics,
}

impl State {
    pub(super) fn new(file: &GatewayFile) -> Self {
        let mut heap = Heap::default();
        heap.set_budget(file.settings.budget(), Duration::ZERO);
        Self {
            started: Instant::now(),
            settings: Mutex::new(Arc::new(file.settings.clone())),
            heap: Mutex::new(heap),
            dice: Mutex::new(Xoshiro256PlusPlus::seed_from_u64(file.seed)),
            metrics: GatewayMetrics::new(),
        }
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&lock(&self.settings))
    }

    /// Applies a JSON merge patch, whole or not at all.
    pub(super) fn patch(&self, patch: Value) -> Result<Arc<Settings>, Unfit> {
        let mut settings = lock(&self.settings);
        let wanted: Settings = merged(&**settings, patch)?;
        wanted.check()?;
        tracing::info!(settings = ?wanted, "settings applied");
        lock(&self.heap).set_budget(wanted.budget(), self.now());
        *settings = Arc::new(wanted);
        Ok(Arc::clone(&settings))
    }

    /// A number uniform in [0, 1).
    pub(super) fn chance(&self) -> f64 {
        lock(&self.dice).random()
    }

    /// What a request costs now, beyond its service time.
    pub(super) fn cost(&self) -> Cost {
        lock(&self.heap).cost()
    }

    /// Allocates what a connection holds.
    pub(super) fn hold(self: &Arc<Self>, bytes: usize) -> Held {
        // Not zeroes: those would be pages that exist only once they are written to.
        let memory = vec![0xA5; bytes].into_boxed_slice();
        lock(&self.heap).hold(bytes as u64, self.now());
        Held {
            state: Arc::clone(self),
            memory,
        }
    }

    /// The page of metrics.
    pub(super) fn page(&self) -> Result<String, std::fmt::Error> {
        let (held, over) = {
            let heap = lock(&self.heap);
            (heap.held(), heap.over(self.now()))
        };
        self.metrics.page(held, over)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// What a connection holds; freed when dropped.
pub(super) struct Held {
    state: Arc<State>,
    memory: Box<[u8]>,
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.state.heap).release(self.memory.len() as u64, self.state.now());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
