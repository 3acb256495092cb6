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

/// A request's body may have 64 KiB, of which a little is left.
const BODY_MAX: usize = 63 * 1024;
/// Most that a chat takes of it besides its writes.
const CHAT_MAX: usize = 64;
/// Most that a join takes: twenty digits and a comma.
const JOIN_MAX: usize = 21;
/// Most that a message takes: `{"body":"at 18446744073709551615","revision":18446744073709551615},`.
const MESSAGE_MAX: usize = 67;
/// Each request is repeated for so long: a shard that was broken until the end takes its time to answer again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions about the same.
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

/// What there is to look for, and why nobody knows whether it is there.
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

/// Writes in an order in which those of a chat are together, cut into requests.
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

/// Pieces that fit into a request's body; a write takes up to `each` bytes, and its chat once [`CHAT_MAX`].
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

/// Asks until there is an answer. The patience is each request's own: many writes need many requests, and the last is not to pay for the first.
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
    fn every_write_is_asked_for_once_and_no_request_is_too_large() {
        // As long as numbers can be; as many chats as writes, and then many writes of one chat.
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
