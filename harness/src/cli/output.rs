//! What commands print.

use std::io::Write as _;

use clap::ValueEnum;

use super::exit::Exit;
use crate::workload::LoadError;

/// What is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The comparison, for people
    Text,
    /// The content of run.json
    Json,
}

/// Prints why a workload was rejected.
pub(super) fn rejected(error: &LoadError) -> Exit {
    eprintln!("{error}");
    Exit::WorkloadInvalid
}

/// Standard output holds the result. A reader that went away (`| head`) is no error.
pub(super) fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
