//! The processes that a workload names, and all that they started: CPU, memory and sockets of them together.
//!
//! They are looked for at the start, and again when one of them is gone, when none was found, when other sockets listen
//! on the port, and for a name always, since a pool of workers grows: once a second, or as often as [`Pace`] lets it.
//! CPU is kept by [`Accounts`], so it never goes back, also where the process is started again.
//!
//! Boundary: memory is the sum of resident sizes, in which pages that processes share count for each of them. A process
//! of another user may not be looked into without privileges, so it is not found by its port, and its sockets are not
//! known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::accounts::Accounts;
use super::listener::{holders, listening_sockets};
use super::pace::Pace;
use super::sockets;
use super::wanted::Wanted;
use crate::observe::processes::ProcessSample;
use crate::observe::table::Table;

/// What the processes had used at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamedSample {
    pub(crate) process: ProcessSample,
    /// TCP sockets by state; `None` where they were not looked at, or may not be.
    pub(crate) sockets: Option<BTreeMap<String, u64>>,
}

/// Finds and reads them.
#[derive(Debug)]
pub(super) struct Named {
    wanted: Wanted,
    /// Number and start of each.
    roots: BTreeSet<(u32, u64)>,
    /// Of the sockets that listen on the port.
    inodes: BTreeSet<u64>,
    accounts: Accounts,
    looking: Pace,
    counting: Pace,
    was_found: bool,
    were_sockets_seen: bool,
}

impl Named {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            roots: BTreeSet::new(),
            inodes: BTreeSet::new(),
            accounts: Accounts::default(),
            looking: Pace::default(),
            counting: Pace::default(),
            was_found: false,
            were_sockets_seen: false,
        }
    }

    /// Those that the last sample found, without what they started.
    pub(super) fn roots(&self) -> impl Iterator<Item = u32> {
        self.roots.iter().map(|(pid, _)| *pid)
    }

    /// `None` where there is no such process now. `own` is bmt's process: it is never meant, nor what it started.
    pub(super) fn sample(&mut self, at_s: f64, own: u32, table: &Table) -> Option<NamedSample> {
        self.look(at_s, own, table);
        self.accounts.take(table.clone(), own, &self.roots().collect());
        if self.roots.is_empty() {
            return None;
        }
        self.was_found = true;
        let members: BTreeSet<u32> = self.accounts.targets().collect();
        Some(NamedSample {
            process: ProcessSample {
                pid: 0,
                cpu_s: self.accounts.target() as f64 / procfs::ticks_per_second() as f64,
                rss_bytes: members.iter().filter_map(|pid| rss_bytes(*pid)).sum(),
            },
            sockets: self.sockets(at_s, &members),
        })
    }

    /// What could not be seen, in words.
    pub(super) fn problem(&self) -> Option<String> {
        let unknown = match &self.wanted {
            Wanted::Port(port) if !self.was_found && !self.inodes.is_empty() => format!(
                "somebody listens on port {port}, and bmt may not see who: start it as the same user, or give `pid` or `name`; so CPU, \
                 memory and sockets are unknown"
            ),
            wanted if !self.was_found => {
                format!(
                    "no process of this machine was found by its {wanted}, so its CPU, memory and sockets are unknown"
                )
            }
            wanted if !self.were_sockets_seen => format!(
                "the sockets of the process found by its {wanted} are unknown: bmt may not look into it; start it as the same user"
            ),
            _ => return None,
        };
        Some(format!("observe.process: {unknown}"))
    }

    fn look(&mut self, at_s: f64, own: u32, table: &Table) {
        let known = self.roots.len();
        self.roots
            .retain(|(pid, started)| table.has(*pid, *started) && is_running(*pid));
        let mut is_stale = self.roots.is_empty() || self.roots.len() < known;
        match &self.wanted {
            Wanted::Pid(_) => {}
            Wanted::Name(_) => is_stale = true,
            Wanted::Port(port) => {
                let sockets = listening_sockets().into_iter();
                let inodes = sockets.filter_map(|(bound, inode)| (bound.port() == *port).then_some(inode));
                let inodes: BTreeSet<u64> = inodes.collect();
                is_stale |= inodes != self.inodes;
                self.inodes = inodes;
            }
        }
        if !is_stale || !self.looking.is_due(at_s) {
            return;
        }
        let begun = Instant::now();
        let found: BTreeSet<u32> = match &self.wanted {
            Wanted::Pid(pid) => BTreeSet::from([*pid]),
            Wanted::Port(_) => holders(self.inodes.iter().copied(), own, table),
            Wanted::Name(name) => table
                .iter()
                .map(|(pid, _)| pid)
                .filter(|pid| is_called(*pid, name))
                .collect(),
        };
        let is_ours = |pid: u32| table.line(pid).any(|ancestor| ancestor == own);
        let found = found.into_iter().filter(|pid| is_running(*pid) && !is_ours(*pid));
        let found = found.filter_map(|pid| Some((pid, table.get(pid)?.started)));
        self.roots.extend(found);
        self.looking.note(at_s, begun.elapsed());
    }

    fn sockets(&mut self, at_s: f64, members: &BTreeSet<u32>) -> Option<BTreeMap<String, u64>> {
        if !self.counting.is_due(at_s) {
            return None;
        }
        let begun = Instant::now();
        let sockets = sockets::count(members);
        self.counting.note(at_s, begun.elapsed());
        self.were_sockets_seen |= sockets.is_some();
        sockets
    }
}

