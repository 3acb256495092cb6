//! What the observer hands over: samples, and what taking them cost.
//!
//! A sample is one line of `observed.jsonl`. The line, the message between threads and what analysis reads back are
//! the same type, and nothing is lost on the way: a line parses to a sample that equals the one it was written from.
//! What was not observed is `None` in memory and `null` or absent in the file, never 0.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::gateway::GatewaySample;
use super::machine::MachineSample;
use super::metrics::ServerSample;
use super::processes::ProcessSample;
use super::scrape::SeriesSample;
use super::shards::ShardSample;

/// The schema of the samples that this version writes and reads.
pub const SAMPLE_SCHEMA: &str = "bmt.sample/1";

/// Names [`SAMPLE_SCHEMA`] in each line, and refuses lines of another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SampleSchema;

impl Serialize for SampleSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SAMPLE_SCHEMA)
    }
}

impl<'de> Deserialize<'de> for SampleSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = String::deserialize(deserializer)?;
        if found == SAMPLE_SCHEMA {
            return Ok(Self);
        }
        Err(D::Error::custom(format_args!(
            "the sample has schema `{found}`, and this version of bmt reads `{SAMPLE_SCHEMA}`; read it with the version that wrote it"
        )))
    }
}

/// What was seen at one moment. Every figure in it is finite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// [`SAMPLE_SCHEMA`].
    pub schema: SampleSchema,
    /// Seconds from the start of the cell.
    pub at_s: f64,
    /// By shard, in order, and behind them the databases that the workload names; `None` where one did not answer.
    pub shards: Vec<Option<ShardSample>>,
    /// The server's own figures, once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerSample>,
    /// The push gateway's, once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewaySample>,
    /// By process, once a second.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub processes: BTreeMap<String, ProcessSample>,
    /// TCP sockets of the processes that the workload names, by state, about once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<BTreeMap<String, u64>>,
    /// Series that the workload names, as often as it says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub series: BTreeMap<String, SeriesSample>,
    /// The whole machine, once a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineSample>,
}

impl Sample {
    /// A sample of `shards` databases in which nothing has been observed yet.
    #[must_use]
    pub fn empty(at_s: f64, shards: usize) -> Self {
        Self {
            at_s,
            shards: vec![None; shards],
            ..Self::default()
        }
    }
}

