//! Named series of a Redis: what it answers to `INFO`.
//!
//! Two figures decide how big a Redis has to be: commands a second, and memory. Both are in its `INFO`, with some
//! hundred others. Nothing but `INFO` is asked for, besides what a connection needs. One that does not answer, or
//! refuses the user, is no sample, and never the reason for a run to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError};

use super::address::Address;
use super::scrape::SeriesSample;

/// An answer that does not come within this time is none; nor is a connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// Fields that only grow; those that begin with `total_` do too, but for [`TOTALS_OF_NOW`]. Any other is a gauge.
const COUNTERS: [&str; 17] = [
    "evicted_clients",
    "evicted_keys",
    "evicted_scripts",
    "expired_keys",
    "keyspace_hits",
    "keyspace_misses",
    "rejected_connections",
    "unexpected_error_replies",
    "used_cpu_sys",
    "used_cpu_sys_children",
    "used_cpu_user",
    "used_cpu_user_children",
    "used_cpu_sys_main_thread",
    "used_cpu_user_main_thread",
    "sync_full",
    "sync_partial_ok",
    "sync_partial_err",
];

/// Totals of this moment, which go down as well.
const TOTALS_OF_NOW: [&str; 3] = [
    "total_system_memory",
    "total_blocking_keys",
    "total_blocking_keys_on_nokey",
];

/// A Redis, and which fields of its `INFO` are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct RedisInfo {
    /// The address.
    pub url: Address,
    /// How often it is asked.
    pub every: Duration,
    /// By the name that the result gives them: a field, or for a value within one `db0.keys`.
    pub series: Vec<(String, String)>,
}

impl RedisInfo {
    /// Whether the field only grows.
    #[must_use]
    pub fn is_counter(field: &str) -> bool {
        let is_total = field.starts_with("total_") && !TOTALS_OF_NOW.contains(&field);
        is_total || COUNTERS.contains(&field)
    }
}

/// Asks one Redis, again and again.
pub(super) struct Watch {
    wanted: RedisInfo,
    connection: Option<MultiplexedConnection>,
    asked: u64,
    /// How often there was no answer, and why the last time.
    failed: u64,
    problem: String,
    seen: BTreeSet<String>,
}

impl Watch {
    pub(super) fn new(wanted: &RedisInfo) -> Self {
        Self {
            wanted: wanted.clone(),
            connection: None,
            asked: 0,
            failed: 0,
            problem: String::new(),
            seen: BTreeSet::new(),
        }
    }

    pub(super) fn every(&self) -> Duration {
        self.wanted.every
    }

    /// The series that it has now; none where it does not answer.
    pub(super) async fn sample(&mut self) -> BTreeMap<String, SeriesSample> {
        self.asked += 1;
        let problem = match tokio::time::timeout(PATIENCE, self.info()).await {
            Ok(Ok(info)) => return self.take(&info),
            Ok(Err(error)) => words(&error),
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        self.connection = None;
        self.failed += 1;
        self.problem = problem;
        BTreeMap::new()
    }

    async fn info(&mut self) -> Result<String, RedisError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.wanted.url).await?),
        };
        redis::cmd("INFO").query_async(connection).await
    }

    fn take(&mut self, info: &str) -> BTreeMap<String, SeriesSample> {
        let figures = figures(info);
        let wanted = self.wanted.series.iter();
        let series = wanted.filter_map(|(name, field)| {
            let value = *figures.get(field.as_str())?;
            let sample = if RedisInfo::is_counter(field) {
                SeriesSample::Counter(value)
            } else {
                SeriesSample::Gauge(value)
            };
            Some((name.clone(), sample))
        });
        let series: BTreeMap<String, SeriesSample> = series.collect();
        self.seen.extend(series.keys().cloned());
        series
    }

    /// What could not be seen, in words.
    pub(super) fn notes(&self) -> Vec<String> {
        let url = &self.wanted.url;
        let mut notes = Vec::new();
        if self.failed > 0 {
            notes.push(format!(
                "observe.redis: {url} did not answer {} of {} times: {}",
                self.failed, self.asked, self.problem
            ));
        }
        if self.failed < self.asked {
            let unseen = self.wanted.series.iter().filter(|(name, _)| !self.seen.contains(name));
            notes.extend(unseen.map(|(name, field)| {
                format!("observe.redis: the INFO of {url} has no number `{field}`, so the series `{name}` is unknown")
            }));
        }
        notes
    }
}

