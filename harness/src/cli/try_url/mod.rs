//! `bmt try`: what one address does when the rate jumps, for somebody who has read nothing.
//!
//! ```text
//! args.rs ──► address.rs     what was asked for, and whether that is this machine
//!    └──────► file.rs        the workload that it comes to, as `--save` writes it
//! ```

mod address;
mod args;
mod file;

use std::path::{Path, PathBuf};

pub(crate) use args::Try;

use super::exit::Exit;
use super::output::{Format, print};
use super::run::{command_line, perform, quoted};
use crate::rehearse::{Options, Outcome};
use crate::report;
use crate::workload::{self, Overrides};

/// Headers whose values are nobody's business.
const SECRET: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-api-key"];

/// Runs the workload that the command line comes to, and prints the ramp against the jump.
pub(super) fn try_url(wanted: &Try) -> anyhow::Result<Exit> {
    if let Err((exit, problem)) = may_be_loaded(wanted) {
        eprintln!("bmt: {problem}");
        return Ok(exit);
    }
    let text = file::text(wanted);
    let path = wanted.save.clone().unwrap_or_else(|| PathBuf::from("try.yaml"));
    // What is named on the command line may be anywhere.
    let overrides = Overrides {
        foreign: true,
        allow_files: true,
        ..Overrides::default()
    };
    let workload = match workload::parse(&path.display().to_string(), &text, &overrides) {
        Ok(workload) => workload,
        Err(mistakes) => {
            eprintln!("{mistakes}, which is what the command line comes to");
            return Ok(Exit::Usage);
        }
    };
    if let Some(save) = &wanted.save
        && let Err(problem) = write(save, &text)
    {
        eprintln!("bmt: --save {}: {problem}", save.display());
        return Ok(Exit::Usage);
    }
    warn_of_secrets(wanted);
    let options = Options {
        workload: path,
        out: wanted.out.clone(),
        command: command_line(),
        ..Options::default()
    };
    let outcome = match perform(&workload, &options)? {
        Ok(outcome) => outcome,
        Err(exit) => return Ok(exit),
    };
    match wanted.format {
        Format::Text => print(&format!(
            "{}{}",
            report::ramp_and_jump(&outcome.run),
            next(wanted, &outcome)
        ))?,
        Format::Json => print(&format!("{}\n", serde_json::to_string_pretty(&outcome.run)?))?,
    }
    eprintln!("report: {}", outcome.directory.join("report.md").display());
    Ok(outcome.run.verdict.into())
}

/// Load is put on this machine, or on one whose owner agrees.
fn may_be_loaded(wanted: &Try) -> Result<(), (Exit, String)> {
    let target = &wanted.url.target;
    match wanted.url.is_here() {
        Ok(true) => Ok(()),
        _ if wanted.yes => Ok(()),
        Ok(false) => Err((
            Exit::Usage,
            format!(
                "{} is not this machine, and {} may be too much for whoever else uses it; where it is yours, or its owner agrees, \
                 say so with --yes",
                target.host, wanted.rate
            ),
        )),
        Err(error) => Err((
            Exit::TargetLost,
            format!("cannot reach the target {target}: {error}; check the address"),
        )),
    }
}

/// Nothing that somebody wrote is lost.
fn write(path: &Path, text: &str) -> Result<(), String> {
    match std::fs::read_to_string(path) {
        Ok(there) if there == text => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::write(path, text).map_err(|error| format!("cannot write it: {error}; name another file"))
        }
        _ => Err("it is there already, and something else; name another file".to_owned()),
    }
}

fn warn_of_secrets(wanted: &Try) {
    let is_secret = |name: &str| SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret));
    for (name, value) in &wanted.headers {
        if is_secret(name) && !value.contains("{{") {
            eprintln!(
                "note: the value of {name} will be in {}; --header '{name}: {{{{env.TOKEN}}}}' keeps it out",
                wanted.out.display()
            );
        }
    }
}

/// What to do next.
fn next(wanted: &Try, outcome: &Outcome) -> String {
    let file = wanted.save.as_deref().unwrap_or(Path::new("mine.yaml"));
    let file = quoted(&file.display().to_string());
    let same = match &wanted.save {
        Some(_) => format!("the same, to keep and to change: {file}"),
        None => format!(
            "the same again, to keep and to change: {} --save {file}",
            outcome.run.header.command
        ),
    };
    format!("\n{same}\nfive jumps and an interval: bmt run {file} --blocks 5\n")
}
