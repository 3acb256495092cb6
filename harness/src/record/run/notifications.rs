//! The push component: its connections to the push gateway and its notifications, in one phase and in a whole cell.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// The push component's connections to the push gateway in one phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PushConnections {
    /// Opened.
    pub opened: u64,
    /// Closed, by either side.
    pub closed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Connections that the gateway refused, by its own count; `None` where bmt did not start it.
    pub refused: Option<u64>,
    /// Open at the end of the phase; `None` where no reading fell into it.
    pub open_end: Option<u64>,
    /// Most that were open at once; the same.
    pub open_max: Option<u64>,
    /// Requests that were answered over them.
    pub requests: u64,
    /// The same, for each connection that was opened; `None` where none was.
    pub requests_per_connection: Option<f64>,
    /// TCP handshake, mean.
    pub tcp_us: Option<f64>,
    /// TLS handshake, mean; `None` where there was none.
    pub tls_us: Option<f64>,
    /// From sending a request to its answer, mean.
    pub request_us: Option<f64>,
    /// Time for opening connections, of that for connections and requests together: 0 to 1.
    pub handshake_share: Option<f64>,
    /// What the gateway counted; `None` where it could not be asked.
    pub gateway: Option<GatewaySide>,
}

/// The gateway's side of one phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewaySide {
    /// Connections accepted.
    pub accepted: u64,
    /// Most that were open at once; `None` where no reading fell into the phase.
    pub open_max: Option<u64>,
    /// Memory that connections took, most in one reading.
    pub memory_max_bytes: Option<u64>,
    /// Time for which that was over the budget.
    pub over_budget_s: f64,
    /// Requests begun.
    pub requests: u64,
}

/// The notifications of one phase. A gauge that was not read in the phase is `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Notifications {
    /// All roles together.
    #[serde(flatten)]
    pub all: RoleNotifications,
    /// By role, those of which there were any.
    pub roles: BTreeMap<String, RoleNotifications>,
    /// From the queue to the delivery, of those that were delivered in the phase.
    pub delay_us: Delay,
    /// Requests sent to the gateway or tried to.
    pub attempts: u64,
    /// Of these, those that were not the first of their notification.
    pub retries: u64,
    /// Times that a breaker opened.
    pub breaker_opened: u64,
    /// Queues whose breaker was not closed, most in one reading.
    pub breakers_open_max: Option<u64>,
    /// Events whose members could not be read, so that nobody or not everybody was notified.
    pub events_failed: u64,
}

/// Notifications of one role in one phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleNotifications {
    /// Put into a queue, or dropped instead.
    pub enqueued: u64,
    /// Answered with success.
    pub delivered: u64,
    /// Given up.
    pub dropped: u64,
    /// The same by reason; reasons that did not occur are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped_by: BTreeMap<String, u64>,
    /// Sent and never answered.
    pub unknown: u64,
    /// Waiting or being sent, most in one reading.
    pub waiting_max: Option<u64>,
}

/// How long notifications took, from the component's own histogram: linear within a bucket, as Prometheus does it.
/// `None` where there are too few for the figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// Notifications delivered.
    pub count: u64,
    /// Mean, in microseconds.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
}

/// The books of a push component at the end of a cell, when nothing more was under way or after a while.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NotificationBooks {
    /// By role.
    pub roles: BTreeMap<String, NotificationCounts>,
    /// Records of the bus that had not been looked at.
    pub lag_records: u64,
    /// What the gateway answered, by status, from the moment after that; `None` where bmt did not start it, or it could
    /// not be asked.
    #[serde(default)]
    pub answers: Option<BTreeMap<String, u64>>,
    /// Why the books could not be read.
    #[serde(default)]
    pub problem: Option<String>,
}

/// Notifications of one role, since the server started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationCounts {
    /// Put into a queue, or dropped instead.
    pub enqueued: u64,
    /// Answered with success.
    pub delivered: u64,
    /// Given up, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Sent and never answered.
    pub unknown: u64,
    /// Waiting.
    pub queued: u64,
    /// Being sent.
    pub in_flight: u64,
}

