//! A limit that adapts: as many slots as do not make requests slower than they are without contention.

use std::time::Duration;

use hotchat_policy::{CallEnd, GradientLimit};

use super::line::{Rule, Wait};
use crate::config::{GradientPolicy, Requests};

pub(super) struct Gradient {
    limit: GradientLimit,
    places: usize,
    wait: Duration,
}

impl Gradient {
    pub(super) fn new(requests: &Requests, gradient: GradientPolicy) -> Self {
        let rules = gradient.rules(requests.in_progress.get());
        let limit = GradientLimit::try_new(rules, Duration::ZERO);
        Self {
            limit: limit.expect("settings are checked against each other"),
            places: requests.waiting.as_usize(),
            wait: requests.wait.get(),
        }
    }
}

impl Rule for Gradient {
    fn slots(&self) -> u32 {
        self.limit.limit()
    }

    fn places(&self) -> usize {
        self.places
    }

    fn wait(&self, _: Duration) -> Wait {
        Wait::of(self.wait)
    }

    fn began(&mut self, _: Duration, now: Duration) {
        self.limit.began(now);
    }

    fn ended(&mut self, began: Duration, end: CallEnd, now: Duration) {
        self.limit.ended(began, end, now);
    }
}
