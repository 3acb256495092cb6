//! Is this push sent or dropped?
//!
//! A push only says "there is something new", and one is enough for a member to catch up on everything. So of the pushes of a hot
//! chat a fixed share is dropped: the load falls at once and by a known factor. Who gets the next one goes by turns: each member
//! saves up the share that is not dropped, and a whole one is a push. The turns begin at random places, so of the members of a
//! chat the same share is pushed to at every event, and no two events have the same members.
//!
//! Rejected: a throw of the dice for every push. Its share is the same and its luck is not: dropping nine of ten, one member in ten
//! fetches again right after he has fetched, and one in a hundred hears nothing for 44 events. Also rejected: a rate limit per chat
//! (it would have to know the number of members, and late members would get nothing), per-member intervals alone (state and a
//! timer for every member of every quiet chat).
//!
//! - **Cold:** a chat that nobody has called hot is not throttled; a member's first turn is drawn.
//! - **Boundary:** a share of 0 never drops, 1 always does, exactly; between them a member gets `⌊n × (1 − drop)⌋` of any `n` pushes or one
//!   more. Of the overrides `Never` stands above hotness, and `Always` stands in for it; without a throttle neither changes anything.
//! - **Bound:** 4 bytes per member and chat.
//! - **What it costs:** a member is behind by the events whose pushes he missed until the next push: see [`Trailing`]. A trailing push
//!   starts his turn anew: he has just had one, and after at least half a turn it is his again.
//!
//! [`Trailing`]: crate::Trailing

use std::time::Duration;

use rand::{Rng, RngExt};

/// A whole push, in the parts that a [`Turn`] saves up.
const WHOLE: u64 = 1 << 32;

/// The part of the pushes that is dropped, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropShare {
    /// What every push adds to a member's turn: 0 to [`WHOLE`].
    saved: u64,
}

/// Not a share.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is no share, expected 0 to 1")]
pub struct InvalidShare(pub f64);

impl DropShare {
    /// # Errors
    /// [`InvalidShare`] for what is not from 0 to 1, NaN included.
    pub fn try_new(drop: f64) -> Result<Self, InvalidShare> {
        if !(0.0..=1.0).contains(&drop) {
            return Err(InvalidShare(drop));
        }
        // Rounded, and up where it matters: ten times a tenth is a whole one.
        let saved = ((1.0 - drop) * WHOLE as f64 - 1e-3).ceil() as u64;
        Ok(Self { saved })
    }
}

/// How much of his next push a member has saved up in one chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn(u32);

impl Turn {
    /// Somewhere between two pushes.
    #[must_use]
    pub fn drawn(rng: &mut impl Rng) -> Self {
        Self(rng.random())
    }

    /// Begins anew after a push that was not his turn: at most half a push away from nothing, so that he waits, and at a place of his own,
    /// so that all who were pushed to for the same event do not keep step from then on.
    #[must_use]
    pub fn restarted(rng: &mut impl Rng) -> Self {
        Self(rng.random::<u32>() / 2)
    }

    /// One more push of which `share` is dropped: whether it is his turn.
    fn comes(&mut self, share: DropShare) -> bool {
        let saved = u64::from(self.0) + share.saved;
        self.0 = (saved % WHOLE) as u32;
        saved >= WHOLE
    }
}

/// What happens to the pushes of a hot chat, as configured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Throttle {
    /// All are sent.
    None,
    /// This share is dropped.
    Fixed(DropShare),
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
    /// A share of the pushes is dropped.
    Dropping {
        /// The share.
        drop: DropShare,
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
    /// Decides one push to the member whose turn it may be.
    pub fn decide(&self, turn: &mut Turn) -> Decision {
        match self {
            Self::Dropping { drop, .. } if !turn.comes(*drop) => Decision::Drop,
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
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    const WITHIN: Option<Duration> = Some(Duration::from_millis(1500));

    fn fixed(drop: f64) -> Throttle {
        Throttle::Fixed(DropShare::try_new(drop).unwrap())
    }

    /// Which of so many pushes to one member are sent.
    fn sent_of(rule: &PushRule, mut turn: Turn, pushes: u32) -> Vec<u32> {
        (0..pushes)
            .filter(|_| rule.decide(&mut turn) == Decision::Push)
            .collect()
    }

    #[test]
    fn only_hot_chats_are_throttled_and_overrides_stand_above_the_detector() {
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
    fn a_member_gets_each_tenth() {
        let rule = push_rule(fixed(0.9), None, true, None);
        assert_eq!(sent_of(&rule, Turn::default(), 30), [9, 19, 29]);
    }

    #[test]
    fn whoever_starts_anew_waits_half_a_turn_and_a_crowd_comes_apart() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let rule = push_rule(fixed(0.9), None, true, None);
        let mut reached = [0; 10];
        for _ in 0..5000 {
            let sent = sent_of(&rule, Turn::restarted(&mut rng), 10);
            assert_eq!(sent.len(), 1, "{sent:?}");
            reached[sent[0] as usize] += 1;
        }
        assert_eq!(reached[..5], [0; 5], "nobody at once");
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
    fn what_is_no_share_is_refused() {
        for wrong in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
            assert!(DropShare::try_new(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        /// Wherever the turn begins, in any stretch of pushes the share is kept to within one.
        #[test]
        fn nobody_is_forgotten_and_nobody_is_favoured(drop in 0.0..=1.0_f64, start: u32, from in 0_u32..500, length in 1_u32..500) {
            let rule = push_rule(fixed(drop), None, true, None);
            let sent = sent_of(&rule, Turn(start), from + length);
            let sent = sent.iter().filter(|push| **push >= from).count() as f64;
            let expected = (1.0 - drop) * f64::from(length);
            prop_assert!((sent - expected).abs() < 1.0 + 1e-6, "{sent} of {length}, expected {expected}");
        }
    }
}