async fn connect(url: &Address) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    Client::open(url.whole())?
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// Never with the address, which may hold a password.
fn words(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::AuthenticationFailed => "it refused the user or the password".to_owned(),
        ErrorKind::InvalidClientConfig => "this is no address of a Redis".to_owned(),
        _ if error.is_timeout() => format!("no answer within {PATIENCE:?}"),
        _ if error.is_connection_refusal() => "nobody accepts a connection there".to_owned(),
        _ => error
            .code()
            .map_or("the answer broke off, or is not of a Redis".to_owned(), |code| {
                format!("it answered {code}")
            }),
    }
}

/// The numbers of an `INFO`: lines `field:number`, and `field:name=number,name=number`.
fn figures(info: &str) -> BTreeMap<String, f64> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let mut figures = BTreeMap::new();
    for (field, value) in info.lines().filter_map(|line| line.split_once(':')) {
        if let Some(number) = number(value) {
            figures.insert(field.to_owned(), number);
        }
        for (name, value) in value.split(',').filter_map(|part| part.split_once('=')) {
            if let Some(number) = number(value) {
                figures.insert(format!("{field}.{name}"), number);
            }
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\nexecutable:/usr/bin/redis-server\r\n\r\n# Stats\r\n\
        total_commands_processed:1234\r\nkeyspace_hits:9\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n\
        mem_fragmentation_ratio:nan\r\ndb0:keys=12,expires=3,avg_ttl=0\r\n";

    fn watch(series: &[(&str, &str)]) -> Watch {
        let series = series
            .iter()
            .map(|(name, field)| ((*name).to_owned(), (*field).to_owned()));
        Watch::new(&RedisInfo {
            url: Address::new("redis://user:swordfish@127.0.0.1:1/"),
            every: Duration::from_secs(1),
            series: series.collect(),
        })
    }

    #[test]
    fn numbers_are_taken_and_words_are_not() {
        let figures = figures(INFO);
        let expected = [
            ("db0.avg_ttl", 0.0),
            ("db0.expires", 3.0),
            ("db0.keys", 12.0),
            ("keyspace_hits", 9.0),
            ("total_commands_processed", 1234.0),
            ("used_memory", 1_048_576.0),
        ];
        assert_eq!(
            figures,
            expected
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect()
        );
    }

    #[test]
    fn what_only_grows_is_a_counter_and_what_is_not_there_is_told() {
        let mut watch = watch(&[
            ("ops", "total_commands_processed"),
            ("hits", "keyspace_hits"),
            ("memory", "used_memory"),
            ("keys", "db0.keys"),
            ("version", "redis_version"),
        ]);
        watch.asked = 1;
        let expected = [
            ("hits", SeriesSample::Counter(9.0)),
            ("keys", SeriesSample::Gauge(12.0)),
            ("memory", SeriesSample::Gauge(1_048_576.0)),
            ("ops", SeriesSample::Counter(1234.0)),
        ];
        assert_eq!(
            watch.take(INFO),
            expected
                .map(|(name, sample)| (name.to_owned(), sample))
                .into_iter()
                .collect()
        );
        assert_eq!(
            watch.notes(),
            [
                "observe.redis: the INFO of redis://127.0.0.1:1/ has no number `redis_version`, so the series `version` is unknown"
            ]
        );
    }

    #[test]
    fn a_total_of_this_moment_is_no_counter() {
        for (field, is_counter) in [
            ("total_commands_processed", true),
            ("total_system_memory", false),
            ("used_cpu_user_main_thread", true),
            ("used_memory", false),
        ] {
            assert_eq!(RedisInfo::is_counter(field), is_counter, "{field}");
        }
    }

    #[tokio::test]
    async fn one_that_is_not_there_is_told_without_its_password() {
        let mut watch = watch(&[("memory", "used_memory")]);
        assert_eq!(watch.sample().await, BTreeMap::new());
        assert_eq!(
            watch.notes(),
            ["observe.redis: redis://127.0.0.1:1/ did not answer 1 of 1 times: nobody accepts a connection there"]
        );
    }
}
