//! A validated workload: what the rules make of a file, and what every other room reads.

use std::sync::Arc;
use std::time::Duration;

use super::figure_name::FigureName;
use super::file::{
    FollowFile, GeneratorFile, GuardAction, Inconclusive, Injection, Operation, RetryFile, Settings, WorkloadFile,
};
use super::launch::{Hook, Launch, PushGateway, Variables};
use super::target_url::TargetUrl;
use crate::arrival::{Flow, Profile};
use crate::metric::{Metric, Placement};
use crate::observe::Asked;
use crate::template::{Ask, Session, Sources, Step, Template, Websocket};
use crate::transport::{Http, TlsOptions};

/// A validated workload.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The file with every default filled in, as the result records it.
    pub file: WorkloadFile,
    /// Whether the `quick` block was laid over.
    pub quick: bool,
    /// Whether the file has a `quick` block.
    pub has_quick: bool,
    /// The offered rate over time.
    pub profile: Profile,
    /// Groups of chats, in order of their names.
    pub chats: Vec<ChatGroup>,
    /// Hosts that share the arrivals; none where there is a single target.
    pub hosts: Vec<Host>,
    /// Where the values of requests come from.
    pub data: Arc<Sources>,
    /// Traffic entries, in order of their names.
    pub traffic: Vec<Traffic>,
    /// The configurations to compare.
    pub variants: Vec<Variant>,
    /// What is done before the load of each cell.
    pub before: Vec<Hook>,
    /// What is done after it.
    pub after: Vec<Hook>,
    /// Changes of live settings, in order of time.
    pub changes: Vec<Change>,
    /// Faults, in order of time.
    pub faults: Vec<Fault>,
    /// What is observed besides what bmt observes by itself.
    pub observe: Asked,
    /// What lowers or ends the load while a cell runs.
    pub guards: Vec<Guard>,
    /// What must hold for the build to ship.
    pub gates: Vec<Gate>,
    /// What a run must show in order to show anything.
    pub expectations: Vec<Gate>,
}

/// A group of chats made before each cell.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatGroup {
    /// Its name in the workload.
    pub name: String,
    /// Number of chats.
    pub count: u32,
    /// Members of each before the run.
    pub members: u32,
}

/// One stream of operations.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// The name under which the result reports it.
    pub name: String,
    /// What one arrival does.
    pub work: Work,
    /// Index of its group of chats.
    pub group: Option<usize>,
    /// What decides its arrivals.
    pub flow: Flow,
    /// How its rejected clients retry, where they do.
    pub retry: Option<RetryFile>,
}

impl Traffic {
    /// The steps of its session; none where it is no session.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        match &self.work {
            Work::Session(session) => &session.steps,
            Work::Chat(_) | Work::Http(_) | Work::Websocket(_) => &[],
        }
    }

    /// The WebSocket connections that it holds.
    #[must_use]
    pub fn websocket(&self) -> Option<&Websocket> {
        match &self.work {
            Work::Websocket(websocket) => Some(websocket),
            Work::Chat(_) | Work::Http(_) | Work::Session(_) => None,
        }
    }

    /// The name under which the result reports a step.
    #[must_use]
    pub fn step_name(&self, step: &Step) -> String {
        format!("{}.{}", self.name, step.name)
    }
}

/// What one arrival of a traffic entry does.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Something to a chat.
    Chat(Operation),
    /// A request that the workload describes.
    Http(Ask),
    /// Several such requests after one another.
    Session(Session),
    /// Nothing by itself: it holds WebSocket connections.
    Websocket(Websocket),
}

/// One configuration under test.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The name that the result shows.
    pub name: String,
    /// The reference server's settings: the target's, with the variant's laid over.
    pub settings: Settings,
    /// The push gateway that is started beside the reference server, where one is.
    pub gateway: Option<PushGateway>,
    /// How its target is reached.
    pub reach: Reach,
    /// What bmt starts in place of the reference server.
    pub launch: Option<Launch>,
    /// The environment of all commands.
    pub env: Variables,
    /// Retries for each first attempt, in place of those of the entries that retry.
    pub retry_budget: Option<f64>,
}

/// One of several hosts.
#[derive(Debug, Clone)]
pub struct Host {
    /// The name that the result shows.
    pub name: String,
    /// Where it is.
    pub url: TargetUrl,
}

/// How a target is reached.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Where it is; `None` where the workload does not say.
    pub url: Option<TargetUrl>,
    /// Where the other hosts are, where there are several.
    pub others: Vec<TargetUrl>,
    /// Whether nothing can stand in for it: the variant says so itself, or there are several hosts.
    pub is_own: bool,
    /// Which HTTP is spoken.
    pub http: Http,
    /// What TLS is spoken with, where it is.
    pub tls: TlsOptions,
    /// Connections that may be open at once, over all workers.
    pub connections: u32,
    /// Requests that may be under way at once on an HTTP/2 connection.
    pub streams: u32,
    /// Headers of every request that the workload describes, besides its own.
    pub headers: Vec<(String, Template)>,
}

/// A change of the server's live settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Offset from the start of the cell.
    pub at: Duration,
    /// The settings that change.
    pub settings: Settings,
    /// Names of the variants it is made in.
    pub variants: Vec<String>,
}

/// Something that goes wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// Offset of its beginning from the start of the cell.
    pub at: Duration,
    /// Offset of its end.
    pub until: Duration,
    /// What goes wrong.
    pub inject: Injection,
}

