//! The consumer of one partition: reads its records in order, counts fetches and joins, pushes the events, commits.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::GROUP;
use super::hot_chats::HotChats;
use super::notices::Notices;
use crate::bus::{Bus, BusError, Offset, Read, Record, What};
use crate::clock::Clock;
use crate::config::{Live, PushThrottle, Settings};
use crate::join_throttle::JoinThrottle;
use crate::metrics::HotMetrics;
use crate::push::Hub;
use crate::redis::Redis;

/// Records per batch: few, since marks are tended and Redis is queried between batches.
const BATCH: usize = 128;
/// How long fetches may wait for others to accumulate: it delays detection by this much, and nothing else.
const LINGER: Duration = Duration::from_millis(5);
/// How often marks are tended.
const TEND: Duration = Duration::from_millis(100);

/// What the consumers share.
pub(crate) struct Parts {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) live: Live,
    pub(crate) hub: Arc<Hub>,
    pub(crate) joins: Arc<JoinThrottle>,
    pub(crate) redis: Option<Arc<Redis>>,
    /// `None` where nobody is notified.
    pub(crate) notices: Option<Notices>,
    pub(crate) clock: Clock,
    pub(crate) metrics: HotMetrics,
}

pub(super) struct Consumer {
    parts: Arc<Parts>,
    partition: u32,
    next: Offset,
    /// `None` without Redis: then no setting can throttle.
    hot: Option<HotChats>,
}

impl Consumer {
    /// Continues from the role's committed offset.
    pub(super) async fn new(parts: Arc<Parts>, partition: u32) -> Result<Self, BusError> {
        let next = parts.bus.committed(GROUP, partition).await?;
        let limits = parts.live.current().hot_chat;
        let hot = parts.redis.clone().map(|redis| {
            let metrics = parts.metrics.clone();
            HotChats::new(limits, redis, parts.clock, metrics, rand::random())
        });
        Ok(Self {
            parts,
            partition,
            next,
            hot,
        })
    }

    /// Runs until `stop`, then finishes the push in progress.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut tending = tokio::time::interval(TEND);
        tending.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let bus = Arc::clone(&self.parts.bus);
        while !stop.is_cancelled() {
            let read = Read {
                from: self.next,
                max: BATCH,
                linger: LINGER,
            };
            let worked = tokio::select! {
                () = stop.cancelled() => return,
                _ = tending.tick() => self.tend().await,
                records = bus.consume(self.partition, read) => match records {
                    Ok(records) => self.work(&records, &stop).await,
                    Err(error) => Err(error),
                },
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
                    tokio::time::sleep(TEND).await;
                }
            }
        }
    }

    async fn tend(&mut self) -> Result<(), BusError> {
        let Some(hot) = &mut self.hot else {
            return Ok(());
        };
        let lag = self.parts.bus.lag(GROUP, self.partition, self.parts.clock.now())?;
        hot.tend(self.parts.live.current().hot_chat, lag.records == 0).await;
        Ok(())
    }

    /// Counts a batch's fetches before pushing its sends: a chat that they make hot is throttled at once.
    async fn work(&mut self, records: &[Record], stop: &CancellationToken) -> Result<(), BusError> {
        let settings = self.parts.live.current();
        if let Some(hot) = &mut self.hot {
            hot.count(records, settings.hot_chat).await;
        }
        let hot = self.hot_of(records, &settings).await;
        let mut done = records.len();
        for (index, record) in records.iter().enumerate() {
            match record.what {
                What::Sent { revision, .. } => {
                    if stop.is_cancelled() {
                        done = index; // the next start pushes the rest
                        break;
                    }
                    let rule = settings.push_rule(record.chat_id, hot.contains(&record.chat_id));
                    self.parts.hub.push(record.chat_id, revision, &rule).await;
                }
                // In order, after the pushes before it: the throttle is as late as the partition.
                What::Joined { .. } => self.parts.joins.completed(record.chat_id, &settings),
                What::Fetched => {}
            }
        }
        self.next += done as u64;
        self.parts.bus.commit(GROUP, self.partition, self.next).await
    }

    /// The hot chats among those of the sends. Redis is not queried where the answer would change nothing.
    async fn hot_of(&mut self, records: &[Record], settings: &Settings) -> HashSet<u64> {
        match &mut self.hot {
            Some(hot) if settings.push_throttle != PushThrottle::None => {
                let is_send = |record: &&Record| matches!(record.what, What::Sent { .. });
                let mut chats: Vec<u64> = records.iter().filter(is_send).map(|record| record.chat_id).collect();
                chats.sort_unstable();
                chats.dedup();
                hot.of(chats, settings.hot_chat).await
            }
            _ => HashSet::new(),
        }
    }
}
