//! `cargo bench -p hotchat-policy --bench record`: the cost of one record (median over rounds, with ids that keep
//! missing the caches), and the detector's marks compared with the truth, an exact log of every chat's window.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::collections::{HashMap, HashSet, VecDeque};
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
    compare_with_the_truth(limits);
}

/// A minute at 50,000 fetches a second: ten chats well over the limit and ten just under it for part of the time, among
/// a million others.
fn compare_with_the_truth(limits: HotLimits) {
    let mut detector = HotChatDetector::try_new(limits, DetectorSize::default(), 3).expect("these limits are in range");
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
    let mut windows: HashMap<u64, VecDeque<Duration>> = HashMap::new();
    let (mut truly_hot, mut marked) = (HashSet::new(), HashSet::new());
    let (mut early, mut late) = (0, 0);
    for record in 0..3_000_000u64 {
        let now = Duration::from_micros(record * 20);
        let is_busy = now.as_secs() % 20 >= 10;
        // In its busy half each busy chat gets 1,250 fetches a second (limit: 1,000) and each near chat 900.
        let chat = match rng.random_range(0..1000) {
            0..250 if is_busy => rng.random_range(0..10),
            250..430 => rng.random_range(10..20),
            _ => 100 + rng.random_range(0..1_000_000),
        };
        let window = windows.entry(chat).or_default();
        window.push_back(now);
        while window.front().is_some_and(|first| *first + limits.window <= now) {
            window.pop_front();
        }
        let crosses = window.len() as u64 > u64::from(limits.fetches) && truly_hot.insert(chat);
        let is_marked = detector.record(chat, now).is_hot();
        let new_mark = is_marked && marked.insert(chat);
        early += u32::from(new_mark && !truly_hot.contains(&chat));
        late += u32::from(crosses && !is_marked);
    }
    let is_near = |chat: &&u64| (10..20).contains(*chat);
    let (near, quiet): (Vec<&u64>, Vec<&u64>) = marked.difference(&truly_hot).partition(is_near);
    println!(
        "against the truth: {} of 1,000,020 chats were over the limit; marked later than the record that crossed it: {late}, before it: \
         {early}; false marks: {} of 10 chats at 90 % of the limit, {} of a million quiet ones",
        truly_hot.len(),
        near.len(),
        quiet.len(),
    );
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
