//! `hotchat push-gateway`: a process that stands for the vendors' push gateways.
//!
//! It accepts notifications and delivers them to nobody. What it imitates is what they cost: a connection takes CPU to
//! open and memory to keep, an answer takes its time, and when connections take more memory than there is, everything
//! becomes slow, as in a process whose heap is full. Every cost is a setting that can be changed while it runs.
//!
//! ```text
//! file.rs          the configuration file
//! settings.rs      what can be changed at run time
//! service_time.rs  how long an answer takes: constant, exponential, heavy-tailed (pure)
//! heap.rs          memory held against its budget, and what being over it costs (pure)
//! state.rs         the settings in force, the heap, the dice
//! tls.rs           its certificate, from files or made by itself
//! accept.rs        accepts connections: counts, bounds, burdens and serves them
//! answer.rs        one notification
//! admin.rs         settings and metrics
//! metrics.rs       what /metrics shows
//! ```

mod accept;
mod admin;
mod answer;
mod file;
mod heap;
mod metrics;
mod service_time;
mod settings;
mod state;
mod tls;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::listen::{self, Limits};
use crate::open_files;
use crate::stop::StopSignal;
use state::State;

pub(crate) use file::{GatewayFile, load};
pub(crate) use settings::schema;

/// How long requests in progress may take after SIGTERM.
const DRAIN: Duration = Duration::from_secs(1);

/// Limits of the admin API.
const ADMIN: Limits = Limits {
    connections: 100,
    idle: Duration::from_secs(60),
};

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(file: GatewayFile) -> anyhow::Result<()> {
    let mut stop = StopSignal::install().context("failed to listen for signals")?;
    open_files::raise();
    let tls = tls::acceptor(&file.tls)?;
    let state = Arc::new(State::new(&file));
    let listener =
        listen::bind(file.listen).with_context(|| format!("failed to listen on {} (`listen`)", file.listen))?;
    let admin = listen::bind(file.admin).with_context(|| format!("failed to listen on {} (`admin`)", file.admin))?;
    let (address, admin_address) = (listener.local_addr()?.to_string(), admin.local_addr()?.to_string());
    let ready = serde_json::json!({ "ready": true, "address": address, "admin": admin_address }).to_string();

    let (tasks, token) = (TaskTracker::new(), CancellationToken::new());
    let routes = admin::routes(&file, Arc::clone(&state));
    tasks.spawn(accept::serve(listener, tls, state, token.clone(), tasks.clone()));
    tasks.spawn(listen::serve(admin, routes, ADMIN, None, token.clone(), tasks.clone()));
    writeln!(std::io::stdout(), "{ready}").context("failed to write to standard output")?;
    tracing::info!(%ready, settings = ?file.settings, "accepting notifications");

    stop.received().await;
    token.cancel();
    tasks.close();
    // What is left is cut off, as it would be by a gateway that is replaced.
    let _drained = tokio::time::timeout(DRAIN, tasks.wait()).await;
    Ok(())
}
