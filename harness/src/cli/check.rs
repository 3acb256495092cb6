//! `bmt check`: validates workloads, and says how long they take.

use std::fmt::Write as _;
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::output::{print, rejected};
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
        "{variants} variant{} × {blocks} block{}, {}:{:02} of load{spare}",
        plural(variants),
        plural(blocks as usize),
        seconds / 60,
        seconds % 60
    )
}
