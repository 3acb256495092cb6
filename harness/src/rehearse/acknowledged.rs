//! After a cell with faults, before its target is stopped: is everything there that was acknowledged?
//!
//! Every write is asked for, not a sample of them: the promise is that none is lost. The server answers for some thousand writes a request from its
//! databases' rows. What seems to be missing is asked for a second time, since a transaction may be on its way.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::drive::message;
use crate::provision::{Admin, Target};
use crate::record::{Acknowledged, AcknowledgedResult, Joined, Sent};

/// A request's body may have 64 KiB.
const BODY_MAX: usize = 48 * 1024;
/// Most that one write takes of it, its chat included.
const WRITE_MAX: usize = 128;
/// A shard that was broken until the end gets so long to answer again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions about the same.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks for every write.
pub(super) async fn look_for(target: &Target, writes: &Acknowledged) -> AcknowledgedResult {
    let mut result = AcknowledgedResult {
        joins: writes.joined.len() as u64,
        messages: writes.sent.len() as u64,
        ..AcknowledgedResult::default()
    };
    let missing = match target.admin() {
        Ok(admin) => missing_twice(admin, writes).await,
        Err(problem) => Err(problem),
    };
    match missing {
        Ok(missing) => {
            result.lost_joins = Some(missing.joined.len() as u64);
            result.lost_messages = Some(missing.sent.len() as u64);
        }
        Err(problem) => result.problem = Some(problem),
    }
    result
}

async fn missing_twice(admin: &Admin, writes: &Acknowledged) -> Result<Acknowledged, String> {
    let until = Instant::now() + PATIENCE;
    let missing = missing(admin, writes, until).await?;
    if missing == Acknowledged::default() {
        return Ok(missing);
    }
    tokio::time::sleep(PAUSE).await;
    self::missing(admin, &missing, until).await
}

async fn missing(admin: &Admin, writes: &Acknowledged, until: Instant) -> Result<Acknowledged, String> {
    let mut missing = Acknowledged::default();
    for batch in batches(writes) {
        missing.merge(&missing_of(admin, &batch, until).await?);
    }
    Ok(missing)
}

/// Writes in an order in which those of a chat are together, cut into requests.
fn batches(writes: &Acknowledged) -> Vec<Acknowledged> {
    let mut sorted = writes.clone();
    sorted.joined.sort_unstable_by_key(|joined| (joined.chat, joined.user));
    sorted.sent.sort_unstable_by_key(|sent| (sent.chat, sent.revision));
    let each = BODY_MAX / WRITE_MAX;
    let joined = sorted.joined.chunks(each).map(|joined| Acknowledged {
        joined: joined.to_vec(),
        sent: Vec::new(),
    });
    let sent = sorted.sent.chunks(each).map(|sent| Acknowledged {
        joined: Vec::new(),
        sent: sent.to_vec(),
    });
    joined.chain(sent).collect()
}

/// The writes as the server is asked for them, by chat.
fn question(batch: &Acknowledged) -> Json {
    let mut chats: BTreeMap<u64, (Vec<u64>, Vec<&Sent>)> = BTreeMap::new();
    for Joined { chat, user } in &batch.joined {
        chats.entry(*chat).or_default().0.push(*user);
    }
    for sent in &batch.sent {
        chats.entry(sent.chat).or_default().1.push(sent);
    }
    let chats = chats.iter().map(|(chat, (users, sent))| {
        let events = sent
            .iter()
            .map(|sent| json!({ "revision": sent.revision, "body": message(sent.intended_ns) }));
        json!({ "chat_id": chat, "users": users, "events": events.collect::<Vec<_>>() })
    });
    json!({ "chats": chats.collect::<Vec<_>>() })
}

/// Asks until there is an answer.
async fn missing_of(admin: &Admin, batch: &Acknowledged, until: Instant) -> Result<Acknowledged, String> {
    let expected = question(batch);
    loop {
        match admin.missing(&expected).await {
            Ok(missing) => return Ok(missing),
            Err(problem) if Instant::now() + PAUSE > until => return Err(problem),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_write_is_asked_for_once_and_no_request_is_too_large() {
        let writes = Acknowledged {
            joined: (0..1000)
                .map(|user| Joined {
                    chat: user % 7,
                    user: (3 << 40) | user,
                })
                .collect(),
            sent: (0..1000)
                .map(|revision| Sent {
                    chat: u64::MAX,
                    revision,
                    intended_ns: u64::MAX,
                })
                .collect(),
        };
        let batches = batches(&writes);
        let mut all = Acknowledged::default();
        for batch in &batches {
            assert!(question(batch).to_string().len() <= BODY_MAX);
            all.merge(batch);
        }
        assert_eq!(all.sent, writes.sent);
        assert_eq!(all.joined.len(), 1000);
        let mut users: Vec<u64> = all.joined.iter().map(|joined| joined.user & 0xffff).collect();
        users.sort_unstable();
        assert!(users.into_iter().eq(0..1000));
    }
}
