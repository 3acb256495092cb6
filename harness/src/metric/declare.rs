//! The table of metrics.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::kind::{Compare, Declaration, Fold, Scope, Unit};

/// Fewest samples of a median: five lie above it, and so on.
const P50: u64 = 10;
/// Fewest samples of a 90th percentile.
const P90: u64 = 50;
/// Fewest samples of a 99th percentile: five lie above it.
const P99: u64 = 500;
/// Fewest samples of a 99.9th percentile: five lie above it.
const P999: u64 = 5000;

/// What holds unless a declaration says otherwise.
const PLAIN: Declaration = Declaration {
    name: "",
    doc: "",
    unit: Unit::Number,
    scope: Scope::Phase,
    fold: Fold::Sum,
    compare: Compare::EachBlock,
    higher_is_better: false,
    min_samples: 0,
    absent: None,
};

const NO_CALLS: Option<&str> = Some("where nothing was scheduled");
const NO_CONNECTION: Option<&str> = Some("where too few connections were opened");
const NO_OK: Option<&str> = Some("where no call ended `ok`");
const NO_CALLER: Option<&str> = Some("where no logical call began");
const NO_SUCCESS: Option<&str> = Some("where no logical call succeeded");
const NO_DATABASE: Option<&str> = Some("where no database is observed");
const NO_COUNTER: Option<&str> = Some("where the series is no counter, or was not seen in most of the phase");
const NO_GAUGE: Option<&str> = Some("where the series is no gauge, or was not seen in the phase");
const NO_HISTOGRAM: Option<&str> = Some("where the series is no histogram, or was not seen in most of the phase");
const NO_PUSH: Option<&str> = Some("where the server has no push component, or was not observed in the phase");
const NO_PUSH_CONNECTION: Option<&str> = Some("where no connection was opened, or the server has no push component");
const NO_DELIVERY: Option<&str> = Some("where too few notifications were delivered");
const NO_GATEWAY: Option<&str> = Some("where bmt did not start the push gateway");
const NO_MEMBERS: Option<&str> = Some("where no event was acknowledged");

macro_rules! metrics {
    ($($variant:ident = $name:literal: $doc:literal { $($field:ident: $value:expr),* $(,)? })*) => {
        /// A figure that a gate can judge.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Metric {
            $(
                #[doc = $doc]
                #[serde(rename = $name)]
                $variant,
            )*
        }

        impl Metric {
            /// Every metric, in the order in which the schema and the documentation list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub(super) fn declaration(self) -> Declaration {
                match self {
                    $(Self::$variant => Declaration { name: $name, doc: $doc, $($field: $value,)* ..PLAIN },)*
                }
            }
        }
    };
}

