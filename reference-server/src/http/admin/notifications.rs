//! `GET /admin/notifications`: what became of the notifications of each role, and the connections to the gateway.
//!
//! ```text
//! {balanced, lag_records, roles: {message: {enqueued, delivered, dropped: {full, …}, unknown, queued, in_flight}, …},
//!  connections: {opened, closed, failed, open, open_peak}}
//! ```
//! `enqueued = delivered + dropped + unknown + queued + in_flight` at every moment; `balanced` says so. Once
//! `lag_records` is 0, every event has been turned into its notifications.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::super::Shared;
use super::super::refusal::Refusal;
use crate::notify::{Account, Reason, Role};

#[derive(Serialize)]
pub(crate) struct Sums {
    balanced: bool,
    lag_records: u64,
    roles: BTreeMap<&'static str, OfRole>,
    connections: Connections,
}

#[derive(Serialize)]
struct OfRole {
    enqueued: u64,
    delivered: u64,
    dropped: BTreeMap<&'static str, u64>,
    unknown: u64,
    queued: u64,
    in_flight: u64,
}

#[derive(Serialize)]
struct Connections {
    opened: u64,
    closed: u64,
    failed: u64,
    open: u64,
    open_peak: u64,
}

pub(crate) async fn notifications(State(app): State<Shared>) -> Result<Json<Sums>, Refusal> {
    let Some(notifier) = &app.fan_out.notifier else {
        return Err(Refusal::not_found("nobody is notified: `settings.notify` is none"));
    };
    // First: what is looked at after this is in the accounts already.
    let lag_records = app.fan_out.role.unnoticed();
    let (accounts, counts) = notifier.sums();
    Ok(Json(Sums {
        balanced: accounts.iter().all(Account::is_balanced),
        lag_records,
        roles: Role::NAMES.into_iter().zip(accounts.iter().map(of_role)).collect(),
        connections: Connections {
            opened: counts.opened,
            closed: counts.closed,
            failed: counts.failed,
            open: counts.open,
            open_peak: counts.open_peak,
        },
    }))
}

fn of_role(account: &Account) -> OfRole {
    OfRole {
        enqueued: account.enqueued,
        delivered: account.delivered,
        dropped: Reason::NAMES.into_iter().zip(account.dropped).collect(),
        unknown: account.unknown,
        queued: account.queued,
        in_flight: account.in_flight,
    }
}
