//! Merges what the workers report: seconds of all workers into one, seconds into phases.

use std::collections::BTreeMap;

use super::directory::LaneName;
use super::{Acknowledged, CellDirectory, DirectoryError, Interval, TimeAxis};

/// What a whole cell measured, by phase.
#[derive(Debug)]
pub struct Collected {
    /// One for each phase, in order; empty where nothing was reported.
    pub phases: Vec<Interval>,
    /// By shard and time, where that was asked for.
    pub axis: TimeAxis,
    /// What the target acknowledged, where that was asked for.
    pub acknowledged: Acknowledged,
}

/// Takes in the workers' intervals and writes each second once every worker has reported it.
pub struct Collector {
    workers: usize,
    phase_names: Vec<String>,
    lanes: Vec<LaneName>,
    waiting: BTreeMap<(u64, usize), (usize, Interval)>,
    phases: Vec<Interval>,
    axis: TimeAxis,
    acknowledged: Acknowledged,
}

impl Collector {
    /// A collector for `workers` workers.
    #[must_use]
    pub fn new(workers: usize, phase_names: Vec<String>, lanes: Vec<LaneName>) -> Self {
        let phases = (0..phase_names.len())
            .map(|phase| Interval::new(phase, 0, lanes.len()))
            .collect();
        Self {
            workers,
            phase_names,
            lanes,
            waiting: BTreeMap::new(),
            phases,
            axis: TimeAxis::default(),
            acknowledged: Acknowledged::default(),
        }
    }

    /// Takes in one worker's second.
    ///
    /// # Errors
    /// When the cell's file cannot be written.
    pub fn take(&mut self, interval: &Interval, cell: &mut CellDirectory) -> Result<(), DirectoryError> {
        let key = (interval.second, interval.phase);
        let entry = self
            .waiting
            .entry(key)
            .or_insert_with(|| (0, Interval::new(interval.phase, interval.second, self.lanes.len())));
        entry.0 += 1;
        entry.1.merge_worker(interval);
        // A worker without arrivals in a second reports none, so seconds also leave by age: the map stays short.
        let oldest_kept = key.0.saturating_sub(KEPT_SECONDS);
        let complete: Vec<(u64, usize)> = self
            .waiting
            .iter()
            .filter(|(key, (reports, _))| *reports == self.workers || key.0 < oldest_kept)
            .map(|(key, _)| *key)
            .collect();
        complete.into_iter().try_for_each(|key| self.settle(key, cell))
    }

    fn settle(&mut self, key: (u64, usize), cell: &mut CellDirectory) -> Result<(), DirectoryError> {
        let Some((_, interval)) = self.waiting.remove(&key) else {
            return Ok(());
        };
        self.phases[interval.phase].merge_second(&interval);
        self.axis.add(interval.second, &interval.shards);
        if let Some(acknowledged) = &interval.acknowledged {
            self.acknowledged.merge(acknowledged);
        }
        cell.write_interval(&interval, &self.phase_names[interval.phase], &self.lanes)
    }

    /// Everything, once the workers have reported all they will.
    ///
    /// # Errors
    /// When the cell's file cannot be written.
    pub fn finish(mut self, cell: &mut CellDirectory) -> Result<Collected, DirectoryError> {
        while let Some(key) = self.waiting.keys().next().copied() {
            self.settle(key, cell)?;
        }
        Ok(Collected {
            phases: self.phases,
            axis: self.axis,
            acknowledged: self.acknowledged,
        })
    }
}

/// How far apart the workers' reports of one second can be: they report once a second, and a full channel delays by another.
const KEPT_SECONDS: u64 = 10;
