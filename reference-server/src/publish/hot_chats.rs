//! Which chats are hot: the detector counts, and marks in Redis publish the result.
//!
//! A mark's key is `hotchat:hot:<chat_id>`, its value `{"since_ms", "fetches"}` as of its last renewal.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hotchat_policy::{DetectorSize, Heat, HotChat, HotChatDetector, HotLimits, Place};

use super::known::Known;
use super::marks::{Marks, Stored};
use crate::bus::{Record, What};
use crate::clock::Clock;
use crate::config::{HotChat as Limits, WithoutRedis};
use crate::metrics::HotMetrics;
use crate::redis::{Away, Redis};

pub(super) struct HotChats {
    redis: Arc<Redis>,
    detector: HotChatDetector,
    limits: HotLimits,
    /// Time of the latest counted record.
    counted: Duration,
    marks: Marks,
    /// Marks of this partition included in the gauge.
    shown: usize,
    known: Known,
    clock: Clock,
    metrics: HotMetrics,
}

impl HotChats {
    /// Nothing is counted yet; `seed` seeds the detector.
    pub(super) fn new(limits: Limits, redis: Arc<Redis>, clock: Clock, metrics: HotMetrics, seed: u64) -> Self {
        let limits = HotLimits::from(limits);
        let detector = HotChatDetector::try_new(limits, DetectorSize::default(), seed);
        Self {
            redis,
            detector: detector.expect("the settings' ranges match the detector's"),
            limits,
            counted: Duration::ZERO,
            marks: Marks::default(),
            shown: 0,
            known: Known::default(),
            clock,
            metrics,
        }
    }

    /// Counts the fetches by the time at which they happened, and marks chats that became hot.
    pub(super) async fn count(&mut self, records: &[Record], settings: Limits) {
        self.retune(settings);
        let (mut crossed, unlisted) = (false, self.detector.unlisted());
        for record in records {
            self.counted = self.counted.max(record.at);
            if record.what == What::Fetched {
                let verdict = self.detector.record(record.chat_id, record.at);
                crossed |= matches!(verdict.heat, Heat::Hot { place: Place::New, .. });
            }
        }
        self.metrics.unlisted(self.detector.unlisted() - unlisted);
        if crossed {
            self.store_marks(settings.ttl.get()).await;
        }
    }

    /// Renews marks and lets them expire. Everything before now has been counted only if the partition is `caught_up`;
    /// otherwise chats cool as of the latest record, or chats with a backlog would seem quiet.
    pub(super) async fn tend(&mut self, settings: Limits, caught_up: bool) {
        self.retune(settings);
        let (now, ttl) = (self.clock.now(), settings.ttl.get());
        self.detector.sweep(if caught_up { now } else { self.counted });
        self.store_marks(ttl).await;
        let expired = self.marks.expire(self.detector.hot(), now);
        self.metrics.expired(expired);
        self.show_held();
        self.known.prune(now, ttl);
    }

    /// The hot ones among the chats: one Redis command for all of them.
    pub(super) async fn of(&mut self, chats: Vec<u64>, settings: Limits) -> HashSet<u64> {
        if chats.is_empty() {
            return HashSet::new();
        }
        let keys: Vec<String> = chats.iter().map(|&chat| key(chat)).collect();
        let mut question = redis::cmd("MGET");
        question.arg(keys);
        match self.redis.ask::<Vec<Option<String>>>(&question).await {
            Ok(marks) => {
                let now = self.clock.now();
                let told = chats.into_iter().zip(marks).map(|(chat, mark)| (chat, mark.is_some()));
                told.inspect(|&(chat, hot)| self.known.told(chat, hot, now))
                    .filter_map(|(chat, hot)| hot.then_some(chat))
                    .collect()
            }
            Err(away) => self.without_redis(chats, away, settings),
        }
    }

    fn without_redis(&self, chats: Vec<u64>, away: Away, settings: Limits) -> HashSet<u64> {
        let was_hot = |chat: &u64| {
            let listed = self.detector.hot().iter().any(|hot| hot.chat_id == *chat);
            listed || self.known.was_hot(*chat, away.since, settings.ttl.get())
        };
        match settings.without_redis {
            WithoutRedis::Unthrottled => HashSet::new(),
            WithoutRedis::LastKnown => chats.into_iter().filter(was_hot).collect(),
        }
    }

    /// Marks that cannot be stored now stay due.
    async fn store_marks(&mut self, ttl: Duration) {
        for chat in self.marks.due(self.detector.hot(), self.clock.now()) {
            let mut command = redis::cmd("SET");
            let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
            command.arg(key(chat.chat_id)).arg(value(&chat)).arg("PX").arg(ttl_ms);
            if self.redis.ask::<()>(&command).await.is_err() {
                return;
            }
            let now = self.clock.now();
            match self.marks.stored(&chat, now, ttl) {
                Stored::Set { delay } => {
                    tracing::info!(chat_id = chat.chat_id, fetches = chat.count, ?delay, "chat is hot");
                    self.metrics.detected(delay);
                }
                Stored::SetAgain => self.metrics.set(),
                Stored::Renewed => self.metrics.renewed(),
            }
            self.known.told(chat.chat_id, true, now);
            self.show_held();
        }
    }

    /// The gauge is the sum over the partitions: each adds the change of its own share.
    fn show_held(&mut self) {
        let held = self.marks.held();
        self.metrics.held(self.shown, held);
        self.shown = held;
    }

    fn retune(&mut self, settings: Limits) {
        let limits = HotLimits::from(settings);
        if limits != self.limits {
            let tuned = self.detector.retune(limits);
            tuned.expect("the settings' ranges match the detector's");
            self.limits = limits;
        }
    }
}

/// When the role stops, its marks expire by themselves.
impl Drop for HotChats {
    fn drop(&mut self) {
        self.metrics.held(self.shown, 0);
    }
}

fn key(chat_id: u64) -> String {
    format!("hotchat:hot:{chat_id}")
}

fn value(chat: &HotChat) -> String {
    format!(r#"{{"since_ms":{},"fetches":{}}}"#, chat.since.as_millis(), chat.count)
}
