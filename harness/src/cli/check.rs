//! `bmt check`: validates workloads, and says how long they take.

use std::fmt::Write as _;
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::output::{print, rejected};
use crate::workload::{self, LoadError, Overrides, Workload};

/// Checks every file, also after one that is not valid.
pub(super) fn check(check: &args::Check) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    for file in &check.workloads {
        match lengths(file, check) {
            Ok(lengths) => print(&format!("{}: valid\n{lengths}", file.display()))?,
            Err(error) => exit = rejected(&error),
        }
    }
    Ok(exit)
}

/// A line for each form of the workload that is asked for and exists.
fn lengths(file: &Path, check: &args::Check) -> Result<String, LoadError> {
    let load = |quick| {
        let overrides = Overrides {
            quick,
            set: check.set.clone(),
            ..Overrides::default()
        };
        workload::load(file, &overrides)
    };
    let mut lines = String::new();
    if !check.quick {
        let full = load(false)?;
        let _ = writeln!(lines, "  full:  {}", length(&full));
    }
    let quick = load(true)?;
    if check.quick || quick.has_quick {
        let _ = writeln!(lines, "  quick: {}", length(&quick));
    }
    Ok(lines)
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
