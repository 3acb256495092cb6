//! From the typed file to the domain: what a schema cannot say is judged here.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value as Json;

use crate::arrival::{Flow, Profile};

use super::Overrides;
use super::file::{
    ChatsFile, FollowFile, GeneratorFile, Injection, Operation, RetryFile, Settings, TrafficFile, WorkloadFile,
};
use super::gate::Gate;
use super::mistake::{Mistake, nearest};
use super::moments::{Change, Fault};
use super::quantity::Span;
use super::settle;
use super::shape::join;
use super::tree::Node;
use crate::record::directory_name;

/// Every second that can still change is held in memory, so a request may not take for ever.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// A validated workload.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The file with every default filled in, as the result records it.
    pub file: WorkloadFile,
    /// Whether the `quick` block was laid over.
    pub quick: bool,
    /// The offered rate over time.
    pub profile: Profile,
    /// Groups of chats, in order of their names.
    pub chats: Vec<ChatGroup>,
    /// Traffic entries, in order of their names.
    pub traffic: Vec<Traffic>,
    /// The configurations to compare.
    pub variants: Vec<Variant>,
    /// Changes of live settings, in order of time.
    pub changes: Vec<Change>,
    /// Faults, in order of time.
    pub faults: Vec<Fault>,
    /// What must hold for the build to ship.
    pub gates: Vec<Gate>,
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
    /// What one request does.
    pub operation: Operation,
    /// Index of its group of chats.
    pub group: Option<usize>,
    /// What decides its arrivals.
    pub flow: Flow,
    /// How its callers try again, where they do.
    pub retry: Option<RetryFile>,
}

/// One configuration under test.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The name that the result shows.
    pub name: String,
    /// The reference server's settings: the target's, with the variant's laid over.
    pub settings: Settings,
}

impl Workload {
    /// The generator's bounds.
    #[must_use]
    pub fn generator(&self) -> &GeneratorFile {
        &self.file.generator
    }

    /// Index of the group that holds the hot chat: the first with a single chat.
    #[must_use]
    pub fn hot_group(&self) -> Option<usize> {
        self.chats.iter().position(|group| group.count == 1)
    }

    /// The traffic entry whose members are online: its index, and how their app behaves.
    #[must_use]
    pub fn follow(&self) -> Option<(usize, &FollowFile)> {
        let entries = self.traffic.iter().enumerate();
        entries
            .filter_map(|(index, traffic)| match &traffic.operation {
                Operation::Follow(follow) => Some((index, follow)),
                _ => None,
            })
            .next()
    }

    /// Whether the entry sends messages to chats that somebody follows.
    #[must_use]
    pub fn is_followed(&self, traffic: &Traffic) -> bool {
        let followed = self.follow().and_then(|(index, _)| self.traffic[index].group);
        traffic.operation == Operation::Send && followed.is_some() && traffic.group == followed
    }

    /// Members that are online, in all chats.
    #[must_use]
    pub fn online(&self) -> u32 {
        self.follow().map_or(0, |(index, follow)| {
            let group = self.traffic[index].group.map(|group| &self.chats[group]);
            group.map_or(0, |group| group.count.saturating_mul(follow.online))
        })
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

    /// The flows of all traffic entries, in order.
    #[must_use]
    pub fn flows(&self) -> Vec<Flow> {
        self.traffic.iter().map(|traffic| traffic.flow.clone()).collect()
    }
}

/// Judges what the schema cannot, and builds the domain.
pub(crate) fn resolve(file: WorkloadFile, tree: &Node, overrides: &Overrides) -> Result<Workload, Vec<Mistake>> {
    let mut judge = Judge {
        tree,
        foreign: overrides.foreign,
        found: Vec::new(),
    };
    judge.name(&file.name);
    let profile = settle::settled(judge.profile(&file.profile), &file);
    judge.generator(&file.generator);
    let chats: Vec<ChatGroup> = file.chats.iter().map(|(name, chats)| group(name, chats)).collect();
    let traffic: Vec<Traffic> = file
        .traffic
        .iter()
        .map(|(name, entry)| judge.traffic(name, entry, &file, &chats))
        .collect();
    judge.shares(&file);
    judge.follow(&file, &profile);
    judge.retries(&file);
    let faults = judge.faults(&file, &profile);
    let changes = judge.changes(&file, &profile, &faults);
    let variants = judge.variants(&file);
    let gates = file
        .gates
        .iter()
        .enumerate()
        .map(|(index, gate)| judge.gate(index, gate, &file, &profile, &faults))
        .collect();
    if !judge.found.is_empty() {
        return Err(judge.found);
    }
    Ok(Workload {
        file,
        quick: overrides.quick,
        profile,
        chats,
        traffic,
        variants,
        changes,
        faults,
        gates,
    })
}

fn group(name: &str, chats: &ChatsFile) -> ChatGroup {
    ChatGroup {
        name: name.to_owned(),
        count: chats.count,
        members: chats.members,
    }
}

/// Collects the mistakes of one file.
pub(super) struct Judge<'a> {
    tree: &'a Node,
    pub(super) foreign: bool,
    pub(super) found: Vec<Mistake>,
}

