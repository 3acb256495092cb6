//! First come, first served: a fixed number of slots, a bounded queue, and the same wait for all.

use std::time::Duration;

use super::line::{Rule, Wait};
use crate::config::Requests;

pub(super) struct BoundedFifo {
    slots: u32,
    places: usize,
    wait: Duration,
}

impl BoundedFifo {
    pub(super) fn new(requests: &Requests) -> Self {
        Self {
            slots: requests.in_progress.get(),
            places: requests.waiting.as_usize(),
            wait: requests.wait.get(),
        }
    }
}

impl Rule for BoundedFifo {
    fn slots(&self) -> u32 {
        self.slots
    }

    fn places(&self) -> usize {
        self.places
    }

    fn wait(&self, _: Duration) -> Wait {
        Wait::of(self.wait)
    }
}
