//! One partition's records and committed offsets. Pure: no locks, no waiting.
//!
//! A record is kept until every group has committed past it, so each group can re-read from its committed offset.

use std::collections::VecDeque;
use std::time::Duration;

use super::{BusError, Group, Lag, Offset, Record};

#[derive(Debug)]
pub(super) struct Log {
    records: VecDeque<Record>,
    /// Offset of the oldest record kept.
    first: Offset,
    committed: Vec<(Group, Offset)>,
}

impl Log {
    pub(super) fn new(groups: &[Group]) -> Self {
        assert!(!groups.is_empty(), "without a consumer the log would only fill up");
        Self {
            records: VecDeque::new(),
            first: 0,
            committed: groups.iter().map(|&group| (group, 0)).collect(),
        }
    }

    pub(super) fn append(&mut self, record: Record) {
        self.records.push_back(record);
    }

    /// The offset of the next record.
    pub(super) fn end(&self) -> Offset {
        self.first + self.records.len() as u64
    }

    /// The records from an offset on; none at or after the end.
    pub(super) fn read(&self, from: Offset, max: usize) -> Result<impl Iterator<Item = &Record>, BusError> {
        let oldest = self.first;
        let skipped = from.checked_sub(oldest).ok_or(BusError::Gone { from, oldest })?;
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(self.records.len());
        Ok(self.records.range(skipped..).take(max))
    }

    pub(super) fn committed(&self, group: Group) -> Result<Offset, BusError> {
        let found = self.committed.iter().find(|(each, _)| *each == group);
        found.map(|(_, offset)| *offset).ok_or(BusError::NoGroup(group.0))
    }

    /// Drops the records that no group needs any more; returns how many.
    pub(super) fn commit(&mut self, group: Group, next: Offset) -> Result<usize, BusError> {
        let (committed, end) = (self.committed(group)?, self.end());
        if !(committed..=end).contains(&next) {
            let offset = next;
            return Err(BusError::NotReadYet { offset, committed, end });
        }
        for (each, offset) in &mut self.committed {
            if *each == group {
                *offset = next;
            }
        }
        let needed = self.committed.iter().map(|(_, offset)| *offset).min().unwrap_or(next);
        let dropped = usize::try_from(needed - self.first).expect("no more than are kept");
        self.records.drain(..dropped);
        self.first = needed;
        Ok(dropped)
    }

    pub(super) fn lag(&self, group: Group, now: Duration) -> Result<Lag, BusError> {
        let committed = self.committed(group)?;
        let oldest = self.read(committed, 1)?.next();
        Ok(Lag {
            records: self.end() - committed,
            age: oldest.map_or(Duration::ZERO, |record| now.saturating_sub(record.at)),
        })
    }
}
