//! The server's push component, from its metrics: what it sends to push gateways for members who are not online.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::label::label;

/// What the push component said at one moment; all of it is from that moment. Counters are since it started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifySample {
    /// Connections opened to the gateway.
    pub opened: u64,
    /// Connections closed, by either side.
    pub closed: u64,
    /// Attempts to open one that failed.
    pub failed: u64,
    /// Connections open now.
    pub open: Option<u64>,
    /// Most connections that were open at once since it started.
    pub open_peak: Option<u64>,
    /// TCP handshakes.
    pub tcp: Timed,
    /// TLS handshakes.
    pub tls: Timed,
    /// Requests that were answered, from sending to answer.
    pub requests: Timed,
    /// Requests sent to the gateway or tried to.
    pub attempts: u64,
    /// Of these, those that were not the first of their notification.
    pub retries: u64,
    /// Notifications by role.
    pub roles: BTreeMap<String, RoleSample>,
    /// From the queue to the delivery.
    pub delay: Timed,
    /// Delays of at most so many microseconds, cumulative, by upper bound.
    pub delay_buckets: BTreeMap<u64, u64>,
    /// State of each breaker by its queue: 0 closed, 1 open, 2 half-open.
    pub breakers: BTreeMap<String, u64>,
    /// Times that a breaker opened.
    pub breaker_opened: u64,
    /// Events whose members could not be read.
    pub events_failed: u64,
    /// Records of the bus that have not been looked at yet.
    pub lag_records: Option<u64>,
}

/// Notifications of one role. Enqueued = delivered + dropped + unknown + queued + in flight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSample {
    /// Put into a queue, or dropped instead.
    pub enqueued: u64,
    /// Answered with success.
    pub delivered: u64,
    /// Given up, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Sent and never answered.
    pub unknown: u64,
    /// Waiting now.
    pub queued: u64,
    /// Being sent now, pauses between attempts included.
    pub in_flight: u64,
}

impl RoleSample {
    /// Given up, whatever the reason.
    #[must_use]
    pub fn all_dropped(&self) -> u64 {
        self.dropped.values().sum()
    }
}

/// How often something was done, and how long that took together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timed {
    /// How often.
    pub count: u64,
    /// Seconds.
    pub sum_s: f64,
}

impl Timed {
    /// Takes in one series of a histogram.
    fn take(&mut self, part: &str, value: f64) {
        match part {
            "count" => self.count += value as u64,
            "sum" => self.sum_s += value,
            _ => {}
        }
    }
}

impl NotifySample {
    /// Whether a series is the push component's.
    pub(super) fn owns(name: &str) -> bool {
        name.starts_with("hotchat_notify_")
    }

    /// Takes in one series of the push component.
    pub(super) fn take(&mut self, name: &str, labels: &str, value: f64) {
        let count = value as u64;
        let name = name.strip_prefix("hotchat_notify_").unwrap_or(name);
        match name {
            "connections_opened_total" => self.opened = count,
            "connections_closed_total" => self.closed = count,
            "connections_failed_total" => self.failed = count,
            "connections_open" => self.open = Some(count),
            "connections_open_peak" => self.open_peak = Some(count),
            "attempts_total" => self.attempts += count,
            "retries_total" => self.retries += count,
            "breaker_transitions_total" if label(labels, "to") == Some("open") => self.breaker_opened += count,
            "events_failed_total" => self.events_failed += count,
            "lag_records" => self.lag_records = Some(count),
            "delay_seconds_bucket" => {
                if let Some(bound) = upper_bound_us(labels) {
                    *self.delay_buckets.entry(bound).or_default() += count;
                }
            }
            _ => self.take_more(name, labels, value),
        }
    }

    /// Histograms, and what is of a role or of a queue.
    fn take_more(&mut self, name: &str, labels: &str, value: f64) {
        let count = value as u64;
        if let Some(queue) = label(labels, "queue").filter(|_| name == "breaker_state") {
            self.breakers.insert(queue.to_owned(), count);
        } else if let Some(part) = name.strip_prefix("handshake_seconds_") {
            match label(labels, "step") {
                Some("tcp") => self.tcp.take(part, value),
                Some("tls") => self.tls.take(part, value),
                _ => {}
            }
        } else if let Some(part) = name.strip_prefix("request_seconds_") {
            self.requests.take(part, value);
        } else if let Some(part) = name.strip_prefix("delay_seconds_") {
            self.delay.take(part, value);
        } else if let Some(role) = label(labels, "role") {
            self.take_of_role(name, role, labels, count);
        }
    }

