//! A server as a discrete-event simulation: workers that take what is in progress first come, first served; an
//! admission policy in front of them; callers who stop waiting without telling the server.
//!
//! Arrivals are Poisson and service times exponential, from a seeded generator: every run is the same.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Calls that are worked on at the same time; the capacity is `WORKERS / SERVICE`, 1600 a second.
pub(crate) const WORKERS: u32 = 16;
pub(crate) const SERVICE: Duration = Duration::from_millis(10);
/// Callers stop waiting after this time; an answer that comes later is worth nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// The capacity in requests per second.
pub(crate) fn capacity() -> f64 {
    f64::from(WORKERS) / SERVICE.as_secs_f64()
}

/// What a caller sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) caller: usize,
    pub(crate) class: u8,
}

/// A policy, as the simulation asks it.
pub(crate) trait Policy {
    /// How many calls may be in progress.
    fn slots(&self) -> u32 {
        WORKERS
    }

    /// How many requests may wait.
    fn places(&self) -> usize;

    /// The longest wait of a request that arrives now; `None` sheds it.
    fn arrives(&mut self, request: Request, now: Duration) -> Option<Duration>;

    fn newest_first(&self, _now: Duration) -> bool {
        false
    }

    /// A slot is free and nobody waits.
    fn caught_up(&mut self, _now: Duration) {}

    /// A request has left the queue.
    fn waited(&mut self, _wait: Duration) {}

    fn overflowed(&mut self) {}

    /// A call begins.
    fn began(&mut self, _now: Duration) {}

    /// A call has ended, too late for its caller or not.
    fn ended(&mut self, _began: Duration, _late: bool, _now: Duration) {}
}

/// What is offered.
pub(crate) struct Load {
    /// As a multiple of the capacity.
    pub(crate) offered: f64,
    pub(crate) length: Duration,
    /// Number of callers who can be told apart.
    pub(crate) callers: usize,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Requests by caller.
    pub(crate) offered: Vec<u64>,
    /// Answers in time, by caller.
    pub(crate) good: Vec<u64>,
    /// Answers in time, by second.
    good_each_second: Vec<u64>,
    /// Answers that came too late.
    pub(crate) late: u64,
    pub(crate) wait_max: Duration,
    /// Mean wait of the requests that were admitted in the second half.
    pub(crate) settled_wait: Mean,
    pub(crate) in_progress_max: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    pub(crate) fn get(&self) -> f64 {
        self.sum / self.count as f64
    }
}

impl Tally {
    /// Answers in time from this second on, as a share of what the server could have done.
    pub(crate) fn goodput_from(&self, second: usize) -> f64 {
        let seconds = &self.good_each_second[second..];
        seconds.iter().sum::<u64>() as f64 / (seconds.len() as f64 * capacity())
    }

    /// The share of their requests that was answered in time.
    pub(crate) fn success(&self, callers: std::ops::Range<usize>) -> f64 {
        let sum = |counts: &[u64]| counts[callers.clone()].iter().sum::<u64>() as f64;
        sum(&self.good) / sum(&self.offered)
    }
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    caller: usize,
    arrived: Duration,
    wait_max: Duration,
}

impl Waiting {
    fn gives_up(&self) -> Duration {
        self.arrived + self.wait_max
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    ends: Duration,
    began: Duration,
    arrived: Duration,
    caller: usize,
}

struct Simulation<'a, P> {
    policy: &'a mut P,
    half: Duration,
    rng: Xoshiro256PlusPlus,
    queue: VecDeque<Waiting>,
    /// No request's patience ends before.
    first_gives_up: Duration,
    calls: BinaryHeap<Reverse<Call>>,
    /// When each worker is free.
    workers: BinaryHeap<Reverse<Duration>>,
    tally: Tally,
}

/// Offers `load` to the server behind `policy`; `who` draws the next request.
pub(crate) fn run<P: Policy>(
    policy: &mut P,
    load: &Load,
    mut who: impl FnMut(&mut Xoshiro256PlusPlus) -> Request,
) -> Tally {
    let mut simulation = Simulation::new(policy, load);
    let between = 1.0 / (load.offered * capacity());
    let mut next = simulation.exponential(between);
    while next < load.length {
        match simulation.calls.peek() {
            Some(Reverse(call)) if call.ends <= next => simulation.end_call(),
            _ => {
                let request = who(&mut simulation.rng);
                simulation.arrive(request, next);
                next += simulation.exponential(between);
            }
        }
    }
    simulation.tally
}

impl<'a, P: Policy> Simulation<'a, P> {
    fn new(policy: &'a mut P, load: &Load) -> Self {
        let seconds = usize::try_from(load.length.as_secs()).unwrap();
        Self {
            policy,
            half: load.length / 2,
            rng: Xoshiro256PlusPlus::seed_from_u64(1),
            queue: VecDeque::new(),
            first_gives_up: Duration::MAX,
            calls: BinaryHeap::new(),
            workers: (0..WORKERS).map(|_| Reverse(Duration::ZERO)).collect(),
            tally: Tally {
                offered: vec![0; load.callers],
                good: vec![0; load.callers],
                good_each_second: vec![0; seconds],
                late: 0,
                wait_max: Duration::ZERO,
                settled_wait: Mean::default(),
                in_progress_max: 0,
            },
        }
    }

    fn exponential(&mut self, mean_s: f64) -> Duration {
        Duration::from_secs_f64(-mean_s * (1.0 - self.rng.random::<f64>()).ln())
    }

