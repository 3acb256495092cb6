//! Errors of a shard, and what each database error number means here.

use std::time::Duration;

use sqlx::mysql::MySqlDatabaseError;

/// Why a call to a shard gave no result. If statements were sent, whether their effects were committed is unknown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Every connection of the pool stayed in use.
    #[error("no database connection within {waited:?} on shard {shard}")]
    NoConnection {
        shard: usize,
        waited: Duration,
        /// Ended by the request's deadline, before the pool's own limit.
        cut: bool,
    },
    /// The statements took too long.
    #[error("shard {shard} did not answer within {limit:?}")]
    Timeout {
        shard: usize,
        limit: Duration,
        /// Ended by the request's deadline, before the storage's own limit.
        cut: bool,
    },
    /// The shard is unreachable, or the connection broke.
    #[error("shard {shard} is unreachable: {cause}")]
    Unavailable { shard: usize, cause: String },
    /// Rolled back by deadlocks more often than retries are allowed.
    #[error("shard {shard} rolled the call back {attempts} times to resolve deadlocks")]
    Contended { shard: usize, attempts: u32 },
    /// Too many calls of this kind have failed or were slow.
    #[error("breaker open on shard {shard}: calls of kind {call} fail or are slow there; retry later")]
    BreakerOpen {
        shard: usize,
        call: &'static str,
        retry_after: Duration,
    },
    /// The shard's bulkhead is full.
    #[error("bulkhead full on shard {shard}: {why}; retry later")]
    BulkheadFull { shard: usize, why: String },
    /// The request's deadline passed before anything was sent to the shard.
    #[error("the request's deadline passed before shard {shard} was called")]
    Expired { shard: usize },
    /// The caller disconnected.
    #[error("the caller disconnected before shard {shard} answered")]
    Abandoned { shard: usize },
    /// A bug in this server.
    #[error("shard {shard} rejected a statement: {source}")]
    Internal { shard: usize, source: sqlx::Error },
}

impl StoreError {
    /// All labels in `storage_errors_total`.
    pub(crate) const KINDS: [&str; 9] = [
        "no_connection",
        "timeout",
        "unavailable",
        "contended",
        "breaker_open",
        "bulkhead_full",
        "expired",
        "abandoned",
        "internal",
    ];

    /// The label in `storage_errors_total`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::NoConnection { .. } => "no_connection",
            Self::Timeout { .. } => "timeout",
            Self::Unavailable { .. } => "unavailable",
            Self::Contended { .. } => "contended",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::BulkheadFull { .. } => "bulkhead_full",
            Self::Expired { .. } => "expired",
            Self::Abandoned { .. } => "abandoned",
            Self::Internal { .. } => "internal",
        }
    }
}

/// Which key a duplicate violates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    User,
    Name,
}

/// What a driver error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Duplicate(Key),
    /// The chat that a member's row refers to does not exist.
    NoParent,
    /// An event without a revision, because its sender is not a member.
    NoRevision,
    /// Rolled back by the server, wholly or for the last statement; a retry may succeed.
    RolledBack,
    /// `max_statement_time` ended the statement.
    StatementTimeout,
    /// The connection is no longer usable, or the server is shutting down.
    ConnectionLost,
    Other,
}

pub(crate) fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Database(error) => {
            let error = error.downcast_ref::<MySqlDatabaseError>();
            meaning_of(error.number(), error.message())
        }
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => Meaning::ConnectionLost,
        _ => Meaning::Other,
    }
}

fn meaning_of(number: u16, message: &str) -> Meaning {
    match number {
        // The caller controls the value in the message: only the text after the last "for key" is the key's name.
        1062 => match message.rsplit_once("for key ").map(|(_, key)| key) {
            Some(key) if key.contains("uq_members_user") => Meaning::Duplicate(Key::User),
            Some(key) if key.contains("uq_members_name") => Meaning::Duplicate(Key::Name),
            _ => Meaning::Other,
        },
        1048 if message.contains("'revision'") => Meaning::NoRevision,
        1452 => Meaning::NoParent,
        1205 | 1213 => Meaning::RolledBack,
        1969 | 3024 => Meaning::StatementTimeout,
        // Too many connections, shutdown in progress, host blocked, query or connection killed.
        1040 | 1053 | 1129 | 1203 | 1317 | 1927 => Meaning::ConnectionLost,
        _ => Meaning::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_violated_key_is_read_from_the_end_of_the_message() {
        let table = [
            (
                "Duplicate entry '1-7' for key 'uq_members_user'",
                Meaning::Duplicate(Key::User),
            ),
            (
                "Duplicate entry '1-x' for key 'members.uq_members_name'",
                Meaning::Duplicate(Key::Name),
            ),
            (
                "Duplicate entry '1-for key uq_members_user' for key 'uq_members_name'",
                Meaning::Duplicate(Key::Name),
            ),
            ("Duplicate entry '1' for key 'PRIMARY'", Meaning::Other),
        ];
        for (message, expected) in table {
            assert_eq!(meaning_of(1062, message), expected, "{message}");
        }
    }
}
