//! The HTTP side: one file per route, and what all routes share.
//!
//! ```text
//! observe.rs     counts and times every request        admission/     the limit on requests in progress
//! attribute.rs   counts by chat, country and app
//! caller.rs      who is calling                        body.rs        the JSON body, bounded in size and time
//! deadline.rs    how long the caller waits             burn.rs        CPU burnt on purpose, for tests of a harness
//! refusal.rs     every response but success            names.rs       valid names of chats and members
//! create_chat.rs join.rs leave.rs count.rs send_event.rs fetch_events.rs health.rs ready.rs metrics_page.rs admin/
//! push.rs        the WebSocket of a member
//! ```

mod admin;
mod admission;
mod attribute;
mod body;
mod burn;
mod caller;
mod count;
mod create_chat;
mod deadline;
mod fetch_events;
mod health;
mod join;
mod leave;
mod metrics_page;
mod names;
mod observe;
mod push;
mod ready;
mod refusal;
mod send_event;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};
use tokio_util::task::TaskTracker;

use crate::auth::{FixedToken, TokenKey};
use crate::config::{Config, Live};
use crate::fan_out::FanOut;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::traffic::{Kind, Traffic};
use admission::Admission;
use attribute::Counted;
use refusal::Refusal;

/// State shared by the routes.
pub(crate) struct App {
    store: Arc<Store>,
    pub(crate) metrics: Metrics,
    admission: Admission,
    tokens: TokenKey,
    admin_token: FixedToken,
    live: Live,
    body_timeout: Duration,
    pub(crate) fan_out: FanOut,
    tasks: TaskTracker,
    traffic: Traffic,
}

type Shared = Arc<App>;

impl App {
    pub(crate) fn new(
        config: &Config,
        live: Live,
        store: Arc<Store>,
        fan_out: FanOut,
        metrics: Metrics,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            fan_out,
            store,
            traffic: Traffic::new(&config.settings.labels, metrics.traffic.clone()),
            metrics,
            admission: Admission::new(&config.settings.requests),
            tokens: TokenKey::new(config.secret.bytes()),
            admin_token: FixedToken::new(config.admin_token.bytes()),
            live,
            body_timeout: config.body_timeout.get(),
            tasks,
        }
    }
}

/// The public API. Outermost first: metrics, then (for `/v1`) admission, then burning CPU (for tests),
/// then (for some) attribution to the chat, then the route.
pub(crate) fn public(app: Shared) -> Router {
    let counted = |kind| {
        let app = Arc::clone(&app);
        from_fn_with_state(Counted { app, kind }, attribute::attribute)
    };
    let events = get(fetch_events::fetch_events)
        .layer(counted(Kind::Fetch))
        .merge(post(send_event::send_event).layer(counted(Kind::Send)));
    let limited = Router::new()
        .route("/v1/chats", post(create_chat::create_chat))
        .route("/v1/chats/{id}/members", post(join::join).layer(counted(Kind::Join)))
        .route("/v1/chats/{id}/members/{user_id}", delete(leave::leave))
        .route("/v1/chats/{id}/members/count", get(count::count))
        .route("/v1/chats/{id}/events", events)
        .route("/v1/push", get(push::push))
        .route_layer(from_fn_with_state(Arc::clone(&app), burn::burn))
        .route_layer(from_fn_with_state(Arc::clone(&app), admission::admit));
    let unlimited = Router::new()
        .route("/healthz", get(health::health))
        .route("/readyz", get(ready::ready))
        .route("/metrics", get(metrics_page::metrics_page));
    limited
        .merge(unlimited)
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_route)
        .layer(from_fn_with_state(Arc::clone(&app), observe::observe))
        .with_state(app)
}

/// The admin API, behind its own token.
pub(crate) fn admin(app: Shared) -> Router {
    Router::new()
        .route(
            "/admin/settings",
            get(admin::settings::settings).patch(admin::settings::patch),
        )
        .route(
            "/admin/settings/revision",
            get(admin::settings_revision::settings_revision),
        )
        .route("/admin/publish", put(admin::publish::publish))
        .route("/admin/notifications", get(admin::notifications::notifications))
        .route("/admin/hot-chats", get(admin::hot_chats::hot_chats))
        .route("/admin/chats/{id}/members", post(admin::load_members::load_members))
        .route("/admin/chats/{id}/audit", get(admin::audit::audit))
        .route("/admin/missing", post(admin::missing::missing))
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown_route)
        .layer(from_fn_with_state(Arc::clone(&app), admin::check_token))
        .layer(from_fn(admin::detached))
        .with_state(app)
}

async fn wrong_method() -> Refusal {
    Refusal::method_not_allowed()
}

async fn unknown_route() -> Refusal {
    Refusal::not_found("no such route")
}
