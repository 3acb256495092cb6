//! This process's part of a limit shared by several processes, without a round trip per decision.
//!
//! Each of `N` processes may always admit a *reserve* of its own. The rest of the limit, the *pool*, is leased per chat
//! to the processes that have demand for it. A chat's share of the pool is what the common ledger granted last
//! ([`LeasedShares::granted`]), and only until the lease expires. Which chats to request, and how much, follows from
//! the demand ([`LeasedShares::wants`]): the joins attempted in the last window, rejected ones included.
//!
//! **Bound.** A sliding limit of `reserve + share` decides, so in any window a process admits at most `reserve` plus
//! the largest share that it held in that window. A ledger that counts each grant until the lease has expired *and a
//! window has passed since* therefore keeps the sum over all processes at `N × reserve + pool`, which is the limit,
//! whether shares are granted, lowered, lost on the way or expired.
//!
//! Rejected: a fixed `limit / N` (a chat whose members all come through one process gets one N-th), shares by the
//! number of live processes (while two processes see different numbers, the limit is exceeded).
//!
//! - **Cold:** no chat is busy; each has its reserve. A chat becomes busy when half of the reserve is used.
//! - **Boundary:** a lease that expires at `now` has expired.
//! - **Bound of memory:** `busy_max` chats; further busy chats have their reserve only and are counted.

use std::collections::HashMap;
use std::time::Duration;

/// How a limit is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allotment {
    /// What each process may always admit.
    pub reserve: u32,
    /// What is leased, over all processes.
    pub pool: u32,
    /// The part of each process when leasing is unavailable: the limit divided by the number of processes.
    pub even: u32,
}

impl Allotment {
    /// Divides `limit` between `processes`, with `reserve` (0 to 1) of each even part held in reserve: at least one per
    /// process if the limit allows it.
    #[must_use]
    pub fn of(limit: u32, processes: u32, reserve: f64) -> Self {
        let processes = processes.max(1);
        let even = limit / processes;
        // A share of `even`, so it fits.
        let part = (f64::from(even) * reserve.clamp(0.0, 1.0)).floor() as u32;
        let reserve = part.max(even.min(1));
        let pool = limit - reserve * processes;
        Self { reserve, pool, even }
    }
}

/// This process's demand for a chat's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The chat's id.
    pub chat_id: u64,
    /// Joins per window beyond the reserve.
    pub joins: u32,
}

/// The busy chats, their demand and their leases.
#[derive(Debug)]
pub struct LeasedShares {
    busy: HashMap<u64, Busy>,
    busy_max: usize,
    unlisted: u64,
}

#[derive(Debug)]
struct Busy {
    share: u32,
    until: Duration,
    /// Joins attempted since `told`.
    tried: u32,
    told: Duration,
    /// Joins per window as of `told`.
    demand: u32,
}

/// Demand is measured over at least this long: two joins within a microsecond are not two million a second.
const MEASURED: Duration = Duration::from_millis(10);

impl LeasedShares {
    /// Creates a list with room for `busy_max` busy chats.
    #[must_use]
    pub fn new(busy_max: usize) -> Self {
        Self {
            busy: HashMap::with_capacity(busy_max),
            busy_max,
            unlisted: 0,
        }
    }

    /// The share of the chat's pool that may be used now.
    #[must_use]
    pub fn share(&self, chat_id: u64, now: Duration) -> u32 {
        let leased = self.busy.get(&chat_id).filter(|busy| now < busy.until);
        leased.map_or(0, |busy| busy.share)
    }

    /// Records an attempted join; `busy` asks to list the chat if it is not listed yet. Returns whether it was listed
    /// just now.
    pub fn tried(&mut self, chat_id: u64, busy: bool, now: Duration) -> bool {
        if let Some(listed) = self.busy.get_mut(&chat_id) {
            listed.tried = listed.tried.saturating_add(1);
            return false;
        }
        if !busy {
            return false;
        }
        if self.busy.len() >= self.busy_max {
            self.unlisted += 1;
            return false;
        }
        let new = Busy {
            share: 0,
            until: Duration::ZERO,
            tried: 1,
            told: now,
            demand: 0,
        };
        self.busy.insert(chat_id, new);
        true
    }

    /// What to request from the ledger as of `now`. A chat without further demand is returned once with 0, then
    /// forgotten.
    pub fn wants(&mut self, reserve: u32, window: Duration, now: Duration) -> Vec<Want> {
        self.busy
            .retain(|_, busy| busy.demand > 0 || busy.tried > 0 || now < busy.until);
        let want = |(&chat_id, busy): (&u64, &mut Busy)| {
            busy.measure(window, now);
            let joins = busy.demand.saturating_sub(reserve);
            Want { chat_id, joins }
        };
        self.busy.iter_mut().map(want).collect()
    }

