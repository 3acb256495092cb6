//! One cell: a fresh target, its chats, the profile, and what came of it.

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::plan::Planned;
use super::script::Script;
use super::{RehearseError, Stage};
use super::{acknowledged, load};
use crate::analyze::{assemble, blast, timeline, validity};
use crate::clock::{Clock, Stop};
use crate::drive::{self, Message, Plan, Signer};
use crate::observe::{Cost, Observed, Observer, Sample};
use crate::provision::{Breakable, Local, LocalPlan, Populated, ProvisionError, Target, populate};
use crate::record::{AcknowledgedResult, Cell, CellDirectory, Collector, LaneName, ObserverCost};
use crate::report::Progress;
use crate::workload::{Injection, Settings, Workload};

/// How often the main thread looks at what came in.
const LOOK: Duration = Duration::from_millis(50);
/// Everything is ready this long before the first arrival.
const LEAD: Duration = Duration::from_millis(300);
/// Reports that may be under way from the workers; each sends two a second.
const REPORTS_MAX: usize = 1024;
const TOKEN_LIFE_S: u64 = 7 * 24 * 3600;

/// How a cell ended.
pub(super) enum Ended {
    /// Somebody asked to stop before the first request.
    Interrupted,
    /// There was nothing to drive.
    NotBegun(ProvisionError),
    /// It was measured, perhaps not to its end.
    Measured(Box<Measured>),
}

/// What was measured.
pub(super) struct Measured {
    pub(super) cell: Cell,
    /// Version of the database, where bmt started it.
    pub(super) database: Option<String>,
    /// Why the target was lost, if it was.
    pub(super) lost: Option<ProvisionError>,
}

pub(super) async fn run(stage: &Stage<'_>, planned: &Planned, progress: &mut Progress) -> Result<Ended, RehearseError> {
    let workload = stage.workload;
    let mut directory = stage.directory.cell(&planned.variant.name, planned.repetition)?;
    progress.begin(&format!("[{}/{} {}]", planned.number, planned.of, planned.variant.name));
    let prepared = tokio::select! {
        prepared = prepare(stage, planned, &directory) => prepared,
        () = stage.interrupt.asked() => return Ok(Ended::Interrupted),
    };
    let (mut target, signer, chats) = match prepared {
        Ok(prepared) => prepared,
        Err(lost) => return Ok(Ended::NotBegun(lost)),
    };
    let plan = load::plan(workload, &target, &chats, signer);
    let placed = chats.iter().flatten().all(|chat| chat.placement.is_some());
    let lanes = assemble::lane_names(workload, placed);
    let mut script = Script::new(workload, &planned.variant.name);
    let clock = Clock::starting_in(LEAD);
    let running = Running {
        plan: &plan,
        clock,
        script: &mut script,
    };
    let driven = drive(running, &mut target, stage, lanes, &mut directory, progress).await;
    // Whatever ended it, what was broken on purpose is mended.
    script.undo(clock, &mut target).await;
    let driven = driven?;
    let mut cell = driven.cell(workload, planned, target.settings.clone(), script);
    if plan.keeps_acknowledged && driven.early.is_none() {
        let writes = &driven.collected.acknowledged;
        let result = tokio::select! {
            result = acknowledged::look_for(&target, writes) => result,
            () = stage.interrupt.asked() => acknowledged::unknown(writes, Some("interrupted by a signal".to_owned())),
        };
        note_acknowledged(&mut cell, result);
    }
    let database = target.database_version();
    target.stop().await;
    Ok(Ended::Measured(Box::new(Measured {
        cell,
        database,
        lost: driven.lost,
    })))
}

/// Starts the target and makes its chats.
async fn prepare(
    stage: &Stage<'_>,
    planned: &Planned,
    directory: &CellDirectory,
) -> Result<(Target, Signer, Populated), ProvisionError> {
    let workload = stage.workload;
    let mut target = match (&stage.options.target, &stage.ground.template) {
        (Some(external), _) => Target::external(external).await?,
        (None, Some(template)) => {
            let cpus = stage.options.pin.as_ref().map_or(&[][..], |pin| &pin.target);
            let plan = LocalPlan {
                shards: workload.file.target.shards,
                database_options: &workload.file.target.database_options,
                redis: workload.needs_redis(),
                breakable: breakable(workload),
                settings: &planned.variant.settings,
                logs: directory.path(),
                cpus,
            };
            Local::start(template, plan).await?
        }
        (None, None) => unreachable!("a run without a target of its own has prepared the ground"),
    };
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let signer = Signer::new(&target.secret, now_s + TOKEN_LIFE_S);
    match populate(&target, &signer, &workload.chats, workload.hot_group()).await {
        Ok(chats) => Ok((target, signer, chats)),
        // If it failed because something died, that is the better explanation.
        Err(lost) => Err(target.ensure_running().err().unwrap_or(lost)),
    }
}

/// What the faults need from the beginning; the same in every variant, also in those that it costs something.
fn breakable(workload: &Workload) -> Breakable {
    Breakable {
        connections: workload
            .injects(|fault| matches!(fault, Injection::CutConnections(_) | Injection::DelayConnections(_))),
        disk: workload.injects(|fault| matches!(fault, Injection::SlowDisk(_))),
    }
}

/// What driving came to.
struct Driven {
    lanes: Vec<LaneName>,
    collected: crate::record::Collected,
    observed: Observed,
    cost: Cost,
    ended: Duration,
    early: Option<String>,
    lost: Option<ProvisionError>,
}

/// A cell on its way.
struct Running<'a> {
    plan: &'a Plan,
    clock: Clock,
    script: &'a mut Script,
}

