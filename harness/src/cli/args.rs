//! The command line.

#![expect(
    clippy::doc_markdown,
    reason = "the doc comments here are printed as help, where backticks would show"
)]

use std::path::PathBuf;

pub(crate) use super::output::Format;
pub(crate) use super::try_url::Try;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

/// Rehearse the peak before it happens.
#[derive(Debug, Parser)]
#[command(name = "bmt", version, about, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes:
    0  done, every gate passed
    1  unexpected failure
    2  wrong command line
   98  UNCONVINCING: an expectation was not met, so the run does not show what it is there to show
   99  a gate failed
  104  the workload is not valid
  105  interrupted by a signal, partial results written
  120  the run is INVALID: figures speak of the generator and not of the target
  121  the target, or something it needs, could not be started or reached
  122  INCONCLUSIVE: the blocks do not decide a gate or an expectation
  123  GUARDED: a guard lowered or ended the load, so not all of it was offered

Where several hold, the first in this order decides: 105, 121, 120, 123, 99, 98, 122, 0; every reason is printed.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask one address what it does when the rate jumps: no workload, no databases, an answer within 40 seconds
    Try(Box<Try>),
    /// Run every cell of a workload, compare the variants, judge the gates
    Run(Box<Run>),
    /// Validate workloads and say how long they take, without running them
    Check(Check),
    /// Write a first workload from a recording, a log, an OpenAPI document or a command of curl
    Init(Init),
    /// Say what this machine can and cannot do, with a remedy for each problem
    Doctor,
    /// Print the JSON Schema of a workload file
    Schema,
    /// Print the metrics that a gate can judge, as docs/METRICS.md lists them
    Metrics,
    /// Analyse the recording of a run again and print its report; exits as the run did
    Report(Report),
    /// Print what a shell needs to complete commands of bmt
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page of bmt, or of one of its commands
    Man {
        /// The command, such as try
        command: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Workload file, such as workloads/join-storm.yaml
    pub(crate) workload: PathBuf,
    /// Directory in which the run directory is made
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(crate) out: PathBuf,
    /// Run only this variant; may be given several times
    #[arg(long = "variant", value_name = "NAME")]
    pub(crate) variants: Vec<String>,
    /// Change any key of the workload, for instance profile.target=500/s; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Seed of arrivals and of the order of the cells
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Number of blocks: in each every variant runs once, with the same arrivals
    #[arg(long, value_name = "N")]
    pub(crate) blocks: Option<u32>,
    /// Run this variant against itself, and print the noise floor of every headline figure
    #[arg(long, value_name = "VARIANT", conflicts_with = "variants")]
    pub(crate) aa: Option<String>,
    /// Use the workload's own short form
    #[arg(long)]
    pub(crate) quick: bool,
    /// Let the workload name files outside its folder
    #[arg(long)]
    pub(crate) allow_files: bool,
    /// Let the workload run the commands that it names
    #[arg(long)]
    pub(crate) allow_commands: bool,
    /// Drive a server that bmt did not start, http://HOST:PORT, http://HOST:PORT/BASE or unix:///PATH
    #[arg(long, value_name = "URL")]
    pub(crate) target: Option<String>,
    /// Admin API of that server, http://HOST:PORT, which applies the variants' settings; its token is taken from
    /// BMT_TARGET_ADMIN_TOKEN
    #[arg(long, value_name = "URL", requires = "target")]
    pub(crate) target_admin: Option<String>,
    /// Where the databases and the server are started
    #[arg(long, value_enum, default_value_t = Provision::Auto, value_name = "HOW")]
    pub(crate) provision: Provision,
    /// Keep the generator on these CPUs (such as 1 or 2-3) and what it drives on all others
    #[arg(long, value_name = "CPUS")]
    pub(crate) pin: Option<String>,
    /// What is printed on standard output
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(crate) format: Format,
}

/// Where things are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Provision {
    /// As `local`
    Auto,
    /// As processes on this machine
    Local,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Workload files
    #[arg(required = true, value_name = "WORKLOAD")]
    pub(crate) workloads: Vec<PathBuf>,
    /// Change any key of the workloads before they are checked
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Say the length of the short form only
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print the first N requests as they would go out
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) show: usize,
    /// Let the workloads name files outside their folders
    #[arg(long)]
    pub(crate) allow_files: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["har", "access_log", "openapi", "curl"])))]
pub(crate) struct Init {
    /// Recording of a browser: HAR 1.2, as the network panel exports it
    #[arg(long, value_name = "FILE")]
    pub(crate) har: Option<PathBuf>,
    /// Access log: common, combined, or a JSON object on each line; it tells the rates as well
    #[arg(long, value_name = "FILE")]
    pub(crate) access_log: Option<PathBuf>,
    /// OpenAPI 3 document, as JSON or as YAML
    #[arg(long, value_name = "FILE")]
    pub(crate) openapi: Option<PathBuf>,
    /// Command of curl in one argument, such as a browser copies it for bash
    #[arg(long, value_name = "COMMAND")]
    pub(crate) curl: Option<String>,
    /// Write the workload here, and files of values beside it, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write over files that are there already
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    /// Name of the workload: lower-case letters, digits and hyphens; that of the file if not given
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Run directory, or a run.json (also as .gz) without its recording
    pub(crate) run: PathBuf,
    /// Write Markdown to this file, or to standard output where it is -, instead of printing the tables
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// What is printed on standard output
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(crate) format: Format,
}