/// What observing cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// CPU of the observing thread, in nanoseconds.
    pub cpu_ns: u64,
    /// Queries sent to the shards.
    pub queries: u64,
    /// Time until they were answered, summed, in nanoseconds.
    pub query_time_ns: u64,
    /// CPU that the shards spent on answering, in nanoseconds; `None` where their threads cannot be seen.
    pub database_cpu_ns: Option<u64>,
    /// Samples that were taken and not handed over, because the receiver was behind.
    pub samples_dropped: u64,
    /// What could not be seen, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::observe::{
        Dials, HistogramSample, JoinSample, NotifySample, PushSample, RoleSample, ShardCounters, TargetCpu, Timed,
    };

    fn figure() -> impl Strategy<Value = f64> {
        prop_oneof![
            0.0..1e9,
            any::<f64>().prop_filter("finite", |figure| figure.is_finite())
        ]
    }

    fn counters() -> impl Strategy<Value = ShardCounters> {
        any::<[u64; 7]>().prop_map(|n| ShardCounters {
            table_lock_waits: n[0].is_multiple_of(2).then_some(n[0]),
            row_lock_waits: n[1],
            row_lock_wait_ms: n[2],
            deadlocks: Some(n[3]),
            statements: n[4],
            threads_running: n[5],
            threads_connected: n[6],
            dials: n[6].is_multiple_of(2).then_some(Dials {
                opened: n[4],
                failed: n[5],
                refused: n[6],
            }),
        })
    }

    fn shard() -> impl Strategy<Value = ShardSample> {
        (any::<[u64; 2]>(), option::of(counters())).prop_map(|(n, counters)| ShardSample {
            autoinc_waiters: n[0],
            query_cache_waiters: n[1],
            counters,
        })
    }

    fn push() -> impl Strategy<Value = PushSample> {
        let gauges = (any::<[Option<u64>; 4]>(), option::of(figure()));
        (any::<[u64; 10]>(), figure(), gauges).prop_map(|(n, detection_delay_s, (gauges, lag_s))| PushSample {
            members: gauges[0],
            sent: n[0],
            dropped: n[1],
            coalesced: n[2],
            trailing: n[3],
            disconnected_behind: n[4],
            lag_records: gauges[1],
            lag_s,
            bus_refused: n[5],
            marks_set: n[6],
            marks_expired: n[7],
            hot_chats: gauges[2],
            detections: n[8],
            detection_delay_s,
            redis_errors: n[9],
            settings_revision: gauges[3],
        })
    }

    fn joins() -> impl Strategy<Value = JoinSample> {
        (any::<[u64; 5]>(), option::of(figure())).prop_map(|(n, lag_s)| JoinSample {
            admitted: n[0],
            refused: n[1],
            open: n[2],
            closed: n[3],
            redis_calls: n[4],
            lag_s,
        })
    }

    fn counts() -> impl Strategy<Value = BTreeMap<String, u64>> {
        btree_map("[a-z_]{1,9}", any::<u64>(), 0..3)
    }

    fn timed() -> impl Strategy<Value = Timed> {
        (any::<u64>(), figure()).prop_map(|(count, sum_s)| Timed { count, sum_s })
    }

    fn role() -> impl Strategy<Value = RoleSample> {
        (any::<[u64; 5]>(), counts()).prop_map(|(n, dropped)| RoleSample {
            enqueued: n[0],
            delivered: n[1],
            dropped,
            unknown: n[2],
            queued: n[3],
            in_flight: n[4],
        })
    }

    fn notify() -> impl Strategy<Value = NotifySample> {
        let times = [timed().boxed(), timed().boxed(), timed().boxed(), timed().boxed()];
        let maps = (
            btree_map("[a-z_]{1,9}", role(), 0..3),
            btree_map(any::<u64>(), any::<u64>(), 0..4),
            counts(),
        );
        (any::<[u64; 7]>(), any::<[Option<u64>; 3]>(), times, maps).prop_map(|(n, gauges, times, maps)| {
            let (roles, delay_buckets, breakers) = maps;
            NotifySample {
                opened: n[0],
                closed: n[1],
                failed: n[2],
                open: gauges[0],
                open_peak: gauges[1],
                tcp: times[0],
                tls: times[1],
                requests: times[2],
                attempts: n[3],
                retries: n[4],
                roles,
                delay: times[3],
                delay_buckets,
                breakers,
                breaker_opened: n[5],
                events_failed: n[6],
                lag_records: gauges[2],
            }
        })
    }

    fn gateway() -> impl Strategy<Value = GatewaySample> {
        let seen = (any::<[u64; 3]>(), any::<[Option<u64>; 4]>());
        (seen, figure(), counts()).prop_map(|((n, gauges), over_budget_s, answers)| GatewaySample {
            accepted: n[0],
            refused: n[1],
            open: gauges[0],
            open_peak: gauges[1],
            memory_bytes: gauges[2],
            over_budget_s,
            requests: n[2],
            answers,
            in_progress: gauges[3],
        })
    }

    fn server() -> impl Strategy<Value = ServerSample> {
        let pool = (
            any::<[Option<u64>; 4]>(),
            figure(),
            btree_map(any::<u64>(), any::<u64>(), 0..4),
        );
        let parts = (push(), joins(), option::of(notify()));
        (any::<[u64; 2]>(), pool, parts).prop_map(|(n, (gauges, pool_wait_s, buckets), (push, joins, notify))| {
            ServerSample {
                connections_accepted: n[0],
                connections_open: gauges[0],
                connections_open_peak: gauges[1],
                pool_open: gauges[2],
                pool_in_use: gauges[3],
                pool_waits: n[1],
                pool_wait_s,
                pool_wait_buckets: buckets,
                push,
                joins,
                notify,
            }
        })
    }

    fn process() -> impl Strategy<Value = ProcessSample> {
        (any::<u32>(), figure(), any::<u64>()).prop_map(|(pid, cpu_s, rss_bytes)| ProcessSample {
            pid,
            cpu_s,
            rss_bytes,
        })
    }

    fn machine() -> impl Strategy<Value = MachineSample> {
        let target = prop_oneof![
            Just(TargetCpu::Elsewhere),
            Just(TargetCpu::Unknown),
            figure().prop_map(TargetCpu::UsedS)
        ];
        (any::<u32>(), [figure(), figure(), figure(), figure()], target).prop_map(|(cpus, s, target)| MachineSample {
            cpus,
            busy_s: s[0],
            softirq_s: s[1],
            steal_s: s[2],
            own_s: s[3],
            target,
        })
    }

    fn series() -> impl Strategy<Value = SeriesSample> {
        let histogram = (vec((figure(), figure()), 0..3), figure(), figure());
        prop_oneof![
            figure().prop_map(SeriesSample::Counter),
            figure().prop_map(SeriesSample::Gauge),
            histogram.prop_map(|(buckets, count, sum)| SeriesSample::Histogram(HistogramSample {
                buckets,
                count,
                sum
            })),
        ]
    }

    fn sample() -> impl Strategy<Value = Sample> {
        let programs = (option::of(server()), option::of(gateway()));
        let target = (programs, btree_map("[a-z ]{0,9}", process(), 0..3));
        let asked = (
            option::of(btree_map("[a-z_]{1,9}", any::<u64>(), 0..3)),
            btree_map("[a-z]{0,9}", series(), 0..3),
        );
        (
            figure(),
            vec(option::of(shard()), 0..4),
            target,
            asked,
            option::of(machine()),
        )
            .prop_map(
                |(at_s, shards, ((server, gateway), processes), (sockets, series), machine)| Sample {
                    schema: SampleSchema,
                    at_s,
                    shards,
                    server,
                    gateway,
                    processes,
                    sockets,
                    series,
                    machine,
                },
            )
    }

    proptest! {
        #[test]
        fn a_line_reads_back_as_the_sample_it_was_written_from(sample in sample()) {
            let line = serde_json::to_string(&sample).unwrap();
            prop_assert!(line.starts_with(r#"{"schema":"bmt.sample/1","#) && !line.contains('\n'), "{line}");
            prop_assert_eq!(serde_json::from_str::<Sample>(&line).unwrap(), sample);
        }

        #[test]
        fn what_observing_cost_reads_back_as_it_was(
            n in any::<[u64; 4]>(),
            database_cpu_ns in any::<Option<u64>>(),
            notes in vec(any::<String>(), 0..3),
        ) {
            let [cpu_ns, queries, query_time_ns, samples_dropped] = n;
            let cost = Cost { cpu_ns, queries, query_time_ns, database_cpu_ns, samples_dropped, notes };
            let text = serde_json::to_string(&cost).unwrap();
            prop_assert_eq!(serde_json::from_str::<Cost>(&text).unwrap(), cost);
        }
    }

    #[test]
    fn another_schema_an_unknown_field_and_no_schema_are_refused_by_name() {
        let refusal = |line: &str| serde_json::from_str::<Sample>(line).unwrap_err().to_string();
        let other = refusal(r#"{"schema":"bmt.sample/9","at_s":1.0,"shards":[]}"#);
        assert!(
            other.starts_with("the sample has schema `bmt.sample/9`, and this version of bmt reads `bmt.sample/1`"),
            "{other}"
        );
        let none = refusal(r#"{"at_s":1.0,"shards":[]}"#);
        assert!(none.starts_with("missing field `schema`"), "{none}");
        let unknown = refusal(r#"{"schema":"bmt.sample/1","at_s":1.0,"shards":[],"moon":1}"#);
        assert!(unknown.starts_with("unknown field `moon`"), "{unknown}");
    }

    #[test]
    fn what_was_not_observed_is_null_or_absent() {
        let line = serde_json::to_string(&Sample::empty(0.5, 2)).unwrap();
        assert_eq!(line, r#"{"schema":"bmt.sample/1","at_s":0.5,"shards":[null,null]}"#);
    }
}
