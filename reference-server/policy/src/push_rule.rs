//! Decides whether a push is sent or dropped.
//!
//! A push only says "there is something new", and one push is enough for a member to catch up on everything. So a fixed
//! share of a hot chat's pushes is dropped: the load falls at once and by a known factor. Turns decide who gets the
//! next push: each member accumulates the share that is not dropped, and a whole unit is one push. The turns begin at
//! random positions, so every event is pushed to the same share of a chat's members, and to different ones each time.
//!
//! Rejected: an independent random draw per push. Its mean is the same and its variance is not: when nine of ten are
//! dropped, one member in ten fetches again right after a fetch, and one in a hundred gets nothing for 44 events. Also
//! rejected: a rate limit per chat (it would have to know the number of members, and late members would get nothing),
//! per-member intervals alone (state and a timer for every member of every quiet chat).
//!
//! - **Cold:** a chat not marked hot is not throttled; a member's first turn is drawn at random.
//! - **Boundary:** a share of 0 never drops and 1 always does, exactly; in between a member gets `⌊n × (1 − drop)⌋` of
//!   any `n` pushes or one more. The override `Never` takes precedence over hotness, and `Always` replaces it; without
//!   a throttle neither has an effect.
//! - **Bound:** 4 bytes per member and chat.
//! - **Cost:** until the next push a member lacks the events whose pushes were dropped: see [`Trailing`]. A trailing
//!   push restarts the member's turn: the next regular push comes after at least half a turn.
//!
//! [`Trailing`]: crate::Trailing

use std::time::Duration;

use rand::{Rng, RngExt};

/// A whole push, in the unit in which a [`Turn`] accumulates.
const WHOLE: u64 = 1 << 32;

/// The share of pushes that is dropped, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropShare {
    /// What every push adds to a member's turn: 0 to [`WHOLE`].
    saved: u64,
}

/// Not between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not a share, expected 0 to 1")]
pub struct InvalidShare(pub f64);

impl DropShare {
    /// # Errors
    /// [`InvalidShare`] for values outside 0 to 1, NaN included.
    pub fn try_new(drop: f64) -> Result<Self, InvalidShare> {
        if !(0.0..=1.0).contains(&drop) {
            return Err(InvalidShare(drop));
        }
        // Rounded up, so that ten times a tenth is a whole push; the tolerance absorbs floating-point error.
        let saved = ((1.0 - drop) * WHOLE as f64 - 1e-3).ceil() as u64;
        Ok(Self { saved })
    }
}

/// How much of the next push a member has accumulated in one chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn(u32);

impl Turn {
    /// A random position between two pushes.
    #[must_use]
    pub fn drawn(rng: &mut impl Rng) -> Self {
        Self(rng.random())
    }

    /// Restarts after a push out of turn, at a random position in the first half of a turn: the member waits at least
    /// half a turn, and members pushed to for the same event do not stay in step.
    #[must_use]
    pub fn restarted(rng: &mut impl Rng) -> Self {
        Self(rng.random::<u32>() / 2)
    }

    /// Counts one more push of which `share` is dropped; returns whether this member gets it.
    fn comes(&mut self, share: DropShare) -> bool {
        let saved = u64::from(self.0) + share.saved;
        self.0 = (saved % WHOLE) as u32;
        saved >= WHOLE
    }
}

/// How pushes of a hot chat are throttled, as configured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Throttle {
    /// All are sent.
    None,
    /// This share is dropped.
    Fixed(DropShare),
}

/// A chat exempt from the detector's judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Override {
    /// Its pushes are never dropped.
    Never,
    /// The chat counts as hot.
    Always,
}

