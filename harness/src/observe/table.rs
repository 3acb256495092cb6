//! Every process of the machine: its parent and its CPU, from `/proc/PID/stat`.

use std::collections::BTreeMap;

/// What the kernel says of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::observe) struct Process {
    pub(in crate::observe) parent: u32,
    /// Clock ticks from the start of the machine to that of the process. With its number, that is its identity:
    /// numbers are reused.
    pub(super) started: u64,
    /// Clock ticks of all its threads, user and system.
    pub(super) used: u64,
    /// The same of its children that have ended and that it has waited for, theirs included.
    pub(super) waited: u64,
}

/// By process number.
#[derive(Debug, Clone, Default)]
pub(in crate::observe) struct Table(BTreeMap<u32, Process>);

impl Table {
    /// `None` where `/proc` cannot be read. A process that ends meanwhile is left out.
    pub(in crate::observe) fn read() -> Option<Self> {
        let entries = std::fs::read_dir("/proc").ok()?;
        let pids = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let processes = pids.filter_map(|pid| {
            let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parse(&String::from_utf8_lossy(&text))?))
        });
        Some(processes.collect())
    }

    pub(super) fn get(&self, pid: u32) -> Option<&Process> {
        self.0.get(&pid)
    }

    pub(in crate::observe) fn iter(&self) -> impl Iterator<Item = (u32, &Process)> {
        self.0.iter().map(|(pid, process)| (*pid, process))
    }

    /// Whether the same process is still there, and not another one with its number.
    pub(super) fn has(&self, pid: u32, started: u64) -> bool {
        self.get(pid).is_some_and(|process| process.started == started)
    }

    /// A process and its ancestors, nearest first.
    pub(in crate::observe) fn line(&self, pid: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(pid), |pid| Some(self.get(*pid)?.parent))
            // A table that was read while processes changed their parents may hold a circle.
            .take(self.0.len() + 1)
    }
}

impl FromIterator<(u32, Process)> for Table {
    fn from_iter<I: IntoIterator<Item = (u32, Process)>>(processes: I) -> Self {
        Self(processes.into_iter().collect())
    }
}

/// The name may hold anything, spaces and parentheses included; the figures follow its last parenthesis.
fn parse(text: &str) -> Option<Process> {
    let (_, figures) = text.rsplit_once(") ")?;
    let figures: Vec<&str> = figures.split_ascii_whitespace().collect();
    let figure = |number: usize| figures.get(number - 3)?.parse::<u64>().ok();
    Some(Process {
        parent: u32::try_from(figure(4)?).ok()?,
        used: figure(14)? + figure(15)?,
        waited: figure(16)? + figure(17)?,
        started: figure(22)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_figures() {
        let text = "4711 (a) b (c)) S 42 4711 4711 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 9 0 123456 1000 200";
        let expected = Process {
            parent: 42,
            started: 123_456,
            used: 200,
            waited: 50,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("4711 (short) S 42"), None);
    }

    #[test]
    fn this_process_is_in_the_table_with_its_parent() {
        let table = Table::read().unwrap();
        let own = table.get(std::process::id()).unwrap();
        assert_eq!(own.parent, std::os::unix::process::parent_id());
        assert!(table.has(std::process::id(), own.started) && !table.has(std::process::id(), own.started + 1));
        assert_eq!(table.line(std::process::id()).nth(1), Some(own.parent));
    }
}
