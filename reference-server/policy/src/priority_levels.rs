//! Decides by its priority whether a request may enter the queue: under overload the least important ones may not.
//!
//! A request has a class (what it does) and a user priority (a hash of the user's id that changes every hour). Both
//! together are its place in one order of 8 × 128 cells, the most important first. The *level* is the number of cells
//! that are admitted. A window ends after `window` or `requests` requests, whichever comes first, and moves the level:
//!
//! ```text
//! overloaded  =  mean wait of the requests that left the queue  >  wait    e.g. 20 ms; or the queue overflowed
//! admitted'   =  admitted × (1 − down)          if overloaded                       requests; down = 5 %
//! admitted'   =  admitted + up × all            otherwise                           requests; up = 1 %
//! level'      =  the most cells, from the top, that held no more than admitted' requests of this window
//! ```
//!
//! Source: Zhou et al., "Overload Control for Scaling `WeChat` Microservices" (DAGOR), ACM Symposium on Cloud
//! Computing 2018, section 4. A user rather than a request is the unit on purpose: somebody whose tenth call of a task
//! is rejected has used the server nine times for nothing. Who is on top is drawn anew every hour, so that nobody is
//! last for long: within an hour the policy is unfair between users, over many hours it is not.
//!
//! Two rules are added. The paper's histogram has tens of thousands of cells that each hold little; with few users one
//! cell may hold more than `up` allows for, and would never be admitted again, or more than `1 − down`, and everything
//! would be shut out. So a window without overload opens at least one more cell in which somebody asked, and an
//! overloaded one leaves at least one of these open. And a queue that overflowed is an overload whatever the waits
//! were: behind a server that has stopped, nobody leaves the queue, and no wait is known.
//!
//! Guarantees, each tested: if a request is admitted, so is every more important one of the same window; an overload
//! never opens a cell as long as anything was admitted; somebody is always admitted. The state is one histogram of
//! 4 KiB, whoever calls.
//!
//! Rejected: a random share of all requests (it breaks most tasks of several calls), shares per user (state per user),
//! moving the level by cells instead of by counts (a cell may hold nobody or everybody), quantities of CPU as the sign
//! of overload (a server that waits for its database is idle).
//!
//! - **Cold:** everything is admitted; the same after a window without a request, unless the one before was overloaded.
//! - **Boundary:** a mean wait of exactly `wait` is no overload.
//! - **Clock:** a `now` earlier than the latest one is treated as the latest one.

use std::time::Duration;

/// Classes of requests.
pub const CLASSES: usize = 8;
/// User priorities within a class.
const USERS: usize = 128;
const CELLS: usize = CLASSES * USERS;

/// The place of a request in the order of importance; the least is the most important.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u16);

impl Priority {
    /// After every other.
    pub const LOWEST: Self = Self(CELLS as u16 - 1);

    /// `class` 0 is the most important, and classes beyond the last count as it. `hour` numbers the hours in a way on
    /// which all processes agree, so that a user has the same priority everywhere.
    #[must_use]
    pub fn of(class: u8, user: u64, hour: u64) -> Self {
        let class = usize::from(class).min(CLASSES - 1);
        let user = (mixed(user, hour) >> (u64::BITS - USERS.ilog2())) as usize;
        Self(u16::try_from(class * USERS + user).expect("fewer cells than that"))
    }

    /// The number of cells before it.
    #[must_use]
    pub fn cell(self) -> usize {
        usize::from(self.0)
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea and Flood, 2014) over both: neighbouring ids and hours have nothing in
/// common.
fn mixed(user: u64, hour: u64) -> u64 {
    let mut mixed = user ^ hour.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// When a window ends, what counts as an overload, and how far the level moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelRules {
    /// Longest duration of a window.
    pub window: Duration,
    /// Most requests of a window; at least 1.
    pub requests: u32,
    /// A mean wait above this is an overload.
    pub wait: Duration,
    /// The share of the admitted requests that an overload takes away; above 0, below 1.
    pub down: f64,
    /// The share of all requests that is added otherwise; above 0, at most 1.
    pub up: f64,
}

/// Why levels cannot be built from these rules.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum InvalidLevels {
    /// No window would end, or every one at once.
    #[error("a window of {0:?} is out of range, expected 1 µs to 1 day")]
    Window(Duration),
    /// Every request would be a window.
    #[error("a window of 0 requests is out of range, expected at least 1")]
    Requests,
    /// The level would not move, or at once to its end.
    #[error("a share of {value} for {name} is out of range, expected above 0 and {most}")]
    Share {
        /// The rule's name.
        name: &'static str,
        /// The rejected value.
        value: f64,
        /// The upper bound, in words.
        most: &'static str,
    },
}

