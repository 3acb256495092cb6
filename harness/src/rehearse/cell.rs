//! One cell: a fresh target, its chats, the profile, and everything that happened told as it did.

use std::path::Path;
use std::pin::pin;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::early::{self, Early, Why};
use super::error::RehearseError;
use super::guard::Watch;
use super::intake::Intake;
use super::listeners::Listeners;
use super::plan::Planned;
use super::script::Script;
use super::stage::Stage;
use super::{acknowledged, load, notifications, snapshot};
use crate::analyze::guard::Guard;
use crate::clock::{Clock, Stop};
use crate::drive::{self, Plan};
use crate::observe::{Cost, Observer};
use crate::provision::{
    BorrowedSettings, Breakable, Hooks, LocalPlan, Populated, ProcessPlan, ProvisionError, Target, populate,
};
use crate::record::{Cell, CellEvent, CellHeader, Ended, ObserverCost, RunEvent};
use crate::scenario::chat::Signer;
use crate::transport::Http;
use crate::workload::{Injection, Workload};

/// How often the main thread looks at what came in.
const LOOK: Duration = Duration::from_millis(50);
/// Everything is ready this long before the first arrival.
const LEAD: Duration = Duration::from_millis(300);
/// Reports that may be under way from the workers; each sends a few a second.
const REPORTS_MAX: usize = 1024;
/// Samples that may be under way from the observer; it takes ten a second.
const SAMPLES_MAX: usize = 1024;
/// How long a step of the script may go on after a guard has ended the load.
const GRACE: Duration = Duration::from_millis(500);
const TOKEN_LIFE_S: u64 = 7 * 24 * 3600;

/// How a cell ended.
#[derive(Default)]
pub(super) struct CellEnded {
    /// What it came to; `None` where it was not begun.
    pub(super) cell: Option<Cell>,
    /// Why the target was lost, or never came up.
    pub(super) lost: Option<ProvisionError>,
    /// Whether a guard ended it: then no further cell is run.
    pub(super) is_aborted: bool,
}

impl CellEnded {
    /// It was not begun, because the target was lost.
    fn lost(lost: ProvisionError) -> Self {
        Self {
            lost: Some(lost),
            ..Self::default()
        }
    }
}

/// Runs a cell on a target that bmt starts, or on somebody else's with its settings changed for the cell.
pub(super) async fn run(
    stage: &Stage<'_>,
    planned: &Planned,
    listeners: &mut Listeners,
) -> Result<CellEnded, RehearseError> {
    let mut borrowed = match stage.options.external(&planned.variant) {
        None => None,
        Some(external) => match BorrowedSettings::read(&external).await {
            Ok(borrowed) => borrowed,
            Err(lost) => return Ok(CellEnded::lost(lost)),
        },
    };
    let mut ended = run_on(stage, planned, borrowed.as_mut(), listeners).await;
    if let Some(borrowed) = borrowed
        && let Err(problem) = borrowed.give_back().await
    {
        eprintln!("bmt: {problem}");
        // The next cell would take this variant's settings for the target's own.
        if let Ok(ended) = &mut ended {
            ended.lost.get_or_insert(problem);
        }
    }
    ended
}

