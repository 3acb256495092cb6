//! Who causes the load: requests and bytes per chat, country and app.
//!
//! Counted where requests arrive, not from the event log: the log lags exactly when the answer is needed, and its
//! records carry neither bytes nor countries. One lock is held for well under a microsecond per request, beside a round
//! trip to a database.

mod labels;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hotchat_policy::{RecentTop, TopEntry, TopSize};
use serde::{Deserialize, Serialize};

pub(crate) use labels::{LabelSet, Selection};

use crate::config::Labels;
use crate::metrics::TrafficMetrics;

/// Chats with a counter per generation.
const COUNTERS: usize = 256;
/// An answer covers between one and two spans.
const SPAN: Duration = Duration::from_secs(10);

/// A counted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fetch,
    Join,
    Send,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Join => "join",
            Self::Send => "send",
        }
    }

    fn measure(self) -> Measure {
        match self {
            Self::Fetch => Measure::Fetches,
            Self::Join => Measure::Joins,
            Self::Send => Measure::Sends,
        }
    }
}

/// The measure by which chats are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Measure {
    Fetches,
    Joins,
    Sends,
    /// Bytes of the bodies of all these requests and their responses.
    Bytes,
}

/// The counts of the recent past.
pub(crate) struct Traffic {
    labels: LabelSet,
    /// Indexed by [`Measure`].
    tops: Mutex<[RecentTop; 4]>,
    metrics: TrafficMetrics,
    origin: Instant,
}

/// The leading chats by one measure, and the totals of all chats.
pub(crate) struct Leaders {
    pub(crate) chats: Vec<TopEntry>,
    /// By cell; 0 for cells that were not selected.
    pub(crate) totals: Vec<u64>,
    /// The time the counts cover.
    pub(crate) covers: Duration,
}

impl Traffic {
    pub(crate) fn new(labels: &Labels, metrics: TrafficMetrics) -> Self {
        let labels = LabelSet::new(labels);
        let size = TopSize {
            counters: COUNTERS,
            cells: labels.cells(),
            span: SPAN,
        };
        let top = || RecentTop::try_new(size).expect("the settings bound the number of labels");
        Self {
            labels,
            tops: Mutex::new([top(), top(), top(), top()]),
            metrics,
            origin: Instant::now(),
        }
    }

    pub(crate) fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// Counts a request to `chat_id` whose bodies had `bytes` bytes.
    pub(crate) fn count(&self, kind: Kind, chat_id: u64, cell: usize, bytes: u64) {
        self.metrics.count(kind.name(), self.labels.names(cell), bytes);
        let now = self.origin.elapsed();
        let mut tops = self.tops.lock().unwrap_or_else(PoisonError::into_inner);
        tops[kind.measure() as usize].record(chat_id, cell, 1, now);
        tops[Measure::Bytes as usize].record(chat_id, cell, bytes, now);
    }

    pub(crate) fn leaders(&self, by: Measure, limit: usize, selection: Selection) -> Leaders {
        let now = self.origin.elapsed();
        let mut tops = self.tops.lock().unwrap_or_else(PoisonError::into_inner);
        let top = &mut tops[by as usize];
        let totals = top.totals(now).into_iter().enumerate();
        Leaders {
            totals: totals
                .map(|(cell, weight)| if selection.has(cell) { weight } else { 0 })
                .collect(),
            chats: top.top(limit, now, |cell| selection.has(cell)),
            covers: top.covers(now),
        }
    }
}
