//! CPU and memory of processes, from `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use procfs::process::Process;
use serde::{Deserialize, Serialize};

use super::table::Table;

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
pub struct Processes(Arc<Mutex<BTreeMap<String, Noted>>>);

#[derive(Debug, Clone, Copy)]
struct Noted {
    pid: u32,
    /// Its descendants count as well.
    is_family: bool,
}

impl Processes {
    /// Notes the id under which a process runs from now on.
    pub fn note(&self, name: &str, pid: u32) {
        let is_family = false;
        self.lock().insert(name.to_owned(), Noted { pid, is_family });
    }

    /// The same of a process whose descendants count as well: it may be a master of workers, or a script.
    pub fn note_family(&self, name: &str, pid: u32) {
        let is_family = true;
        self.lock().insert(name.to_owned(), Noted { pid, is_family });
    }

    /// The same, for building.
    #[must_use]
    pub fn with(self, name: &str, pid: u32) -> Self {
        self.note(name, pid);
        self
    }

    /// The ids of all but one.
    pub(super) fn others(&self, pid: u32) -> BTreeSet<u32> {
        let noted = self.lock();
        noted
            .values()
            .map(|noted| noted.pid)
            .filter(|other| *other != pid)
            .collect()
    }

    /// Reads each process; one that is gone is left out. Memory that a family shares counts once for each of it.
    pub(super) fn sample(&self) -> BTreeMap<String, ProcessSample> {
        let processes = self.lock().clone();
        let has_family = processes.values().any(|noted| noted.is_family);
        let table = has_family.then(Table::read).flatten().unwrap_or_default();
        processes
            .into_iter()
            .filter_map(|(name, Noted { pid, is_family })| {
                let mut sample = of(pid, is_family)?;
                let descendants = table
                    .iter()
                    .map(|(pid, _)| pid)
                    .filter(|other| is_family && *other != pid && table.line(*other).any(|ancestor| ancestor == pid));
                for other in descendants.filter_map(|other| of(other, true)) {
                    sample.cpu_s += other.cpu_s;
                    sample.rss_bytes += other.rss_bytes;
                }
                Some((name, sample))
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Noted>> {
        // Notes are single inserts, so a map whose holder panicked is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads one process, with the CPU of children that it has waited for if `with_waited`.
fn of(pid: u32, with_waited: bool) -> Option<ProcessSample> {
    let stat = Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    let waited = match with_waited {
        true => u64::try_from(stat.cutime + stat.cstime).unwrap_or(0),
        false => 0,
    };
    Some(ProcessSample {
        pid,
        cpu_s: (stat.utime + stat.stime + waited) as f64 / procfs::ticks_per_second() as f64,
        rss_bytes: stat.rss * procfs::page_size(),
    })
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

    #[test]
    fn of_a_family_every_descendant_counts_alive_or_waited_for() {
        let script = "timeout 1 sh -c 'while :; do :; done'; sh -c 'while :; do :; done' & wait";
        let mut shell = std::process::Command::new("sh").args(["-c", script]).spawn().unwrap();
        let (family, alone) = (Processes::default(), Processes::default());
        family.note_family("server", shell.id());
        alone.note("server", shell.id());
        std::thread::sleep(std::time::Duration::from_millis(2_500));
        let (family, alone) = (family.sample()["server"], alone.sample()["server"]);
        // The second loop is a child of the shell; it ends before its parent is gone.
        let table = Table::read().unwrap();
        let children = table.iter().filter(|(_, process)| process.parent == shell.id());
        for (child, _) in children {
            rustix::process::kill_process(
                rustix::process::Pid::from_raw(i32::try_from(child).unwrap()).unwrap(),
                rustix::process::Signal::KILL,
            )
            .unwrap();
        }
        shell.wait().unwrap();
        assert!(alone.cpu_s < 0.1, "{alone:?}");
        assert!(family.cpu_s > 0.5, "{family:?}");
        assert!(family.rss_bytes > alone.rss_bytes, "{family:?} {alone:?}");
    }
}
