//! What one record costs: `cargo bench -p hotchat-policy`. Median over turns, of ids that keep missing the caches.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use hotchat_policy::{DetectorSize, HotChatDetector, HotLimits, RecentTop, TopSize};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const RECORDS: u32 = 2_000_000;
const TURNS: usize = 7;

fn main() {
    let limits = HotLimits {
        fetches: 5000,
        window: Duration::from_secs(5),
        release: 0.5,
    };
    let mut detector = HotChatDetector::try_new(limits, DetectorSize::default(), 1).expect("these limits are in range");
    report("detector, a million chats", |id, now| {
        black_box(detector.record(id % 1_000_000, now));
    });
    report("detector, one hot chat", |_, now| {
        black_box(detector.record(7, now));
    });
    let size = TopSize {
        counters: 256,
        cells: 32,
        span: Duration::from_secs(30),
    };
    let mut top = RecentTop::try_new(size).expect("this size is in range");
    report("top, a million chats", |id, now| top.record(id % 1_000_000, 3, 1, now));
}

fn report(name: &str, mut record: impl FnMut(u64, Duration)) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    let ids: Vec<u64> = (0..RECORDS).map(|_| rng.random()).collect();
    let mut now = Duration::ZERO;
    let mut turns: Vec<u128> = (0..TURNS)
        .map(|_| {
            let started = Instant::now();
            for id in &ids {
                now += Duration::from_micros(10); // 100,000 a second
                record(*id, now);
            }
            started.elapsed().as_nanos() / u128::from(RECORDS)
        })
        .collect();
    turns.sort_unstable();
    println!("{name}: {} ns a record (fastest {} ns)", turns[TURNS / 2], turns[0]);
}
