//! Reads the books of the push component after a cell, before its target is stopped.
//!
//! Whatever the load did to it, everything that was enqueued must be delivered, dropped, unknown, or still waiting. All
//! figures of one answer are from one moment, so the sum has to hold in each. The server is asked until nothing more is
//! under way, for a while, so that the last notifications have their end as well. The gateway is asked afterwards: what
//! the component says is delivered, the gateway must have taken by then.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::observe::GatewaySample;
use crate::provision::Target;
use crate::record::{NotificationBooks, NotificationCounts};

/// How long it is waited until nothing more is under way: a queue that overflowed may take minutes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// What the server answers.
#[derive(Debug, Clone, Deserialize)]
struct Said {
    lag_records: u64,
    roles: BTreeMap<String, NotificationCounts>,
}

impl Said {
    fn is_settled(&self) -> bool {
        let is_idle = |role: &NotificationCounts| role.queued + role.in_flight == 0;
        self.lag_records == 0 && self.roles.values().all(is_idle)
    }
}

/// The books; `None` where the server has no push component, or is not known well enough to ask it.
pub(super) async fn books(target: &Target) -> Option<NotificationBooks> {
    let notifies = |settings: &crate::workload::Settings| settings.get("notify").is_some_and(|notify| notify != "none");
    target.settings.as_ref().filter(|settings| notifies(settings))?;
    let said = match settled(target).await {
        Ok(said) => said,
        Err(problem) => {
            return Some(NotificationBooks {
                problem: Some(problem),
                ..NotificationBooks::default()
            });
        }
    };
    let answers = match &target.watched.gateway_url {
        Some(url) => GatewaySample::read(url).await.map(|gateway| gateway.answers),
        None => None,
    };
    Some(NotificationBooks {
        roles: said.roles,
        lag_records: said.lag_records,
        answers,
        problem: None,
    })
}

/// What the server said last: when nothing more was under way, or when patience was over.
async fn settled(target: &Target) -> Result<Said, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = match target.admin() {
            Ok(admin) => admin.notifications().await,
            Err(problem) => Err(problem),
        };
        let said = answer.and_then(|said| {
            let read: Result<Said, _> = serde_json::from_value(said);
            read.map_err(|error| format!("the answer is no account of notifications: {error}"))
        });
        let is_over = Instant::now() + PAUSE > until;
        match said {
            Ok(said) if said.is_settled() || is_over => return Ok(said),
            Err(problem) if is_over => return Err(problem),
            Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_answers_is_read_and_is_settled_once_nothing_waits() {
        let answer = |queued: u64, lag_records: u64| {
            serde_json::json!({
                "balanced": true, "lag_records": lag_records,
                "roles": {"message": {
                    "enqueued": 12, "delivered": 7, "dropped": {"full": 3, "breaker": 0}, "unknown": 2, "queued": queued,
                    "in_flight": 0,
                }},
                "connections": {"opened": 1, "closed": 0, "failed": 0, "open": 1, "open_peak": 1},
            })
        };
        let read = |queued, lag_records| -> Said { serde_json::from_value(answer(queued, lag_records)).unwrap() };
        assert!(read(0, 0).is_settled());
        assert!(!read(1, 0).is_settled() && !read(0, 1).is_settled());
        assert_eq!(read(0, 0).roles["message"].accounted(), 12);
    }
}