    fn take_of_role(&mut self, name: &str, role: &str, labels: &str, count: u64) {
        let of_a_role = [
            "enqueued_total",
            "delivered_total",
            "dropped_total",
            "unknown_total",
            "queued",
            "in_flight",
        ];
        if !of_a_role.contains(&name) {
            return;
        }
        let role = self.roles.entry(role.to_owned()).or_default();
        match name {
            "enqueued_total" => role.enqueued = count,
            "delivered_total" => role.delivered = count,
            "unknown_total" => role.unknown = count,
            "queued" => role.queued = count,
            "in_flight" => role.in_flight = count,
            _ => {
                let reason = label(labels, "reason").unwrap_or_default();
                role.dropped.insert(reason.to_owned(), count);
            }
        }
    }
}

/// The `le` of a bucket in microseconds; `None` of the last, unbounded one.
pub(super) fn upper_bound_us(labels: &str) -> Option<u64> {
    let bound: f64 = label(labels, "le")?.parse().ok()?;
    bound.is_finite().then(|| (bound * 1e6).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_roles_are_kept_apart_and_histograms_summed() {
        let mut sample = NotifySample::default();
        for (name, labels, value) in [
            ("connections_opened_total", "", 12.0),
            ("connections_open", "", 3.0),
            ("enqueued_total", "role=\"message\"}", 10.0),
            ("enqueued_total", "role=\"reaction\"}", 4.0),
            ("dropped_total", "role=\"message\",reason=\"full\"}", 2.0),
            ("dropped_total", "role=\"message\",reason=\"breaker\"}", 1.0),
            ("queued", "role=\"message\"}", 5.0),
            ("delay_seconds_count", "role=\"message\"}", 2.0),
            ("delay_seconds_count", "role=\"reaction\"}", 4.0),
            ("delay_seconds_sum", "role=\"message\"}", 0.5),
            ("delay_seconds_bucket", "le=\"0.25\",role=\"message\"}", 1.0),
            ("delay_seconds_bucket", "le=\"0.25\",role=\"reaction\"}", 3.0),
            ("delay_seconds_bucket", "le=\"+Inf\",role=\"message\"}", 2.0),
            ("handshake_seconds_sum", "step=\"tls\"}", 0.75),
            ("handshake_seconds_count", "step=\"tcp\"}", 12.0),
            ("breaker_state", "queue=\"shared\"}", 1.0),
            ("breaker_transitions_total", "queue=\"shared\",to=\"open\"}", 2.0),
            ("breaker_transitions_total", "queue=\"shared\",to=\"closed\"}", 1.0),
            ("events_total", "role=\"message\"}", 77.0),
        ] {
            let name = format!("hotchat_notify_{name}");
            assert!(NotifySample::owns(&name));
            sample.take(&name, labels, value);
        }
        let message = RoleSample {
            enqueued: 10,
            dropped: [("full".to_owned(), 2), ("breaker".to_owned(), 1)].into(),
            queued: 5,
            ..RoleSample::default()
        };
        let reaction = RoleSample {
            enqueued: 4,
            ..RoleSample::default()
        };
        assert_eq!(message.all_dropped(), 3);
        let expected = NotifySample {
            opened: 12,
            open: Some(3),
            tcp: Timed { count: 12, sum_s: 0.0 },
            tls: Timed { count: 0, sum_s: 0.75 },
            roles: [("message".to_owned(), message), ("reaction".to_owned(), reaction)].into(),
            delay: Timed { count: 6, sum_s: 0.5 },
            delay_buckets: [(250_000, 4)].into(),
            breakers: [("shared".to_owned(), 1)].into(),
            breaker_opened: 2,
            ..NotifySample::default()
        };
        assert_eq!(sample, expected);
    }
}
