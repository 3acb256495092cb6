//! From the workload and the chats that were made for it to what the generator is to do.

use std::sync::Arc;

use super::plan::Planned;
use crate::arrival::{Backoff, Schedule, Thinning};
use crate::clock::nanos;
use crate::drive::{Cap, Capped, Limits, Plan, Retry, RetryPlan};
use crate::endpoint::Endpoint;
use crate::provision::{Populated, Target};
use crate::record::Outcome;
use crate::scenario::chat::{Board, Chat, ChatPlan, Disconnect, FollowPlan, Post, RequestPlan, Sends, Signer};
use crate::scenario::http::{Entry, HttpPlan, SessionEntry};
use crate::scenario::websocket::{self, WebsocketPlan};
use crate::scenario::{ScenarioPlan, SeriesTable};
use crate::transport::{Dial, Origin, Sources, Tls};
use crate::workload::{Injection, Operation, Reach, Retryable, Traffic, Variant, Work, Workload};

/// A server that somebody else wrote may call anything a shard.
const SHARDS_MAX: usize = 64;

pub(super) fn plan(workload: &Workload, planned: &Planned, target: &Target, chats: &Populated, signer: Signer) -> Plan {
    let (generator, reach, seed) = (workload.generator(), &planned.variant.reach, planned.seed);
    let (scenarios, owners) = scenarios(workload, planned, target, chats, signer);
    Plan {
        dials: dials(workload, reach, target),
        scenarios,
        owners,
        series: SeriesTable::step(workload.traffic.len(), workload.steps_before(workload.traffic.len())),
        schedule: Schedule::new(&workload.profile, &workload.flows(), workload.file.arrivals, seed),
        profile: Arc::new(workload.profile.clone()),
        shards: shards(workload, chats),
        limits: Limits {
            connections: reach.connections as usize,
            streams: reach.streams as usize,
            waiting: generator.waiting as usize,
            timeout: generator.timeout.0,
            idle: generator.idle.0,
        },
        workers: usize::from(generator.workers),
        retries: retries(workload, &planned.variant, seed).map(Arc::new),
        capped: (!workload.guards.is_empty()).then(|| capped(workload, seed)),
    }
}

/// What guards lower the rate by.
fn capped(workload: &Workload, seed: u64) -> Capped {
    let thinning = Thinning::new(&workload.profile, &workload.flows(), workload.file.arrivals, seed);
    Capped {
        cap: Cap::default(),
        thinning: Arc::new(thinning),
    }
}

/// How each host is reached, the first one first.
fn dials(workload: &Workload, reach: &Reach, target: &Target) -> Vec<Dial> {
    let dial = |endpoint: &Endpoint, tls: &Option<Tls>| Dial {
        sources: Sources::new(
            endpoint.clone(),
            workload.generator().sources.clone(),
            reach.connections as usize,
        ),
        tls: tls.clone(),
        http: target.http,
    };
    let others = target.others.iter().map(|host| dial(&host.endpoint, &host.tls));
    std::iter::once(dial(&target.endpoint, &target.tls))
        .chain(others)
        .collect()
}

/// What the traffic entries ask for, and of each which of the three scenarios it belongs to: chats, or else requests or
/// WebSocket connections that the workload describes.
fn scenarios(
    workload: &Workload,
    planned: &Planned,
    target: &Target,
    chats: &Populated,
    signer: Signer,
) -> (Vec<Arc<dyn ScenarioPlan>>, Arc<[usize]>) {
    let to = Origin::new(&target.authority, &target.base_path).over_tls(target.tls.is_some());
    let others = target.others.iter();
    let others = others.map(|host| Origin::new(&host.authority, &host.base_path).over_tls(host.tls.is_some()));
    let hosts = std::iter::once(to.clone()).chain(others).collect();
    let http = requests(workload, &planned.variant, hosts, planned.seed);
    let websocket = websockets(workload, &planned.variant, &to, planned.seed);
    let owner = |traffic: &Traffic| match traffic.work {
        Work::Chat(_) => 0,
        Work::Http(_) | Work::Session(_) => 1,
        Work::Websocket(_) => 2,
    };
    let owners = workload.traffic.iter().map(owner).collect();
    let sends = workload.traffic.iter().map(|traffic| sends(workload, traffic, chats));
    let chat = ChatPlan {
        requests: Arc::new(RequestPlan::new(to, sends.collect(), signer)),
        follow: follow(workload, chats, planned.seed).map(Arc::new),
        keeps_acknowledged: keeps_acknowledged(workload, target),
    };
    (vec![Arc::new(chat), Arc::new(http), Arc::new(websocket)], owners)
}

