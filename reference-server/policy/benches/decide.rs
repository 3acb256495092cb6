//! `cargo bench -p hotchat-policy --bench decide`: the cost of the decisions before a request is admitted, before a
//! call to a shard, and before a join. Each may take 200 ns. A rejection is measured for itself: under overload it is
//! what happens most.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use hotchat_policy::{
    Breaker, BreakerRules, Bulkhead, BulkheadLimits, CallEnd, ControlledDelay, DelayRules, Entry, GradientLimit,
    GradientRules, LevelRules, LimitSize, Outcome, Priority, PriorityLevels, SlidingLimit, WindowLimit,
};

fn breaker() -> Breaker {
    let rules = BreakerRules {
        window: Duration::from_secs(10),
        minimum_calls: 20,
        failure_rate: 0.5,
        slow_call: Duration::from_secs(1),
        slow_rate: 0.9,
        open: Duration::from_secs(2),
        jitter: 0.2,
        trials: 3,
    };
    Breaker::try_new(rules, 1).expect("these rules are in range")
}

fn decisions(criterion: &mut Criterion) {
    let (closed, mut now) = (breaker(), Duration::ZERO);
    criterion.bench_function("breaker, closed: permit and done", |bencher| {
        bencher.iter(|| {
            now += Duration::from_micros(10); // 100,000 a second
            closed.permit(now).map(|permit| permit.done(now, Outcome::Ok))
        });
    });
    let open = breaker();
    for _ in 0..20 {
        let permit = open.permit(now).expect("it opens on the last outcome");
        permit.done(now, Outcome::Failed);
    }
    criterion.bench_function("breaker, open: rejected", |bencher| {
        bencher.iter(|| black_box(open.permit(black_box(now))).is_err());
    });
    let bulkhead = Bulkhead::new(BulkheadLimits {
        in_progress: 24,
        waiting: 48,
    });
    criterion.bench_function("bulkhead, free: enter and leave", |bencher| {
        bencher.iter(|| drop(black_box(bulkhead.enter())));
    });
    let slots: Vec<_> = (0..24).map(|_| bulkhead.enter()).collect();
    criterion.bench_function("bulkhead, in use: queue and give up", |bencher| {
        bencher.iter(|| drop(black_box(bulkhead.enter())));
    });
    let queue: Vec<_> = (0..48).map(|_| bulkhead.enter()).collect();
    criterion.bench_function("bulkhead, full: rejected", |bencher| {
        bencher.iter(|| matches!(black_box(bulkhead.enter()), Ok(Entry::Entered(_))));
    });
    drop((slots, queue));
}

fn admission(criterion: &mut Criterion) {
    let rules = DelayRules {
        target: Duration::from_millis(5),
        interval: Duration::from_millis(100),
    };
    let (mut delay, mut now) = (controlled_delay(rules), Duration::ZERO);
    criterion.bench_function("controlled delay: wait, order, free slot", |bencher| {
        bencher.iter(|| {
            now += Duration::from_micros(10); // 100,000 a second
            let decided = (delay.wait_max(now), delay.newest_first(now));
            delay.caught_up(now);
            decided
        });
    });
    let (mut gradient, mut now) = (gradient_limit(), Duration::ZERO);
    criterion.bench_function("gradient limit: begin and end", |bencher| {
        bencher.iter(|| {
            now += Duration::from_micros(10);
            gradient.began(black_box(now));
            gradient.ended(now, CallEnd::Done, now + Duration::from_millis(1));
        });
    });
    criterion.bench_function("gradient limit: rejected", |bencher| {
        bencher.iter(|| black_box(&gradient).limit() <= black_box(100_000));
    });
    let (mut levels, mut now, mut user) = (priority_levels(), Duration::ZERO, 0_u64);
    criterion.bench_function("priority levels: admitted", |bencher| {
        bencher.iter(|| {
            now += Duration::from_micros(10);
            user += 1;
            let admitted = levels.admits(Priority::of(3, black_box(user), 490_000), now);
            levels.waited(Duration::ZERO);
            admitted
        });
    });
    let (mut levels, mut now) = (priority_levels(), Duration::ZERO);
    criterion.bench_function("priority levels: nearly all rejected", |bencher| {
        bencher.iter(|| {
            now += Duration::from_micros(10);
            user += 1;
            levels.overflowed(); // keeps the level at the first cell of these
            levels.admits(Priority::of(7, black_box(user), 490_000), now)
        });
    });
}

fn controlled_delay(rules: DelayRules) -> ControlledDelay {
    ControlledDelay::try_new(rules, Duration::ZERO).expect("these rules are in range")
}

fn gradient_limit() -> GradientLimit {
    let rules = GradientRules {
        min: 8,
        max: 256,
        tolerance: 1.5,
        backoff: 0.9,
        window: Duration::from_millis(100),
        probe: Duration::from_secs(30),
    };
    GradientLimit::try_new(rules, Duration::ZERO).expect("these rules are in range")
}

fn priority_levels() -> PriorityLevels {
    let rules = LevelRules {
        window: Duration::from_secs(1),
        requests: 2000,
        wait: Duration::from_millis(20),
        down: 0.05,
        up: 0.01,
    };
    PriorityLevels::try_new(rules, Duration::ZERO).expect("these rules are in range")
}

fn joins(criterion: &mut Criterion) {
    let limit = WindowLimit::try_new(300, Duration::from_secs(1)).expect("this window is in range");
    let (limiter, mut now, mut chat) = (limiter(), Duration::ZERO, 0_u64);
    criterion.bench_function("join, a million chats: admitted", |bencher| {
        bencher.iter(|| {
            now += Duration::from_micros(10); // 100,000 a second
            chat = chat.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            limiter.admit(black_box((chat >> 32) % 1_000_000), limit, now)
        });
    });
    let limiter = self::limiter();
    criterion.bench_function("join, one hot chat: nearly all rejected", |bencher| {
        bencher.iter(|| {
            now += Duration::from_micros(10);
            limiter.admit(black_box(7), limit, now)
        });
    });
}

fn limiter() -> SlidingLimit {
    SlidingLimit::try_new(LimitSize::default(), 1).expect("this size is in range")
}

criterion_group!(benches, admission, decisions, joins);
criterion_main!(benches);
