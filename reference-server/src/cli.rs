//! Arguments, logging and exit codes of the `hotchat` binary.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::runtime::Builder;
use tracing_subscriber::EnvFilter;

use crate::{config, gateway, service};

/// The configuration file or the command line is wrong.
const EXIT_CONFIGURATION: u8 = 2;
/// The server could not start or keep running.
const EXIT_FAILURE: u8 = 1;

/// A small OpenChat whose overload remedies are switches.
///
/// Prints one JSON line on standard output when it is ready for requests, logs JSON lines to standard error, and drains
/// on SIGTERM. Exit codes: 0 drained, 1 failed to start or to keep running, 2 invalid configuration.
#[derive(Debug, Parser)]
#[command(version, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    what: What,
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The configuration file (YAML or JSON).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the JSON Schema of the configuration's `settings` block and exit.
    #[arg(long)]
    schema: bool,
}

#[derive(Debug, Subcommand)]
enum Other {
    /// Stands for the vendors' push gateways: accepts notifications at a cost that is set, and delivers them to nobody.
    PushGateway(What),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.other {
        None => server(arguments.what),
        Some(Other::PushGateway(what)) => push_gateway(what),
    }
}

fn server(what: What) -> ExitCode {
    let Some(path) = what.config else {
        return print_schema(&config::schema());
    };
    match config::load(&path) {
        Err(error) => fail(EXIT_CONFIGURATION, "failed to read the configuration", &error),
        Ok(file) => serve(&mut Builder::new_multi_thread(), service::run(file)),
    }
}

fn push_gateway(what: What) -> ExitCode {
    let Some(path) = what.config else {
        return print_schema(&gateway::schema());
    };
    match gateway::load(&path) {
        Err(error) => fail(EXIT_CONFIGURATION, "failed to read the configuration", &error),
        Ok(file) => {
            let threads = file.threads.as_usize();
            serve(Builder::new_multi_thread().worker_threads(threads), gateway::run(file))
        }
    }
}

fn serve(runtime: &mut Builder, running: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let filter = EnvFilter::try_from_env("HOTCHAT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = runtime.enable_all().build();
    let ran = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(running));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILURE, "failed to serve", &*error),
    }
}

fn print_schema(schema: &str) -> ExitCode {
    let printed = writeln!(std::io::stdout(), "{schema}");
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
