//! Tracks the trailing push that a member is owed after a dropped push.
//!
//! When the last push of a burst is dropped, its member stays behind until something else happens in the chat, which
//! may be never. So the first push dropped since the member's last one starts a clock: at most `within` later the
//! member gets one push for the newest revision, whatever was dropped meanwhile. A push sent before that settles the
//! debt.
//!
//! Rejected: a clock that restarts with every dropped push (under steady traffic it would never expire), a push at
//! fixed times for everybody (all members of a hot chat would fetch at once), sending the last push of a burst (nobody
//! knows that it is the last).
//!
//! - **Cold:** nothing is owed.
//! - **Boundary:** the push is due at exactly `within` after the drop. A trailing push settles the debt, so two
//!   trailing pushes to one member are at least `within` apart.
//! - **Bound:** 16 bytes per member and chat; time is kept in whole microseconds, rounded down, so a push is never due
//!   late.

use std::time::Duration;

/// `due_us` when nothing is owed.
const NEVER: u64 = u64::MAX;

/// One member's debt in one chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailing {
    revision: u64,
    due_us: u64,
}

impl Default for Trailing {
    fn default() -> Self {
        Self {
            revision: 0,
            due_us: NEVER,
        }
    }
}

impl Trailing {
    /// Records a dropped push; `Some(due)` when this begins a debt, so that the caller can set a timer for it.
    pub fn dropped(&mut self, revision: u64, now: Duration, within: Duration) -> Option<Duration> {
        self.raise(revision);
        if self.due_us != NEVER {
            return None;
        }
        self.due_us = micros(now.saturating_add(within)).min(NEVER - 1);
        self.due()
    }

    /// Raises the owed revision to `revision`, unless it is newer already.
    pub fn raise(&mut self, revision: u64) {
        self.revision = self.revision.max(revision);
    }

    /// Records a sent push: nothing is owed up to its revision.
    pub fn pushed(&mut self, revision: u64) {
        if revision >= self.revision {
            *self = Self::default();
        }
    }

    /// The latest time at which an owed push is due.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        (self.due_us != NEVER).then(|| Duration::from_micros(self.due_us))
    }

    /// The revision to push if one is due by `now`; this settles the debt.
    pub fn take_due(&mut self, now: Duration) -> Option<u64> {
        if self.due_us == NEVER || micros(now) < self.due_us {
            return None;
        }
        let revision = self.revision;
        *self = Self::default();
        Some(revision)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WITHIN: Duration = Duration::from_millis(1500);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_clock_starts_with_the_first_dropped_push() {
        let mut member = Trailing::default();
        assert_eq!((member.due(), member.take_due(ms(9))), (None, None));
        assert_eq!(member.dropped(7, ms(10), WITHIN), Some(ms(1510)));
        assert_eq!(member.dropped(8, ms(900), WITHIN), None, "the clock is not set back");
        assert_eq!(member.take_due(ms(1509)), None);
        assert_eq!(member.take_due(ms(1510)), Some(8), "the newest revision");
        assert_eq!(member, Trailing::default());
    }

    #[test]
    fn a_push_settles_the_debt_it_covers() {
        let mut member = Trailing::default();
        member.dropped(7, ms(0), WITHIN);
        member.pushed(6);
        assert_eq!(member.due(), Some(WITHIN), "an older revision does not cover it");
        member.pushed(7);
        assert_eq!(member.due(), None);
    }

    #[test]
    fn a_trailing_debt_takes_16_bytes() {
        assert_eq!(size_of::<Trailing>(), 16);
    }

    proptest! {
        /// Whatever is pushed and dropped: `within` after the last event every member has received a push at least as
        /// new, and trailing pushes to one member are at least `within` apart.
        #[test]
        fn no_member_stays_behind(
            events in prop::collection::vec((0_u64..3000, prop::collection::vec(any::<bool>(), 8)), 1..60),
            within_ms in 1_u64..2000,
        ) {
            let within = ms(within_ms);
            let (mut members, mut had, mut last) = ([Trailing::default(); 8], [0_u64; 8], [None::<Duration>; 8]);
            let (mut now, mut revision) = (ms(0), 0);
            let settle = |now: Duration, members: &mut [Trailing; 8], had: &mut [u64; 8], last: &mut [Option<Duration>; 8]| {
                for at in 0..8 {
                    // A timer fires at `due`, never before.
                    let Some(due) = members[at].due().filter(|due| *due <= now) else { continue };
                    let pushed = members[at].take_due(due).expect("it is due");
                    assert!(last[at].is_none_or(|before| due - before >= within), "trailing pushes too close");
                    (had[at], last[at]) = (had[at].max(pushed), Some(due));
                }
            };
            for (pause, pushes) in events {
                now += ms(pause);
                settle(now, &mut members, &mut had, &mut last);
                revision += 1;
                for (at, pushed) in pushes.into_iter().enumerate() {
                    if pushed {
                        members[at].pushed(revision);
                        had[at] = revision;
                    } else {
                        members[at].dropped(revision, now, within);
                    }
                }
            }
            settle(now + within, &mut members, &mut had, &mut last);
            prop_assert_eq!(had, [revision; 8]);
            prop_assert!(members.iter().all(|member| member.due().is_none()));
        }
    }
}