    fn in_progress(&self) -> u32 {
        u32::try_from(self.calls.len()).unwrap()
    }

    fn arrive(&mut self, Request { caller, class }: Request, now: Duration) {
        self.tally.offered[caller] += 1;
        self.give_up(now);
        if self.in_progress() < self.policy.slots() {
            self.policy.caught_up(now);
        }
        let Some(wait_max) = self.policy.arrives(Request { caller, class }, now) else {
            return;
        };
        let waiting = Waiting {
            caller,
            arrived: now,
            wait_max,
        };
        if self.in_progress() < self.policy.slots() {
            self.begin(waiting, now);
        } else if self.queue.len() < self.policy.places() {
            self.queue.push_back(waiting);
            self.first_gives_up = self.first_gives_up.min(waiting.gives_up());
        } else {
            self.policy.overflowed();
        }
    }

    /// Takes those from the queue whose longest wait is over.
    fn give_up(&mut self, now: Duration) {
        if now <= self.first_gives_up {
            return;
        }
        let policy = &mut *self.policy;
        self.queue.retain(|waiting| {
            let stays = now <= waiting.gives_up();
            if !stays {
                policy.waited(waiting.wait_max);
            }
            stays
        });
        let first = self.queue.iter().map(Waiting::gives_up).min();
        self.first_gives_up = first.unwrap_or(Duration::MAX);
    }

    fn begin(&mut self, waiting: Waiting, now: Duration) {
        let wait = now - waiting.arrived;
        assert!(wait <= waiting.wait_max, "{wait:?} of {:?}", waiting.wait_max);
        self.policy.waited(wait);
        self.tally.wait_max = self.tally.wait_max.max(wait);
        if now >= self.half {
            self.tally.settled_wait.add(wait.as_secs_f64());
        }
        let Reverse(free) = self.workers.pop().unwrap();
        let ends = free.max(now) + self.exponential(SERVICE.as_secs_f64());
        self.workers.push(Reverse(ends));
        let Waiting { caller, arrived, .. } = waiting;
        let call = Call {
            ends,
            began: now,
            arrived,
            caller,
        };
        self.calls.push(Reverse(call));
        let in_progress = self.in_progress();
        self.tally.in_progress_max = self.tally.in_progress_max.max(in_progress);
        self.policy.began(now);
    }

    fn end_call(&mut self) {
        let Reverse(call) = self.calls.pop().unwrap();
        let now = call.ends;
        let late = now - call.arrived > PATIENCE;
        if late {
            self.tally.late += 1;
        } else {
            self.tally.good[call.caller] += 1;
            let second = usize::try_from(now.as_secs()).unwrap();
            self.tally.good_each_second[second] += 1;
        }
        self.policy.ended(call.began, late, now);
        self.give_up(now);
        while self.in_progress() < self.policy.slots() {
            let newest = self.policy.newest_first(now);
            let next = if newest {
                self.queue.pop_back()
            } else {
                self.queue.pop_front()
            };
            match next {
                Some(next) => self.begin(next, now),
                None => return self.policy.caught_up(now),
            }
        }
    }
}

/// First come, first served, with a queue that hardly ever ends: what the policies are compared with.
struct PlainFifo;

impl Policy for PlainFifo {
    fn places(&self) -> usize {
        usize::MAX
    }

    fn arrives(&mut self, _: Request, _: Duration) -> Option<Duration> {
        Some(Duration::from_secs(86_400))
    }
}

/// Goodput of the second half behind a plain queue; every test of a policy shows it beside the policy's own.
pub(crate) fn plain_fifo(offered: f64) -> f64 {
    let load = Load {
        offered,
        length: Duration::from_secs(20),
        callers: 100,
    };
    run(&mut PlainFifo, &load, |rng| any_of(load.callers, rng)).goodput_from(10)
}

/// A request of class 0 of a caller drawn at random.
pub(crate) fn any_of(callers: usize, rng: &mut Xoshiro256PlusPlus) -> Request {
    Request {
        caller: rng.random_range(0..callers),
        class: 0,
    }
}

/// Nine in ten requests come from the first 64 callers, with the least important class; the others from 1000.
pub(crate) fn mostly_attackers(rng: &mut Xoshiro256PlusPlus) -> Request {
    if rng.random_range(0..10) < 9 {
        let caller = rng.random_range(0..64);
        Request { caller, class: 7 }
    } else {
        let caller = rng.random_range(64..1064);
        Request { caller, class: 0 }
    }
}

#[test]
fn below_its_capacity_a_plain_queue_serves_everybody_as_erlang_says() {
    let load = Load {
        offered: 0.8,
        length: Duration::from_secs(200),
        callers: 100,
    };
    let tally = run(&mut PlainFifo, &load, |rng| any_of(load.callers, rng));
    assert!(tally.success(0..100) > 0.9999 && tally.late == 0);
    assert!((tally.goodput_from(0) - 0.8).abs() < 0.01, "{}", tally.goodput_from(0));
    // M/M/16 at 0.8: an arrival waits with probability 0.3049 (Erlang C); in the mean 0.3049 / (16 − 12.8) services.
    let expected = 0.3049 / 3.2 * SERVICE.as_secs_f64();
    let ratio = tally.settled_wait.get() / expected;
    assert!((0.85..1.15).contains(&ratio), "{ratio}");
}
