//! `GET /v1/push?chat_id=…&chat_id=…`: a WebSocket that announces which chats have new events.
//!
//! All rejections happen before the upgrade, with the usual status and body.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use tungstenite::handshake::server::create_response;

use super::Shared;
use super::caller::Caller;
use super::names::parse_id;
use super::refusal::Refusal;
use crate::auth::UserId;
use crate::deadline::Deadline;
use crate::metrics::OpenConnection;
use crate::push;

pub(crate) async fn push(
    State(app): State<Shared>,
    Caller(user): Caller,
    deadline: Deadline,
    request: Request,
) -> Result<Response, Refusal> {
    let (mut parts, _) = request.into_parts();
    let chats = chats(&parts, app.live.current().push.max_chats.as_usize())?;
    let upgrade = parts.extensions.remove::<OnUpgrade>();
    let open = parts.extensions.remove::<Arc<OpenConnection>>();
    let response = handshake(parts)?;
    let upgrade = upgrade.ok_or_else(|| not_a_web_socket("the connection cannot be upgraded"))?;
    check_membership(&app, &deadline, user, &chats).await?;
    let seated = app.fan_out.hub.seat(user.0, &chats);
    app.tasks.spawn(async move {
        push::listen(seated, upgrade).await;
        drop(open); // counts as open while the member is connected
    });
    Ok(response)
}

/// The requested chats, without duplicates.
fn chats(parts: &Parts, max: usize) -> Result<Vec<u64>, Refusal> {
    let mut chats = BTreeSet::new();
    for pair in parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let id = pair
            .strip_prefix("chat_id=")
            .ok_or_else(|| Refusal::malformed(format!("`{pair}` is not expected here, only chat_id=…")))?;
        chats.insert(parse_id(id)?);
        if chats.len() > max {
            return Err(Refusal::malformed(format!(
                "a connection may listen to at most {max} chats (`settings.push.max_chats`); open another"
            )));
        }
    }
    if chats.is_empty() {
        return Err(Refusal::malformed("no chat given; expected ?chat_id=…&chat_id=…"));
    }
    Ok(chats.into_iter().collect())
}

/// The response that upgrades the connection.
fn handshake(parts: Parts) -> Result<Response, Refusal> {
    let request = axum::http::Request::from_parts(parts, ());
    let response = create_response(&request).map_err(|error| not_a_web_socket(&error.to_string()))?;
    Ok(response.map(|()| Body::empty()))
}

fn not_a_web_socket(why: &str) -> Refusal {
    Refusal::malformed(format!("this route requires a WebSocket handshake: {why}"))
}

async fn check_membership(app: &Shared, deadline: &Deadline, user: UserId, chats: &[u64]) -> Result<(), Refusal> {
    match app.store.not_a_member(deadline, chats, user.0).await? {
        None => Ok(()),
        Some(chat) => Err(Refusal::not_member(format!(
            "this user is not a member of chat {chat}; join it first"
        ))),
    }
}
