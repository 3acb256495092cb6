//! The chats that a workload needs, made through the server's own API.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use super::{Admin, ProvisionError, Target};
use crate::drive::{Chat, FIRST_MEMBER, Signer};
use crate::workload::{ChatGroup, Placement};

/// Requests under way at once.
const PARALLEL: usize = 16;
const PATIENCE: Duration = Duration::from_secs(60);

/// The chats of each group, in the workload's order.
pub type Populated = Vec<Vec<Chat>>;

/// Makes the chats of all groups, loads their members, and says where each lives as seen from the hot chat.
///
/// # Errors
/// When the target refuses.
pub async fn populate(
    target: &Target,
    signer: &Signer,
    groups: &[ChatGroup],
    hot: Option<usize>,
) -> Result<Populated, ProvisionError> {
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .build()
        .map_err(|error| unprepared(target, &error))?;
    let caller = Caller {
        client,
        base: format!("http://{}", target.authority),
        bearer: signer.clone(),
        admin: target.admin.clone(),
    };
    let mut made: Vec<Vec<Made>> = Vec::new();
    for group in groups {
        made.push(
            caller
                .group(group)
                .await
                .map_err(|reason| unprepared(target, &reason))?,
        );
    }
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
    place: usize,
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
    async fn group(&self, group: &ChatGroup) -> Result<Vec<Made>, String> {
        let mut made = Vec::with_capacity(group.count as usize);
        let mut under_way = JoinSet::new();
        for place in 0..group.count as usize {
            if under_way.len() == PARALLEL {
                made.push(next(&mut under_way).await?);
            }
            let (caller, group) = (self.clone(), group.clone());
            under_way.spawn(async move { caller.chat(place, &group).await });
        }
        while !under_way.is_empty() {
            made.push(next(&mut under_way).await?);
        }
        made.sort_by_key(|chat| chat.place);
        Ok(made)
    }

    async fn chat(&self, place: usize, group: &ChatGroup) -> Result<Made, String> {
        let created = self
            .post(
                format!("{}/v1/chats", self.base),
                self.bearer.bearer(1),
                json!({ "name": format!("{} {place}", group.name) }),
            )
            .await?;
        let id = created["chat_id"]
            .as_u64()
            .ok_or_else(|| format!("no chat_id in {created}"))?;
        match &self.admin {
            _ if group.members == 0 => {}
            Some(admin) => {
                let url = format!("{}/admin/chats/{id}/members", admin.url);
                self.post(
                    url,
                    format!("Bearer {}", admin.token),
                    json!({ "count": group.members, "first_user_id": FIRST_MEMBER }),
                )
                .await?;
            }
            // Without the admin API every member has to join like anybody else.
            None => {
                for user in FIRST_MEMBER..FIRST_MEMBER + u64::from(group.members) {
                    self.post(
                        format!("{}/v1/chats/{id}/members", self.base),
                        self.bearer.bearer(user),
                        json!({ "name": format!("u{user}") }),
                    )
                    .await?;
                }
            }
        }
        Ok(Made {
            place,
            id,
            shard: created["shard"].as_u64(),
        })
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

async fn next(under_way: &mut JoinSet<Result<Made, String>>) -> Result<Made, String> {
    match under_way.join_next().await {
        Some(Ok(made)) => made,
        Some(Err(error)) => Err(error.to_string()),
        None => Err("nothing was under way".to_owned()),
    }
}
