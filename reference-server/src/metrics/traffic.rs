//! Requests by kind, country and app. The labels come from the configuration, so callers cannot create series.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    kind: &'static str,
    country: String,
    app: String,
}

/// Requests to chats and the bytes of their bodies.
#[derive(Clone)]
pub(crate) struct TrafficMetrics {
    requests: Family<Labels, Counter>,
    bytes: Family<Labels, Counter>,
}

impl TrafficMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (requests, bytes) = (Family::default(), Family::default());
        let help = "Requests to chats by kind, country and app";
        registry.register("chat_requests", help, requests.clone());
        let help = "Bytes of the bodies of these requests and of their answers";
        registry.register("chat_bytes", help, bytes.clone());
        Self { requests, bytes }
    }

    /// Counts one request; `kind` is a name from a fixed set.
    pub(crate) fn count(&self, kind: &'static str, (country, app): (&str, &str), bytes: u64) {
        let labels = Labels {
            kind,
            country: country.to_owned(),
            app: app.to_owned(),
        };
        self.requests.get_or_create(&labels).inc();
        self.bytes.get_or_create(&labels).inc_by(bytes);
    }
}