    /// Records that the ledger has granted this share of the chat's pool until `until`: a time to live after the
    /// *request* to the ledger.
    pub fn granted(&mut self, chat_id: u64, share: u32, until: Duration) {
        if let Some(busy) = self.busy.get_mut(&chat_id) {
            // A share of zero is not a lease: it must not keep a chat listed that nobody joins any more.
            let until = if share > 0 { until } else { Duration::ZERO };
            (busy.share, busy.until) = (share, until);
        }
    }

    /// Joins of busy chats that did not fit into the list, since the last call.
    pub fn take_unlisted(&mut self) -> u64 {
        std::mem::take(&mut self.unlisted)
    }
}

impl Busy {
    /// Demand rises at once and falls within a window.
    fn measure(&mut self, window: Duration, now: Duration) {
        let passed = now.saturating_sub(self.told).max(MEASURED);
        let per_window = f64::from(self.tried) * window.as_secs_f64() / passed.as_secs_f64();
        let left = f64::from(self.demand) * (1.0 - passed.as_secs_f64() / window.as_secs_f64()).max(0.0);
        self.demand = per_window.max(left) as u32; // saturates
        (self.tried, self.told) = (0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_limit_is_divided_without_remainder_or_excess() {
        let table = [
            ((300, 3, 0.2), (20, 240, 100)),
            ((300, 1, 0.2), (60, 240, 300)),
            ((301, 3, 0.0), (1, 298, 100)),
            ((300, 3, 1.0), (100, 0, 100)),
            ((3, 3, 0.2), (1, 0, 1)),
            ((2, 3, 0.2), (0, 2, 0)),
            ((u32::MAX, 1, 1.0), (u32::MAX, 0, u32::MAX)),
        ];
        for ((limit, processes, part), (reserve, pool, even)) in table {
            let allotment = Allotment::of(limit, processes, part);
            assert_eq!(
                allotment,
                Allotment { reserve, pool, even },
                "{limit} {processes} {part}"
            );
            assert_eq!(reserve * processes + pool, limit);
        }
    }

    #[test]
    fn a_share_lasts_until_its_lease_expires() {
        let mut shares = LeasedShares::new(2);
        assert!(!shares.tried(7, false, ms(0)), "quiet");
        shares.granted(7, 50, ms(500));
        assert_eq!(shares.share(7, ms(0)), 0, "no lease was requested");
        assert!(shares.tried(7, true, ms(0)));
        assert!(!shares.tried(7, true, ms(0)), "listed already");
        shares.granted(7, 50, ms(500));
        assert_eq!((shares.share(7, ms(499)), shares.share(7, ms(500))), (50, 0));
        shares.tried(8, true, ms(0));
        assert!(!shares.tried(9, true, ms(0)), "full");
        assert_eq!((shares.take_unlisted(), shares.take_unlisted()), (1, 0));
    }

    #[test]
    fn wants_follow_the_demand_and_end_with_it() {
        let mut shares = LeasedShares::new(2);
        for _ in 0..30 {
            shares.tried(7, true, ms(0));
        }
        let want = |joins| vec![Want { chat_id: 7, joins }];
        assert_eq!(
            shares.wants(10, SECOND, ms(100)),
            want(290),
            "30 in 100 ms, 10 in reserve"
        );
        assert_eq!(shares.wants(10, SECOND, ms(600)), want(140), "half a window later");
        assert_eq!(shares.wants(10, SECOND, ms(1600)), want(0), "nothing for a window");
        assert_eq!(shares.wants(10, SECOND, ms(1700)), []);
        shares.tried(7, true, ms(2000));
        assert_eq!(shares.wants(0, SECOND, ms(2000)), want(100), "one, measured over 10 ms");
    }

    #[test]
    fn a_formerly_busy_chat_is_forgotten_although_the_ledger_keeps_answering() {
        let mut shares = LeasedShares::new(1);
        assert!(shares.tried(7, true, ms(0)));
        for at in (100..3000).step_by(100) {
            let share = if at < 300 { 50 } else { 0 };
            for want in shares.wants(10, SECOND, ms(at)) {
                shares.granted(want.chat_id, share, ms(at + 500));
            }
        }
        assert_eq!(shares.wants(10, SECOND, ms(3000)), []);
        assert!(shares.tried(8, true, ms(3000)), "there is room for another");
    }
}
