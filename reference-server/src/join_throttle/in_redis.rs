//! The throttle that calls Redis for every join: exact over all processes, at one call per join, even for idle chats.
//!
//! A chat's counters are a hash `hotchat:joins:<sub-window in µs>:<chat_id>` that expires a window after the last
//! admission; `count.lua` reads the time, sums up and counts in one step. The script is sent in full: it is half a
//! kilobyte on a local connection, and this needs no second path for a Redis that has lost its scripts.
//!
//! A different window has different counters, so changing it restarts the count.

use std::sync::Arc;
use std::time::Duration;

use hotchat_policy::{TooMany, WindowLimit};

use super::Answer;
use crate::metrics::JoinMetrics;
use crate::redis::Redis;

/// Longest wait for an answer. A join that timed out may have been counted all the same.
const PATIENCE: Duration = Duration::from_millis(100);
/// Sub-windows per window.
const SUB_WINDOWS: u64 = 40;

const COUNT: &str = include_str!("count.lua");

pub(super) struct InRedis {
    redis: Arc<Redis>,
    metrics: JoinMetrics,
}

impl InRedis {
    pub(super) fn new(redis: Arc<Redis>, metrics: JoinMetrics) -> Self {
        Self { redis, metrics }
    }

    pub(super) async fn ask(&self, chat_id: u64, limit: WindowLimit) -> Answer {
        if self.redis.is_away() {
            return Answer::Away;
        }
        let each = micros(limit.window()).div_ceil(SUB_WINDOWS);
        let mut command = redis::cmd("EVAL");
        command.arg(COUNT).arg(1).arg(format!("hotchat:joins:{each}:{chat_id}"));
        command.arg(limit.count()).arg(each).arg(SUB_WINDOWS);
        self.metrics.asked_redis();
        match tokio::time::timeout(PATIENCE, self.redis.ask::<u64>(&command)).await {
            Ok(Ok(0)) => Answer::Admitted,
            Ok(Ok(retry_after)) => Answer::Refused(TooMany {
                retry_after: Duration::from_micros(retry_after),
            }),
            Ok(Err(_)) | Err(_) => Answer::Away,
        }
    }
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("a window of minutes")
}
