//! Ten million chats take no more memory than none: measured by the allocator, not by the policies' own word.

#![expect(unsafe_code, reason = "counting what the process allocates takes an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use hotchat_policy::{DetectorSize, HotChatDetector, HotLimits, LimitSize, SlidingLimit, WindowLimit};

struct Counting;

thread_local! {
    /// Bytes, of this thread alone: the test harness allocates on its own.
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
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
        // One in a hundred fetches is the hot chat's: 2000 a second, 10,000 in a window.
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
        // One in a hundred tries is the hot chat's: 2000 a second.
        if id % 100 == 0 && limiter.admit(u64::MAX, limit, now).is_ok() {
            hot += 1;
        }
    }
    assert_eq!(ALLOCATED.get(), allocated, "bytes allocated on the way");
    assert_eq!(limiter.memory_bytes(), bytes);
    assert!(bytes < 5_600_000, "{bytes}");
    assert_eq!(quiet_refused, 0, "a quiet chat pays for nobody");
    // 200,000 joins a second of others cost it 66 of its 300 at the most: e / 1024 of a stripe's 25,000.
    assert!((50 * 234..=50 * 300).contains(&hot), "{hot}");
}
