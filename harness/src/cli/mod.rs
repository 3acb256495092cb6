//! Commands and exit codes.
//!
//! A command returns the [`Exit`] that the documentation promises; errors are printed here, once, and nowhere else.

mod args;
mod doctor;
mod exit;
mod run;

use std::io::Write as _;

use clap::Parser as _;

pub use exit::Exit;

use args::{Arguments, Command};

use crate::record::RunDirectory;
use crate::workload::{self, LoadError, Overrides};
use crate::{report, workload::schema};

/// Parses the command line, runs the command, and says how to exit. Wrong usage exits at once, with 2.
#[must_use]
pub fn main() -> Exit {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Run(run) => run::run(&run),
        Command::Check(check) => check_workload(&check),
        Command::Doctor => doctor::doctor(),
        Command::Schema => print(&format!("{:#}\n", schema()))
            .map(|()| Exit::Done)
            .map_err(Into::into),
        Command::Report(report) => print_report(&report),
    };
    done.unwrap_or_else(|error| {
        eprintln!("bmt: {error:#}");
        Exit::Unexpected
    })
}

fn check_workload(check: &args::Check) -> anyhow::Result<Exit> {
    match workload::load(
        &check.workload,
        &Overrides {
            quick: false,
            set: check.set.clone(),
            foreign: false,
        },
    ) {
        Ok(workload) => {
            let seconds = workload.profile.end().as_secs()
                * workload.variants.len() as u64
                * u64::from(workload.file.repetitions);
            print(&format!(
                "{}: valid; {} variants × {} repetitions, {}:{:02} of load\n",
                check.workload.display(),
                workload.variants.len(),
                workload.file.repetitions,
                seconds / 60,
                seconds % 60
            ))?;
            Ok(Exit::Done)
        }
        Err(error) => Ok(refused(&error)),
    }
}

/// Prints why a workload was refused.
fn refused(error: &LoadError) -> Exit {
    eprintln!("{error}");
    Exit::WorkloadInvalid
}

fn print_report(report: &args::Report) -> anyhow::Result<Exit> {
    let run = RunDirectory::read(&report.run)?;
    match &report.markdown {
        Some(file) => std::fs::write(file, report::markdown(&run))
            .map_err(|error| anyhow::anyhow!("cannot write {}: {error}; name another place", file.display()))?,
        None => print(&report::terminal(&run))?,
    }
    Ok(Exit::Done)
}

/// Standard output holds the result. A reader that went away (`| head`) is no error.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
