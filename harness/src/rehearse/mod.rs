//! One run: every cell in turn, and everything that happens told to whoever listens. The only room that knows the whole
//! flow.

mod acknowledged;
mod cell;
mod early;
mod environment;
mod error;
mod fault;
mod guard;
mod intake;
mod interrupt;
mod listeners;
mod load;
mod notifications;
mod options;
mod plan;
mod preview;
mod queue;
mod script;
mod snapshot;
mod stage;

use std::path::PathBuf;

pub use error::RehearseError;
pub use interrupt::Interrupt;
pub use options::{Options, Pin};
pub use plan::variants;
pub use preview::preview;

use self::listeners::Listeners;
use self::stage::{Ground, Stage};
use crate::analyze;
use crate::provision::{External, ProvisionError};
use crate::record::{Cell, Ending, Run, RunEvent, RunHeader, RunWriter, write_run};
use crate::report::{self, Progress};
use crate::workload::Workload;

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
    let writer = RunWriter::create(&options.out, started, &workload.file.name, rand::random())?;
    let directory = writer.path().to_owned();
    let header = header(workload, options, started);
    let progress = Progress::new();
    let mut listeners = Listeners::new(writer, progress, &header.workload);
    listeners.tell(&RunEvent::RunBegan(Box::new(header.clone())))?;
    let mut cells = Vec::new();
    let lost = run_cells(workload, options, interrupt, &header, &mut listeners, &mut cells).await?;
    let ending = Ending {
        is_interrupted: interrupt.is_asked(),
        lost: lost.as_ref().map(ToString::to_string),
    };
    listeners.tell(&RunEvent::Ending(Box::new(ending.clone())))?;
    let run = analyze::judged(header, cells, Some(&ending));
    listeners.writer.write("report.md", &report::markdown(&run))?;
    listeners.tell(&RunEvent::RunEnded(Box::new(run.clone())))?;
    Ok(Outcome { run, directory, lost })
}

fn header(workload: &Workload, options: &Options, started: jiff::Timestamp) -> RunHeader {
    let variants = variants(workload, options);
    let externals: Vec<External> = variants
        .iter()
        .filter_map(|variant| options.external(variant))
        .collect();
    let trusts_anybody = variants.iter().any(|variant| variant.reach.tls.is_insecure);
    let mut targets: Vec<String> = externals.iter().map(|external| external.url.to_string()).collect();
    targets.dedup();
    let target = (!targets.is_empty()).then(|| targets.join(", "));
    let target = target.as_deref();
    let pin = options.pin.clone().unwrap_or_default();
    let mut warnings = environment::warnings(options.pin.is_some(), target, trusts_anybody);
    warnings.extend(environment::not_observed(
        &workload.observe,
        externals.len() < variants.len(),
    ));
    RunHeader {
        bmt_version: env!("CARGO_PKG_VERSION").to_owned(),
        built_from: environment::built_from().map(str::to_owned),
        git: environment::git_commit(&options.workload),
        seed: workload.file.seed,
        started_at: started.to_string(),
        command: options.command.clone(),
        quick: workload.quick,
        aa: options.aa.is_some(),
        workload: snapshot::of(workload, &variants, options.aa.is_some()),
        environment: environment::observe(target, &pin.generator, &pin.target),
        warnings,
    }
}

async fn run_cells(
    workload: &Workload,
    options: &Options,
    interrupt: &Interrupt,
    header: &RunHeader,
    listeners: &mut Listeners,
    cells: &mut Vec<Cell>,
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
        ground,
    };
    let mut block = 0;
    while block < header.workload.blocks + analyze::set_aside::count(&header.workload, cells) {
        block += 1;
        for planned in plan::block(workload, options, block) {
            let ended = cell::run(&stage, &planned, listeners).await?;
            cells.extend(ended.cell);
            if ended.lost.is_some() || ended.is_aborted || interrupt.is_asked() {
                return Ok(ended.lost);
            }
            // A reader of an unfinished run finds the cells that have ended.
            let so_far = analyze::judged(header.clone(), cells.clone(), None);
            write_run(listeners.writer.path(), &so_far)?;
        }
    }
    Ok(None)
}
