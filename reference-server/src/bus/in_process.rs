//! The bus in this process's memory. It costs microseconds and needs no other service. A crash loses unconsumed
//! records, which means pushes and counts: the events themselves are stored.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};

use super::partition::Partition;
use super::{Bus, BusError, Full, Group, Lag, Offset, Read, Record, partition_of};

pub(crate) struct InProcess {
    partitions: Box<[Partition]>,
}

impl InProcess {
    /// `capacity` is in records per partition; the consuming groups are fixed at start.
    pub(crate) fn new(partitions: u32, capacity: usize, groups: &[Group]) -> Self {
        assert!(partitions > 0, "at least one partition is needed");
        Self {
            partitions: (0..partitions).map(|_| Partition::new(capacity, groups)).collect(),
        }
    }

    fn partition(&self, index: u32) -> &Partition {
        &self.partitions[index as usize]
    }
}

impl Bus for InProcess {
    fn partitions(&self) -> u32 {
        u32::try_from(self.partitions.len()).expect("made from a u32")
    }

    fn offer(&self, record: Record) -> Result<(), Full> {
        let partition = partition_of(record.chat_id, self.partitions());
        let taken = self.partition(partition).offer(record);
        taken.then_some(()).ok_or(Full { partition })
    }

    fn publish(&self, record: Record, wait: Duration) -> BoxFuture<'_, Result<(), Full>> {
        let partition = partition_of(record.chat_id, self.partitions());
        let publishing = self.partition(partition).publish(record, wait);
        publishing
            .map(move |taken| taken.then_some(()).ok_or(Full { partition }))
            .boxed()
    }

    fn consume(&self, partition: u32, read: Read) -> BoxFuture<'_, Result<Vec<Record>, BusError>> {
        self.partition(partition).consume(read).boxed()
    }

    fn commit(&self, group: Group, partition: u32, next: Offset) -> BoxFuture<'_, Result<(), BusError>> {
        ready(self.partition(partition).commit(group, next)).boxed()
    }

    fn committed(&self, group: Group, partition: u32) -> BoxFuture<'_, Result<Offset, BusError>> {
        ready(self.partition(partition).committed(group)).boxed()
    }

    fn lag(&self, group: Group, partition: u32, now: Duration) -> Result<Lag, BusError> {
        self.partition(partition).lag(group, now)
    }
}
