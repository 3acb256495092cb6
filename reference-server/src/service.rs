//! Wires everything together: checks and opens the shards, listens, reports readiness, and drains when asked to stop.

use std::io::Write;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{self, Config, ConfigFile, Live, Notify};
use crate::fan_out::FanOut;
use crate::http::{self, App};
use crate::listen::{self, Limits};
use crate::metrics::Metrics;
use crate::stop::StopSignal;
use crate::store::Store;

/// Serves until SIGTERM or SIGINT, then drains.
pub(crate) async fn run(file: ConfigFile) -> anyhow::Result<()> {
    let config = file.config.clone();
    let mut stop = StopSignal::install().context("failed to listen for signals")?;
    let mut metrics = Metrics::new();
    if config.redis.is_some() {
        metrics.show_redis();
    }
    if config.settings.requests.policy.has_priorities() {
        metrics.show_level();
    }
    if config.settings.notify != Notify::None {
        metrics.show_notify();
    }
    let live = settings_in_force(&config, &metrics);
    let opened = tokio::select! {
        opened = Store::open(&config, live.clone(), &metrics) => opened,
        () = stop.received() => return Ok(()),
    };
    let store = Arc::new(opened?);
    let tasks = TaskTracker::new();
    let token = CancellationToken::new();
    let fan_out = FanOut::new(&config, live.clone(), &store, &metrics, &tasks, &token).await?;
    fan_out.role.start().await.context("failed to start publishing")?;
    let app = Arc::new(App::new(&config, live.clone(), store, fan_out, metrics, tasks.clone()));

    let public =
        listen::bind(config.listen).with_context(|| format!("failed to listen on {} (`listen`)", config.listen))?;
    let admin =
        listen::bind(config.admin).with_context(|| format!("failed to listen on {} (`admin`)", config.admin))?;
    let ready = ready_line(&public, &admin)?;
    let limits = Limits {
        connections: config.max_connections.get(),
        idle: config.idle_timeout.get(),
    };
    tasks.spawn(config::follow(file, live, token.clone()));
    let counted = Some(app.metrics.connections.clone());
    let routes = http::public(Arc::clone(&app));
    tasks.spawn(listen::serve(
        public,
        routes,
        limits,
        counted,
        token.clone(),
        tasks.clone(),
    ));
    tasks.spawn(listen::serve(
        admin,
        http::admin(Arc::clone(&app)),
        limits,
        None,
        token.clone(),
        tasks.clone(),
    ));
    writeln!(std::io::stdout(), "{ready}").context("failed to write to standard output")?;
    tracing::info!(%ready, settings = ?config.settings, "accepting requests");

    stop.received().await;
    let drain = config.settings.drain.get();
    tracing::info!(?drain, "draining");
    token.cancel();
    app.fan_out.hub.stop();
    tasks.close();
    if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
        tracing::warn!(
            left = tasks.len(),
            "stopped with work in progress after `settings.drain`"
        );
    }
    Ok(())
}

fn settings_in_force(config: &Config, metrics: &Metrics) -> Live {
    let (settings, redis) = (config.settings.clone(), config.redis.is_some());
    Live::new(settings, redis, SystemTime::now(), metrics.settings.clone())
}

fn ready_line(public: &tokio::net::TcpListener, admin: &tokio::net::TcpListener) -> anyhow::Result<String> {
    let (api, admin) = (public.local_addr()?.to_string(), admin.local_addr()?.to_string());
    Ok(serde_json::json!({ "ready": true, "api": api, "admin": admin }).to_string())
}
