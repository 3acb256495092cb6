//! Commands and exit codes.
//!
//! A command returns the [`Exit`] that the documentation promises; errors are printed here, once, and nowhere else.

mod args;
mod check;
mod doctor;
mod exit;
mod init;
mod manual;
mod output;
mod report;
mod run;
mod try_url;

use clap::Parser as _;

pub use exit::Exit;

use args::{Arguments, Command};
use output::print;

use crate::{metric, workload::schema};

/// Parses the command line, runs the command, and says how to exit. Wrong usage exits at once, with 2.
#[must_use]
pub fn main() -> Exit {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Try(wanted) => try_url::try_url(&wanted),
        Command::Run(run) => run::run(&run),
        Command::Check(check) => check::check(&check),
        Command::Init(init) => init::init(&init),
        Command::Doctor => doctor::doctor(),
        Command::Schema => print(&format!("{:#}\n", schema()))
            .map(|()| Exit::Done)
            .map_err(Into::into),
        Command::Metrics => print(&metric::markdown()).map(|()| Exit::Done).map_err(Into::into),
        Command::Report(report) => report::report(&report),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { command } => manual::page(command.as_deref()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("bmt: {error:#}");
        Exit::Unexpected
    })
}
