//! Ends, in the database, work that no caller waits for any more.
//!
//! Closing a connection in mid-statement does not stop the statement: the database continues it, or keeps waiting for a
//! lock, and notices only when it tries to answer. So an abandoned call has its session killed, through a connection of
//! the shard's own that does nothing else (a busy pool could not lend one). This happens in the background and occupies
//! nobody's slot; a paused shard blocks this connection, not a request.
//!
//! Session numbers restart when a shard restarts, and a number from before could then belong to somebody else. So only
//! sessions younger than this connection are killed: the shard has not restarted since. When this connection was lost
//! and replaced, all older sessions of the pool are discarded as after any break, so that soon every session can be
//! killed again. Sessions that cannot be killed end by `max_statement_time`.
//!
//! Rejected: `KILL QUERY`, which ends one statement: the transaction, with its locks, would stay until the database
//! notices that the socket is closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, MySqlConnection};
use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::connect::Breaks;
use super::sql;

/// Longest wait for a kill or for a connection; a shard that takes longer counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause between attempts to connect.
const PAUSE: Duration = Duration::from_secs(1);
/// Maximum number of sessions waiting to be killed; further ones are only closed.
const QUEUE: usize = 1024;

/// A session on the shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) since: Instant,
}

/// Accepts the sessions of abandoned calls; dropping it ends its task.
pub(super) struct Cancel {
    queue: mpsc::Sender<Session>,
    cancelled: Counter,
    _task: AbortOnDropHandle<()>,
}

impl Cancel {
    /// `connection` is older than every session that it is to kill.
    pub(super) fn new(
        connection: MySqlConnection,
        options: MySqlConnectOptions,
        breaks: Arc<Breaks>,
        cancelled: Counter,
    ) -> Self {
        let (queue, sessions) = mpsc::channel(QUEUE);
        let killer = Killer {
            options,
            breaks,
            own: Some((connection, Instant::now())),
            again: Instant::now(),
        };
        Self {
            queue,
            cancelled,
            _task: AbortOnDropHandle::new(tokio::spawn(killer.run(sessions))),
        }
    }

    /// Counts the call and has its session killed.
    pub(super) fn kill(&self, session: Session) {
        self.cancelled.inc();
        if self.queue.try_send(session).is_err() {
            tracing::debug!(
                id = session.id,
                "too many sessions are waiting to be killed; this one is only closed"
            );
        }
    }
}

struct Killer {
    options: MySqlConnectOptions,
    breaks: Arc<Breaks>,
    /// The connection, and when it was opened.
    own: Option<(MySqlConnection, Instant)>,
    /// When to reconnect, while there is none.
    again: Instant,
}

impl Killer {
    async fn run(mut self, mut sessions: mpsc::Receiver<Session>) {
        loop {
            let until = self.again;
            let next = match &self.own {
                Some(_) => sessions.recv().await,
                None if until <= Instant::now() => {
                    self.connect().await;
                    continue;
                }
                None => match timeout_at(until.into(), sessions.recv()).await {
                    Ok(next) => next,
                    Err(_) => continue,
                },
            };
            let Some(session) = next else { return };
            self.kill(session).await;
        }
    }

    async fn connect(&mut self) {
        self.own = match timeout(PATIENCE, connect(&self.options)).await {
            Ok(Ok(connection)) => {
                let now = Instant::now();
                // Sessions opened between the loss and now are older than this connection, which would never kill them.
                self.breaks.note(now);
                Some((connection, now))
            }
            Ok(Err(_)) | Err(_) => None,
        };
        self.again = Instant::now() + PAUSE;
    }

    async fn kill(&mut self, session: Session) {
        let Some((own, since)) = &mut self.own else { return };
        if session.since <= *since {
            return;
        }
        match timeout(PATIENCE, sql::run(own, format!("KILL {}", session.id))).await {
            // A database error usually means that the session has already ended.
            Ok(Ok(_) | Err(sqlx::Error::Database(_))) => {}
            Ok(Err(_)) | Err(_) => {
                self.own = None;
                self.again = Instant::now() + PAUSE;
                self.breaks.note(Instant::now());
            }
        }
    }
}

/// A connection that may stay idle indefinitely.
pub(super) async fn connect(options: &MySqlConnectOptions) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    sql::run(&mut connection, "SET SESSION wait_timeout = 31536000".to_owned()).await?;
    Ok(connection)
}
