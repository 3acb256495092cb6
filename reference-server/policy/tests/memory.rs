//! Ten million chats take no more memory than none, as measured by the allocator rather than reported by the policies.

#![expect(unsafe_code, reason = "counting allocations requires a global allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use hotchat_policy::{DetectorSize, HotChatDetector, HotLimits, LimitSize, SlidingLimit, WindowLimit};

struct Counting;

thread_local! {
    /// Bytes, for this thread only: the test harness allocates as well.
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: the caller upholds the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the same contract.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn ten_million_chats_allocate_nothing() {
    let limits = HotLimits {
        fetches: 5000,
        window: Duration::from_secs(5),
        release: 0.5,
    };
    let mut detector = HotChatDetector::try_new(limits, DetectorSize::default(), 1).unwrap();
    let (bytes, allocated) = (detector.memory_bytes(), ALLOCATED.get());
    let mut now = Duration::ZERO;
    let mut became_hot = 0;
    for id in 0..10_000_000_u64 {
        now += Duration::from_micros(5); // 200,000 a second: ten windows in all
        detector.record(id, now);
        // One fetch in a hundred belongs to the hot chat: 2000 a second, 10,000 in a window.
        if id % 100 == 0 && detector.record(u64::MAX, now).is_hot() {
            became_hot += 1;
        }
    }
    assert_eq!(ALLOCATED.get(), allocated, "bytes allocated on the way");
    assert_eq!(detector.memory_bytes(), bytes);
    assert!(bytes < 900_000, "{bytes}");
    assert!(became_hot >= 100_000 - 5000, "{became_hot}");
    let hot: Vec<u64> = detector.hot().iter().map(|hot| hot.chat_id).collect();
    assert_eq!(hot, [u64::MAX], "a million quiet chats in the window do not look hot");
}

#[test]
fn joins_of_ten_million_chats_allocate_nothing() {
    let limiter = SlidingLimit::try_new(LimitSize::default(), 1).unwrap();
    let limit = WindowLimit::try_new(300, Duration::from_secs(1)).unwrap();
    let (bytes, allocated) = (limiter.memory_bytes(), ALLOCATED.get());
    let mut now = Duration::ZERO;
    let (mut hot, mut quiet_refused) = (0, 0);
    for id in 0..10_000_000_u64 {
        now += Duration::from_micros(5); // 200,000 a second: fifty windows
        quiet_refused += u32::from(limiter.admit(id, limit, now).is_err());
        // One attempt in a hundred belongs to the hot chat: 2000 a second.
        if id % 100 == 0 && limiter.admit(u64::MAX, limit, now).is_ok() {
            hot += 1;
        }
    }
    assert_eq!(ALLOCATED.get(), allocated, "bytes allocated on the way");
    assert_eq!(limiter.memory_bytes(), bytes);
    assert!(bytes < 5_600_000, "{bytes}");
    assert_eq!(quiet_refused, 0, "quiet chats do not pay for busy ones");
    // 200,000 joins a second of other chats cost it at most 66 of its 300: e / 1024 of a stripe's 25,000.
    assert!((50 * 234..=50 * 300).contains(&hot), "{hot}");
}
