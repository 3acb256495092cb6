//! What is observed besides what is driven, as it is written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};

use crate::workload::quantity::Span;
use crate::workload::secret::without_user;

/// What is observed while a cell runs, besides what bmt observes by itself. What is not there is `null` in the result,
/// and never the reason for a run to fail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ObserveFile {
    /// The processes of this machine that are the server, where bmt does not start it, with all that they start: their
    /// CPU, memory and sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessFile>,
    /// Pages of figures in the Prometheus text format.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prometheus: Vec<PrometheusFile>,
    /// Databases of a server that bmt does not start, MariaDB or MySQL: `mysql://USER:PASSWORD@HOST:PORT/NAME`, with
    /// `{{env.NAME}}` for what is secret. The user needs the privilege `PROCESS`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mysql: Vec<AddressFile>,
    /// Redis servers, and fields of their `INFO`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redis: Vec<RedisFile>,
}

/// How processes are named: by exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessFile {
    /// The number of a process.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pid: Option<u32>,
    /// The TCP port on which it listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<u16>,
    /// What the kernel calls it, or the name it was started by, without its folder; all that are called so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub name: Option<String>,
}

/// A page of figures in the Prometheus text format, and what is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrometheusFile {
    /// Where it is, such as `http://127.0.0.1:9100/metrics`; `{{env.NAME}}` for what is secret.
    pub url: AddressFile,
    /// The series that are wanted, by the name under which results report them and gates name them: each a name, and
    /// perhaps labels with the values that they must have, such as `pool_busy{pool="db"}`. Of a histogram the name
    /// without `_bucket`. Where several match, counters and histograms are summed, and of gauges the largest counts.
    #[schemars(length(min = 1))]
    pub series: BTreeMap<String, String>,
    /// How often the page is asked for, in tenths of a second; at most 1m.
    #[serde(default = "every_second")]
    pub every: Span,
}

/// A Redis, and what is wanted of its `INFO`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisFile {
    /// Where it is: `redis://USER:PASSWORD@HOST:PORT`, with `{{env.NAME}}` for what is secret.
    pub url: AddressFile,
    /// The series that are wanted, by the name under which results report them and gates name them: each a field of
    /// `INFO`, such as `used_memory`, or a value within one, such as `db0.keys`. Fields that only grow, such as
    /// `total_commands_processed`, are counters, all others gauges. If not given: `redis_commands`, `redis_memory`,
    /// `redis_clients`, `redis_hits`, `redis_misses` and `redis_evicted`.
    #[serde(default = "usual_series")]
    #[schemars(length(min = 1))]
    pub series: BTreeMap<String, String>,
    /// How often it is asked, in tenths of a second; at most 1m.
    #[serde(default = "every_second")]
    pub every: Span,
}

/// What decides how big a Redis has to be, and what shows that it is not big enough.
fn usual_series() -> BTreeMap<String, String> {
    let usual = [
        ("redis_commands", "total_commands_processed"),
        ("redis_memory", "used_memory"),
        ("redis_clients", "connected_clients"),
        ("redis_hits", "keyspace_hits"),
        ("redis_misses", "keyspace_misses"),
        ("redis_evicted", "evicted_keys"),
    ];
    usual.map(|(name, field)| (name.to_owned(), field.to_owned())).into()
}

fn every_second() -> Span {
    Span(Duration::from_secs(1))
}

/// An address that may hold a user and a password. Results have it without them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct AddressFile(pub String);

impl Serialize for AddressFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&without_user(&self.0))
    }
}

impl ObserveFile {
    /// Every named series with what it is of: a selector, or a field of `INFO`.
    pub fn series(&self) -> impl Iterator<Item = (&str, SeriesOf<'_>)> {
        let pages = self.prometheus.iter().flat_map(|page| &page.series);
        let redis = self.redis.iter().flat_map(|redis| &redis.series);
        let pages = pages.map(|(name, selector)| (name.as_str(), SeriesOf::Page(selector)));
        pages.chain(redis.map(|(name, field)| (name.as_str(), SeriesOf::Redis(field))))
    }
}

/// What a named series is of.
#[derive(Debug, Clone, Copy)]
pub enum SeriesOf<'a> {
    /// A page in the Prometheus text format: the selector.
    Page(&'a str),
    /// A Redis: the field of its `INFO`.
    Redis(&'a str),
}

impl JsonSchema for AddressFile {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}
