//! Waiting until a shard that was just started answers a query.

use std::time::{Duration, Instant};

use sqlx::{Connection, MySqlConnection};

use crate::{Child, SandboxError};

const RETRY: Duration = Duration::from_millis(15);
const ATTEMPT: Duration = Duration::from_secs(2);

/// Why a shard is not up.
pub(super) enum Failure {
    /// It lost the race for its port.
    Port,
    Other(SandboxError),
}

/// Returns the server's version as soon as it answers.
pub(super) async fn version(child: &mut Child, url: &str, within: Duration) -> Result<String, Failure> {
    let started = Instant::now();
    loop {
        let attempt = tokio::time::timeout(ATTEMPT, ask(url)).await;
        let last = match attempt {
            Ok(Ok(version)) => return Ok(version),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        if let Some(status) = child.try_wait().map_err(Failure::Other)? {
            let text = child.log_text();
            return Err(if text.contains("Address already in use") {
                Failure::Port
            } else {
                Failure::Other(child.died(status, remedy(&text)))
            });
        }
        if started.elapsed() >= within {
            return Err(Failure::Other(child.not_up(within, &last)));
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn ask(url: &str) -> Result<String, sqlx::Error> {
    let mut connection = MySqlConnection::connect(url).await?;
    let version = sqlx::query_scalar("SELECT VERSION()")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(version)
}

/// What to try, from what the log says.
fn remedy(log: &str) -> &'static str {
    let table = [
        ("No space left", "free some space or point TMPDIR at a larger disk"),
        ("Disk is full", "free some space or point TMPDIR at a larger disk"),
        ("Cannot allocate memory", "free some memory or start fewer shards"),
        ("Too many open files", "raise the limit of open files (ulimit -n)"),
        ("unknown option", "remove that option from the shard's extra options"),
        ("unknown variable", "remove that option from the shard's extra options"),
        (
            "Permission denied",
            "check the permissions of TMPDIR and of the server's AppArmor profile",
        ),
    ];
    let known = table.iter().find(|(sign, _)| log.contains(sign));
    known.map_or("correct what the log names, then try again", |(_, remedy)| remedy)
}
