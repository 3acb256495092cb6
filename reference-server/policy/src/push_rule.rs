//! Is this push sent or dropped?
//!
//! A push only says "there is something new", and one is enough for a member to catch up on everything. So the pushes of a hot
//! chat are dropped with a probability, each by a throw of its own: the load falls at once and by a known factor, and no
//! member is singled out.
//!
//! Rejected: every n-th push sent (members whose turn falls in step with the events would always be the same), a rate
//! limit per chat (it would have to know the number of members, and late members would get nothing), per-member
//! intervals alone (state and a timer for every member of every quiet chat).
//!
//! - **Cold:** a rule has no state; a chat that nobody has called hot is not throttled.
//! - **Boundary:** probability 0 never drops, 1 always does, exactly. Of the overrides `Never` stands above hotness, and
//!   `Always` stands in for it; without a throttle neither changes anything.
//! - **What it costs:** a member is behind by the events whose pushes he missed until the next push: see [`Trailing`].
//!
//! [`Trailing`]: crate::Trailing

use std::time::Duration;

use rand::Rng;
use rand::distr::{Bernoulli, Distribution};

/// A probability from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probability(Bernoulli);

/// Not a probability.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is no probability, expected 0 to 1")]
pub struct InvalidProbability(pub f64);

impl Probability {
    /// # Errors
    /// [`InvalidProbability`] for what is not from 0 to 1, NaN included.
    pub fn try_new(value: f64) -> Result<Self, InvalidProbability> {
        Bernoulli::new(value).map(Self).map_err(|_| InvalidProbability(value))
    }

    fn happens(self, rng: &mut impl Rng) -> bool {
        self.0.sample(rng)
    }
}

/// What happens to the pushes of a hot chat, as configured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Throttle {
    /// All are sent.
    None,
    /// Each is dropped with this probability.
    Fixed(Probability),
}

/// A chat that is not left to the detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Override {
    /// Its pushes are never dropped.
    Never,
    /// It counts as hot.
    Always,
}

/// The rule for one event's pushes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PushRule {
    /// Every push is sent.
    All,
    /// Each push is dropped with a probability.
    Dropping {
        /// Of a push being dropped.
        drop: Probability,
        /// A member to whom a push was dropped gets one within this time; `None`: he gets nothing.
        trailing: Option<Duration>,
    },
}

/// What happens to one push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is sent.
    Push,
    /// It is dropped.
    Drop,
}

/// The rule for a chat: what is configured, whether the chat is excepted, and whether it is hot.
#[must_use]
pub fn push_rule(throttle: Throttle, exception: Option<Override>, hot: bool, trailing: Option<Duration>) -> PushRule {
    let throttled = match exception {
        Some(Override::Never) => false,
        Some(Override::Always) => true,
        None => hot,
    };
    match throttle {
        Throttle::Fixed(drop) if throttled => PushRule::Dropping { drop, trailing },
        Throttle::Fixed(_) | Throttle::None => PushRule::All,
    }
}

impl PushRule {
    /// Decides one push.
    pub fn decide(&self, rng: &mut impl Rng) -> Decision {
        match self {
            Self::Dropping { drop, .. } if drop.happens(rng) => Decision::Drop,
            Self::Dropping { .. } | Self::All => Decision::Push,
        }
    }

    /// Within which time a member is owed a push after one to him was dropped.
    #[must_use]
    pub fn trailing(&self) -> Option<Duration> {
        match self {
            Self::All => None,
            Self::Dropping { trailing, .. } => *trailing,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    const WITHIN: Option<Duration> = Some(Duration::from_millis(1500));

    fn fixed(drop: f64) -> Throttle {
        Throttle::Fixed(Probability::try_new(drop).unwrap())
    }

    fn dropped_of(rule: &PushRule, pushes: u32) -> u32 {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        (0..pushes).filter(|_| rule.decide(&mut rng) == Decision::Drop).count() as u32
    }

    #[test]
    fn only_hot_chats_are_throttled_and_overrides_stand_above_the_detector() {
        let throttle = fixed(0.9);
        let dropping = PushRule::Dropping {
            drop: Probability::try_new(0.9).unwrap(),
            trailing: WITHIN,
        };
        let table = [
            (throttle, None, false, PushRule::All),
            (throttle, None, true, dropping),
            (throttle, Some(Override::Never), true, PushRule::All),
            (throttle, Some(Override::Never), false, PushRule::All),
            (throttle, Some(Override::Always), false, dropping),
            (throttle, Some(Override::Always), true, dropping),
            (Throttle::None, None, true, PushRule::All),
            (Throttle::None, Some(Override::Always), true, PushRule::All),
        ];
        for (throttle, exception, hot, expected) in table {
            let rule = push_rule(throttle, exception, hot, WITHIN);
            assert_eq!(rule, expected, "{throttle:?} {exception:?} hot: {hot}");
        }
        assert_eq!((PushRule::All.trailing(), dropping.trailing()), (None, WITHIN));
    }

    #[test]
    fn the_ends_of_the_range_are_exact_and_the_middle_is_the_probability() {
        let rule = |drop| push_rule(fixed(drop), None, true, None);
        assert_eq!(dropped_of(&rule(0.0), 100_000), 0);
        assert_eq!(dropped_of(&rule(1.0), 100_000), 100_000);
        assert_eq!(dropped_of(&PushRule::All, 100_000), 0);
        // 100,000 throws at 0.9: standard deviation 95.
        let dropped = dropped_of(&rule(0.9), 100_000);
        assert!(dropped.abs_diff(90_000) < 500, "{dropped}");
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        for wrong in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
            assert!(Probability::try_new(wrong).is_err(), "{wrong}");
        }
    }
}