/// The WebSocket connections that the workload describes, in a block with this seed.
pub(super) fn websockets(workload: &Workload, variant: &Variant, to: &Origin, seed: u64) -> WebsocketPlan {
    // Members who are online hold the first connections.
    let mut next_number = workload.members_online() as usize;
    let mut entries = Vec::new();
    for (flow, traffic) in workload.traffic.iter().enumerate() {
        let Work::Websocket(websocket) = &traffic.work else {
            continue;
        };
        entries.push(Arc::new(websocket::Entry {
            flow,
            series: SeriesTable::series(flow, None),
            first_number: next_number,
            to: to.clone(),
            websocket: websocket.clone(),
            headers: variant.reach.headers.clone().into(),
            sources: Arc::clone(&workload.data),
            seed,
            until_ns: nanos(workload.offered_until()),
        }));
        next_number += websocket.hold as usize;
    }
    WebsocketPlan { entries }
}

/// The requests that the workload describes, in a block with this seed.
pub(super) fn requests(workload: &Workload, variant: &Variant, to: Arc<[Origin]>, seed: u64) -> HttpPlan {
    let entries = workload.traffic.iter().enumerate();
    let entry = |(index, traffic): (usize, &Traffic)| match &traffic.work {
        Work::Http(ask) => Some(Entry::Single(ask.clone())),
        Work::Session(session) => Some(Entry::Session(SessionEntry {
            session: session.clone(),
            first_series: SeriesTable::step(workload.traffic.len(), workload.steps_before(index)),
        })),
        Work::Chat(_) | Work::Websocket(_) => None,
    };
    HttpPlan {
        entries: entries.map(entry).collect(),
        headers: variant.reach.headers.clone().into(),
        sources: Arc::clone(&workload.data),
        to,
        seed,
    }
}

/// Whether acknowledged writes are kept, so that they can be looked for.
pub(super) fn keeps_acknowledged(workload: &Workload, target: &Target) -> bool {
    target.is_ours() && !workload.faults.is_empty()
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

/// What is asked of chats; `None` of an entry of the other scenario.
fn sends(workload: &Workload, traffic: &Traffic, chats: &Populated) -> Option<Sends> {
    let group = chats_of(traffic, chats);
    let post = |chats: Vec<Chat>| Post {
        chats,
        members: traffic.group.map_or(0, |group| workload.chats[group].members),
        is_followed: workload.is_followed(traffic),
    };
    let Work::Chat(operation) = &traffic.work else {
        return None;
    };
    match operation {
        Operation::Join => Some(Sends::Join(group)),
        Operation::Count => Some(Sends::Count(group)),
        Operation::Send => Some(Sends::Send(post(group))),
        Operation::Fetch => Some(Sends::Fetch(post(group))),
        Operation::Follow(_) => Some(Sends::Follow(group)),
        Operation::Get { .. } => None,
    }
}

fn follow(workload: &Workload, chats: &Populated, seed: u64) -> Option<FollowPlan> {
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
        seed,
    })
}

/// `None` where no entry retries.
fn retries(workload: &Workload, variant: &Variant, seed: u64) -> Option<RetryPlan> {
    let entries = workload.traffic.iter().map(|entry| retry(workload, variant, entry));
    let entries: Vec<Option<Retry>> = entries.collect();
    entries.iter().any(Option::is_some).then_some(RetryPlan {
        entries,
        waiting: workload.generator().retries as usize,
        seed,
    })
}

fn retry(workload: &Workload, variant: &Variant, traffic: &Traffic) -> Option<Retry> {
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
        conflict_is_done: traffic.work == Work::Chat(Operation::Join),
        until_ns: nanos(workload.retry_until(retry)),
        budget: variant.retry_budget.or(retry.budget.map(|budget| budget.0)),
    })
}
