//! `cargo bench -p hotchat-policy --bench decide`: what the decisions before a call on a shard cost. Each may take 200 ns.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use hotchat_policy::{Breaker, BreakerRules, Bulkhead, BulkheadLimits, Entry, Outcome};

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
        let permit = open.permit(now).expect("it opens with the last of them");
        permit.done(now, Outcome::Failed);
    }
    criterion.bench_function("breaker, open: refused", |bencher| {
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
    criterion.bench_function("bulkhead, full: refused", |bencher| {
        bencher.iter(|| matches!(black_box(bulkhead.enter()), Ok(Entry::Entered(_))));
    });
    drop((slots, queue));
}

criterion_group!(benches, decisions);
criterion_main!(benches);
