//! CPU and memory of processes, from `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use procfs::process::Process;
use serde::{Deserialize, Serialize};

/// What one process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessSample {
    /// Its id; another one than before says that it was started again. 0 of several together, whose CPU never goes
    /// back.
    pub pid: u32,
    /// CPU seconds since it started, user and system.
    pub cpu_s: f64,
    /// Resident size now.
    pub rss_bytes: u64,
}

/// Processes by the name that the result gives them. Shared: one that is started again gets another id.
#[derive(Debug, Clone, Default)]
pub struct Processes(Arc<Mutex<BTreeMap<String, u32>>>);

impl Processes {
    /// Notes the id under which a process runs from now on.
    pub fn note(&self, name: &str, pid: u32) {
        self.lock().insert(name.to_owned(), pid);
    }

    /// The same, for building.
    #[must_use]
    pub fn with(self, name: &str, pid: u32) -> Self {
        self.note(name, pid);
        self
    }

    /// The ids of all but one.
    pub(super) fn others(&self, pid: u32) -> BTreeSet<u32> {
        self.lock().values().copied().filter(|other| *other != pid).collect()
    }

    /// Reads each process; one that is gone is left out.
    pub(super) fn sample(&self) -> BTreeMap<String, ProcessSample> {
        let processes = self.lock().clone();
        let ticks_per_second = procfs::ticks_per_second() as f64;
        let page_bytes = procfs::page_size();
        processes
            .into_iter()
            .filter_map(|(name, pid)| {
                let stat = Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
                let sample = ProcessSample {
                    pid,
                    cpu_s: (stat.utime + stat.stime) as f64 / ticks_per_second,
                    rss_bytes: stat.rss * page_bytes,
                };
                Some((name, sample))
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        // Notes are single inserts, so a map whose holder panicked is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_a_process_that_is_gone_is_left_out_until_it_is_back() {
        let processes = Processes::default()
            .with("here", std::process::id())
            .with("gone", u32::MAX / 2);
        let seen = processes.sample();
        assert_eq!(seen.keys().collect::<Vec<_>>(), ["here"]);
        assert!(seen["here"].rss_bytes > 100_000);
        processes.clone().note("gone", std::process::id());
        assert_eq!(processes.sample().keys().collect::<Vec<_>>(), ["gone", "here"]);
    }
}
