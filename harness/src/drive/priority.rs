//! Workers go before what they measure, where the system lets them.
//!
//! On cores that generator and target share, a generator that queues for the CPU behind the server reports its own lateness as the
//! server's. A real-time policy at the lowest priority is enough: a worker runs for microseconds and sleeps again. The kernel keeps
//! a share of each core for everybody else, and a worker near a whole core makes the run INVALID anyway.

use rustix::process::setpriority_process;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Where real time is not allowed, the highest nice value may be.
const NICE: i32 = -20;

/// Raises the calling thread; without the right to, nothing happens, and the schedule lag tells whether that mattered.
pub(super) fn raise() {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let lowest = ThreadPriority::Crossplatform(ThreadPriorityValue::MIN);
    if set_thread_priority_and_policy(thread_native_id(), lowest, policy).is_err() {
        let _ = setpriority_process(None, NICE);
    }
}
