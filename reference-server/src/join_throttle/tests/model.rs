//! Processes, a ledger, and messages between them that are delayed, lost, or overtaken by a loss of the ledger's
//! memory.

use std::time::Duration;

use hotchat_policy::{Allotment, LeasedShares, LimitSize, SketchSize, SlidingLimit, Want, WindowLimit};
use proptest::prelude::*;

use super::super::in_redis::micros;
use super::super::ledger::Terms;
use super::ledger_model::Ledger;
use super::most_in_a_window;

const CHAT: u64 = 7;
const JOINS: u32 = 60;
const PROCESSES: usize = 3;
const WINDOW: Duration = Duration::from_millis(200);
const RECONCILE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Waits this many milliseconds.
    Wait(u64),
    /// Attempts this many joins at a process.
    Join(usize, u32),
    /// A process requests shares; request and answer each take this many milliseconds, or the answer never arrives.
    Ask(usize, u64, u64, bool),
    /// The ledger loses its memory.
    Forget,
}

struct Process {
    limiter: SlidingLimit,
    shares: LeasedShares,
    /// At most one request in flight.
    message: Option<Message>,
}

/// A request in flight, or its answer.
struct Message {
    wants: Vec<Want>,
    asked: Duration,
    arrives: Duration,
    back: Duration,
    lost: bool,
    granted: Option<Vec<u32>>,
}

struct World {
    now: Duration,
    ledger: Ledger,
    processes: Vec<Process>,
    allotment: Allotment,
    terms: Terms,
    admitted: Vec<(Duration, Duration)>,
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl World {
    fn new() -> Self {
        let sketch = SketchSize {
            width_bits: 4,
            depth: 2,
            sub_windows: 40,
        };
        let process = |seed| Process {
            limiter: SlidingLimit::try_new(LimitSize { stripe_bits: 1, sketch }, seed).unwrap(),
            shares: LeasedShares::new(4),
            message: None,
        };
        let allotment = Allotment::of(JOINS, PROCESSES as u32, 0.2);
        Self {
            now: Duration::from_secs(1000),
            ledger: Ledger::default(),
            processes: (0..PROCESSES as u64).map(process).collect(),
            allotment,
            terms: Terms {
                pool: allotment.pool,
                processes: PROCESSES as u32,
                window: WINDOW,
                lease: RECONCILE * 5,
                reconcile: RECONCILE,
            },
            admitted: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Wait(millis) => (0..millis).for_each(|_| self.wait()),
            Step::Join(process, joins) => (0..joins).for_each(|_| self.join(process)),
            Step::Ask(process, there, back, lost) => self.ask(process, ms(there), ms(back), lost),
            Step::Forget => self.ledger = Ledger::default(),
        }
    }

    fn join(&mut self, process: usize) {
        let (now, Allotment { reserve, .. }) = (self.now, self.allotment);
        let process = &mut self.processes[process];
        let mine = reserve + process.shares.share(CHAT, now);
        let limit = WindowLimit::try_new(mine, WINDOW).unwrap();
        let tried = process.limiter.admit(CHAT, limit, now);
        let busy = tried.map_or(true, |admitted| admitted.count > reserve / 2);
        process.shares.tried(CHAT, busy, now);
        self.admitted.extend(tried.map(|admitted| (admitted.at, admitted.at)));
    }

    fn ask(&mut self, process: usize, there: Duration, back: Duration, lost: bool) {
        let (now, reserve) = (self.now, self.allotment.reserve);
        let process = &mut self.processes[process];
        if process.message.is_none() {
            let wants = process.shares.wants(reserve, WINDOW, now);
            process.message = Some(Message {
                wants,
                asked: now,
                arrives: now + there,
                back,
                lost,
                granted: None,
            });
        }
        self.deliver();
    }

    fn wait(&mut self) {
        self.now += ms(1);
        self.deliver();
    }

    fn deliver(&mut self) {
        for (number, process) in self.processes.iter_mut().enumerate() {
            let Some(mut message) = process.message.take() else {
                continue;
            };
            if message.granted.is_none() && message.arrives <= self.now {
                let granted = self
                    .ledger
                    .grant(micros(self.now), number as u64, &message.wants, &self.terms);
                message.granted = Some(granted);
                message.arrives = self.now + message.back;
            }
            match message.granted {
                Some(granted) if message.arrives <= self.now => {
                    for (want, share) in message.wants.iter().zip(granted).filter(|_| !message.lost) {
                        let until = message.asked + self.terms.lease;
                        process.shares.granted(want.chat_id, share, until);
                    }
                }
                granted => process.message = Some(Message { granted, ..message }),
            }
        }
    }

    /// Each process attempts this many joins a window and requests shares on schedule, undisturbed; returns the
    /// admissions in the last window.
    fn run(&mut self, windows: u32, tries: [u32; PROCESSES]) -> Vec<usize> {
        let mut each = vec![0; PROCESSES];
        for tick in 0..u64::from(windows) * 200 {
            if tick % 20 == 0 {
                (0..PROCESSES).for_each(|process| self.ask(process, ms(1), ms(1), false));
            }
            for process in 0..PROCESSES {
                let due = |tick: u64| tick * u64::from(tries[process]) / 200;
                let before = self.admitted.len();
                (due(tick)..due(tick + 1)).for_each(|_| self.join(process));
                if tick + 200 >= u64::from(windows) * 200 {
                    each[process] += self.admitted.len() - before;
                }
            }
            self.wait();
        }
        each
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let process = 0..PROCESSES;
    let step = prop_oneof![
        6 => (0_u64..30).prop_map(Step::Wait),
        1 => (100_u64..400).prop_map(Step::Wait),
        8 => (process.clone(), 1_u32..80).prop_map(|(process, joins)| Step::Join(process, joins)),
        8 => (process, 0_u64..40, 0_u64..40, prop::bool::weighted(0.1))
            .prop_map(|(process, there, back, lost)| Step::Ask(process, there, back, lost)),
        1 => Just(Step::Forget),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn processes_keep_the_limit_together_under_late_and_lost_messages(settled in any::<bool>(), steps in steps()) {
        let mut world = World::new();
        if settled {
            world.run(3, [40, 40, 40]);
        }
        for step in steps {
            world.step(step);
        }
        let most = most_in_a_window(&world.admitted, WINDOW);
        prop_assert!(most <= JOINS as usize, "{most}");
    }
}

#[test]
fn shares_follow_the_demand() {
    let mut world = World::new();
    // A reserve of 4 each, 48 to lease. No grants in the first window and a half.
    assert_eq!(world.run(1, [300, 300, 300]), [4, 4, 4]);
    let even = world.run(6, [300, 300, 300]);
    assert!(even.iter().all(|got| (17..=20).contains(got)), "{even:?}");
    let one = world.run(6, [300, 0, 0]);
    assert!(
        (47..=52).contains(&one[0]),
        "the limit less the others' reserves: {one:?}"
    );
    let moved = world.run(8, [0, 0, 300]);
    assert!((47..=52).contains(&moved[2]), "{moved:?}");
    let enough = world.run(8, [10, 15, 20]);
    assert_eq!(enough, [10, 15, 20], "demand below the pool is granted in full");
    assert!(most_in_a_window(&world.admitted, WINDOW) <= JOINS as usize);
}
