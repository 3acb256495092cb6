//! This process's part of a limit that several processes keep together, without asking anybody for each decision.
//!
//! Each of `N` processes may always admit a *reserve* of its own; the rest of the limit, the *pool*, is leased chat by chat to those who have a use for
//! it. A chat's share of the pool is what a common ledger has granted lately ([`LeasedShares::granted`]), and only until the lease runs
//! out. Which chats to ask for, and for how much, follows from the demand ([`LeasedShares::wants`]): the joins tried in the last
//! window, refused ones included.
//!
//! **Bound.** Decisions are made by a sliding limit of `reserve + share`, so in any window a process admits at most `reserve` and the largest share that
//! it held in that window. A ledger that counts each grant until the lease has run out *and a window has passed since* therefore keeps
//! the sum over all processes at `N × reserve + pool`, which is the limit, whenever shares are granted, lowered, lost on the way or run out.
//!
//! Rejected: a fixed `limit / N` (a chat whose members all come by one process gets one N-th), shares by the number of processes that are
//! alive (two views of that differ for a while, and then the limit is broken).
//!
//! - **Cold:** no chat is busy; each has its reserve. A chat becomes busy when half of the reserve is used.
//! - **Boundary:** a lease that runs out now has run out.
//! - **Bound of memory:** `busy_max` chats; those beyond have their reserve and are counted.

use std::collections::HashMap;
use std::time::Duration;

/// How a limit is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allotment {
    /// What each process may always use.
    pub reserve: u32,
    /// What is leased, to all together.
    pub pool: u32,
    /// The part of each process when nobody can lease: the limit divided by the processes.
    pub even: u32,
}

impl Allotment {
    /// `limit` divided between `processes`, with this part of it (0 to 1) in reserve: at least one for each as long as there are as many.
    #[must_use]
    pub fn of(limit: u32, processes: u32, reserve: f64) -> Self {
        let processes = processes.max(1);
        let even = limit / processes;
        // A part of `even`, so it fits.
        let part = (f64::from(even) * reserve.clamp(0.0, 1.0)).floor() as u32;
        let reserve = part.max(even.min(1));
        let pool = limit - reserve * processes;
        Self { reserve, pool, even }
    }
}

/// How much of a chat's pool this process has a use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// Which chat.
    pub chat_id: u64,
    /// Joins in a window, beyond the reserve.
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
    /// Joins tried since `told`.
    tried: u32,
    told: Duration,
    /// Joins in a window as of `told`.
    demand: u32,
}

/// Demand is measured over at least this long: two joins in a microsecond are no two million a second.
const MEASURED: Duration = Duration::from_millis(10);

impl LeasedShares {
    /// Room for so many busy chats.
    #[must_use]
    pub fn new(busy_max: usize) -> Self {
        Self {
            busy: HashMap::with_capacity(busy_max),
            busy_max,
            unlisted: 0,
        }
    }

    /// What may be used of the chat's pool.
    #[must_use]
    pub fn share(&self, chat_id: u64, now: Duration) -> u32 {
        let leased = self.busy.get(&chat_id).filter(|busy| now < busy.until);
        leased.map_or(0, |busy| busy.share)
    }

    /// A join was tried; `busy` says that the chat is to be listed if it is not yet. Whether it was listed just now.
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

    /// What to ask the ledger for, as of now. A chat for which nothing is wanted any more is named once with 0, then forgotten.
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

    /// The ledger has granted this share of the chat's pool until then: a time to live after the ledger was *asked*.
    pub fn granted(&mut self, chat_id: u64, share: u32, until: Duration) {
        if let Some(busy) = self.busy.get_mut(&chat_id) {
            // A share of nothing is no lease: it must not keep a chat listed that nobody joins any more.
            let until = if share > 0 { until } else { Duration::ZERO };
            (busy.share, busy.until) = (share, until);
        }
    }

    /// Joins of busy chats for which there was no room, since this was last asked.
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
    fn a_limit_is_divided_without_rest_or_excess() {
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
    fn a_share_is_there_until_its_lease_runs_out() {
        let mut shares = LeasedShares::new(2);
        assert!(!shares.tried(7, false, ms(0)), "quiet");
        shares.granted(7, 50, ms(500));
        assert_eq!(shares.share(7, ms(0)), 0, "nobody has asked for it");
        assert!(shares.tried(7, true, ms(0)));
        assert!(!shares.tried(7, true, ms(0)), "listed already");
        shares.granted(7, 50, ms(500));
        assert_eq!((shares.share(7, ms(499)), shares.share(7, ms(500))), (50, 0));
        shares.tried(8, true, ms(0));
        assert!(!shares.tried(9, true, ms(0)), "full");
        assert_eq!((shares.take_unlisted(), shares.take_unlisted()), (1, 0));
    }

    #[test]
    fn what_is_wanted_follows_the_demand_and_ends_with_it() {
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
    fn a_chat_that_was_busy_is_forgotten_although_the_ledger_goes_on_answering() {
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
