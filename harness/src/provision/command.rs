//! A program of the workload's as a command, and what it inherits.
//!
//! It gets the environment of bmt without the variables whose names begin with `BMT_`, some of which are secrets, and
//! the workload's on top.

use std::process::Command;

use crate::workload::{Program, Variables};

/// What variables that are bmt's own begin with.
const OWN: &str = "BMT_";

/// The command that starts `program`, with `port` filled in.
pub(super) fn command(program: &Program, env: &Variables, port: u16) -> Command {
    let mut command = Command::new(program.path(port));
    command.args(program.arguments(port)).current_dir(&program.folder);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with(OWN)) {
            command.env_remove(name);
        }
    }
    command.envs(env.iter().map(|(name, variable)| (name, variable.text.filled(port))));
    command
}
