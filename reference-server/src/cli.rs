//! Arguments, logging and exit codes of the `hotchat` binary.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Parser};
use tracing_subscriber::EnvFilter;

use crate::config::{self, ConfigFile};
use crate::service;

/// The configuration file or the command line is wrong.
const EXIT_CONFIGURATION: u8 = 2;
/// The server could not start or keep running.
const EXIT_FAILURE: u8 = 1;

/// A small OpenChat whose overload remedies are switches.
///
/// Prints one JSON line on standard output when it is ready for requests, logs JSON lines to standard error, and drains
/// on SIGTERM. Exit codes: 0 drained, 1 failed to start or to keep running, 2 invalid configuration.
#[derive(Debug, Parser)]
#[command(version)]
#[command(group(ArgGroup::new("what").required(true).args(["config", "schema"])))]
struct Arguments {
    /// The configuration file (YAML or JSON).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the JSON Schema of the configuration's `settings` block and exit.
    #[arg(long)]
    schema: bool,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(path) = arguments.config else {
        return print_schema();
    };
    match config::load(&path) {
        Err(error) => fail(EXIT_CONFIGURATION, "failed to read the configuration", &error),
        Ok(file) => serve(file),
    }
}

fn serve(file: ConfigFile) -> ExitCode {
    let filter = EnvFilter::try_from_env("HOTCHAT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ran = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(service::run(file)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILURE, "failed to serve", &*error),
    }
}

fn print_schema() -> ExitCode {
    let printed = writeln!(std::io::stdout(), "{}", config::schema());
    if printed.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILURE)
    }
}

/// Plain text rather than a log line: an operator at a terminal reads this.
fn fail(code: u8, what: &str, error: &dyn std::error::Error) -> ExitCode {
    let mut message = format!("hotchat: {what}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some wrappers already print their cause.
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = error.source();
    }
    // If standard error is closed, nothing is left to try.
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::from(code)
}
