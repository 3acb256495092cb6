//! `bmt check`: validates workloads, and says how long they take.

use std::fmt::Write as _;
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::output::{print, rejected};
use crate::arrival::Phase;
use crate::rehearse::preview;
use crate::workload::{self, LoadError, Overrides, Workload};

/// Checks every file, also after one that is not valid.
pub(super) fn check(check: &args::Check) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    for file in &check.workloads {
        match told(file, check) {
            Ok(told) => print(&format!("{}: valid\n{told}", file.display()))?,
            Err(error) => exit = rejected(&error),
        }
    }
    Ok(exit)
}

/// A line for each form of the workload that is asked for and exists, then the requests that are to be shown.
fn told(file: &Path, check: &args::Check) -> Result<String, LoadError> {
    let load = |quick| {
        let overrides = Overrides {
            quick,
            set: check.set.clone(),
            allow_files: check.allow_files,
            ..Overrides::default()
        };
        workload::load(file, &overrides)
    };
    let mut told = String::new();
    let quick = load(true)?;
    let shown = if check.quick { quick.clone() } else { load(false)? };
    if !check.quick {
        let _ = writeln!(told, "  full:  {}", length(&shown));
    }
    if check.quick || quick.has_quick {
        let _ = writeln!(told, "  quick: {}", length(&quick));
    }
    told.extend(preview(&shown, check.show));
    Ok(told)
}

fn length(workload: &Workload) -> String {
    let (variants, blocks) = (workload.variants.len(), workload.file.repetitions);
    let seconds = workload.profile.end().as_secs_f64() * variants as f64 * f64::from(blocks);
    let seconds = seconds.round() as u64;
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let spare = match workload.file.spare_blocks {
        0 => String::new(),
        spare => format!(", and {spare} to spare"),
    };
    format!(
        "{variants} variant{} × {blocks} block{}, {}:{:02} of load{spare}; {}, about {} of recording",
        plural(variants),
        plural(blocks as usize),
        seconds / 60,
        seconds % 60,
        peak(workload),
        mib(seconds * bytes_a_second(workload)),
    )
}

/// The highest rate, and the connections that may be open at once.
fn peak(workload: &Workload) -> String {
    let flows = workload.flows();
    let highest = |phase: &Phase| {
        let flows = flows.iter().enumerate();
        flows
            .map(|(index, flow)| flow.rate_at(index, phase, phase.rate_max()))
            .sum::<f64>()
    };
    let rate = workload.profile.phases().iter().map(highest).fold(0.0, f64::max);
    let connections = workload.variants.iter().map(|variant| variant.reach.connections);
    let connections = connections.max().unwrap_or(0) as usize * workload.hosts.len().max(1);
    let held = match workload.online() {
        0 => String::new(),
        held => format!(" and {held} held"),
    };
    format!("up to {rate:.0}/s on at most {connections} connections{held}")
}

/// What a second of a cell takes in the recording, by experience: two kilobytes for each traffic entry as each worker
/// measured it, one for what is observed.
fn bytes_a_second(workload: &Workload) -> u64 {
    let measured = workload.traffic.len() as u64 * u64::from(workload.generator().workers);
    1_000 + 2_000 * measured
}

fn mib(bytes: u64) -> String {
    match bytes >> 20 {
        0 => "1 MiB".to_owned(),
        mib => format!("{mib} MiB"),
    }
}
