//! Controlled delay with adaptive LIFO: while the queue stands, waits are short and the newest request goes first.

use std::time::Duration;

use hotchat_policy::ControlledDelay;

use super::line::{Rule, Wait};
use super::shed::Shed;
use crate::config::{CodelPolicy, Requests};

pub(super) struct Codel {
    delay: ControlledDelay,
    slots: u32,
    places: usize,
    /// No request waits longer, whatever the delay's interval is.
    wait: Duration,
}

impl Codel {
    pub(super) fn new(requests: &Requests, codel: CodelPolicy) -> Self {
        let delay = ControlledDelay::try_new(codel.into(), Duration::ZERO);
        Self {
            delay: delay.expect("settings are checked against each other"),
            slots: requests.in_progress.get(),
            places: requests.waiting.as_usize(),
            wait: requests.wait.get(),
        }
    }
}

impl Rule for Codel {
    fn slots(&self) -> u32 {
        self.slots
    }

    fn places(&self) -> usize {
        self.places
    }

    fn wait(&self, now: Duration) -> Wait {
        let max = self.delay.wait_max(now).min(self.wait);
        if self.delay.is_overloaded(now) {
            let then = Shed::ControlledDelay(max);
            Wait { max, then }
        } else {
            Wait::of(max)
        }
    }

    fn newest_first(&self, now: Duration) -> bool {
        self.delay.newest_first(now)
    }

    fn caught_up(&mut self, now: Duration) {
        self.delay.caught_up(now);
    }
}
