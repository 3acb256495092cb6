//! What else ran on the machine in one phase.

use serde::{Deserialize, Serialize};

/// CPU of the machine in one phase, by whose it is. All but `cpus` are in cores: CPU seconds for each second of the
/// phase that was observed.
///
/// Resolution: the kernel reports clock ticks (10 ms), and may only sample the machine's at the timer interrupt. Over
/// one second a figure is good to some hundredths of a core, over a phase of a minute to a thousandth.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Neighbours {
    /// Neither bmt's nor the target's; `None` where the target runs on this machine and its processes were not known
    /// for at least half of the time.
    pub foreign_cpu: Option<f64>,
    /// Time that the kernel spent on interrupts, the network's above all, as far as it keeps that apart from processes.
    pub softirq_cpu: f64,
    /// Time that the hypervisor gave to other machines.
    pub steal: f64,
    /// Of bmt and of what it started, apart from the target.
    pub own_cpu: f64,
    /// Of the target's processes and their descendants; `None` where it runs elsewhere, or as with `foreign_cpu`.
    pub target_cpu: Option<f64>,
    /// CPUs that were online.
    pub cpus: u32,
    /// `foreign_cpu` in each second of the phase, of the first two hours at most; `None` where it was not known for
    /// at least half of it.
    pub by_second: Vec<Option<f64>>,
    /// `steal` in each of these seconds; `None` where it was not observed for at least half of it.
    #[serde(default)]
    pub steal_by_second: Vec<Option<f64>>,
}
