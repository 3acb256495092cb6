//! CPU and memory of processes, from `/proc`.

use std::collections::BTreeMap;

use procfs::process::Process;
use serde::Serialize;

/// What one process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ProcessSample {
    /// CPU seconds since it started, user and system.
    pub cpu_s: f64,
    /// Resident size now.
    pub rss_bytes: u64,
}

/// Reads each process; one that is gone is left out.
pub(super) fn sample(processes: &BTreeMap<String, u32>) -> BTreeMap<String, ProcessSample> {
    let ticks_per_second = procfs::ticks_per_second() as f64;
    let page_bytes = procfs::page_size();
    processes
        .iter()
        .filter_map(|(name, pid)| {
            let stat = Process::new(i32::try_from(*pid).ok()?).ok()?.stat().ok()?;
            let sample = ProcessSample {
                cpu_s: (stat.utime + stat.stime) as f64 / ticks_per_second,
                rss_bytes: stat.rss * page_bytes,
            };
            Some((name.clone(), sample))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_a_process_that_is_gone_is_left_out() {
        let processes = BTreeMap::from([
            ("here".to_owned(), std::process::id()),
            ("gone".to_owned(), u32::MAX / 2),
        ]);
        let seen = sample(&processes);
        assert_eq!(seen.keys().collect::<Vec<_>>(), ["here"]);
        assert!(seen["here"].rss_bytes > 100_000);
    }
}
