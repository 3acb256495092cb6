//! The server's own figures, from its `/metrics` in the Prometheus text format.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::joins::JoinSample;
use super::notify::{NotifySample, upper_bound_us};
use super::push::PushSample;
use super::text::series;

const PATIENCE: Duration = Duration::from_secs(1);

/// What the server said at one moment. Pool figures are summed over shards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSample {
    /// Connections accepted since it started.
    pub connections_accepted: u64,
    /// Connections open now.
    pub connections_open: Option<u64>,
    /// Most connections that were open at once since it started.
    pub connections_open_peak: Option<u64>,
    /// Database connections open now.
    pub pool_open: Option<u64>,
    /// Database connections in use now.
    pub pool_in_use: Option<u64>,
    /// Waits for a database connection since it started.
    pub pool_waits: u64,
    /// Their time.
    pub pool_wait_s: f64,
    /// Waits of at most so many microseconds, cumulative, by upper bound.
    pub pool_wait_buckets: BTreeMap<u64, u64>,
    /// Pushes, the event log, hot chats.
    pub push: PushSample,
    /// The throttle of joins.
    pub joins: JoinSample,
    /// The push component, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<NotifySample>,
}

/// Asks a program for its figures. One that answers with something else is not asked again: it is not what it was taken
/// for, and every further question would be unwanted load.
pub(super) struct Watch<T> {
    url: String,
    client: reqwest::Client,
    parse: fn(&str) -> Option<T>,
    is_known: bool,
    is_foreign: bool,
}

impl<T> Watch<T> {
    /// Of a page that `parse` reads, which is `None` of any other page.
    pub(super) fn new(url: &str, parse: fn(&str) -> Option<T>) -> Self {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            .build()
            .unwrap_or_default();
        Self {
            url: url.to_owned(),
            client,
            parse,
            is_known: false,
            is_foreign: false,
        }
    }

    /// `None` when it did not answer, or not with its figures.
    pub(super) async fn sample(&mut self) -> Option<T> {
        if self.is_foreign {
            return None;
        }
        let answer = self.client.get(&self.url).send().await.ok()?;
        let sample = (self.parse)(&answer.text().await.ok()?);
        self.is_known |= sample.is_some();
        self.is_foreign = !self.is_known;
        sample
    }
}

/// Reads the figures out of the text format; `None` when the text is not this server's.
pub(super) fn parse(text: &str) -> Option<ServerSample> {
    let mut sample = ServerSample::default();
    let mut known = false;
    for (name, labels, value) in series(text) {
        let count = value as u64;
        known |= name == "hotchat_connections_accepted_total";
        match name {
            "hotchat_connections_accepted_total" => sample.connections_accepted = count,
            "hotchat_connections_open" => sample.connections_open = Some(count),
            "hotchat_connections_open_peak" => sample.connections_open_peak = Some(count),
            "hotchat_pool_open" => *sample.pool_open.get_or_insert(0) += count,
            "hotchat_pool_in_use" => *sample.pool_in_use.get_or_insert(0) += count,
            "hotchat_pool_wait_seconds_count" => sample.pool_waits += count,
            "hotchat_pool_wait_seconds_sum" => sample.pool_wait_s += value,
            "hotchat_pool_wait_seconds_bucket" => {
                if let Some(bound) = upper_bound_us(labels) {
                    *sample.pool_wait_buckets.entry(bound).or_default() += count;
                }
            }
            _ if NotifySample::owns(name) => sample.notify.get_or_insert_default().take(name, labels, value),
            _ if sample.joins.take(name, labels, value) => {}
            _ => sample.push.take(name, labels, value),
        }
    }
    known.then_some(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_summed_and_buckets_kept_by_bound() {
        let text = "# TYPE hotchat_connections_accepted counter\n\
            hotchat_connections_accepted_total 12\n\
            hotchat_connections_open 3\n\
            hotchat_connections_open_peak 7\n\
            hotchat_pool_in_use{shard=\"0\"} 2\n\
            hotchat_pool_in_use{shard=\"1\"} 5\n\
            hotchat_pool_wait_seconds_sum{shard=\"0\"} 0.5\n\
            hotchat_pool_wait_seconds_count{shard=\"0\"} 4\n\
            hotchat_pool_wait_seconds_bucket{le=\"0.001\",shard=\"0\"} 3\n\
            hotchat_pool_wait_seconds_bucket{le=\"0.001\",shard=\"1\"} 1\n\
            hotchat_pool_wait_seconds_bucket{le=\"+Inf\",shard=\"0\"} 4\n";
        let sample = parse(text).unwrap();
        assert_eq!(
            (
                sample.connections_accepted,
                sample.connections_open,
                sample.connections_open_peak
            ),
            (12, Some(3), Some(7))
        );
        assert_eq!(
            (sample.pool_in_use, sample.pool_open),
            (Some(7), None),
            "what is absent is not 0"
        );
        assert_eq!((sample.pool_waits, sample.pool_wait_s), (4, 0.5));
        assert_eq!(sample.pool_wait_buckets, BTreeMap::from([(1000, 4)]));
    }

    #[test]
    fn metrics_of_another_program_are_not_read_as_zeros() {
        assert_eq!(parse("process_open_fds 12\n"), None);
        assert_eq!(parse("<html>"), None);
    }
}