/// The rule for one event's pushes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PushRule {
    /// Every push is sent.
    All,
    /// A share of the pushes is dropped.
    Dropping {
        /// The share.
        drop: DropShare,
        /// A member whose push was dropped gets a trailing push within this time; `None`: no trailing push.
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

/// The rule for a chat, from the configured throttle, the chat's override, and whether it is hot.
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
    /// Decides one push to the member whose turn is passed.
    pub fn decide(&self, turn: &mut Turn) -> Decision {
        match self {
            Self::Dropping { drop, .. } if !turn.comes(*drop) => Decision::Drop,
            Self::Dropping { .. } | Self::All => Decision::Push,
        }
    }

    /// The time within which a member gets a trailing push after a dropped one.
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
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    const WITHIN: Option<Duration> = Some(Duration::from_millis(1500));

    fn fixed(drop: f64) -> Throttle {
        Throttle::Fixed(DropShare::try_new(drop).unwrap())
    }

    /// Which of `pushes` pushes to one member are sent.
    fn sent_of(rule: &PushRule, mut turn: Turn, pushes: u32) -> Vec<u32> {
        (0..pushes)
            .filter(|_| rule.decide(&mut turn) == Decision::Push)
            .collect()
    }

    #[test]
    fn only_hot_chats_are_throttled_and_overrides_precede_the_detector() {
        let throttle = fixed(0.9);
        let dropping = PushRule::Dropping {
            drop: DropShare::try_new(0.9).unwrap(),
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
    fn the_ends_of_the_range_are_exact() {
        let rule = |drop| push_rule(fixed(drop), None, true, None);
        let somewhere = Turn(0x8000_0000);
        assert_eq!(sent_of(&rule(0.0), somewhere, 1000).len(), 1000);
        assert_eq!(sent_of(&rule(1.0), somewhere, 1000), []);
        assert_eq!(sent_of(&PushRule::All, somewhere, 1000).len(), 1000);
    }

    #[test]
    fn a_member_gets_every_tenth_push() {
        let rule = push_rule(fixed(0.9), None, true, None);
        assert_eq!(sent_of(&rule, Turn::default(), 30), [9, 19, 29]);
    }

    #[test]
    fn a_restarted_turn_waits_half_a_turn_and_members_spread_out() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let rule = push_rule(fixed(0.9), None, true, None);
        let mut reached = [0; 10];
        for _ in 0..5000 {
            let sent = sent_of(&rule, Turn::restarted(&mut rng), 10);
            assert_eq!(sent.len(), 1, "{sent:?}");
            reached[sent[0] as usize] += 1;
        }
        assert_eq!(reached[..5], [0; 5], "nobody gets a push at once");
        // A fifth of 5,000 each: standard deviation 28.
        assert!(
            reached[5..].iter().all(|members: &u32| members.abs_diff(1000) < 150),
            "{reached:?}"
        );
    }

    #[test]
    fn every_event_reaches_the_same_share_of_the_members() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut turns: Vec<Turn> = (0..5000).map(|_| Turn::drawn(&mut rng)).collect();
        let rule = push_rule(fixed(0.9), None, true, None);
        for event in 0..100 {
            let mut reached: u32 = 0;
            for turn in &mut turns {
                reached += u32::from(rule.decide(turn) == Decision::Push);
            }
            // A tenth of 5,000 drawn at random: standard deviation 21.
            assert!(reached.abs_diff(500) < 110, "{reached} members at event {event}");
        }
    }

    #[test]
    fn invalid_shares_are_rejected() {
        for wrong in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
            assert!(DropShare::try_new(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        /// Wherever the turn begins, the share holds to within one push over any run of pushes.
        #[test]
        fn every_member_gets_the_same_share(drop in 0.0..=1.0_f64, start: u32, from in 0_u32..500, length in 1_u32..500) {
            let rule = push_rule(fixed(drop), None, true, None);
            let sent = sent_of(&rule, Turn(start), from + length);
            let sent = sent.iter().filter(|push| **push >= from).count() as f64;
            let expected = (1.0 - drop) * f64::from(length);
            prop_assert!((sent - expected).abs() < 1.0 + 1e-6, "{sent} of {length}, expected {expected}");
        }
    }
}
