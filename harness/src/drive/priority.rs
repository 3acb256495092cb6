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

/// Raises the calling thread, and says whether it now goes before all ordinary ones. Without the right to, the run goes on, and its
/// schedule lag tells whether that mattered.
pub fn raise_priority() -> bool {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    let lowest = ThreadPriority::Crossplatform(ThreadPriorityValue::MIN);
    let raised = set_thread_priority_and_policy(thread_native_id(), lowest, policy).is_ok();
    if !raised {
        let _ = setpriority_process(None, NICE);
    }
    raised
}