/// Whether the kernel calls it so, or the name it was started by does, without its folder.
fn is_called(pid: u32, name: &str) -> bool {
    let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    if read("comm").strip_suffix(b"\n") == Some(name.as_bytes()) {
        return true;
    }
    let line = read("cmdline");
    let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
    first.rsplit(|byte| *byte == b'/').next() == Some(name.as_bytes())
}

/// Whether it has memory: one that has ended and that nobody has waited for has none.
fn is_running(pid: u32) -> bool {
    rss_bytes(pid).is_some_and(|bytes| bytes > 0)
}

/// The resident size of a process, as the kernel has it.
fn rss_bytes(pid: u32) -> Option<u64> {
    let pages: u64 = std::fs::read_to_string(format!("/proc/{pid}/statm"))
        .ok()?
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()?;
    Some(pages * procfs::page_size())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process that is killed with the test.
    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn sleeping(called: &str, stdin: Stdio) -> Running {
        let mut command = Command::new("sleep");
        Running(command.arg0(called).arg("100").stdin(stdin).spawn().unwrap())
    }

    /// Stands for bmt: a process that is no ancestor of what the tests look for.
    const OWN: u32 = u32::MAX;

    fn roots(named: &mut Named, at_s: f64) -> Vec<u32> {
        named.sample(at_s, OWN, &Table::read().unwrap());
        // A child of another test holds every descriptor of this process for the moment between fork and exec.
        named.roots().filter(|pid| *pid != std::process::id()).collect()
    }

    #[test]
    fn several_of_a_name_are_found_and_a_longer_name_is_another_one() {
        let called = format!("/opt/shop-{}", std::process::id());
        let (first, second) = (sleeping(&called, Stdio::null()), sleeping(&called, Stdio::null()));
        let _other = sleeping(&format!("{called}-2"), Stdio::null());
        let mut named = Named::new(Wanted::Name(called.rsplit_once('/').unwrap().1.to_owned()));
        let mut expected = [first.0.id(), second.0.id()];
        expected.sort_unstable();
        // A child has its name once it has begun to run.
        let begun = Instant::now();
        for second in 0.. {
            let found = roots(&mut named, f64::from(second));
            if found == expected {
                break;
            }
            assert!(begun.elapsed().as_secs() < 60, "{found:?} {expected:?}");
        }
        let sample = named.sample(1e6, OWN, &Table::read().unwrap()).unwrap();
        assert!(sample.process.rss_bytes > 100_000, "{sample:?}");
        assert_eq!(named.problem(), None);
        let ours = named.sample(2e6, std::process::id(), &Table::read().unwrap());
        assert!(ours.is_some(), "who is known stays known");
        let mut own = Named::new(named.wanted.clone());
        let nobody = own.sample(0.0, std::process::id(), &Table::read().unwrap());
        assert_eq!(nobody, None, "what bmt started is never meant");
    }

    #[test]
    fn a_process_that_takes_the_port_over_is_found_again() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let server = || sleeping("server", Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
        let first = server();
        let mut named = Named::new(Wanted::Port(port));
        assert_eq!(roots(&mut named, 0.0), [first.0.id()]);
        drop(first);
        let second = server();
        // Long enough after the first look, however long that took: who looks at a busy machine looks seldom.
        assert_eq!(roots(&mut named, 1e6), [second.0.id()]);
        let states = named.sample(2e6, OWN, &Table::read().unwrap()).unwrap().sockets;
        assert!(states.unwrap()["listen"] >= 1);
    }

    #[test]
    fn who_has_ended_is_not_there_any_more_although_nobody_has_waited_for_it() {
        let mut ended = sleeping("server", Stdio::null());
        let mut named = Named::new(Wanted::Pid(ended.0.id()));
        assert!(named.sample(0.0, OWN, &Table::read().unwrap()).is_some());
        ended.0.kill().unwrap();
        let begun = Instant::now();
        while named.sample(1.0, OWN, &Table::read().unwrap()).is_some() {
            assert!(begun.elapsed().as_secs() < 60);
        }
        assert!(
            Table::read().unwrap().get(ended.0.id()).is_some(),
            "its parent has not waited"
        );
    }

    #[test]
    fn what_is_not_there_is_nothing_and_told() {
        let mut named = Named::new(Wanted::Pid(u32::MAX / 2));
        assert_eq!(named.sample(0.0, OWN, &Table::read().unwrap()), None);
        let problem = named.problem().unwrap();
        assert!(
            problem.contains("found by its pid 2147483647") && problem.contains("unknown"),
            "{problem}"
        );
    }
}
