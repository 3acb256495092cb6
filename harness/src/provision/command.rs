//! A program of the workload's as a command, and what it inherits.
//!
//! It gets the environment of bmt without the variables whose names begin with `BMT_`, some of which are secrets, a
//! `TMPDIR` that goes when the cell ends, and the workload's variables on top.

use std::path::Path;
use std::process::Command;

use crate::workload::{Program, Variables};

/// What variables that are bmt's own begin with.
const OWN: &str = "BMT_";

/// The command that starts `program`, with `port` filled in; its temporary files are made in `temporary`.
pub(super) fn command(program: &Program, env: &Variables, port: u16, temporary: &Path) -> Command {
    let mut command = Command::new(program.path(port));
    command.args(program.arguments(port)).current_dir(&program.folder);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with(OWN)) {
            command.env_remove(name);
        }
    }
    command.env("TMPDIR", temporary);
    command.envs(env.iter().map(|(name, variable)| (name, variable.text.filled(port))));
    command
}
