//! From the workload and the chats that were made for it to what the generator is to do.

use std::sync::Arc;

use crate::arrival::{Backoff, Schedule};
use crate::clock::nanos;
use crate::drive::{
    Board, Chat, Disconnect, FollowPlan, Limits, Plan, Post, RequestPlan, Retry, RetryPlan, Sends, Signer, Sources,
};
use crate::provision::{Populated, Target};
use crate::record::Outcome;
use crate::workload::{Injection, Operation, Retryable, Traffic, Workload};

/// A server that somebody else wrote may call anything a shard.
const SHARDS_MAX: usize = 64;

pub(super) fn plan(workload: &Workload, target: &Target, chats: &Populated, signer: Signer, seed: u64) -> Plan {
    let entries = workload.traffic.iter().map(|traffic| sends(workload, traffic, chats));
    let generator = workload.generator();
    let sources = Sources::new(
        target.address,
        generator.sources.clone(),
        generator.connections as usize,
    );
    Plan {
        requests: Arc::new(RequestPlan::new(
            &target.authority,
            &target.base_path,
            entries.collect(),
            signer,
        )),
        schedule: Schedule::new(&workload.profile, &workload.flows(), workload.file.arrivals, seed),
        profile: Arc::new(workload.profile.clone()),
        shards: shards(workload, chats),
        keeps_acknowledged: target.is_ours() && !workload.faults.is_empty(),
        limits: Limits {
            connections: generator.connections as usize,
            waiting: generator.waiting as usize,
            timeout: generator.timeout.0,
            idle: generator.idle.0,
        },
        workers: usize::from(generator.workers),
        follow: follow(workload, chats, &sources, seed).map(Arc::new),
        retries: retries(workload, seed).map(Arc::new),
        sources,
    }
}

/// Shards that are told apart on the time axis: none where nothing is broken or changed.
fn shards(workload: &Workload, chats: &Populated) -> usize {
    if workload.faults.is_empty() && workload.changes.is_empty() {
        return 0;
    }
    let shards = chats.iter().flatten().filter_map(|chat| chat.shard);
    shards
        .map(|shard| usize::from(shard) + 1)
        .filter(|shards| *shards <= SHARDS_MAX)
        .max()
        .unwrap_or(0)
}

fn chats_of(traffic: &Traffic, chats: &Populated) -> Vec<Chat> {
    traffic.group.map(|group| chats[group].clone()).unwrap_or_default()
}

fn sends(workload: &Workload, traffic: &Traffic, chats: &Populated) -> Sends {
    let group = chats_of(traffic, chats);
    let post = |chats: Vec<Chat>| Post {
        chats,
        members: traffic.group.map_or(0, |group| workload.chats[group].members),
        is_followed: workload.is_followed(traffic),
    };
    match &traffic.operation {
        Operation::Join => Sends::Join(group),
        Operation::Count => Sends::Count(group),
        Operation::Send => Sends::Send(post(group)),
        Operation::Fetch => Sends::Fetch(post(group)),
        Operation::Follow(_) => Sends::Follow(group),
        Operation::Get { path } => Sends::Get(path.clone()),
    }
}

fn follow(workload: &Workload, chats: &Populated, sources: &Sources, seed: u64) -> Option<FollowPlan> {
    let (entry, follow) = workload.follow()?;
    let chats = chats_of(&workload.traffic[entry], chats);
    let stale_after_ns = nanos(follow.stale_after.0);
    let disconnects = workload.faults.iter().filter_map(|fault| match fault.inject {
        Injection::DisconnectMembers(share) => Some(Disconnect {
            at_ns: nanos(fault.at),
            until_ns: nanos(fault.until),
            share: share.0,
        }),
        _ => None,
    });
    Some(FollowPlan {
        entry,
        board: Arc::new(Board::new(chats.len(), stale_after_ns)),
        chats,
        online: follow.online as usize,
        connect_rate: follow.connect.0,
        delay_ns: nanos(follow.delay.0),
        poll_ns: nanos(follow.poll.0),
        limit: follow.limit,
        disconnects: disconnects.collect(),
        sources: sources.clone(),
        seed,
    })
}

/// `None` where no entry retries.
fn retries(workload: &Workload, seed: u64) -> Option<RetryPlan> {
    let entries: Vec<Option<Retry>> = workload.traffic.iter().map(|entry| retry(workload, entry)).collect();
    entries.iter().any(Option::is_some).then_some(RetryPlan {
        entries,
        waiting: workload.generator().retries as usize,
        seed,
    })
}

fn retry(workload: &Workload, traffic: &Traffic) -> Option<Retry> {
    let retry = traffic.retry.as_ref()?;
    let outcomes = |on: &Retryable| match on {
        Retryable::Throttled => vec![Outcome::Throttled],
        Retryable::Shed => vec![Outcome::Shed],
        Retryable::Timeout => vec![Outcome::Timeout],
        // To the caller there was no connection, whichever way.
        Retryable::ConnectError => vec![Outcome::ConnectError, Outcome::NotAccepted],
        Retryable::ServerError => vec![Outcome::ServerError],
    };
    Some(Retry {
        backoff: Backoff {
            attempts: retry.attempts,
            initial: retry.backoff.0,
            multiplier: retry.multiplier,
            max: retry.backoff_max.0,
            jitter: retry.jitter,
        },
        on: retry.on.iter().flat_map(outcomes).collect(),
        conflict_is_done: traffic.operation == Operation::Join,
        until_ns: nanos(workload.retry_until(retry)),
    })
}
