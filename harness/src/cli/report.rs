//! `bmt report`: a recording analysed again.

use std::path::Path;

use super::args::{self, Format};
use super::exit::Exit;
use super::output::print;
use crate::record::{Run, read_run, write_run};
use crate::{analyze, report};

/// Prints the report of a run and exits as the run did.
pub(super) fn report(arguments: &args::Report) -> anyhow::Result<Exit> {
    let run = match read(&arguments.run) {
        Ok(run) => run,
        Err(error) => {
            eprintln!("bmt: {error}");
            return Ok(Exit::Usage);
        }
    };
    match (arguments.markdown.as_deref(), arguments.format) {
        (Some(file), _) if file == Path::new("-") => print(&report::markdown(&run))?,
        (Some(file), _) => std::fs::write(file, report::markdown(&run))
            .map_err(|error| anyhow::anyhow!("cannot write {}: {error}; name another place", file.display()))?,
        (None, Format::Text) => print(&report::terminal(&run))?,
        (None, Format::Json) => print(&format!("{}\n", serde_json::to_string_pretty(&run)?))?,
    }
    Ok(run.verdict.into())
}

/// A run directory is analysed again, and its `run.json` written again; where there is no recording, `run.json` is read
/// as it is.
fn read(path: &Path) -> anyhow::Result<Run> {
    if path.is_dir()
        && (path.join("recording.json").is_file()
            || !path.join("run.json").is_file() && !path.join("run.json.gz").is_file())
    {
        let run = analyze::recorded(path)?;
        // A directory that may only be read is reported all the same.
        if let Err(error) = write_run(path, &run) {
            eprintln!("bmt: {error}");
        }
        return Ok(run);
    }
    Ok(read_run(path)?)
}
