//! Starts on a shard: checks its options against the settings, creates its tables.
//!
//! A comparison whose shards do not run as the settings say would be worse than none, so the server fails to start.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{Pool, QueueMode};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{Connection, MySqlConnection, SqlStr};

use super::cancel::{self, Cancel};
use super::connect::{self, Breaks, Connector};
use super::count::Count;
use super::insert::Insertion;
use super::isolation::Isolation;
use super::shard::{Limits, Shard};
use super::{Store, sql};
use crate::config::{Config, Durability, Live, MemberCount, Settings};
use crate::metrics::Metrics;

/// Longest wait for a shard at start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a shard cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("shard {shard} is unreachable: {source}; check its address in `shards` and that it is running")]
    Unreachable { shard: usize, source: sqlx::Error },
    #[error("shard {shard} did not answer within {PATIENCE:?}; check that it is running")]
    Silent { shard: usize },
    #[error(
        "shard {shard} runs with {option}={actual}, but `settings.{key}` requires {wanted}; restart the shard or change the setting"
    )]
    Mismatch {
        shard: usize,
        key: &'static str,
        option: &'static str,
        actual: i64,
        wanted: &'static str,
    },
    #[error(
        "shard {shard} has no query cache, but `settings.member_count` is query_cache; use MariaDB with query_cache_type=1 and query_cache_size>0"
    )]
    NoQueryCache { shard: usize },
    #[error(
        "shard {shard} holds {chats} chats counted by another policy than `settings.member_count`; start on an empty database or change the setting back"
    )]
    OtherCount { shard: usize, chats: u64 },
    #[error("failed to migrate shard {shard}: {source}; see migrations/")]
    Migration { shard: usize, source: MigrateError },
}

impl Store {
    /// Connects to all shards concurrently, checks and migrates them.
    pub(crate) async fn open(config: &Config, live: Live, metrics: &Metrics) -> Result<Self, OpenError> {
        let count = Count::new(config.settings.member_count);
        let shards = 0..config.shards.iter().count();
        let isolation = Arc::new(Isolation::new(
            live,
            shards.map(|shard| metrics.isolation(shard)).collect(),
        ));
        let parts = &Parts {
            settings: &config.settings,
            count,
            metrics,
            isolation,
        };
        let opening = config.shards.iter().enumerate().map(|(index, url)| async move {
            let opened = tokio::time::timeout(PATIENCE, open_shard(index, url, parts));
            opened.await.unwrap_or(Err(OpenError::Silent { shard: index }))
        });
        let shards = futures_util::future::try_join_all(opening).await?;
        let insertion = Insertion::new(config.settings.insert);
        Ok(Self {
            shards,
            insertion,
            count,
            next: AtomicUsize::new(0),
        })
    }
}

/// What opening every shard needs.
struct Parts<'a> {
    settings: &'a Settings,
    count: Count,
    metrics: &'a Metrics,
    isolation: Arc<Isolation>,
}

async fn open_shard(index: usize, url: &str, parts: &Parts<'_>) -> Result<Shard, OpenError> {
    let unreachable = |source| OpenError::Unreachable { shard: index, source };
    let options = connect::options(url).map_err(unreachable)?;
    let mut connection = MySqlConnection::connect_with(&options).await.map_err(unreachable)?;
    let mariadb = is_mariadb(&mut connection).await.map_err(unreachable)?;
    check_options(&mut connection, index, parts.settings).await?;
    migrate(&mut connection)
        .await
        .map_err(|source| OpenError::Migration { shard: index, source })?;
    let chats = other_counts(&mut connection, parts.count).await.map_err(unreachable)?;
    if chats > 0 {
        return Err(OpenError::OtherCount { shard: index, chats });
    }
    connection.close().await.map_err(unreachable)?;
    let canceller = cancel::connect(&options).await.map_err(unreachable)?;
    Ok(shard(index, options, mariadb, canceller, parts))
}

fn shard(
    index: usize,
    options: MySqlConnectOptions,
    mariadb: bool,
    canceller: MySqlConnection,
    parts: &Parts<'_>,
) -> Shard {
    let settings = parts.settings;
    let limits = Limits {
        acquire_timeout: settings.pool.acquire_timeout.get(),
        storage_timeout: settings.storage_timeout.get(),
        deadlock_retries: settings.deadlock_retries.get(),
    };
    let breaks = Breaks::new(Instant::now());
    let connector = Connector::new(options.clone(), connect::session(settings, mariadb), breaks.clone());
    let pool = Pool::builder(connector)
        .max_size(settings.pool.size.as_usize())
        .queue_mode(QueueMode::Lifo)
        .wait_timeout(Some(limits.acquire_timeout))
        .create_timeout(Some(limits.acquire_timeout))
        .runtime(Runtime::Tokio1)
        .build()
        .expect("a runtime is set, which is all that time-outs need");
    let cancelled = parts.isolation.cancelled(index);
    Shard {
        index,
        pool,
        cancel: Cancel::new(canceller, options.clone(), Arc::clone(&breaks), cancelled),
        options,
        breaks,
        limits,
        metrics: parts.metrics.shard(index),
        isolation: Arc::clone(&parts.isolation),
    }
}