/// The admission level.
#[derive(Debug, Clone)]
pub struct PriorityLevels {
    rules: LevelRules,
    /// Cells that are admitted; at least 1.
    level: usize,
    window: Window,
    /// Requests of the window, by cell.
    counts: Box<[u32; CELLS]>,
    latest: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    since: Duration,
    requests: u32,
    admitted: u32,
    waits: u32,
    waited: Duration,
    overflowed: bool,
}

impl PriorityLevels {
    /// Begins at `now`.
    ///
    /// # Errors
    /// [`InvalidLevels`] names the rule that is out of range.
    pub fn try_new(rules: LevelRules, now: Duration) -> Result<Self, InvalidLevels> {
        check(&rules)?;
        Ok(Self {
            rules,
            level: CELLS,
            window: Window::at(now),
            counts: Box::new([0; CELLS]),
            latest: now,
        })
    }

    /// Counts a request, and says whether it may enter the queue.
    pub fn admits(&mut self, priority: Priority, now: Duration) -> bool {
        self.advance(now);
        self.window.requests += 1;
        self.counts[priority.cell()] += 1;
        let admitted = priority.cell() < self.level;
        self.window.admitted += u32::from(admitted);
        admitted
    }

    /// An admitted request left the queue, for a slot or not.
    pub fn waited(&mut self, wait: Duration) {
        self.window.waits += 1;
        self.window.waited = self.window.waited.saturating_add(wait);
    }

    /// An admitted request found no place in the queue.
    pub fn overflowed(&mut self) {
        self.window.overflowed = true;
    }

    /// The number of cells that are admitted, of [`Self::cells`].
    #[must_use]
    pub fn level(&self) -> usize {
        self.level
    }

    /// The number of all cells.
    #[must_use]
    pub const fn cells() -> usize {
        CELLS
    }

    fn advance(&mut self, now: Duration) {
        self.latest = self.latest.max(now);
        let lasted = self.latest.saturating_sub(self.window.since);
        if lasted < self.rules.window && self.window.requests < self.rules.requests {
            return;
        }
        // The rest of a pause is a window of its own, in which nobody asked for anything. After an overload it may be a
        // stall of the whole process, with the queue as full as before.
        self.level = if lasted >= self.rules.window.saturating_mul(2) && !self.is_overloaded() {
            CELLS
        } else {
            self.next_level()
        };
        self.window = Window::at(self.latest);
        self.counts.fill(0);
    }

    fn next_level(&self) -> usize {
        let (admitted, all) = (f64::from(self.window.admitted), f64::from(self.window.requests));
        if self.is_overloaded() {
            let asked = self.first_asked_from(0).unwrap_or(CELLS - 1);
            self.cells_within(admitted * (1.0 - self.rules.down)).max(asked + 1)
        } else {
            let next = self.first_asked_from(self.level).unwrap_or(CELLS - 1);
            self.cells_within(admitted + self.rules.up * all).max(next + 1)
        }
    }

    fn is_overloaded(&self) -> bool {
        let Window { waits, waited, .. } = self.window;
        self.window.overflowed || (waits > 0 && waited / waits > self.rules.wait)
    }

    /// The most cells, from the top, that hold no more than `requests`.
    fn cells_within(&self, requests: f64) -> usize {
        let mut sum = 0_u32;
        let over = self.counts.iter().position(|count| {
            sum += count;
            f64::from(sum) > requests
        });
        over.unwrap_or(CELLS)
    }

    /// The first cell from `cell` on in which somebody asked.
    fn first_asked_from(&self, cell: usize) -> Option<usize> {
        let asked = self.counts[cell..].iter().position(|count| *count > 0)?;
        Some(cell + asked)
    }
}

impl Window {
    fn at(since: Duration) -> Self {
        Self {
            since,
            ..Self::default()
        }
    }
}

fn check(rules: &LevelRules) -> Result<(), InvalidLevels> {
    if !(Duration::from_micros(1)..=Duration::from_secs(86_400)).contains(&rules.window) {
        return Err(InvalidLevels::Window(rules.window));
    }
    if rules.requests == 0 {
        return Err(InvalidLevels::Requests);
    }
    let shares = [
        ("down", rules.down, rules.down < 1.0, "below 1"),
        ("up", rules.up, rules.up <= 1.0, "at most 1"),
    ];
    for (name, value, fits, most) in shares {
        if !(value > 0.0 && fits) {
            return Err(InvalidLevels::Share { name, value, most });
        }
    }
    Ok(())
}