impl NotificationCounts {
    /// Given up, whatever the reason.
    #[must_use]
    pub fn all_dropped(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Everything that is known of what was enqueued.
    #[must_use]
    pub fn accounted(&self) -> u64 {
        self.delivered + self.all_dropped() + self.unknown + self.queued + self.in_flight
    }
}

impl NotificationBooks {
    /// Why the books do not balance: each role whose sum does not hold, with its numbers, and a component that says
    /// that it delivered more than the gateway answered with success. Of a gateway that was `restarted`, whose counts
    /// began anew, the latter is not known.
    #[must_use]
    pub fn violations(&self, restarted: bool) -> Vec<String> {
        let roles = self.roles.iter();
        let mut found: Vec<String> = roles.filter_map(|(role, counts)| violation(role, counts)).collect();
        let delivered: u64 = self.roles.values().map(|counts| counts.delivered).sum();
        let answers = self.answers.as_ref().filter(|_| !restarted);
        let taken = answers.map(|answers| answers.get(TAKEN).copied().unwrap_or(0));
        if let Some(taken) = taken.filter(|taken| *taken < delivered) {
            found.push(format!(
                "{delivered} notifications are said to be delivered, and the push gateway took {taken}"
            ));
        }
        found
    }
}

/// How a gateway answers what it takes.
const TAKEN: &str = "204";

fn violation(role: &str, counts: &NotificationCounts) -> Option<String> {
    let (enqueued, accounted) = (counts.enqueued, counts.accounted());
    let problem = match enqueued.checked_sub(accounted) {
        Some(0) => return None,
        Some(missing) => format!("{missing} not accounted for"),
        None => format!("{} counted twice", accounted - enqueued),
    };
    Some(format!(
        "{role}: {enqueued} enqueued, but {} delivered + {} dropped + {} unknown + {} queued + {} in flight: {problem}",
        counts.delivered,
        counts.all_dropped(),
        counts.unknown,
        counts.queued,
        counts.in_flight
    ))
}

/// The push component's connections of a phase. Older results have the WebSocket connections of members here, which
/// always say how many were `replaced`; those are left out.
pub(super) fn of_the_component<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PushConnections>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    let value = value.filter(|value| value.get("replaced").is_none());
    value
        .map(serde_json::from_value)
        .transpose()
        .map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{ClientSide, Connections};

    fn books(delivered: u64, dropped: u64, unaccounted: i64, taken: u64) -> NotificationBooks {
        let counts = NotificationCounts {
            enqueued: (delivered + dropped + 7).checked_add_signed(unaccounted).unwrap(),
            delivered,
            dropped: [("full".to_owned(), dropped)].into(),
            unknown: 4,
            queued: 2,
            in_flight: 1,
        };
        NotificationBooks {
            roles: [("message".to_owned(), counts)].into(),
            answers: Some([("204".to_owned(), taken), ("503".to_owned(), 3)].into()),
            ..NotificationBooks::default()
        }
    }

    #[test]
    fn a_sum_that_does_not_hold_is_told_with_its_numbers() {
        let [told] = &books(100, 20, 5, 100).violations(false)[..] else {
            panic!("one violation")
        };
        assert_eq!(
            told,
            "message: 132 enqueued, but 100 delivered + 20 dropped + 4 unknown + 2 queued + 1 in flight: 5 not accounted for"
        );
        let twice = books(100, 20, -5, 100).violations(false);
        assert!(twice[0].ends_with("5 counted twice"), "{twice:?}");
    }

    #[test]
    fn nobody_delivers_more_than_the_gateway_took_unless_it_counts_anew() {
        let told = books(100, 0, 0, 99).violations(false);
        assert_eq!(
            told,
            ["100 notifications are said to be delivered, and the push gateway took 99"]
        );
        assert!(books(100, 0, 0, 99).violations(true).is_empty());
        assert!(
            books(100, 0, 0, 103).violations(false).is_empty(),
            "answers that were lost on the way"
        );
        let alone = NotificationBooks {
            answers: None,
            ..books(100, 0, 0, 0)
        };
        assert!(alone.violations(false).is_empty());
    }

    #[test]
    fn members_of_an_older_result_are_not_taken_for_the_push_component() {
        let older = serde_json::json!({
            "client": ClientSide::default(), "server": null, "database": null,
            "push": ClientSide { opened: 100, ..ClientSide::default() },
        });
        let read: Connections = serde_json::from_value(older).unwrap();
        assert_eq!(read.push, None);
        let own = Connections {
            push: Some(PushConnections {
                opened: 3,
                ..PushConnections::default()
            }),
            ..Connections::default()
        };
        let text = serde_json::to_string(&own).unwrap();
        assert_eq!(serde_json::from_str::<Connections>(&text).unwrap(), own);
    }

    proptest! {
        #[test]
        fn books_balance_exactly_where_nothing_is_missing_and_nothing_counted_twice(
            delivered in 0u64..1_000, dropped in 0u64..1_000, unaccounted in -7i64..8
        ) {
            let violations = books(delivered, dropped, unaccounted, delivered).violations(false);
            prop_assert_eq!(violations.is_empty(), unaccounted == 0, "{:?}", violations);
        }
    }
}
