//! The chats that a workload needs, made through the server's own API.
//!
//! All chats are made first, in parallel, then dealt to their places ([`placement`](super::placement)), and then get
//! their members.

use std::future::Future;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value as Json, json};

use super::admin::Admin;
use super::client::client;
use super::error::ProvisionError;
use super::placement::deal;
use super::target::Target;
use crate::metric::Placement;
use crate::scenario::chat::{Chat, FIRST_MEMBER, Signer};
use crate::workload::ChatGroup;

/// Requests under way at once.
const PARALLEL: usize = 16;
const PATIENCE: Duration = Duration::from_secs(60);

/// The chats of each group, in the workload's order.
pub type Populated = Vec<Vec<Chat>>;

/// Makes the chats of all groups, loads their members, and says where each lives as seen from the hot chat. Which chat
/// takes which place depends on `placement_seed` and on the ids that the server gives, not on timing.
///
/// # Errors
/// When the target refuses.
pub async fn populate(
    target: &Target,
    signer: &Signer,
    groups: &[ChatGroup],
    hot: Option<usize>,
    placement_seed: u64,
) -> Result<Populated, ProvisionError> {
    let client = client(target.endpoint.socket())
        .timeout(PATIENCE)
        .build()
        .map_err(|error| unprepared(target, &error))?;
    let caller = Caller {
        client,
        base: format!("http://{}{}", target.authority, target.base_path),
        bearer: signer.clone(),
        admin: target.admin.clone(),
    };
    let made = caller
        .groups(groups, placement_seed)
        .await
        .map_err(|reason| unprepared(target, &reason))?;
    let hot_shard = hot.and_then(|group| made[group].first()).and_then(|chat| chat.shard);
    Ok(made
        .into_iter()
        .map(|group| group.into_iter().map(|chat| chat.seen_from(hot_shard)).collect())
        .collect())
}

fn unprepared(target: &Target, reason: &impl ToString) -> ProvisionError {
    ProvisionError::Unprepared {
        target: target.authority.clone(),
        reason: reason.to_string(),
    }
}

#[derive(Debug, Clone, Copy)]
struct Made {
    id: u64,
    shard: Option<u64>,
}

impl Made {
    fn seen_from(self, hot_shard: Option<u64>) -> Chat {
        let placement = hot_shard.zip(self.shard).map(|(hot, own)| {
            if hot == own {
                Placement::HotShard
            } else {
                Placement::OtherShards
            }
        });
        Chat {
            id: self.id,
            placement,
            shard: self.shard.and_then(|shard| u16::try_from(shard).ok()),
        }
    }
}

#[derive(Debug, Clone)]
struct Caller {
    client: reqwest::Client,
    base: String,
    bearer: Signer,
    admin: Option<Admin>,
}

impl Caller {
    async fn groups(&self, groups: &[ChatGroup], seed: u64) -> Result<Vec<Vec<Made>>, String> {
        let sizes: Vec<usize> = groups.iter().map(|group| group.count as usize).collect();
        let made = in_parallel((0..sizes.iter().sum()).map(|number| self.chat(number))).await?;
        let dealt = deal(made, &sizes, seed, |chat| chat.id);
        let loads = groups.iter().zip(&dealt).filter(|(group, _)| group.members > 0);
        let loads = loads.flat_map(|(group, chats)| chats.iter().map(|chat| self.members(chat.id, group.members)));
        in_parallel(loads).await?;
        Ok(dealt)
    }

    async fn chat(&self, number: usize) -> Result<Made, String> {
        let created = self
            .post(
                format!("{}/v1/chats", self.base),
                self.bearer.bearer(1),
                json!({ "name": format!("chat {number}") }),
            )
            .await?;
        let id = created["chat_id"].as_u64();
        Ok(Made {
            id: id.ok_or_else(|| format!("no chat_id in {created}"))?,
            shard: created["shard"].as_u64(),
        })
    }

    async fn members(&self, chat: u64, count: u32) -> Result<(), String> {
        if let Some(admin) = &self.admin {
            let url = format!("{}/admin/chats/{chat}/members", admin.url);
            let body = json!({ "count": count, "first_user_id": FIRST_MEMBER });
            return self.post(url, format!("Bearer {}", admin.token), body).await.map(drop);
        }
        // Without the admin API every member has to join like anybody else.
        for user in FIRST_MEMBER..FIRST_MEMBER + u64::from(count) {
            let url = format!("{}/v1/chats/{chat}/members", self.base);
            let body = json!({ "name": format!("u{user}") });
            self.post(url, self.bearer.bearer(user), body).await?;
        }
        Ok(())
    }

    async fn post(&self, url: String, authorization: String, body: Json) -> Result<Json, String> {
        let request = self
            .client
            .post(&url)
            .header(reqwest::header::AUTHORIZATION, authorization)
            .json(&body);
        let answer = request.send().await.map_err(|error| format!("{url}: {error}"))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{url}: {error}"))?;
        if !status.is_success() {
            return Err(format!("{url} answered {status}: {text}"));
        }
        serde_json::from_str(&text).map_err(|_| format!("{url} answered {status} with no JSON: {text}"))
    }
}

/// Results in the order in which they come in.
async fn in_parallel<T>(
    requests: impl Iterator<Item = impl Future<Output = Result<T, String>>>,
) -> Result<Vec<T>, String> {
    stream::iter(requests).buffer_unordered(PARALLEL).try_collect().await
}

#[cfg(test)]
mod tests;
