//! One partition, at its own pace: turns events into notifications for members who are not online.
//!
//! It is a consumer group of its own, so that reading the members of a large chat delays no push. The members are read
//! page by page and enqueued as they come: what is held at a time is one page and the ids of those who are online. The
//! queues never make it wait, so its pace is that of the shard.
//!
//! A member who goes offline or comes back while the pages are read is notified or not by what was true when the event
//! was looked at: once, if at all.
//!
//! The bus keeps a record until pushes *and* notifications have seen it, and a full partition rejects records, which
//! costs those who are online their pushes. So this must not fall behind for long: events whose members cannot be read
//! are counted and left behind, with the events of the same shard in the batch, and so is everything while the
//! partition is half full of what was not looked at.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::NOTICES;
use crate::bus::{Bus, BusError, Offset, Read, Record, What};
use crate::config::Audience;
use crate::deadline::Deadline;
use crate::notify::{Notifier, Role};
use crate::push::Hub;
use crate::store::{Kind, Store, StoreError};

/// Records per batch.
const BATCH: usize = 128;
/// How long records that are no sends may wait for others to accumulate.
const LINGER: Duration = Duration::from_millis(5);
/// Members per page.
const PAGE: u32 = 1000;
/// Time limit of reading the members of a chat.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after a failure of the bus.
const PAUSE: Duration = Duration::from_millis(100);

/// Whom to notify, and through what.
#[derive(Clone)]
pub(crate) struct Notices {
    pub(crate) notifier: Arc<Notifier>,
    pub(crate) store: Arc<Store>,
    /// With more records than this not looked at in a partition, events are left behind.
    pub(crate) lag_max: u64,
}

pub(super) struct NoticesConsumer {
    notices: Notices,
    bus: Arc<dyn Bus>,
    hub: Arc<Hub>,
    partition: u32,
    next: Offset,
}

/// Something that members are notified of.
struct Event {
    role: Role,
    chat_id: u64,
    revision: u64,
    /// Who caused it, and is not notified.
    user: u64,
}

impl NoticesConsumer {
    /// Continues from the group's committed offset.
    pub(super) async fn new(
        notices: Notices,
        bus: Arc<dyn Bus>,
        hub: Arc<Hub>,
        partition: u32,
    ) -> Result<Self, BusError> {
        let next = bus.committed(NOTICES, partition).await?;
        Ok(Self {
            notices,
            bus,
            hub,
            partition,
            next,
        })
    }

    /// Runs until `stop`, then finishes the event in progress.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let read = Read {
                from: self.next,
                max: BATCH,
                linger: LINGER,
            };
            let bus = Arc::clone(&self.bus);
            let records = tokio::select! {
                () = stop.cancelled() => return,
                records = bus.consume(self.partition, read) => records,
            };
            let worked = match records {
                Ok(records) => self.work(&records, &stop).await,
                Err(error) => Err(error),
            };
            match worked {
                Ok(()) => {}
                Err(BusError::Gone { from, oldest }) => {
                    tracing::error!(
                        partition = self.partition,
                        from,
                        oldest,
                        "records were dropped before they were read"
                    );
                    self.next = oldest;
                }
                Err(error) => {
                    tracing::error!(partition = self.partition, %error, "failed to consume the partition");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn work(&mut self, records: &[Record], stop: &CancellationToken) -> Result<(), BusError> {
        let mut failed = HashSet::new();
        for record in records {
            if stop.is_cancelled() {
                break; // the next start does the rest
            }
            if let Some((event, audience)) = self.event(record) {
                let shard = self.notices.store.shard_index(event.chat_id);
                let lag = self.bus.lag(NOTICES, self.partition, record.at)?.records;
                let is_read =
                    lag <= self.notices.lag_max && !failed.contains(&shard) && self.notify(&event, audience).await;
                if !is_read {
                    failed.insert(shard);
                }
                self.notices.notifier.looked_at(event.role, is_read);
                // At once: the partition keeps what is not committed, and the next event may take its time.
                self.bus.commit(NOTICES, self.partition, self.next + 1).await?;
            }
            self.next += 1;
        }
        self.bus.commit(NOTICES, self.partition, self.next).await
    }

    /// What members are notified of, and how many of them.
    fn event(&self, record: &Record) -> Option<(Event, u32)> {
        let event = event(record)?;
        match self.notices.notifier.audience(event.role) {
            Audience::None => None,
            Audience::All => Some((event, u32::MAX)),
            Audience::First(first) => Some((event, first.get())),
        }
    }

    /// Whether the members could be read.
    async fn notify(&self, event: &Event, audience: u32) -> bool {
        let read = self.enqueue(event, audience).await;
        if let Err(error) = &read {
            let (chat_id, role) = (event.chat_id, event.role.name());
            tracing::warn!(chat_id, role, %error, "the members could not be read; some are not notified");
        }
        read.is_ok()
    }

    /// Notifies up to `audience` members, page by page.
    async fn enqueue(&self, event: &Event, audience: u32) -> Result<(), StoreError> {
        let Notices { notifier, store, .. } = &self.notices;
        let online = self.hub.online(event.chat_id);
        let deadline = Deadline::after(PATIENCE);
        let (mut left, mut after) = (audience, None);
        while left > 0 {
            let page = PAGE.min(left);
            let members = store.members_after(&deadline, event.chat_id, after, page).await?;
            let offline = members
                .iter()
                .copied()
                .filter(|user| *user != event.user && !online.contains(user));
            notifier.enqueue(event.role, event.chat_id, event.revision, offline);
            let read = u32::try_from(members.len()).unwrap_or(u32::MAX);
            if read < page {
                return Ok(());
            }
            left = left.saturating_sub(read);
            after = members.last().copied();
        }
        Ok(())
    }
}

/// What members are notified of, if anything.
fn event(record: &Record) -> Option<Event> {
    let (role, revision, user) = match record.what {
        What::Sent { revision, kind, user } => match kind {
            Kind::Message => (Role::Message, revision, user),
            Kind::Reaction => (Role::Reaction, revision, user),
            Kind::Read => return None,
        },
        What::Joined { user } => (Role::JoinNotice, 0, user),
        What::Fetched => return None,
    };
    Some(Event {
        role,
        chat_id: record.chat_id,
        revision,
        user,
    })
}