async fn run_on(
    stage: &Stage<'_>,
    planned: &Planned,
    borrowed: Option<&mut BorrowedSettings>,
    listeners: &mut Listeners,
) -> Result<CellEnded, RehearseError> {
    let workload = stage.workload;
    let logs = listeners.writer.cell_directory(&planned.directory())?;
    listeners.announce(&format!("{}, block {}", planned.variant.name, planned.block));
    let mut hooks = Hooks::new(&planned.variant.env, planned.seed, &logs, stage.target_cpus());
    let prepared = tokio::select! {
        prepared = prepare(stage, planned, borrowed, &logs, &mut hooks) => prepared,
        () = stage.interrupt.asked() => return Ok(CellEnded::default()),
    };
    let (mut target, signer, chats) = match prepared {
        Ok(prepared) => prepared,
        Err(lost) => return Ok(CellEnded::lost(lost)),
    };
    let header = header(workload, planned, &target, &chats);
    listeners.begin(header.clone())?;
    let plan = load::plan(workload, planned, &target, &chats, signer);
    let mut script = Script::new(workload, &planned.variant.name);
    let clock = Clock::starting_in(LEAD);
    let guard = Guard::new(listeners.workload(), &header, plan.workers);
    let running = Running {
        watch: guard
            .zip(plan.capped.as_ref())
            .map(|(guard, capped)| Watch::new(guard, capped.cap.clone(), clock)),
        plan: &plan,
        clock,
        script: &mut script,
    };
    let driven = drive(running, &mut target, stage, listeners).await;
    // Whatever ended it, what was broken on purpose is mended.
    script.undo(clock, &mut target, stage.interrupt.asked()).await;
    let mut driven = driven?;
    driven.intake.tell_injections(&script, listeners)?;
    driven.intake.tell_counts(listeners)?;
    if driven.ended.early.is_none() {
        look_after(stage, &target, listeners).await?;
    }
    let length = Duration::from_secs_f64(driven.ended.at_s);
    let cost = observer_cost(&driven.cost, length);
    listeners.tell(&RunEvent::Cell(Box::new(CellEvent::Observed(cost))))?;
    listeners.tell(&RunEvent::Cell(Box::new(CellEvent::Ended(driven.ended))))?;
    let lost = after(stage, &mut hooks, &target, driven.lost).await;
    target.stop().await;
    Ok(CellEnded {
        cell: listeners.finish_cell(),
        lost,
        is_aborted: driven.is_aborted,
    })
}

/// Looks for what the target acknowledged, where something was broken, and at the books of its push component.
async fn look_after(stage: &Stage<'_>, target: &Target, listeners: &mut Listeners) -> Result<(), RehearseError> {
    if load::keeps_acknowledged(stage.workload, target) {
        let writes = listeners
            .merged()
            .map(|merged| merged.acknowledged.clone())
            .unwrap_or_default();
        let result = tokio::select! {
            result = acknowledged::look_for(target, &writes) => result,
            () = stage.interrupt.asked() => acknowledged::unknown(&writes, Some("interrupted by a signal".to_owned())),
        };
        listeners.tell(&RunEvent::Cell(Box::new(CellEvent::Acknowledged(result))))?;
    }
    let books = tokio::select! {
        books = notifications::books(target) => books,
        () = stage.interrupt.asked() => None,
    };
    if let Some(books) = books {
        listeners.tell(&RunEvent::Cell(Box::new(CellEvent::Notifications(books))))?;
    }
    Ok(())
}

/// Does what is to be done after the load, whatever ended that; returns why no further cell can be run, if that is so.
/// An interrupt that comes meanwhile ends it: one that came before does not, for here things are put back.
async fn after(
    stage: &Stage<'_>,
    hooks: &mut Hooks<'_>,
    target: &Target,
    lost: Option<ProvisionError>,
) -> Option<ProvisionError> {
    let was_interrupted = stage.interrupt.is_asked();
    let failed = tokio::select! {
        done = hooks.after(target, &stage.workload.after, lost.is_some()) => done.err(),
        () = stage.interrupt.asked(), if !was_interrupted => None,
    };
    if lost.is_none() {
        return failed;
    }
    if let Some(problem) = failed {
        eprintln!("bmt: {problem}");
    }
    lost
}

/// Requests that may be under way at once.
fn capacity(workload: &Workload, planned: &Planned, target: &Target) -> u64 {
    let reach = &planned.variant.reach;
    let each = match target.http {
        Http::One => 1,
        Http::Two | Http::Auto => reach.streams,
    };
    u64::from(reach.connections) * u64::from(each) * workload.hosts.len().max(1) as u64
}

