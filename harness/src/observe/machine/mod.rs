//! CPU of the whole machine, of bmt and of the target: what is neither bmt's nor the target's is a neighbour's.
//!
//! ```text
//! mod.rs       Watch: one reading a second
//! stat.rs      what the machine did, from /proc/stat
//! accounts.rs  whose CPU it is: sums that never go backwards, although processes end
//! listener.rs  the processes behind the address of a target that bmt did not start
//! wanted.rs    how a workload names processes
//! named.rs     the processes that the workload names: their CPU, memory and sockets
//! sockets.rs   how many sockets of processes are in which state
//! pace.rs      how often to look at what is dear to look at
//! ```
//!
//! Resolution: the kernel reports all of it in clock ticks (10 ms where `getconf CLK_TCK` says 100). The machine's
//! figures may be *sampled* at the timer interrupt, while those of processes are exact and rounded down. Over one
//! second a difference of the two is good to some hundredths of a core.
//!
//! Cost: about 17 µs for each process of the machine, once a second, on the observer's thread and part of its account.

mod accounts;
mod listener;
mod named;
mod pace;
mod sockets;
mod stat;
mod wanted;

use serde::{Deserialize, Serialize};

use super::processes::Processes;
use super::table::Table;
use crate::endpoint::Endpoint;
use accounts::Accounts;
use listener::Listener;
use named::Named;
pub(super) use named::NamedSample;
pub use wanted::Wanted;

/// What the machine, bmt and the target had used at one moment. Only differences between two samples mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineSample {
    /// CPUs that are online.
    pub cpus: u32,
    /// CPU seconds of user, nice, system and irq time on all CPUs.
    pub busy_s: f64,
    /// CPU seconds of softirq time, which is not part of `busy_s`.
    pub softirq_s: f64,
    /// CPU seconds that the hypervisor gave to others.
    pub steal_s: f64,
    /// CPU seconds of bmt and of what it started, apart from the target.
    pub own_s: f64,
    /// The target's.
    pub target: TargetCpu,
}

/// What is known of the target's CPU.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetCpu {
    /// It runs on another machine.
    Elsewhere,
    /// It runs here, and bmt may not see which processes it is, or none of them is alive.
    Unknown,
    /// CPU seconds of its processes and their descendants.
    UsedS(f64),
}

/// Reads the machine.
#[derive(Debug)]
pub(super) struct Watch {
    own: u32,
    listener: Option<Listener>,
    named: Option<Named>,
    seen: Option<NamedSample>,
    accounts: Accounts,
    ticks_per_s: f64,
}

impl Watch {
    /// `target` is where a target that bmt did not start accepts connections; `wanted` are processes that are part of
    /// it, whoever listens there.
    pub(super) fn new(target: Option<&Endpoint>, wanted: Option<&Wanted>) -> Self {
        Self {
            own: std::process::id(),
            listener: target.cloned().map(Listener::new),
            named: wanted.map(|wanted| Named::new(wanted.clone())),
            seen: None,
            accounts: Accounts::default(),
            ticks_per_s: procfs::ticks_per_second() as f64,
        }
    }

    /// `None` where `/proc` cannot be read.
    pub(super) fn sample(&mut self, at_s: f64, processes: &Processes) -> Option<MachineSample> {
        let machine = stat::parse(&std::fs::read_to_string("/proc/stat").ok()?)?;
        let table = Table::read()?;
        let mut roots = processes.others(self.own);
        // Where bmt started processes of the target, it knows all of them, also while some are dead.
        let mut is_known = !roots.is_empty();
        if let Some(listener) = &mut self.listener {
            let holders = listener.holders(at_s, self.own, &table);
            is_known |= !holders.is_empty();
            roots.extend(holders);
        }
        if let Some(named) = &mut self.named {
            self.seen = named.sample(at_s, self.own, &table);
            is_known |= self.seen.is_some();
            roots.extend(named.roots());
        }
        let is_here = is_known || self.listener.as_ref().is_some_and(Listener::is_local);
        self.accounts.take(table, self.own, &roots);
        let seconds = |ticks: u64| ticks as f64 / self.ticks_per_s;
        Some(MachineSample {
            cpus: machine.cpus,
            busy_s: seconds(machine.busy),
            softirq_s: seconds(machine.softirq),
            steal_s: seconds(machine.steal),
            own_s: seconds(self.accounts.own()),
            target: match (is_here, is_known) {
                (false, _) => TargetCpu::Elsewhere,
                (true, false) => TargetCpu::Unknown,
                (true, true) => TargetCpu::UsedS(seconds(self.accounts.target())),
            },
        })
    }

    /// What the last sample saw of the processes that the workload names; `None` where there are none.
    pub(super) fn named(&mut self) -> Option<NamedSample> {
        self.seen.take()
    }

    /// What could not be seen, in words.
    pub(super) fn notes(&self) -> Vec<String> {
        self.named.iter().filter_map(Named::problem).collect()
    }
}

#[cfg(test)]
mod tests;