async fn drive(
    Running { plan, clock, script }: Running<'_>,
    target: &mut Target,
    stage: &Stage<'_>,
    lanes: Vec<LaneName>,
    cell: &mut CellDirectory,
    progress: &mut Progress,
) -> Result<Driven, RehearseError> {
    let workload = stage.workload;
    let phases = workload
        .profile
        .phases()
        .iter()
        .map(|phase| phase.name.clone())
        .collect();
    let mut intake = Intake {
        collector: Collector::new(plan.workers, phases, lanes.clone()),
        observed: Observed::new(&workload.profile, target.watched.shards.len()),
        working: plan.workers,
    };
    let (workers_stop, observer_stop) = (Stop::default(), Stop::default());
    let (reports_in, reports) = sync_channel(REPORTS_MAX);
    let (samples_in, samples) = std::sync::mpsc::channel();
    let observer = Observer::start(target.watched.clone(), clock, observer_stop.clone(), samples_in)?;
    let threads = drive::start(plan, clock, &workers_stop, &reports_in)?;
    drop(reports_in);
    let mut early = None;
    let mut lost = None;
    while intake.working > 0 {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stage.interrupt.asked(), if early.is_none() => early = Some("interrupted by a signal".to_owned()),
        }
        intake.take_all(&reports, &samples, cell, progress)?;
        progress.show(clock.elapsed(), &workload.profile);
        if early.is_none() {
            script.play(clock, target).await;
        }
        if lost.is_none()
            && early.is_none()
            && let Err(error) = target.ensure_running()
        {
            early = Some(format!("the target was lost: {error}"));
            lost = Some(error);
        }
        if early.is_some() {
            workers_stop.ask();
        }
    }
    let ended = if early.is_some() {
        clock.elapsed()
    } else {
        workload.profile.end()
    };
    for thread in threads {
        thread
            .join()
            .map_err(|_| std::io::Error::other("a worker thread panicked"))??;
    }
    observer_stop.ask();
    let cost = observer.finish();
    intake.take_all(&reports, &samples, cell, progress)?;
    Ok(Driven {
        lanes,
        collected: intake.collector.finish(cell)?,
        observed: intake.observed,
        cost,
        ended,
        early,
        lost,
    })
}

/// Everything that comes in while a cell runs.
struct Intake {
    collector: Collector,
    observed: Observed,
    working: usize,
}

impl Intake {
    fn take_all(
        &mut self,
        reports: &Receiver<(usize, Message)>,
        samples: &Receiver<Sample>,
        cell: &mut CellDirectory,
        progress: &mut Progress,
    ) -> Result<(), RehearseError> {
        loop {
            match reports.try_recv() {
                Ok((_, Message::Interval(interval))) => self.collector.take(&interval, cell)?,
                Ok((_, Message::Live(live))) => progress.take(&live),
                Ok((_, Message::Done)) => self.working -= 1,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    // A worker that panicked sends no farewell.
                    self.working = 0;
                    break;
                }
            }
        }
        for sample in samples.try_iter() {
            self.observed.take(&sample);
            cell.write_observed(&sample)?;
        }
        Ok(())
    }
}

impl Driven {
    fn cell(&self, workload: &Workload, planned: &Planned, settings: Option<Settings>, script: Script) -> Cell {
        let mut cell = Cell {
            variant: planned.variant.name.clone(),
            repetition: planned.repetition,
            server: settings,
            valid: true,
            warnings: Vec::new(),
            ended_early: self.early.clone(),
            generator: assemble::generator(usize::from(workload.generator().workers), &self.collected),
            observer: (self.cost.queries > 0).then(|| observer_cost(&self.cost, self.ended)),
            phases: assemble::phases(workload, &self.collected, &self.observed, &self.lanes, self.ended),
            faults: script.faults,
            changes: script.changes,
            timeline: timeline::timeline(&self.collected.axis),
            acknowledged: None,
        };
        // Faults begin in the order of the workload, which is that of time.
        let sick: Vec<Option<u16>> = workload.faults.iter().map(|fault| fault.inject.shard()).collect();
        blast::fill(&mut cell, &self.collected.axis, &sick);
        let reasons = validity::reasons(&cell);
        cell.valid = reasons.is_empty();
        let reasons = reasons.into_iter().map(|reason| format!("INVALID: {reason}"));
        cell.warnings = reasons.chain(validity::notes(&cell)).collect();
        cell
    }
}

/// What is lost is the cell's, and told beside each of its faults.
fn note_acknowledged(cell: &mut Cell, result: AcknowledgedResult) {
    for fault in &mut cell.faults {
        fault.blast.acknowledged_lost = result.lost();
    }
    if let Some(problem) = &result.problem {
        let warning = format!("what was acknowledged could not be looked for, so nobody knows what is lost: {problem}");
        cell.warnings.push(warning);
    }
    cell.acknowledged = Some(result);
}

fn observer_cost(cost: &Cost, length: Duration) -> ObserverCost {
    let query_s = cost.query_time.as_secs_f64();
    ObserverCost {
        cpu_s: cost.cpu.as_secs_f64(),
        queries: cost.queries,
        query_mean_us: if cost.queries == 0 {
            0.0
        } else {
            query_s * 1e6 / cost.queries as f64
        },
        database_cpu_s: cost.database_cpu.map(|cpu| cpu.as_secs_f64()),
        database_share: cost
            .database_cpu
            .filter(|_| !length.is_zero())
            .map(|cpu| cpu.as_secs_f64() / length.as_secs_f64()),
    }
}