fn header(workload: &Workload, planned: &Planned, target: &Target, chats: &Populated) -> CellHeader {
    let placed = chats.iter().flatten().all(|chat| chat.placement.is_some());
    CellHeader {
        variant: planned.variant.name.clone(),
        block: planned.block,
        directory: planned.directory(),
        number: planned.number,
        seed: planned.seed,
        server: target.settings.clone(),
        gateway: target.gateway_settings.clone(),
        process: target.started().cloned(),
        database: target.database_version(),
        series: snapshot::series(workload, placed),
        capacity: Some(capacity(workload, planned, target)),
        shards: target.watched.databases(),
    }
}

/// Starts the target, does what is to be done before the load, and makes the chats.
async fn prepare(
    stage: &Stage<'_>,
    planned: &Planned,
    borrowed: Option<&mut BorrowedSettings>,
    logs: &Path,
    hooks: &mut Hooks<'_>,
) -> Result<(Target, Signer, Populated), ProvisionError> {
    let workload = stage.workload;
    let variant = &planned.variant;
    let cpus = stage.target_cpus();
    let mut target = match (stage.options.external(variant), &variant.launch, &stage.ground.template) {
        (Some(external), ..) => Target::external(&external).await?,
        (None, Some(launch), _) => {
            let plan = ProcessPlan {
                launch,
                env: &variant.env,
                reach: &variant.reach,
                secret: &stage.options.target_secret,
                logs,
                cpus,
            };
            Target::process(plan).await?
        }
        (None, None, Some(template)) => {
            let plan = LocalPlan {
                shards: workload.file.target.shards,
                database_options: &workload.file.target.database_options,
                redis: workload.needs_redis(),
                gateway: variant.gateway.as_ref(),
                seed: planned.seed,
                breakable: breakable(workload),
                settings: &variant.settings,
                logs,
                cpus,
            };
            Target::local(template, plan).await?
        }
        (None, None, None) => unreachable!("a run without a target of its own has prepared the ground"),
    };
    if !target.is_ours() && borrowed.is_none() && !workload.has_chats() {
        // Nobody asked for more than the workload says, and what it drives has no metrics that are known here.
        target.watched.metrics_url = None;
    }
    target.watched.asked = match target.is_ours() {
        true => workload.observe.of_our_own_server(),
        false => workload.observe.clone(),
    };
    if let Some(borrowed) = borrowed {
        borrowed.apply(&variant.settings).await?;
        target.settings = Some(borrowed.in_force().clone());
    }
    if let Err(failed) = hooks.before(&target, &workload.before).await {
        return Err(target.ensure_running().err().unwrap_or(failed));
    }
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let signer = Signer::new(&target.secret, now_s + TOKEN_LIFE_S);
    match populate(&target, &signer, &workload.chats, workload.hot_group(), planned.seed).await {
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
        gateway: workload.injects(|fault| matches!(fault, Injection::CutGateway)),
    }
}

/// What driving came to.
struct Driven {
    intake: Intake,
    cost: Cost,
    ended: Ended,
    lost: Option<ProvisionError>,
    is_aborted: bool,
}

/// Stops whatever listens to it when it goes.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.ask();
    }
}

/// A cell on its way.
struct Running<'a> {
    plan: &'a Plan,
    clock: Clock,
    script: &'a mut Script,
    watch: Option<Watch>,
}

