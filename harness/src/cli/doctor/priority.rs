//! Whether the generator runs before what it drives: tried on a thread, and read back from the kernel.

use bmt_sandbox::priority::{Priority, Rank, raise};
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};

use super::cgroup;
use super::finding::Finding;

/// Priorities that bmt uses: 1 for the generator, 2 for the threads that inject faults.
const PRIORITIES: u64 = 2;

/// What decides about real-time priority.
#[derive(Debug, Clone, Copy)]
struct Facts {
    /// `CAP_SYS_NICE`, as root has it.
    is_capable: bool,
    /// `RLIMIT_RTPRIO`; `None` is unlimited.
    rtprio: Option<u64>,
    /// `RLIMIT_RTTIME` in microseconds, after an attempt to lift it; `None` is unlimited.
    rttime_us: Option<u64>,
    /// Microseconds of each second that real-time threads may have; negative is all of it.
    kernel_budget_us: Option<i64>,
    /// The same for this control group, where groups have budgets.
    group_budget_us: Option<i64>,
}

impl Facts {
    fn read() -> Self {
        let budget = std::fs::read_to_string("/proc/sys/kernel/sched_rt_runtime_us");
        Self {
            is_capable: capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_NICE)),
            rtprio: getrlimit(Resource::Rtprio).current,
            rttime_us: getrlimit(Resource::Rttime).current,
            kernel_budget_us: budget.ok().and_then(|text| text.trim().parse().ok()),
            group_budget_us: cgroup::real_time_budget_us(),
        }
    }

    fn is_permitted(self) -> bool {
        self.is_capable || self.rtprio.is_none_or(|limit| limit >= 1)
    }
}

pub(super) fn priority() -> Finding {
    let obtained = std::thread::spawn(|| raise(Rank::Generator)).join();
    finding(obtained.unwrap_or(Priority::Ordinary), Facts::read())
}

fn finding(obtained: Priority, facts: Facts) -> Finding {
    let found = match obtained {
        Priority::RealTime => "the generator runs in real time, before what it drives",
        Priority::Nice => "the generator has a larger share of the CPU, but does not run before what it drives",
        Priority::Ordinary => "the generator queues for the CPU like what it drives",
    };
    let remedy = match obtained {
        Priority::RealTime => unbounded(facts),
        Priority::Nice | Priority::Ordinary => Some(format!(
            "on few cores its schedule may lag; --pin gives it cores of its own, and for real-time priority {}",
            obstacle(facts)
        )),
    };
    Finding {
        what: "priority",
        found: found.to_owned(),
        remedy,
    }
}

/// Real time without a bound.
fn unbounded(facts: Facts) -> Option<String> {
    facts.kernel_budget_us.filter(|budget| *budget < 0).map(|_| {
        "this kernel may keep no CPU time for other threads, so an overloaded generator can stall the machine: \
         sysctl kernel.sched_rt_runtime_us=950000"
            .to_owned()
    })
}

/// What is between this process and real-time priority, as the end of a sentence.
fn obstacle(facts: Facts) -> String {
    if !facts.is_permitted() {
        format!(
            "it needs root, CAP_SYS_NICE (`setcap cap_sys_nice+ep` on the program, `docker run --cap-add SYS_NICE`) or \
             an RLIMIT_RTPRIO of {PRIORITIES} (`ulimit -r {PRIORITIES}`, `rtprio` in /etc/security/limits.conf)"
        )
    } else if let Some(limit) = facts.rttime_us {
        format!(
            "RLIMIT_RTTIME must be lifted: the kernel ends a process with a real-time thread that is busy for {limit} µs \
             (`ulimit -R unlimited`, `LimitRTTIME=infinity` in a systemd unit)"
        )
    } else if facts.kernel_budget_us == Some(0) {
        "the kernel must allow it: sysctl kernel.sched_rt_runtime_us=950000".to_owned()
    } else if facts.group_budget_us == Some(0) {
        "its control group needs a budget: write one to `cpu.rt_runtime_us` of the group and of those above it, or \
         `docker run --cpu-rt-runtime=950000`"
            .to_owned()
    } else {
        "the kernel must allow it, which it refuses although this process has the right: the root of a user namespace has it only by \
         RLIMIT_RTPRIO, and a container's seccomp profile may forbid `sched_setscheduler`"
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERMITTED: Facts = Facts {
        is_capable: true,
        rtprio: Some(0),
        rttime_us: None,
        kernel_budget_us: Some(950_000),
        group_budget_us: None,
    };

    #[test]
    fn each_obstacle_has_its_remedy() {
        let table = [
            (
                Facts {
                    is_capable: false,
                    ..PERMITTED
                },
                "CAP_SYS_NICE",
            ),
            (
                Facts {
                    rttime_us: Some(200_000),
                    ..PERMITTED
                },
                "RLIMIT_RTTIME",
            ),
            (
                Facts {
                    kernel_budget_us: Some(0),
                    ..PERMITTED
                },
                "sysctl",
            ),
            (
                Facts {
                    group_budget_us: Some(0),
                    ..PERMITTED
                },
                "cpu.rt_runtime_us",
            ),
            (PERMITTED, "user namespace"),
            (
                Facts {
                    is_capable: false,
                    rtprio: Some(1),
                    ..PERMITTED
                },
                "user namespace",
            ),
        ];
        for obtained in [Priority::Nice, Priority::Ordinary] {
            for (facts, expected) in table {
                let remedy = finding(obtained, facts).remedy.unwrap();
                assert!(
                    remedy.contains(expected) && remedy.contains("--pin"),
                    "{facts:?}: {remedy}"
                );
            }
        }
    }

    #[test]
    fn real_time_needs_no_remedy_but_a_bound() {
        assert_eq!(finding(Priority::RealTime, PERMITTED).remedy, None);
        let unbounded = Facts {
            kernel_budget_us: Some(-1),
            ..PERMITTED
        };
        assert!(
            finding(Priority::RealTime, unbounded)
                .remedy
                .unwrap()
                .contains("sysctl")
        );
    }

    #[test]
    fn what_is_told_is_what_a_thread_obtains() {
        let told = priority();
        let obtained = std::thread::spawn(|| raise(Rank::Generator)).join().unwrap();
        assert_eq!(
            told.found.contains("in real time"),
            obtained == Priority::RealTime,
            "{}",
            told.found
        );
    }
}