metrics! {
    GoodputRate = "goodput_rate":
        "Answers of outcome `ok` per second of the phase."
        { unit: Unit::Rate, scope: Scope::Operation, fold: Fold::PerSecond, compare: Compare::Ratio, higher_is_better: true, absent: NO_CALLS }
    ErrorShare = "error_share":
        "Part of what was scheduled that did not end `ok`."
        { unit: Unit::Share, scope: Scope::Operation, fold: Fold::SumOverSum, absent: NO_CALLS }
    NotAcceptedShare = "not_accepted_share":
        "Part of the scheduled arrivals that the target did not accept: it took no connection, or held every one that the generator \
        may open for longer than its everyday service time explains."
        { unit: Unit::Share, scope: Scope::Operation, fold: Fold::SumOverSum, absent: NO_CALLS }
    ResponseMean = "response_mean":
        "Mean response time of `ok` answers."
        { unit: Unit::Time, scope: Scope::Operation, fold: Fold::SumOverSum, compare: Compare::Ratio, absent: NO_OK }
    ResponseP50 = "response_p50":
        "Median response time of `ok` answers."
        { unit: Unit::Time, scope: Scope::Operation, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P50, absent: NO_OK }
    ResponseP90 = "response_p90":
        "90th percentile of the response time of `ok` answers."
        { unit: Unit::Time, scope: Scope::Operation, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P90, absent: NO_OK }
    ResponseP99 = "response_p99":
        "99th percentile of the response time of `ok` answers."
        { unit: Unit::Time, scope: Scope::Operation, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P99, absent: NO_OK }
    ResponseP999 = "response_p999":
        "99.9th percentile of the response time of `ok` answers."
        { unit: Unit::Time, scope: Scope::Operation, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P999, absent: NO_OK }
    ResponseMax = "response_max":
        "Longest response time of `ok` answers."
        { unit: Unit::Time, scope: Scope::Operation, fold: Fold::Largest, absent: NO_OK }
    OkWithin = "ok_within":
        "Answers of outcome `ok` within the first seconds of the phase, as `within` says; counted when they are complete, whenever their \
        requests were due. What the throttle of joins let in is `joins_admitted`."
        { scope: Scope::Operation, higher_is_better: true, absent: Some("where the phase did not last so long") }
    JoinsAdmitted = "joins_admitted":
        "Joins that the server's throttle let in during the phase, by the server's own count: those of all chats, whether or not they then \
        succeeded. Takes no `operation`; no data where nothing is throttled."
        { scope: Scope::Joins, absent: Some("where nothing is throttled") }
    UntilDoneP50 = "until_done_p50":
        "Time from the first attempt of a logical call until it succeeds, retries included: the median of those that began in the phase."
        { unit: Unit::Time, scope: Scope::Retries, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P50, absent: NO_SUCCESS }
    UntilDoneP99 = "until_done_p99":
        "The same, 99th percentile."
        { unit: Unit::Time, scope: Scope::Retries, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P99, absent: NO_SUCCESS }
    AttemptsPerSuccess = "attempts_per_success":
        "Attempts of a logical call that began in the phase and succeeded, mean."
        { scope: Scope::Retries, fold: Fold::SumOverSum, compare: Compare::Ratio, absent: NO_SUCCESS }
    NotDoneShare = "not_done_share":
        "Part of the logical calls that began in the phase and never succeeded: clients gave up, or the end of the run cut them off."
        { unit: Unit::Share, scope: Scope::Retries, fold: Fold::SumOverSum, absent: NO_CALLER }
    RecoveryS = "recovery_s":
        "Seconds from the end of a spike until, for 3 s, at least 95 % of the callers are answered `ok` at their first attempt, and the p99 of \
        `ok` answers is at most 1.1 times that of the base phase before, or 5 ms above it."
        { unit: Unit::Seconds, scope: Scope::Operation, fold: Fold::Last, absent: Some("where that never happens, or nothing follows the spike") }
    CollapsedS = "collapsed_s":
        "Seconds from the end of a spike on in which less than half of the callers are answered `ok` at their first attempt."
        { unit: Unit::Seconds, scope: Scope::Operation, fold: Fold::Last, absent: Some("where nothing follows the spike") }
    OnsetSentShare = "onset_sent_share":
        "Part of the arrivals due in the first 100 ms of the phase that were sent in them; of a jump it says whether it was one."
        { unit: Unit::Share, fold: Fold::SumOverSum, higher_is_better: true, absent: Some("where nothing was due in them") }
    ConnectionsOpenMax = "connections_open_max":
        "Client connections open at once."
        { fold: Fold::Largest }
    ConnectionsOpened = "connections_opened":
        "Client connections opened in the phase."
        { }
    RequestsPerConnection = "requests_per_connection":
        "Requests sent in the phase for each connection opened in it: how far connections are used again."
        { fold: Fold::SumOverSum, higher_is_better: true, absent: Some("where no connection was opened") }
    HandshakeP50 = "handshake_p50":
        "Time from the first packet of a client connection until a request can be written, TLS and HTTP/2 included: the median."
        { unit: Unit::Time, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P50, absent: NO_CONNECTION }
    HandshakeP99 = "handshake_p99":
        "The same, 99th percentile."
        { unit: Unit::Time, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P99, absent: NO_CONNECTION }
    PushConnectionsOpenMax = "push_connections_open_max":
        "The push component's connections to the push gateway that were open at once, as sampled and by its own high-water mark."
        { scope: Scope::Push, fold: Fold::Largest, absent: NO_PUSH }
    PushConnectionsOpened = "push_connections_opened":
        "The push component's connections opened in the phase."
        { scope: Scope::Push, absent: NO_PUSH }
    PushConnectionsFailed = "push_connections_failed":
        "The push component's attempts to open a connection that failed."
        { scope: Scope::Push, absent: NO_PUSH }
    PushConnectionsRefused = "push_connections_refused":
        "The push component's connections that the push gateway refused, by the gateway's count."
        { scope: Scope::Push, absent: NO_GATEWAY }
    NotificationRequestsPerConnection = "notification_requests_per_connection":
        "Requests to the push gateway answered in the phase for each connection opened in it: how far connections are used again."
        { scope: Scope::Push, fold: Fold::SumOverSum, higher_is_better: true, absent: NO_PUSH_CONNECTION }
    PushHandshakeShare = "push_handshake_share":
        "Time that the push component spent on opening connections, of its time for connections and requests together."
        { unit: Unit::Share, scope: Scope::Push, fold: Fold::SumOverSum, absent: NO_PUSH }
    NotificationsDeliveredRate = "notifications_delivered_rate":
        "Notifications that the push gateway took, per second of the phase."
        { unit: Unit::Rate, scope: Scope::Push, fold: Fold::PerSecond, compare: Compare::Ratio, higher_is_better: true, absent: NO_PUSH }
    NotificationsDropped = "notifications_dropped":
        "Notifications that were given up in the phase, whatever the reason."
        { scope: Scope::Push, absent: NO_PUSH }
    NotificationsUnknown = "notifications_unknown":
        "Notifications that were sent, and of which no answer says what became of them."
        { scope: Scope::Push, absent: NO_PUSH }
    NotificationsWaitingMax = "notifications_waiting_max":
        "Notifications queued or under way at once, in all queues together."
        { scope: Scope::Push, fold: Fold::Largest, absent: NO_PUSH }
    NotificationsDelayP50 = "notifications_delay_p50":
        "Time from a notification's queue to its delivery, of those delivered in the phase: the median, linear within its bucket."
        { unit: Unit::Time, scope: Scope::Push, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P50, absent: NO_DELIVERY }
    NotificationsDelayP99 = "notifications_delay_p99":
        "The same, 99th percentile."
        { unit: Unit::Time, scope: Scope::Push, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P99, absent: NO_DELIVERY }
    GatewayOverBudgetS = "gateway_over_budget_s":
        "Seconds of the phase in which the connections of the push gateway took more memory than its budget."
        { unit: Unit::Seconds, scope: Scope::Push, absent: NO_GATEWAY }
    AutoincWaitS = "autoinc_wait_s":
        "Seconds that statements spent waiting for the AUTO-INC lock, summed over shards."
        { unit: Unit::Seconds, compare: Compare::Ratio, absent: NO_DATABASE }
    RowLockWaitS = "row_lock_wait_s":
        "Seconds that statements spent waiting for row locks, summed over shards."
        { unit: Unit::Seconds, compare: Compare::Ratio, absent: NO_DATABASE }
    Deadlocks = "deadlocks":
        "Deadlocks found by the databases."
        { absent: NO_DATABASE }
    DatabaseCpu = "database_cpu":
        "CPU seconds of all database shards per second of the phase."
        { fold: Fold::PerSecond, compare: Compare::Ratio, absent: Some("where bmt did not start the databases") }
    ServerCpuPerRequest = "server_cpu_per_request":
        "CPU time of the server and of the databases for each request that was answered, whatever the answer."
        { unit: Unit::Time, fold: Fold::SumOverSum, compare: Compare::Ratio, absent: Some("where the target runs on another machine, or nothing was answered") }
    ServerMemoryMibMax = "server_memory_mib_max":
        "Largest resident size of the server's processes together, in MiB: its growth over a `soak` is judged with `relative_to_phase`."
        { fold: Fold::Largest, absent: Some("where the server's processes are not observed") }
    SeriesRate = "series_rate":
        "How much an observed counter grows, for each second that was observed; the sum of those that match."
        { unit: Unit::Rate, scope: Scope::Series, fold: Fold::PerSecond, compare: Compare::Ratio, absent: NO_COUNTER }
    SeriesMax = "series_max":
        "Largest reading of an observed gauge; the largest of those that match."
        { unit: Unit::Own, scope: Scope::Series, fold: Fold::Largest, absent: NO_GAUGE }
    SeriesP50 = "series_p50":
        "Median of what an observed histogram counted in the phase, linear within its bucket as Prometheus's `histogram_quantile`; of the sum \
        of those that match."
        { unit: Unit::Own, scope: Scope::Series, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P50, absent: NO_HISTOGRAM }
    SeriesP90 = "series_p90":
        "The same, 90th percentile."
        { unit: Unit::Own, scope: Scope::Series, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P90, absent: NO_HISTOGRAM }
    SeriesP99 = "series_p99":
        "The same, 99th percentile."
        { unit: Unit::Own, scope: Scope::Series, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P99, absent: NO_HISTOGRAM }
    SeriesP999 = "series_p999":
        "The same, 99.9th percentile."
        { unit: Unit::Own, scope: Scope::Series, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P999, absent: NO_HISTOGRAM }
    FreshnessP50 = "freshness_p50":
        "Time from an event's intended send until a member has it: the median over all members and events."
        { unit: Unit::Time, scope: Scope::Members, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P50, absent: NO_MEMBERS }
    FreshnessP99 = "freshness_p99":
        "The same, 99th percentile."
        { unit: Unit::Time, scope: Scope::Members, fold: Fold::Merged, compare: Compare::Ratio, min_samples: P99, absent: NO_MEMBERS }
    FreshnessMissingShare = "freshness_missing_share":
        "Part of the pairs of an event and an online member in which the event never arrived; a lower bound where senders timed out."
        { unit: Unit::Share, scope: Scope::Members, fold: Fold::SumOverSum, absent: NO_MEMBERS }
    StaleMembersEnd = "stale_members_end":
        "Members that lack an event acknowledged `stale_after` ago, at the end of the phase; in `settle`, when all members have had time to \
        catch up."
        { scope: Scope::Members, fold: Fold::Last, absent: Some("where the run ended before the phase did") }
    FetchesPerEvent = "fetches_per_event":
        "Fetches that ended `ok` for each event that was acknowledged."
        { scope: Scope::Members, fold: Fold::SumOverSum, compare: Compare::Ratio, absent: NO_MEMBERS }
    BlastP99Ratio = "blast_p99_ratio":
        "p99 of `ok` answers during a fault over that before it: the worst of the shards that the fault is not done to."
        { unit: Unit::Ratio, scope: Scope::Fault, fold: Fold::Largest, compare: Compare::Ratio, min_samples: P99, absent: Some("where a shard has no `ok` answer before or during the fault") }
    BlastErrorRate = "blast_error_rate":
        "Part of the calls during a fault that did not end `ok`: the worst of the shards that the fault is not done to."
        { unit: Unit::Share, scope: Scope::Fault, fold: Fold::Largest, absent: Some("where no other shard was called") }
    FailFastS = "fail_fast_s":
        "Seconds from a fault's begin until calls to the sick shard are answered within 100 ms, whatever the answer."
        { unit: Unit::Seconds, scope: Scope::Fault, fold: Fold::Last, absent: Some("where that never happens during the fault") }
    RecoveredS = "recovered_s":
        "Seconds from a fault's end until the sick shard answers as before it; every shard, where the fault is done to none."
        { unit: Unit::Seconds, scope: Scope::Fault, fold: Fold::Last, absent: Some("where that never happens within the run") }
    AcknowledgedLost = "acknowledged_lost":
        "Writes of a cell with faults that were acknowledged and are not there afterwards."
        { scope: Scope::Fault, absent: Some("where the databases could not be queried") }
}

impl JsonSchema for Metric {
    fn schema_name() -> Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let choices = Self::ALL
            .iter()
            .map(|metric| json!({ "description": metric.doc(), "type": "string", "const": metric.name() }));
        json_schema!({
            "description": "A figure that a gate can judge.",
            "oneOf": choices.collect::<Vec<_>>(),
        })
    }
}