async fn drive(
    Running {
        plan,
        clock,
        script,
        watch,
    }: Running<'_>,
    target: &mut Target,
    stage: &Stage<'_>,
    listeners: &mut Listeners,
) -> Result<Driven, RehearseError> {
    let (workers_stop, observer_stop) = (Stop::default(), Stop::default());
    // Also where this function ends early: nobody is driven while what was broken is mended.
    let _stops = [StopOnDrop(workers_stop.clone()), StopOnDrop(observer_stop.clone())];
    let (reports_in, reports) = sync_channel(REPORTS_MAX);
    let (samples_in, samples) = sync_channel(SAMPLES_MAX);
    let observer = Observer::start(target.watched.clone(), clock, observer_stop.clone(), samples_in)?;
    let threads = drive::start(plan, clock, &workers_stop, &reports_in)?;
    drop(reports_in);
    let mut intake = Intake::new(plan.workers, clock, (reports, samples), watch);
    let mut early: Option<Early> = None;
    let mut ending_since = None;
    while intake.working > 0 {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stage.interrupt.asked(), if early.is_none() => {}
        }
        intake.tell_figures(listeners)?;
        if early.is_none() && !stage.interrupt.is_asked() {
            let mut playing = pin!(script.play(clock, target, stage.interrupt.asked()));
            // A step may take seconds, and what comes in does not wait for it.
            while tokio::time::timeout(LOOK, playing.as_mut()).await.is_err() {
                intake.tell_figures(listeners)?;
                if stage.interrupt.is_asked() || intake.aborted().is_some() {
                    let since = *ending_since.get_or_insert_with(|| clock.elapsed());
                    workers_stop.ask_to_finish();
                    intake.close_guards();
                    // The script ends by itself after an interrupt.
                    if intake.aborted().is_some() && clock.elapsed() > since + GRACE {
                        break;
                    }
                }
            }
        }
        intake.tell_injections(script, listeners)?;
        if early.is_none() {
            let why = early::why(stage, &mut intake, target, clock).await;
            early = why.map(|why| Early {
                at: ending_since
                    .unwrap_or_else(|| clock.elapsed())
                    .min(stage.workload.profile.end()),
                why,
            });
            if let Some(early) = &early {
                early.tell(&workers_stop);
                intake.close_guards();
            }
        } else if target.ensure_running().is_err() {
            // Nobody is there to answer what is under way.
            workers_stop.ask();
        }
    }
    for thread in threads {
        thread
            .join()
            .map_err(|_| std::io::Error::other("a worker thread panicked"))??;
    }
    observer_stop.ask();
    let cost = observer.finish();
    intake.tell_figures(listeners)?;
    Ok(Driven::new(intake, cost, early, stage.workload.profile.end()))
}

impl Driven {
    fn new(intake: Intake, cost: Cost, early: Option<Early>, profile_end: Duration) -> Self {
        let ended = Ended {
            at_s: early.as_ref().map_or(profile_end, |early| early.at).as_secs_f64(),
            early: early.as_ref().map(Early::reason),
            is_target_lost: matches!(early, Some(Early { why: Why::Lost(_), .. })),
            is_interrupted: matches!(
                early,
                Some(Early {
                    why: Why::Interrupted,
                    ..
                })
            ),
        };
        // A guard may act on the last second of the profile.
        let is_aborted = intake.aborted().is_some();
        Self {
            intake,
            cost,
            ended,
            is_aborted,
            lost: match early.map(|early| early.why) {
                Some(Why::Lost(lost)) => Some(lost),
                _ => None,
            },
        }
    }
}

fn observer_cost(cost: &Cost, length: Duration) -> ObserverCost {
    let seconds = |ns: u64| Duration::from_nanos(ns).as_secs_f64();
    let database_cpu_s = cost.database_cpu_ns.filter(|_| cost.queries > 0).map(seconds);
    ObserverCost {
        cpu_s: seconds(cost.cpu_ns),
        queries: cost.queries,
        query_mean_us: (cost.queries > 0).then(|| seconds(cost.query_time_ns) * 1e6 / cost.queries as f64),
        samples_dropped: cost.samples_dropped,
        notes: cost.notes.clone(),
        database_cpu_s,
        database_share: database_cpu_s
            .filter(|_| !length.is_zero())
            .map(|cpu_s| cpu_s / length.as_secs_f64()),
    }
}
