//! What a recording keeps of its workload: names and figures that analysis and reports need, whatever the keys of the
//! input are called.

use std::time::Duration;

use crate::arrival::Phase;
use crate::record::{
    Answer, BoundKind, FaultSnapshot, FollowSnapshot, GateSnapshot, GuardAction, GuardSnapshot, SeriesName, Snapshot,
    TrafficSnapshot, WebsocketSnapshot,
};
use crate::scenario::SeriesTable;
use crate::template::Websocket;
use crate::workload::{self, Bound, Gate, Guard, Inconclusive, Operation, Traffic, Variant, Work, Workload};

/// The workload with the variants that are to be run.
pub(super) fn of(workload: &Workload, variants: &[Variant], is_aa: bool) -> Snapshot {
    let gates = |gates: &[Gate]| {
        // A variant against itself has no gates: they compare others.
        if is_aa {
            Vec::new()
        } else {
            gates.iter().map(gate).collect()
        }
    };
    Snapshot {
        name: workload.file.name.clone(),
        question: workload.file.question.trim().to_owned(),
        phases: workload
            .profile
            .phases()
            .iter()
            .map(|phase| planned(workload, phase))
            .collect(),
        traffic: workload
            .traffic
            .iter()
            .flat_map(|entry| traffic(workload, entry))
            .collect(),
        hosts: workload.hosts.iter().map(|host| host.name.clone()).collect(),
        variants: variants.iter().map(|variant| variant.name.clone()).collect(),
        blocks: workload.file.repetitions,
        spare_blocks: workload.file.spare_blocks,
        faults: workload
            .faults
            .iter()
            .map(|fault| FaultSnapshot {
                kind: fault.inject.kind().to_owned(),
                shard: fault.inject.shard(),
                at_s: fault.at.as_secs_f64(),
                until_s: fault.until.as_secs_f64(),
            })
            .collect(),
        guards: workload.guards.iter().map(guard).collect(),
        gates: gates(&workload.gates),
        expectations: gates(&workload.expectations),
        connections: workload.generator().connections,
        waiting: workload.generator().waiting,
        series: workload.series().map(str::to_owned).collect(),
        workers: u32::from(workload.generator().workers),
        timeout_s: workload.generator().timeout.0.as_secs_f64(),
        source: serde_json::to_value(&workload.file).unwrap_or_default(),
    }
}

/// A phase, with the part of each entry of the snapshot in its mix: steps, which stand behind their session, have none.
fn planned(workload: &Workload, phase: &Phase) -> Phase {
    let parts = phase.mix.iter().zip(&workload.traffic);
    let parts = parts.flat_map(|(part, entry)| {
        let steps = entry.steps().iter().map(|_| 0.0);
        std::iter::once(*part).chain(steps)
    });
    Phase {
        mix: parts.collect(),
        ..phase.clone()
    }
}

/// An entry, and its steps behind it where it is a session: nothing of them is on the schedule.
fn traffic(workload: &Workload, entry: &Traffic) -> Vec<TrafficSnapshot> {
    let follow = match &entry.work {
        Work::Chat(Operation::Follow(follow)) => Some(FollowSnapshot {
            online: follow.online,
            chats: entry.group.map_or(0, |group| workload.chats[group].count),
        }),
        _ => None,
    };
    let whole = TrafficSnapshot {
        name: entry.name.clone(),
        operation: word(&entry.work).to_owned(),
        share: entry.flow.share,
        rate: entry.flow.rate + entry.websocket().map_or(0.0, Websocket::rate),
        retries: entry.retry.is_some(),
        follow,
        websocket: entry
            .websocket()
            .map(|websocket| WebsocketSnapshot { hold: websocket.hold }),
        steps: entry.steps().iter().map(|step| step.name.clone()).collect(),
    };
    let steps = entry.steps().iter().map(|step| TrafficSnapshot {
        name: entry.step_name(step),
        operation: step.ask.request.method.key().to_owned(),
        share: 0.0,
        rate: 0.0,
        retries: false,
        follow: None,
        websocket: None,
        steps: Vec::new(),
    });
    std::iter::once(whole).chain(steps).collect()
}

fn word(work: &Work) -> &'static str {
    match work {
        Work::Chat(Operation::Join) => "join",
        Work::Chat(Operation::Count) => "count",
        Work::Chat(Operation::Send) => "send",
        Work::Chat(Operation::Fetch) => "fetch",
        Work::Chat(Operation::Follow(_)) => "follow",
        Work::Chat(Operation::Get { .. }) => "get",
        Work::Http(ask) => ask.request.method.key(),
        Work::Session(_) => "session",
        Work::Websocket(_) => "websocket",
    }
}

fn bound(bound: &Bound) -> (BoundKind, f64) {
    match bound {
        Bound::AtMost(limit) => (BoundKind::AtMost, *limit),
        Bound::AtLeast(limit) => (BoundKind::AtLeast, *limit),
    }
}

fn guard(guard: &Guard) -> GuardSnapshot {
    GuardSnapshot {
        because: guard.because.clone(),
        metric: guard.figure.metric.name().to_owned(),
        operation: guard.figure.operation().map(str::to_owned),
        bound: bound(&guard.bound),
        over_s: guard.over_s,
        action: match guard.action {
            workload::GuardAction::BackOff => GuardAction::BackOff,
            workload::GuardAction::Hold => GuardAction::Hold,
            workload::GuardAction::Abort => GuardAction::Abort,
        },
        again_after_s: guard.again_after_s,
        base_rate: guard.base_rate,
    }
}

fn gate(gate: &Gate) -> GateSnapshot {
    GateSnapshot {
        because: gate.because.clone(),
        metric: gate.metric.name().to_owned(),
        operation: gate.operation.clone(),
        placement: gate.placement,
        series: gate.series.clone(),
        within_s: gate.within.as_ref().map(Duration::as_secs),
        fault: gate.fault,
        phases: gate.phases.clone(),
        variants: gate.variants.clone(),
        relative_to: gate.relative_to.clone(),
        relative_to_phase: gate.relative_to_phase.clone(),
        bounds: gate.bounds.iter().map(bound).collect(),
        inconclusive: gate.inconclusive.map(|counts_as| match counts_as {
            Inconclusive::Pass => Answer::Pass,
            Inconclusive::Fail => Answer::Fail,
        }),
    }
}

/// What is kept apart in a cell, by index; `placed` says whether it is known on which shard each chat lives.
pub(super) fn series(workload: &Workload, placed: bool) -> Vec<SeriesName> {
    // Steps stand behind their session in the snapshot, and behind all entries among the series.
    let place = |index: usize| index + workload.steps_before(index);
    let of_entries = workload.traffic.iter().enumerate().flat_map(|(index, traffic)| {
        let has_place = placed && traffic.group.is_some();
        SeriesTable::PLACEMENTS.map(|placement| SeriesName {
            entry: place(index),
            placement: has_place.then_some(placement),
        })
    });
    let of_steps = workload.traffic.iter().enumerate().flat_map(|(index, traffic)| {
        let steps = 1..=traffic.steps().len();
        steps.map(move |step| SeriesName {
            entry: place(index) + step,
            placement: None,
        })
    });
    of_entries.chain(of_steps).collect()
}
