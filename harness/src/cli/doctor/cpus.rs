//! The CPUs that a run has, and whether waiting for them can be measured.

use std::time::{Duration, Instant};

use super::cgroup;
use super::finding::Finding;

/// With fewer CPUs, generator, server and databases take time from one another.
const ENOUGH: f64 = 4.0;
/// A thread that ran for so long has a time that can be read.
const WORK: Duration = Duration::from_millis(20);

pub(super) fn cores() -> Finding {
    let online = std::fs::read_to_string("/proc/stat").map_or(0, |stat| {
        stat.lines()
            .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "))
            .count()
    });
    let allowed = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
    cores_of(online, allowed, cgroup::quota())
}

fn cores_of(online: usize, allowed: u32, quota: Option<f64>) -> Finding {
    let quota_told = quota.map_or("no quota of a control group".to_owned(), |quota| {
        format!("a control group's quota of {quota:.1}")
    });
    let few = "generator, server and databases share them: compare variants with one another, not with other machines";
    let halting = "once its quota is used up, the kernel stops the whole group until the next period, which looks like a slow server: \
                   run without a quota, or keep the run below it";
    let remedy = match quota {
        Some(quota) if quota < f64::from(allowed) => Some(halting),
        _ if f64::from(allowed) < ENOUGH => Some(few),
        _ => None,
    };
    Finding {
        what: "cores",
        found: format!("{online} in this machine, {allowed} for this process, {quota_told}"),
        remedy: remedy.map(str::to_owned),
    }
}

/// The generator measures with it how long its threads waited for a CPU.
pub(super) fn run_queue_delay() -> Finding {
    let measured = std::thread::spawn(|| {
        let begun = Instant::now();
        while begun.elapsed() < WORK {
            std::hint::spin_loop();
        }
        std::thread::yield_now();
        std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default()
    });
    run_queue_delay_of(&measured.join().unwrap_or_default())
}

/// From the text of a `schedstat` file: nanoseconds on a CPU, nanoseconds waited for one, number of times on a CPU.
fn run_queue_delay_of(schedstat: &str) -> Finding {
    let numbers: Vec<u64> = schedstat
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    // A kernel that does not count shows zeros.
    let counts = matches!(numbers[..], [_, _, times, ..] if times > 0);
    let found = if counts {
        "the kernel counts how long a thread waits for a CPU"
    } else {
        "the kernel does not count how long a thread waits for a CPU"
    };
    let remedy = "a starved generator shows only in its schedule lag; a kernel with CONFIG_SCHED_INFO and a readable \
                  /proc/<pid>/schedstat tells more";
    Finding {
        what: "run-queue delay",
        found: found.to_owned(),
        remedy: (!counts).then(|| remedy.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_below_the_cores_is_told_before_too_few_cores_are() {
        let told = |allowed, quota| cores_of(8, allowed, quota).remedy.unwrap_or_default();
        assert_eq!(told(8, None), "");
        assert_eq!(told(4, Some(4.0)), "");
        assert!(told(2, None).contains("share them"));
        assert!(told(8, Some(1.5)).contains("quota"));
        assert!(told(2, Some(1.5)).contains("quota"));
        let found = cores_of(8, 4, Some(1.5)).found;
        assert_eq!(
            found,
            "8 in this machine, 4 for this process, a control group's quota of 1.5"
        );
    }

    #[test]
    fn a_schedstat_that_is_missing_or_all_zeros_is_a_finding() {
        assert!(run_queue_delay_of("20000000 1000 3\n").remedy.is_none());
        assert!(run_queue_delay_of("0 0 0\n").remedy.is_some());
        assert!(run_queue_delay_of("").remedy.is_some());
    }
}
