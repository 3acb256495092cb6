//! One run: every cell in turn, then the judgement. The only module that knows the whole flow.

mod acknowledged;
mod cell;
mod environment;
mod fault;
mod interrupt;
mod load;
mod plan;
mod script;

use std::path::PathBuf;

use bmt_sandbox::{Sandbox, Template};

pub use interrupt::Interrupt;

use crate::analyze::gates;
use crate::provision::{self, External, ProvisionError};
use crate::record::{Cell, DirectoryError, RUN_SCHEMA, Run, RunDirectory, Verdict};
use crate::report::{self, Progress};
use crate::workload::Workload;

/// What to do besides what the workload says.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where run directories are made.
    pub out: PathBuf,
    /// Only these variants; all if empty.
    pub variants: Vec<String>,
    /// A server that somebody else started.
    pub target: Option<External>,
    /// CPUs for the generator, and for everything that bmt starts.
    pub pin: Option<Pin>,
    /// The command line, for the record.
    pub command: String,
}

/// CPUs kept apart.
#[derive(Debug, Clone, Default)]
pub struct Pin {
    /// For the generator.
    pub generator: Vec<usize>,
    /// For the server and its databases.
    pub target: Vec<usize>,
}

/// Why a run could not go on. Everything measured before is on disk.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    /// The run directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The generator itself.
    #[error("the generator failed: {0}; check the limits of this machine with `bmt doctor`")]
    Generator(#[from] std::io::Error),
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// As written to `run.json`.
    pub run: Run,
    /// Where it was written.
    pub directory: PathBuf,
    /// Why the target was lost, if it was.
    pub lost: Option<ProvisionError>,
}

/// Runs every cell of the workload and writes the run directory.
///
/// # Errors
/// When results cannot be written or the generator cannot run. A target that is lost is an [`Outcome`].
pub async fn rehearse(workload: &Workload, options: &Options, interrupt: &Interrupt) -> Result<Outcome, RehearseError> {
    let started = jiff::Timestamp::now();
    let directory = RunDirectory::create(&options.out, started, &workload.file.name, rand::random())?;
    let mut run = Run {
        schema: RUN_SCHEMA.to_owned(),
        bmt_version: env!("CARGO_PKG_VERSION").to_owned(),
        git: environment::git_commit(),
        seed: workload.file.seed,
        started_at: started.to_string(),
        command: options.command.clone(),
        quick: workload.quick,
        workload: workload.file.clone(),
        environment: environment::observe(options),
        verdict: Verdict::Unfinished,
        warnings: environment::warnings(options, workload),
        cells: Vec::new(),
        gates: Vec::new(),
        comparisons: Vec::new(),
    };
    directory.write_run(&run)?;
    let mut progress = Progress::new(plan::length(workload, options));
    let lost = run_cells(workload, options, interrupt, &directory, &mut run, &mut progress).await?;
    progress.finish();
    run.gates = gates::judge(&gates_of(workload, options), &run);
    if run.gates.is_empty() && !workload.gates.is_empty() {
        run.warnings.push(
            "none of the workload's gates was judged: --variant left out the variants that they compare".to_owned(),
        );
    }
    run.verdict = verdict(&run, lost.is_some(), interrupt.is_asked());
    directory.write("report.md", &report::markdown(&run))?;
    directory.write_run(&run)?;
    Ok(Outcome {
        run,
        directory: directory.path().to_owned(),
        lost,
    })
}

/// What every cell of a run is run with.
pub(crate) struct Stage<'a> {
    workload: &'a Workload,
    options: &'a Options,
    interrupt: &'a Interrupt,
    directory: &'a RunDirectory,
    ground: Ground,
}

async fn run_cells(
    workload: &Workload,
    options: &Options,
    interrupt: &Interrupt,
    directory: &RunDirectory,
    run: &mut Run,
    progress: &mut Progress,
) -> Result<Option<ProvisionError>, RehearseError> {
    let ground = tokio::select! {
        ground = Ground::prepare(workload, options) => match ground {
            Ok(ground) => ground,
            Err(lost) => return Ok(Some(lost)),
        },
        () = interrupt.asked() => return Ok(None),
    };
    let stage = Stage {
        workload,
        options,
        interrupt,
        directory,
        ground,
    };
    for planned in plan::cells(workload, &options.variants) {
        match cell::run(&stage, &planned, progress).await? {
            cell::Ended::Interrupted => return Ok(None),
            cell::Ended::NotBegun(lost) => return Ok(Some(lost)),
            cell::Ended::Measured(measured) => {
                run.environment.database = measured.database.or(run.environment.database.take());
                run.cells.push(measured.cell);
                directory.write_run(run)?;
                if measured.lost.is_some() || interrupt.is_asked() {
                    return Ok(measured.lost);
                }
            }
        }
    }
    Ok(None)
}

/// What all cells share: the initialised data directory that shards are copied from, where bmt starts them.
pub(crate) struct Ground {
    template: Option<Template>,
    /// Holds the template's directory.
    _sandbox: Option<Sandbox>,
}

impl Ground {
    async fn prepare(workload: &Workload, options: &Options) -> Result<Self, ProvisionError> {
        if options.target.is_some() {
            return Ok(Self {
                template: None,
                _sandbox: None,
            });
        }
        provision::server_binary()?;
        provision::ensure_disk(workload.file.target.shards)?;
        let sandbox = Sandbox::new()?;
        Ok(Self {
            template: Some(Template::init(&sandbox).await?),
            _sandbox: Some(sandbox),
        })
    }
}

/// The gates, without the variants that were not to be run.
fn gates_of(workload: &Workload, options: &Options) -> Vec<crate::workload::Gate> {
    let wanted = |name: &String| options.variants.is_empty() || options.variants.contains(name);
    let gates = workload
        .gates
        .iter()
        .filter(|gate| gate.relative_to.as_ref().is_none_or(wanted));
    gates
        .map(|gate| {
            let mut gate = gate.clone();
            gate.variants.retain(wanted);
            gate
        })
        .collect()
}

fn verdict(run: &Run, lost: bool, interrupted: bool) -> Verdict {
    let all = |holds: fn(&Cell) -> bool| run.cells.iter().all(holds);
    if interrupted {
        Verdict::Interrupted
    } else if lost {
        Verdict::TargetLost
    } else if !all(|cell| cell.valid) {
        Verdict::Invalid
    } else if run.gates.iter().all(|gate| gate.passed) {
        Verdict::Passed
    } else {
        Verdict::Failed
    }
}
