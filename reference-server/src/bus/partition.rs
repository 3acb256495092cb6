//! A bounded log with many writers and waiting consumers.
//!
//! Room is a semaphore with one permit per free record: it queues waiting writers fairly, and an `offer` cannot
//! overtake them. A commit releases the permits of the records it drops.
//!
//! An idle consumer is woken by the next record. After that only urgent records wake it; the others accumulate until
//! its linger time is over. Under thousands of fetches a second it is thus woken hundreds of times, not thousands.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::log::Log;
use super::{BusError, Group, Lag, Offset, Read, Record};

pub(super) struct Partition {
    state: Mutex<State>,
    room: Semaphore,
    wake: Notify,
}

struct State {
    log: Log,
    /// Offset after the last urgent record.
    urgent_end: Offset,
    /// A consumer is waiting for any record.
    awaited: bool,
}

/// Result of looking at the log.
enum Look {
    Read(Vec<Record>),
    /// Records, none of them urgent.
    Some,
    Nothing,
}

impl Partition {
    pub(super) fn new(capacity: usize, groups: &[Group]) -> Self {
        Self {
            state: Mutex::new(State {
                log: Log::new(groups),
                urgent_end: 0,
                awaited: false,
            }),
            room: Semaphore::new(capacity),
            wake: Notify::new(),
        }
    }

    /// Returns whether there was room.
    pub(super) fn offer(&self, record: Record) -> bool {
        let Ok(permit) = self.room.try_acquire() else {
            return false;
        };
        permit.forget();
        self.append(record);
        true
    }

    /// Returns whether room became free in time.
    pub(super) async fn publish(&self, record: Record, wait: Duration) -> bool {
        let Ok(Ok(permit)) = tokio::time::timeout(wait, self.room.acquire()).await else {
            return false;
        };
        permit.forget();
        self.append(record);
        true
    }

    fn append(&self, record: Record) {
        let mut state = self.state();
        state.log.append(record);
        let urgent = record.what.is_urgent();
        if urgent {
            state.urgent_end = state.log.end();
        }
        let wake = std::mem::take(&mut state.awaited) || urgent;
        drop(state);
        if wake {
            self.wake.notify_waiters();
        }
    }

    pub(super) async fn consume(&self, read: Read) -> Result<Vec<Record>, BusError> {
        let mut deadline = None;
        loop {
            // Listen before looking, so that a record arriving in between is not missed.
            let mut woken = std::pin::pin!(self.wake.notified());
            woken.as_mut().enable();
            let patient = deadline.is_none_or(|deadline| Instant::now() < deadline);
            match self.look(read, patient)? {
                Look::Read(records) => return Ok(records),
                Look::Nothing => woken.await,
                Look::Some => {
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + read.linger);
                    let _either = tokio::time::timeout_at(deadline, woken).await;
                }
            }
        }
    }

    fn look(&self, read: Read, patient: bool) -> Result<Look, BusError> {
        let mut state = self.state();
        let there = state.log.end().saturating_sub(read.from);
        if there == 0 {
            drop(state.log.read(read.from, 0)?);
            state.awaited = true;
            return Ok(Look::Nothing);
        }
        let urgent = state.urgent_end > read.from;
        if patient && !read.linger.is_zero() && !urgent && there < read.max as u64 {
            return Ok(Look::Some);
        }
        Ok(Look::Read(state.log.read(read.from, read.max)?.copied().collect()))
    }

    pub(super) fn commit(&self, group: Group, next: Offset) -> Result<(), BusError> {
        let dropped = self.state().log.commit(group, next)?;
        self.room.add_permits(dropped);
        Ok(())
    }

    pub(super) fn committed(&self, group: Group) -> Result<Offset, BusError> {
        self.state().log.committed(group)
    }

    pub(super) fn lag(&self, group: Group, now: Duration) -> Result<Lag, BusError> {
        self.state().log.lag(group, now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
