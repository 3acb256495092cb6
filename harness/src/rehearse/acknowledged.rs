//! Looks for every acknowledged write after a cell with faults, before its target is stopped.
//!
//! All writes are looked for, not a sample: none may be lost. The server compares some thousand writes a request with
//! its database rows. Writes that seem to be missing are looked for a second time, since a transaction may still be
//! under way.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::provision::{Admin, Target};
use crate::record::{Acknowledged, AcknowledgedResult, Joined, Sent};
use crate::scenario::chat::message;

/// Largest body: the server accepts 64 KiB, less a margin.
const BODY_MAX: usize = 63 * 1024;
/// Most bytes of a chat besides its writes.
const CHAT_MAX: usize = 64;
/// Most bytes of a join: twenty digits and a comma.
const JOIN_MAX: usize = 21;
/// Most bytes of a message: `{"body":"at 18446744073709551615","revision":18446744073709551615},`.
const MESSAGE_MAX: usize = 67;
/// How long each request is repeated: a shard that was broken until the end needs time to recover.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks for every write.
pub(super) async fn look_for(target: &Target, writes: &Acknowledged) -> AcknowledgedResult {
    let mut result = unknown(writes, None);
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

/// The number of acknowledged writes, and why it is unknown whether they are there.
pub(super) fn unknown(writes: &Acknowledged, problem: Option<String>) -> AcknowledgedResult {
    AcknowledgedResult {
        joins: writes.joined.len() as u64,
        messages: writes.sent.len() as u64,
        problem,
        ..AcknowledgedResult::default()
    }
}

async fn missing_twice(admin: &Admin, writes: &Acknowledged) -> Result<Acknowledged, String> {
    let missing = missing(admin, writes).await?;
    if missing == Acknowledged::default() {
        return Ok(missing);
    }
    tokio::time::sleep(PAUSE).await;
    self::missing(admin, &missing).await
}

async fn missing(admin: &Admin, writes: &Acknowledged) -> Result<Acknowledged, String> {
    let mut missing = Acknowledged::default();
    for batch in batches(writes) {
        missing.merge(&missing_of(admin, &batch).await?);
    }
    Ok(missing)
}

/// The writes sorted by chat and cut into requests.
fn batches(writes: &Acknowledged) -> Vec<Acknowledged> {
    let mut sorted = writes.clone();
    sorted.joined.sort_unstable_by_key(|joined| (joined.chat, joined.user));
    sorted.sent.sort_unstable_by_key(|sent| (sent.chat, sent.revision));
    let (joined, sent) = (
        cut(&sorted.joined, JOIN_MAX, |joined| joined.chat),
        cut(&sorted.sent, MESSAGE_MAX, |sent| sent.chat),
    );
    let joined = joined.into_iter().map(|joined| Acknowledged {
        joined,
        ..Acknowledged::default()
    });
    let sent = sent.into_iter().map(|sent| Acknowledged {
        sent,
        ..Acknowledged::default()
    });
    joined.chain(sent).collect()
}

/// Pieces that fit into a request's body. Each write takes up to `each` bytes, and each chat [`CHAT_MAX`] once.
fn cut<T: Copy>(writes: &[T], each: usize, chat: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
    let mut pieces: Vec<Vec<T>> = Vec::new();
    let mut room = 0;
    for write in writes {
        let follows = pieces.last().and_then(|piece| piece.last());
        let is_other = follows.is_none_or(|before| chat(before) != chat(write));
        let wanted = each + if is_other { CHAT_MAX } else { 0 };
        if wanted > room {
            pieces.push(Vec::new());
            room = BODY_MAX - CHAT_MAX;
        }
        room = room.saturating_sub(wanted);
        if let Some(piece) = pieces.last_mut() {
            piece.push(*write);
        }
    }
    pieces
}

/// The body of the request: the writes by chat.
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

/// Repeats the request until it is answered. Each request has its own patience, so that a slow one does not use up
/// that of the next.
async fn missing_of(admin: &Admin, batch: &Acknowledged) -> Result<Acknowledged, String> {
    let expected = question(batch);
    let until = Instant::now() + PATIENCE;
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
    use std::cmp::Reverse;

    use super::*;

    #[test]
    fn every_write_is_looked_for_once_and_no_request_is_too_large() {
        // Numbers of the greatest length; first one write a chat, then many writes of one chat.
        let number = |n: u64| u64::MAX - n;
        let joined = (0..5000).map(|n| Joined {
            chat: number(n.min(2000)),
            user: number(n),
        });
        let sent = (0..5000).map(|n| Sent {
            chat: number(n.min(2000)),
            revision: number(n),
            intended_ns: number(n),
        });
        let writes = Acknowledged {
            joined: joined.collect(),
            sent: sent.collect(),
        };
        let batches = batches(&writes);
        let mut all = Acknowledged::default();
        for batch in &batches {
            let size = question(batch).to_string().len();
            assert!(size <= 64 * 1024, "{size}");
            all.merge(batch);
        }
        all.joined.sort_unstable_by_key(|joined| Reverse(joined.user));
        all.sent.sort_unstable_by_key(|sent| Reverse(sent.revision));
        assert_eq!(all, writes);
        assert!(batches.len() < 20, "{}", batches.len());
    }
}
