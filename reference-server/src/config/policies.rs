//! The settings, converted to policy values.

use hotchat_policy::{
    Allotment, BreakerRules, DelayRules, DropShare, GradientRules, HotLimits, LevelRules, Override, PushRule,
    RetryBudget, Throttle, WindowLimit, push_rule,
};

use super::notify_breaker::NotifyBreaker;
use super::{
    Breaker, CodelPolicy, DagorPolicy, GradientPolicy, HotChat, JoinLimit, LocalShared, PushOverrides, PushThrottle,
    Retries, Settings, TrailingPush,
};

impl Settings {
    /// The rule for the pushes of an event in `chat_id`; `hot`: whether the chat is marked.
    pub(crate) fn push_rule(&self, chat_id: u64, hot: bool) -> PushRule {
        let trailing = match self.trailing_push {
            TrailingPush::None => None,
            TrailingPush::Within(span) => Some(span.get()),
        };
        push_rule(
            self.push_throttle.into(),
            self.push_overrides.of(chat_id),
            hot,
            trailing,
        )
    }
}

impl PushOverrides {
    fn of(&self, chat_id: u64) -> Option<Override> {
        if self.never.as_slice().contains(&chat_id) {
            Some(Override::Never)
        } else if self.always.as_slice().contains(&chat_id) {
            Some(Override::Always)
        } else {
            None
        }
    }
}

impl From<PushThrottle> for Throttle {
    fn from(throttle: PushThrottle) -> Self {
        match throttle {
            PushThrottle::None => Self::None,
            PushThrottle::Fixed(fixed) => {
                Self::Fixed(DropShare::try_new(fixed.drop.get()).expect("a setting from 0 to 1"))
            }
        }
    }
}

impl From<HotChat> for HotLimits {
    fn from(hot: HotChat) -> Self {
        Self {
            fetches: hot.fetches.get(),
            window: hot.window.get(),
            release: hot.release.get(),
        }
    }
}

impl From<Breaker> for BreakerRules {
    fn from(breaker: Breaker) -> Self {
        Self {
            window: breaker.window.get(),
            minimum_calls: breaker.minimum_calls.get(),
            failure_rate: breaker.failure_rate.get(),
            slow_call: breaker.slow_call.get(),
            slow_rate: breaker.slow_rate.get(),
            open: breaker.open.get(),
            jitter: breaker.jitter.get(),
            trials: breaker.trials.get(),
        }
    }
}

impl From<NotifyBreaker> for BreakerRules {
    fn from(breaker: NotifyBreaker) -> Self {
        Self {
            window: breaker.window.get(),
            minimum_calls: breaker.minimum_calls.get(),
            failure_rate: breaker.failure_rate.get(),
            slow_call: breaker.slow_call.get(),
            slow_rate: breaker.slow_rate.get(),
            open: breaker.open.get(),
            jitter: breaker.jitter.get(),
            trials: breaker.trials.get(),
        }
    }
}

impl From<Retries> for RetryBudget {
    fn from(retries: Retries) -> Self {
        Self::try_new(retries.share.get(), retries.burst.get()).expect("a setting from 0 to 1, and from 1 to a million")
    }
}

impl From<CodelPolicy> for DelayRules {
    fn from(codel: CodelPolicy) -> Self {
        Self {
            target: codel.target.get(),
            interval: codel.interval.get(),
        }
    }
}

impl GradientPolicy {
    /// With `max` as the largest limit.
    pub(crate) fn rules(self, max: u32) -> GradientRules {
        GradientRules {
            min: self.min.get(),
            max,
            tolerance: self.tolerance.get(),
            backoff: self.backoff.get(),
            window: self.window.get(),
            probe: self.probe.get(),
        }
    }
}

impl From<DagorPolicy> for LevelRules {
    fn from(dagor: DagorPolicy) -> Self {
        Self {
            window: dagor.window.get(),
            requests: dagor.window_requests.get(),
            wait: dagor.queue_delay.get(),
            down: dagor.down.get(),
            up: dagor.up.get(),
        }
    }
}

impl From<JoinLimit> for WindowLimit {
    fn from(limit: JoinLimit) -> Self {
        Self::try_new(limit.joins.get(), limit.window.get()).expect("a setting from 100 ms to 10 min")
    }
}

impl LocalShared {
    /// Divides `joins` between the processes.
    pub(crate) fn allotment(self, joins: u32) -> Allotment {
        Allotment::of(joins, self.processes.get(), self.reserve.get())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn settings_map_to_the_push_rule() {
        let settings: Settings = serde_json::from_value(json!({
            "push_throttle": { "fixed": { "drop": 0.9 } },
            "push_overrides": { "never": [1, 2], "always": [2, 3] },
        }))
        .unwrap();
        let dropping = PushRule::Dropping {
            drop: DropShare::try_new(0.9).unwrap(),
            trailing: Some(Duration::from_millis(1500)),
        };
        let table = [(1, PushRule::All), (2, PushRule::All), (3, dropping), (4, dropping)];
        for (chat, rule) in table {
            assert_eq!(settings.push_rule(chat, true), rule, "{chat}");
        }
        assert_eq!(settings.push_rule(4, false), PushRule::All);
        assert_eq!(settings.push_rule(3, false), dropping);
        assert_eq!(Settings::default().push_rule(3, true), PushRule::All);
        let limits = HotLimits::from(settings.hot_chat);
        assert_eq!((limits.fetches, limits.window), (5000, Duration::from_secs(5)));
    }
}
