//! CPU and memory of processes, by phase.

use std::collections::BTreeMap;

use super::growth::{Reading, grown, raise};
use super::phases::Phases;
use crate::observe::ProcessSample;
use crate::record::Resources;

/// What each process used, folded into phases as it comes. A phase that no stretch between two readings overlaps has
/// nothing.
#[derive(Debug)]
pub(super) struct ProcessesFold {
    totals: Vec<BTreeMap<String, Used>>,
    last: BTreeMap<String, Reading<ProcessSample>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Used {
    cpu_s: Option<f64>,
    rss_max_bytes: Option<u64>,
}

impl ProcessesFold {
    pub(super) fn new(phases: usize) -> Self {
        Self {
            totals: vec![BTreeMap::new(); phases],
            last: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, phases: &Phases, at_s: f64, name: &str, value: ProcessSample) {
        if let Some(phase) = phases.at(at_s) {
            let used = self.totals[phase].entry(name.to_owned()).or_default();
            raise(&mut used.rss_max_bytes, Some(value.rss_bytes));
        }
        if let Some(before) = self.last.insert(name.to_owned(), Reading { at_s, value }) {
            let used_s = if before.value.pid == value.pid {
                grown(before.value.cpu_s, value.cpu_s)
            } else {
                value.cpu_s
            };
            for overlap in phases.overlaps(before.at_s, at_s) {
                let used = self.totals[overlap.phase].entry(name.to_owned()).or_default();
                *used.cpu_s.get_or_insert(0.0) += used_s * overlap.part;
            }
        }
    }

    pub(super) fn resources(&self, phase: usize) -> BTreeMap<String, Resources> {
        let used = self.totals[phase].iter().filter_map(|(name, used)| {
            let resources = Resources {
                cpu_s: used.cpu_s?,
                rss_max_bytes: used.rss_max_bytes,
            };
            Some((name.clone(), resources))
        });
        used.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(pid: u32, cpu_s: f64) -> ProcessSample {
        ProcessSample {
            pid,
            cpu_s,
            rss_bytes: 7,
        }
    }

    #[test]
    fn a_process_that_was_started_again_has_used_all_of_its_own_cpu() {
        let phases = Phases::new(&[(0.0, 2.0)]);
        let mut fold = ProcessesFold::new(1);
        fold.take(&phases, 0.0, "shard 0", sample(1, 1.0));
        // More than its predecessor had, so the figure alone does not tell that it is another one.
        fold.take(&phases, 1.0, "shard 0", sample(2, 1.5));
        assert!((fold.resources(0)["shard 0"].cpu_s - 1.5).abs() < 1e-9);
    }

    #[test]
    fn memory_is_null_where_no_reading_fell_into_the_phase() {
        let phases = Phases::new(&[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]);
        let mut fold = ProcessesFold::new(3);
        fold.take(&phases, 0.5, "server", sample(1, 0.0));
        fold.take(&phases, 2.5, "server", sample(1, 1.0));
        assert_eq!(fold.resources(0)["server"].rss_max_bytes, Some(7));
        let between = &fold.resources(1)["server"];
        assert_eq!(between.rss_max_bytes, None);
        assert!((between.cpu_s - 0.5).abs() < 1e-9);
    }
}
