//! What a recording keeps of its workload: names and figures that analysis and reports need, whatever the keys of the
//! input are called.

use std::time::Duration;

use crate::record::{
    Answer, BoundKind, FaultSnapshot, FollowSnapshot, GateSnapshot, SeriesName, Snapshot, TrafficSnapshot,
};
use crate::workload::{Bound, Gate, Inconclusive, Operation, Traffic, Variant, Work, Workload};

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
        phases: workload.profile.phases().to_vec(),
        traffic: workload.traffic.iter().map(|entry| traffic(workload, entry)).collect(),
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
        gates: gates(&workload.gates),
        expectations: gates(&workload.expectations),
        connections: workload.generator().connections,
        waiting: workload.generator().waiting,
        workers: u32::from(workload.generator().workers),
        timeout_s: workload.generator().timeout.0.as_secs_f64(),
        source: serde_json::to_value(&workload.file).unwrap_or_default(),
    }
}

fn traffic(workload: &Workload, entry: &Traffic) -> TrafficSnapshot {
    let follow = match &entry.work {
        Work::Chat(Operation::Follow(follow)) => Some(FollowSnapshot {
            online: follow.online,
            chats: entry.group.map_or(0, |group| workload.chats[group].count),
        }),
        _ => None,
    };
    TrafficSnapshot {
        name: entry.name.clone(),
        operation: word(&entry.work).to_owned(),
        share: entry.flow.share,
        rate: entry.flow.rate,
        retries: entry.retry.is_some(),
        follow,
    }
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
    }
}

fn gate(gate: &Gate) -> GateSnapshot {
    let bound = |bound: &Bound| match bound {
        Bound::AtMost(limit) => (BoundKind::AtMost, *limit),
        Bound::AtLeast(limit) => (BoundKind::AtLeast, *limit),
    };
    GateSnapshot {
        because: gate.because.clone(),
        metric: gate.metric.name().to_owned(),
        operation: gate.operation.clone(),
        placement: gate.placement,
        within_s: gate.within.as_ref().map(Duration::as_secs),
        fault: gate.fault,
        phases: gate.phases.clone(),
        variants: gate.variants.clone(),
        relative_to: gate.relative_to.clone(),
        bounds: gate.bounds.iter().map(bound).collect(),
        inconclusive: gate.inconclusive.map(|counts_as| match counts_as {
            Inconclusive::Pass => Answer::Pass,
            Inconclusive::Fail => Answer::Fail,
        }),
    }
}

/// What is kept apart in a cell, by index; `placed` says whether it is known on which shard each chat lives.
pub(super) fn series(workload: &Workload, placed: bool) -> Vec<SeriesName> {
    let entries = workload.traffic.iter().enumerate();
    entries
        .flat_map(|(entry, traffic)| {
            let has_place = placed && traffic.group.is_some();
            crate::scenario::SeriesTable::PLACEMENTS.map(|placement| SeriesName {
                entry,
                placement: has_place.then_some(placement),
            })
        })
        .collect()
}