async fn is_mariadb(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(connection).await?;
    Ok(version.contains("MariaDB"))
}

/// Reads one integer.
async fn ask(connection: &mut MySqlConnection, sql: &str) -> Result<i64, sqlx::Error> {
    let answer = sql::run_one(connection, sql.to_owned()).await?;
    Ok(answer.number()?.unwrap_or(0).cast_signed())
}

async fn check_options(connection: &mut MySqlConnection, shard: usize, settings: &Settings) -> Result<(), OpenError> {
    let unreachable = |source| OpenError::Unreachable { shard, source };
    let mode = ask(connection, "SELECT @@GLOBAL.innodb_autoinc_lock_mode")
        .await
        .map_err(unreachable)?;
    if mode != i64::from(settings.autoinc_lock_mode.get()) {
        let wanted = ["0", "1", "2"][settings.autoinc_lock_mode.as_usize()];
        let (key, option) = ("autoinc_lock_mode", "innodb_autoinc_lock_mode");
        return Err(OpenError::Mismatch {
            shard,
            key,
            option,
            actual: mode,
            wanted,
        });
    }
    let flush = ask(connection, "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit")
        .await
        .map_err(unreachable)?;
    let binlog = ask(connection, "SELECT @@GLOBAL.log_bin").await.map_err(unreachable)?;
    let sync = ask(connection, "SELECT @@GLOBAL.sync_binlog")
        .await
        .map_err(unreachable)?;
    let full = settings.durability == Durability::Full;
    let mismatch = |option, actual, wanted| OpenError::Mismatch {
        shard,
        key: "durability",
        option,
        actual,
        wanted,
    };
    let wanted = if full { "full (1)" } else { "relaxed (0 or 2)" };
    if full != (flush == 1) {
        return Err(mismatch("innodb_flush_log_at_trx_commit", flush, wanted));
    }
    if binlog != 0 && full != (sync == 1) {
        return Err(mismatch(
            "sync_binlog",
            sync,
            if full { "full (1)" } else { "relaxed (not 1)" },
        ));
    }
    if settings.member_count == MemberCount::QueryCache {
        let on = "SELECT @@GLOBAL.query_cache_size > 0 AND @@GLOBAL.query_cache_type = 'ON'";
        // MySQL 8 does not know the variables: no query cache.
        if ask(connection, on).await.unwrap_or(0) != 1 {
            return Err(OpenError::NoQueryCache { shard });
        }
    }
    Ok(())
}

/// Applies pending migrations; servers starting at the same time wait for each other.
///
/// With a lock of our own: the migrator waits with a negative time-out, which means for ever in `MySQL` and not at all
/// in `MariaDB`. The lock ends with the connection.
async fn migrate(connection: &mut MySqlConnection) -> Result<(), MigrateError> {
    let wait = PATIENCE.as_secs();
    let locked = ask(connection, &format!("SELECT GET_LOCK('hotchat migrations', {wait})")).await?;
    if locked != 1 {
        return Err(sqlx::Error::Protocol("another server is migrating this shard".to_owned()).into());
    }
    let chats = migration(1, "chats", include_str!("../../migrations/0001_chats.sql"));
    let events = migration(2, "events", include_str!("../../migrations/0002_events.sql"));
    let mut migrator = Migrator::with_migrations(vec![chats, events]);
    migrator.set_locking(false).run(connection).await
}

fn migration(version: i64, description: &'static str, sql: &'static str) -> Migration {
    let no_tx = true; // MySQL commits before each CREATE anyway
    let (description, sql) = (Cow::Borrowed(description), SqlStr::from_static(sql));
    Migration::new(version, description, MigrationType::Simple, sql, no_tx)
}

/// How many chats have a number of count rows other than this policy keeps.
async fn other_counts(connection: &mut MySqlConnection, count: Count) -> Result<u64, sqlx::Error> {
    let sql = format!(
        "SELECT COUNT(*) FROM chats c WHERE (SELECT COUNT(*) FROM member_counts m WHERE m.chat_id = c.id) <> {}",
        count.rows_per_chat()
    );
    Ok(sql::run_one(connection, sql).await?.number()?.unwrap_or(0))
}
