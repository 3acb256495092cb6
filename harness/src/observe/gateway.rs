//! The push gateway's own figures, from its metrics: what the peer of the push component sees.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::label::label;
use super::metrics;
use super::text::series;

/// What the push gateway said at one moment. Counters are since it started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySample {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that it refused, because it had as many as it may.
    pub refused: u64,
    /// Connections open now.
    pub open: Option<u64>,
    /// Most connections that were open at once.
    pub open_peak: Option<u64>,
    /// Memory that the open connections take now.
    pub memory_bytes: Option<u64>,
    /// Time for which that was over its budget.
    pub over_budget_s: f64,
    /// Requests begun.
    pub requests: u64,
    /// Answers by status.
    pub answers: BTreeMap<String, u64>,
    /// Requests being served now.
    pub in_progress: Option<u64>,
}

impl GatewaySample {
    /// Asks a push gateway once; `None` where it does not answer with its figures.
    pub async fn read(url: &str) -> Option<Self> {
        metrics::Watch::new(url, parse).sample().await
    }
}

/// Reads the figures out of the text format; `None` when the text is not a push gateway's.
pub(super) fn parse(text: &str) -> Option<GatewaySample> {
    let mut sample = GatewaySample::default();
    let mut known = false;
    for (name, labels, value) in series(text) {
        let Some(name) = name.strip_prefix("push_gateway_") else {
            continue;
        };
        let count = value as u64;
        known |= name == "connections_accepted_total";
        match name {
            "connections_accepted_total" => sample.accepted = count,
            "connections_refused_total" => sample.refused = count,
            "connections_open" => sample.open = Some(count),
            "connections_open_peak" => sample.open_peak = Some(count),
            "connection_memory_bytes" => sample.memory_bytes = Some(count),
            "over_budget_seconds_total" => sample.over_budget_s = value,
            "requests_total" => sample.requests += count,
            "requests_in_progress" => sample.in_progress = Some(count),
            "answers_total" => {
                let status = label(labels, "status").unwrap_or_default();
                *sample.answers.entry(status.to_owned()).or_default() += count;
            }
            _ => {}
        }
    }
    known.then_some(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_summed_and_answers_kept_by_status() {
        let text = "# TYPE push_gateway_connections_accepted counter\n\
            push_gateway_connections_accepted_total 12\n\
            push_gateway_connections_refused_total 1\n\
            push_gateway_connections_open 3\n\
            push_gateway_connections_open_peak 7\n\
            push_gateway_connection_memory_bytes 3145728\n\
            push_gateway_over_budget_seconds_total 0.25\n\
            push_gateway_requests_total{role=\"message\"} 5\n\
            push_gateway_requests_total{role=\"reaction\"} 4\n\
            push_gateway_answers_total{role=\"message\",status=\"204\"} 4\n\
            push_gateway_answers_total{role=\"reaction\",status=\"204\"} 3\n\
            push_gateway_answers_total{role=\"reaction\",status=\"503\"} 1\n\
            push_gateway_requests_in_progress 1\n";
        let expected = GatewaySample {
            accepted: 12,
            refused: 1,
            open: Some(3),
            open_peak: Some(7),
            memory_bytes: Some(3 << 20),
            over_budget_s: 0.25,
            requests: 9,
            answers: [("204".to_owned(), 7), ("503".to_owned(), 1)].into(),
            in_progress: Some(1),
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("hotchat_connections_accepted_total 7\n"), None);
    }
}