impl Judge<'_> {
    /// Notes a mistake at `path`, or at the nearest thing above it that was written.
    pub(super) fn mistake(&mut self, path: &str, problem: impl Into<String>, allowed: impl Into<String>) {
        let mut written = path;
        let node = loop {
            match self.tree.at(written) {
                Some(node) => break node,
                None => written = written.rsplit_once('.').map_or("", |(above, _)| above),
            }
        };
        self.found.push(Mistake {
            origin: node.origin.clone(),
            path: path.to_owned(),
            problem: problem.into(),
            allowed: Some(allowed.into()),
            nearest: None,
        });
    }

    fn name(&mut self, name: &str) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !name.chars().all(plain) || name.starts_with('-') {
            self.mistake(
                "name",
                format!("`{name}` cannot be part of a directory's name"),
                "lower-case letters, digits and hyphens",
            );
        }
    }

    pub(super) fn positive(&mut self, path: &str, span: Span) {
        if span.0.is_zero() {
            self.mistake(path, format!("`{span}` is no time at all"), "more than 0s");
        }
    }

    fn generator(&mut self, generator: &GeneratorFile) {
        self.positive("generator.timeout", generator.timeout);
        if generator.timeout.0 > TIMEOUT_MAX {
            self.mistake(
                "generator.timeout",
                format!("`{}` is too long to wait for an answer", generator.timeout),
                "at most 10m",
            );
        }
        let workers = u32::from(generator.workers);
        for (key, bound) in [
            ("connections", generator.connections),
            ("waiting", generator.waiting),
            ("retries", generator.retries),
        ] {
            if bound < workers {
                self.mistake(
                    &join("generator", key),
                    format!("{bound} cannot be shared among {workers} workers"),
                    format!("at least {workers}"),
                );
            }
        }
    }

    /// Notes a name that is not among `known`.
    pub(super) fn known(&mut self, path: &str, name: &str, what: &str, known: &[&str]) -> bool {
        let is_known = known.contains(&name);
        if !is_known {
            self.mistake(path, format!("there is no {what} `{name}`"), known.join(", "));
            if let Some(mistake) = self.found.last_mut() {
                mistake.nearest = nearest(name, known.iter().copied());
            }
        }
        is_known
    }

    fn traffic(&mut self, name: &str, entry: &TrafficFile, file: &WorkloadFile, chats: &[ChatGroup]) -> Traffic {
        let path = join("traffic", name);
        let is_follow = matches!(entry.operation, Operation::Follow(_));
        if is_follow && (entry.share.is_some() || entry.rate.is_some()) {
            self.mistake(
                &path,
                "a follow has no rate of its own: pushes cause its fetches",
                "leave `share` and `rate` out",
            );
        } else if !is_follow && entry.share.is_some() == entry.rate.is_some() {
            self.mistake(
                &path,
                "needs either `share` or `rate`",
                "share: a part of the profile's rate, from 0 to 1; rate: a rate of its own, such as 100/s",
            );
        }
        let group = self.chats_of(&path, entry, chats);
        let written = group.and_then(|group| file.chats.get(&chats[group].name));
        Traffic {
            name: name.to_owned(),
            operation: entry.operation.clone(),
            group,
            retry: entry.retry.clone(),
            flow: Flow {
                share: entry.share.unwrap_or(0.0),
                rate: entry.rate.map_or(0.0, |rate| rate.0),
                chats: written.map_or(0, |chats| chats.count),
                zipf: written.map_or(0.0, |chats| chats.zipf),
            },
        }
    }

    /// The group of chats that an entry is done to.
    fn chats_of(&mut self, path: &str, entry: &TrafficFile, chats: &[ChatGroup]) -> Option<usize> {
        let names: Vec<&str> = chats.iter().map(|group| group.name.as_str()).collect();
        match (&entry.operation, &entry.chats) {
            (Operation::Get { path: target }, chats) => {
                if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
                    self.mistake(
                        &join(path, "operation.get.path"),
                        format!("`{target}` is not a path"),
                        "a path that starts with / and has no spaces; percent-encode what is not plain ASCII",
                    );
                }
                if chats.is_some() {
                    self.mistake(
                        &join(path, "chats"),
                        "a plain get is not done to a chat",
                        "leave `chats` out",
                    );
                }
                None
            }
            (operation, Some(group)) => {
                self.known(&join(path, "chats"), group, "group of chats", &names);
                let index = names.iter().position(|name| name == group)?;
                let is_member = matches!(operation, Operation::Send | Operation::Fetch);
                if is_member && chats[index].members == 0 {
                    self.mistake(
                        &join(path, "chats"),
                        format!("only members can do this, and the chats of `{group}` start with none"),
                        format!("chats.{group}.members of at least 1"),
                    );
                }
                Some(index)
            }
            (_, None) => {
                self.mistake(
                    &join(path, "chats"),
                    "the operation is done to a chat, but no `chats` is given",
                    names.join(", "),
                );
                None
            }
        }
    }

    fn shares(&mut self, file: &WorkloadFile) {
        let sum: f64 = file.traffic.values().filter_map(|entry| entry.share).sum();
        if (sum - 1.0).abs() > 1e-6 {
            self.mistake(
                "traffic",
                format!("the shares add up to {sum}, so the profile's rate is not what would be offered"),
                "shares that add up to 1",
            );
        }
    }

    fn variants(&mut self, file: &WorkloadFile) -> Vec<Variant> {
        let mut seen = BTreeSet::new();
        for (index, variant) in file.variants.iter().enumerate() {
            if !seen.insert(directory_name(&variant.name)) {
                self.mistake(
                    &format!("variants.{index}.name"),
                    format!("`{}` has the name, or the directory, of another variant", variant.name),
                    "a name of its own",
                );
            }
        }
        file.variants
            .iter()
            .map(|variant| {
                let mut settings = file.target.settings.clone();
                lay_over(&mut settings, &variant.settings);
                Variant {
                    name: variant.name.clone(),
                    settings,
                }
            })
            .collect()
    }
}

/// Lays settings over others; blocks merge key by key.
fn lay_over(under: &mut Settings, over: &Settings) {
    for (key, value) in over {
        match (under.get_mut(key), value) {
            (Some(Json::Object(under)), Json::Object(over)) => lay_over(under, over),
            _ => drop(under.insert(key.clone(), value.clone())),
        }
    }
}
