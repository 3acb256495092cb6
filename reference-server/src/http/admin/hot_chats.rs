//! `GET /admin/hot-chats?by=fetches|joins|sends|bytes&limit=10[&country=…][&app=…]`: the chats that cause the load now.
//!
//! ```text
//! {by, seconds, total, countries: {…}, apps: {…},
//!  chats: [{chat_id, at_least, at_most, per_second, countries: {…}, apps: {…}}]}
//! ```
//! All figures cover the last `seconds`. A chat's true figure lies between `at_least` and `at_most`. Chats are ordered
//! by `at_least`, and countries and apps add up to it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::super::Shared;
use super::super::refusal::Refusal;
use crate::traffic::Measure;

/// Maximum number of chats per answer.
const LIMIT_MAX: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default = "fetches")]
    by: Measure,
    #[serde(default = "ten")]
    limit: usize,
    country: Option<String>,
    app: Option<String>,
}

fn fetches() -> Measure {
    Measure::Fetches
}

fn ten() -> usize {
    10
}

#[derive(Serialize)]
struct HotChats<'a> {
    by: Measure,
    seconds: f64,
    total: u64,
    countries: BTreeMap<&'a str, u64>,
    apps: BTreeMap<&'a str, u64>,
    chats: Vec<Chat<'a>>,
}

#[derive(Serialize)]
struct Chat<'a> {
    chat_id: u64,
    at_least: u64,
    at_most: u64,
    per_second: f64,
    countries: BTreeMap<&'a str, u64>,
    apps: BTreeMap<&'a str, u64>,
}

pub(crate) async fn hot_chats(
    State(app): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = asked.map_err(|error| Refusal::malformed(error.body_text()))?;
    if !(1..=LIMIT_MAX).contains(&asked.limit) {
        let message = format!("limit is {}, expected 1 to {LIMIT_MAX}", asked.limit);
        return Err(Refusal::malformed(message));
    }
    let labels = app.traffic.labels();
    let selection = labels.select(asked.country.as_deref(), asked.app.as_deref());
    let selection = selection.map_err(|unknown| Refusal::malformed(unknown.to_string()))?;
    let leaders = app.traffic.leaders(asked.by, asked.limit, selection);
    let seconds = leaders.covers.as_secs_f64();
    let chats = leaders.chats.iter().map(|entry| {
        let (countries, apps) = labels.sums(&entry.by_cell);
        Chat {
            chat_id: entry.key,
            at_least: entry.at_least,
            at_most: entry.at_most,
            per_second: entry.at_least as f64 / seconds.max(f64::MIN_POSITIVE),
            countries,
            apps,
        }
    });
    let (countries, apps) = labels.sums(&leaders.totals);
    let answer = HotChats {
        by: asked.by,
        seconds,
        total: leaders.totals.iter().sum(),
        countries,
        apps,
        chats: chats.collect(),
    };
    Ok(Json(answer).into_response())
}
