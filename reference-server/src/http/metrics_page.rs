//! `GET /metrics`: the Prometheus page.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Shared;
use super::refusal::Refusal;
use crate::store::Shard;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) async fn metrics_page(State(app): State<Shared>) -> Result<impl IntoResponse, Refusal> {
    app.admission.scrape(&app.metrics.requests);
    app.metrics.bus.scrape(app.fan_out.role.lags());
    app.fan_out
        .joins
        .show_lag(app.fan_out.role.lags().map(|(_, lag)| lag.age));
    if let Some(notifier) = &app.fan_out.notifier {
        notifier.scrape(app.fan_out.role.unnoticed());
    }
    app.store.shards().iter().for_each(Shard::scrape);
    let open = app.store.shards().iter().map(Shard::open_connections);
    let page = app.metrics.page(open).map_err(|_| Refusal::internal())?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], page))
}