/// One condition on a figure: a gate or an expectation.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Why it is there.
    pub because: Option<String>,
    /// The figure that is judged.
    pub metric: Metric,
    /// The traffic entry whose figure it is.
    pub operation: Option<String>,
    /// Which of the operation's chats.
    pub placement: Option<Placement>,
    /// The series whose figure it is.
    pub series: Option<String>,
    /// How much of the beginning of the phase counts, in whole seconds, where the metric asks for it.
    pub within: Option<Duration>,
    /// Index of the fault whose figure it is, in order of time.
    pub fault: Option<usize>,
    /// Names of the phases it is judged in; for the figure of a fault, its place and kind.
    pub phases: Vec<String>,
    /// Names of the variants that must pass.
    pub variants: Vec<String>,
    /// Judge the ratio to this variant's figure.
    pub relative_to: Option<String>,
    /// Judge the ratio to the same variant's figure in this phase.
    pub relative_to_phase: Option<String>,
    /// The limits, in the metric's own unit.
    pub bounds: Vec<Bound>,
    /// What it counts as where the noise between blocks leaves the answer open; `None` makes the run inconclusive.
    pub inconclusive: Option<Inconclusive>,
}

/// A limit of a gate, in the unit of [`Metric::gate_unit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// The figure may not be above.
    AtMost(f64),
    /// The figure may not be below.
    AtLeast(f64),
}

/// A rule that lowers or ends the load while a cell runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// Why it is there.
    pub because: Option<String>,
    /// The figure that is judged.
    pub figure: FigureName,
    /// The limit that it keeps where the rule does nothing.
    pub bound: Bound,
    /// The figure is that of so many seconds.
    pub over_s: u32,
    /// What the rule does.
    pub action: GuardAction,
    /// After so many seconds it is undone, and may act again.
    pub again_after_s: Option<u32>,
    /// The profile's rate after a back-off.
    pub base_rate: f64,
}

impl Workload {
    /// The generator's bounds.
    #[must_use]
    pub fn generator(&self) -> &GeneratorFile {
        &self.file.generator
    }

    /// Index of the group that holds the hot chat: of the groups of a single chat, the one that takes the largest share
    /// of the profile's rate; of equals, the one with the highest rate of its own, then the first by name.
    #[must_use]
    pub fn hot_group(&self) -> Option<usize> {
        let load = |group: usize| {
            let entries = self.traffic.iter().filter(|traffic| traffic.group == Some(group));
            entries.fold((0.0_f64, 0.0_f64), |(share, rate), traffic| {
                (share + traffic.flow.share, rate + traffic.flow.rate)
            })
        };
        let single = (0..self.chats.len()).filter(|group| self.chats[*group].count == 1);
        // The last of equals is taken, so they are looked at from the end.
        single.rev().max_by(|one, other| {
            let ((share, rate), (other_share, other_rate)) = (load(*one), load(*other));
            share.total_cmp(&other_share).then(rate.total_cmp(&other_rate))
        })
    }

    /// The traffic entry whose members are online: its index, and how their app behaves.
    #[must_use]
    pub fn follow(&self) -> Option<(usize, &FollowFile)> {
        let entries = self.traffic.iter().enumerate();
        entries
            .filter_map(|(index, traffic)| match &traffic.work {
                Work::Chat(Operation::Follow(follow)) => Some((index, follow)),
                _ => None,
            })
            .next()
    }

    /// Whether the entry sends messages to chats that online members follow.
    #[must_use]
    pub fn is_followed(&self, traffic: &Traffic) -> bool {
        let followed = self.follow().and_then(|(index, _)| self.traffic[index].group);
        traffic.work == Work::Chat(Operation::Send) && followed.is_some() && traffic.group == followed
    }

    /// Connections that are held: those of members who are online, and other WebSocket ones.
    #[must_use]
    pub fn online(&self) -> u32 {
        let held = self.traffic.iter().filter_map(Traffic::websocket);
        held.fold(self.members_online(), |sum, websocket| {
            sum.saturating_add(websocket.hold)
        })
    }

    /// Members that are online, in all chats.
    #[must_use]
    pub fn members_online(&self) -> u32 {
        self.follow().map_or(0, |(index, follow)| {
            let group = self.traffic[index].group.map(|group| &self.chats[group]);
            group.map_or(0, |group| group.count.saturating_mul(follow.online))
        })
    }

    /// Whether the workload says of every variant where its target is.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.variants.iter().all(|variant| variant.reach.url.is_some())
    }

    /// Whether it asks for anything that only a server with chats can do.
    #[must_use]
    pub fn has_chats(&self) -> bool {
        self.traffic.iter().any(|traffic| match &traffic.work {
            Work::Chat(_) => true,
            Work::Http(_) | Work::Session(_) | Work::Websocket(_) => false,
        })
    }

    /// Whether bmt starts a program in place of the reference server.
    #[must_use]
    pub fn starts_program(&self) -> bool {
        self.variants.iter().any(|variant| variant.launch.is_some())
    }

    /// Whether the server needs Redis.
    #[must_use]
    pub fn needs_redis(&self) -> bool {
        self.file.needs_redis()
    }

    /// Whether any fault is one of these.
    #[must_use]
    pub fn injects(&self, any: fn(Injection) -> bool) -> bool {
        self.faults.iter().any(|fault| any(fault.inject))
    }

    /// How many steps the sessions among the first `entries` traffic entries have together.
    #[must_use]
    pub fn steps_before(&self, entries: usize) -> usize {
        self.traffic[..entries]
            .iter()
            .map(|traffic| traffic.steps().len())
            .sum()
    }

    /// The flows of all traffic entries, in order.
    #[must_use]
    pub fn flows(&self) -> Vec<Flow> {
        self.traffic.iter().map(|traffic| traffic.flow.clone()).collect()
    }
}

/// A variant's name as part of a path.
#[must_use]
pub fn directory_name(variant: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    variant.chars().map(plain).collect()
}
