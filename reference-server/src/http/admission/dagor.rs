//! Priority levels: under overload the least important requests are shed before they can wait.

use std::time::Duration;

use hotchat_policy::{Priority, PriorityLevels};

use super::line::{Rule, Wait};
use crate::config::{DagorPolicy, Requests};

pub(super) struct Dagor {
    levels: PriorityLevels,
    slots: u32,
    places: usize,
    wait: Duration,
}

impl Dagor {
    pub(super) fn new(requests: &Requests, dagor: DagorPolicy) -> Self {
        let levels = PriorityLevels::try_new(dagor.into(), Duration::ZERO);
        Self {
            levels: levels.expect("settings are in range"),
            slots: requests.in_progress.get(),
            places: requests.waiting.as_usize(),
            wait: requests.wait.get(),
        }
    }
}

impl Rule for Dagor {
    fn slots(&self) -> u32 {
        self.slots
    }

    fn places(&self) -> usize {
        self.places
    }

    fn wait(&self, _: Duration) -> Wait {
        Wait::of(self.wait)
    }

    fn admits(&mut self, priority: Priority, now: Duration) -> bool {
        self.levels.admits(priority, now)
    }

    fn began(&mut self, waited: Duration, _: Duration) {
        self.levels.waited(waited);
    }

    fn gave_up(&mut self, waited: Duration) {
        self.levels.waited(waited);
    }

    fn overflowed(&mut self) {
        self.levels.overflowed();
    }

    fn level(&self) -> Option<i64> {
        i64::try_from(self.levels.level()).ok()
    }
}
