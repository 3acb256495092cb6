//! From the typed file to the domain: what a schema cannot say is judged here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::domain::{ChatGroup, Reach, Traffic, Variant, Work, Workload, directory_name};
use super::file::{ChatsFile, GeneratorFile, Operation, Settings, TrafficFile, WorkloadFile};
use super::folder::Folder;
use super::hosts;
use super::judge::{Foreign, Judge};
use super::launch::{PushGateway, Variables};
use super::mistake::Mistake;
use super::overrides::Overrides;
use super::quantity::RATE_MAX;
use super::settle;
use super::shape::join;
use super::tree::Node;
use crate::arrival::{Flow, Phase, Profile};
use crate::template::{Sources, Websocket};

/// Every second that can still change is held in memory, so a time-out has a limit.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// The longest cell: every second of it is kept in memory.
const LENGTH_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Stands where nothing could be made of an entry; that is told, so nobody will see it.
const UNKNOWN: Work = Work::Chat(Operation::Count);

/// Judges what the schema cannot, and builds the domain.
pub(crate) fn resolve(
    file: WorkloadFile,
    tree: &Node,
    overrides: &Overrides,
    folder: &Folder,
) -> Result<Workload, Vec<Mistake>> {
    let foreign = match (overrides.foreign || file.is_foreign(), file.has_command()) {
        (true, _) => Some(Foreign::Target),
        (false, true) => Some(Foreign::Command),
        (false, false) => None,
    };
    let mut judge = Judge::new(tree, foreign);
    judge.takes_profile = file.traffic.values().any(|entry| entry.share.is_some());
    judge.name(&file.name);
    let profile = settle::settled(judge.profile(&file, folder), &file);
    let hosts = judge.hosts(&file);
    let profile = hosts::shared(profile, &file);
    judge.generator(&file.generator);
    let chats: Vec<ChatGroup> = file.chats.iter().map(|(name, chats)| group(name, chats)).collect();
    let data = judge.data(&file.data, folder);
    let traffic: Vec<Traffic> = file
        .traffic
        .iter()
        .map(|(name, entry)| judge.traffic(name, entry, &file, &chats, (&data, folder)))
        .collect();
    judge.shares(&file, &profile);
    judge.extent(&file, &traffic, &profile);
    judge.once(&file, &traffic, &data, &profile);
    judge.follow(&file, &profile);
    judge.holding(&file, &profile);
    judge.retries(&file);
    let faults = judge.faults(&file, &profile);
    let changes = judge.changes(&file, &profile, &faults);
    let reaches = judge.reaches(&file, &hosts, &data, folder);
    let mut variants = judge.variants(&file, reaches);
    let works: Vec<&Work> = traffic.iter().map(|entry| &entry.work).collect();
    judge.chats_are_plain(&file, &variants, &works);
    judge.launches(&file, &mut variants, folder, overrides);
    judge.gateways(&file, &variants);
    let before = judge.hooks("target.before", &file.target.before, folder);
    let after = judge.hooks("target.after", &file.target.after, folder);
    let observe = judge.observe(&file.observe);
    judge.uses_of_series(&file);
    let gates = judge.gates("gates", &file.gates, &file, &profile, &faults);
    let expectations = judge.gates("expect", &file.expect, &file, &profile, &faults);
    let guards = judge.guards(&file, &profile);
    if !judge.found.is_empty() {
        return Err(judge.found);
    }
    Ok(Workload {
        file,
        quick: overrides.quick,
        has_quick: false,
        profile,
        chats,
        hosts,
        data: Arc::new(data),
        traffic,
        variants,
        before,
        after,
        changes,
        faults,
        observe,
        guards,
        gates,
        expectations,
    })
}

fn group(name: &str, chats: &ChatsFile) -> ChatGroup {
    ChatGroup {
        name: name.to_owned(),
        count: chats.count,
        members: chats.members,
    }
}

impl Judge<'_> {
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

    fn traffic(
        &mut self,
        name: &str,
        entry: &TrafficFile,
        file: &WorkloadFile,
        chats: &[ChatGroup],
        values: (&Sources, &Folder),
    ) -> Traffic {
        let path = join("traffic", name);
        let is_follow = matches!(entry.operation, Some(Operation::Follow(_)));
        if entry.websocket.is_some() && (entry.share.is_some() || entry.rate.is_some()) {
            self.mistake(
                &path,
                "a WebSocket has no rate of its own: `hold` and `send.every` decide how much is sent",
                "leave `share` and `rate` out",
            );
        } else if is_follow && (entry.share.is_some() || entry.rate.is_some()) {
            self.mistake(
                &path,
                "a follow has no rate of its own: pushes cause its fetches",
                "leave `share` and `rate` out",
            );
        } else if !is_follow && entry.websocket.is_none() && entry.share.is_some() == entry.rate.is_some() {
            self.mistake(
                &path,
                "needs either `share` or `rate`",
                "share: a part of the profile's rate, from 0 to 1; rate: a rate of its own, such as 100/s",
            );
        }
        let group = self.chats_of(&path, entry, chats);
        let written = group.and_then(|group| file.chats.get(&chats[group].name));
        let traffic = Traffic {
            name: name.to_owned(),
            work: self.work(&path, entry, &file.generator, values),
            group,
            retry: entry.retry.clone(),
            flow: Flow {
                share: entry.share.unwrap_or(0.0),
                rate: entry.rate.map_or(0.0, |rate| rate.0),
                items: written.map_or(0, |chats| chats.count),
                zipf: written.map_or(0.0, |chats| chats.zipf),
            },
        };
        let mut steps = traffic.steps().iter().map(|step| traffic.step_name(step));
        if let Some(taken) = steps.find(|name| file.traffic.contains_key(name)) {
            self.mistake(
                &join(&path, "steps"),
                format!("there is a traffic entry `{taken}`, as this step would be called"),
                "another name for the step or for the entry",
            );
        }
        traffic
    }

    /// What an entry does, and whether it says so at all.
    fn work(
        &mut self,
        path: &str,
        entry: &TrafficFile,
        generator: &GeneratorFile,
        (data, folder): (&Sources, &Folder),
    ) -> Work {
        if entry.cookies.is_some() && entry.steps.is_none() {
            self.mistake(
                &join(path, "cookies"),
                "only sessions keep cookies: a single request has none to send back",
                "leave `cookies` out, or describe `steps`",
            );
        }
        if let (Some(target), None, None, None) = (&entry.websocket, &entry.operation, &entry.request, &entry.steps) {
            let websocket = self.websocket(path, target, entry, generator, data);
            return websocket.map_or(UNKNOWN, Work::Websocket);
        }
        self.no_websocket(path, entry);
        let ask = match (&entry.operation, &entry.request, &entry.steps) {
            _ if entry.websocket.is_some() => {
                self.one_of(path);
                None
            }
            (Some(Operation::Get { path: target }), None, None) => self.get(path, target, entry, data),
            (None, None, Some(steps)) => {
                let session = self.session(path, entry, steps, data, folder);
                return session.map_or(UNKNOWN, Work::Session);
            }
            (Some(operation), None, None) => {
                if entry.check.is_some() {
                    self.mistake(
                        &join(path, "check"),
                        "the answers to an operation on chats are checked already",
                        "leave `check` out, or describe a `request`",
                    );
                }
                return Work::Chat(operation.clone());
            }
            (None, Some(request), None) => {
                let at = join(path, "request");
                self.ask(path, &at, request, entry.check.as_ref(), data, folder)
            }
            (_, _, _) => {
                self.one_of(path);
                None
            }
        };
        ask.map_or(UNKNOWN, Work::Http)
    }

    /// An entry does one thing.
    fn one_of(&mut self, path: &str) {
        self.mistake(
            path,
            "needs either `operation`, `request`, `steps` or `websocket`",
            "operation: what is done to chats; request: what is sent to any HTTP server, such as {get: /items}; steps: several \
             requests after one another; websocket: the path of connections that are held",
        );
    }

    /// The group of chats that an entry is done to.
    fn chats_of(&mut self, path: &str, entry: &TrafficFile, chats: &[ChatGroup]) -> Option<usize> {
        let names: Vec<&str> = chats.iter().map(|group| group.name.as_str()).collect();
        let of_chat = |operation: &&Operation| !matches!(operation, Operation::Get { .. });
        match (entry.operation.as_ref().filter(of_chat), &entry.chats) {
            (None, Some(_)) => {
                self.mistake(
                    &join(path, "chats"),
                    "a plain request is not done to a chat",
                    "leave `chats` out",
                );
                None
            }
            (None, None) => None,
            (Some(operation), Some(group)) => {
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
            (Some(_), None) => {
                self.mistake(
                    &join(path, "chats"),
                    "the operation is done to a chat, but no `chats` is given",
                    names.join(", "),
                );
                None
            }
        }
    }

    fn shares(&mut self, file: &WorkloadFile, profile: &Profile) {
        let offers_nothing = profile.phases().iter().all(|phase| phase.rate <= 0.0);
        let shares = file.traffic.values().filter_map(|entry| entry.share);
        let sum = shares.fold(0.0, |sum, share| sum + share);
        // Nobody takes a part of nothing.
        if !self.takes_profile && offers_nothing {
            return;
        }
        if (sum - 1.0).abs() > 1e-6 {
            self.mistake(
                "traffic",
                format!("the shares add up to {sum}, so the profile's rate is not what would be offered"),
                match self.takes_profile {
                    true => "shares that add up to 1",
                    false => "shares that add up to 1, or a profile that offers nothing: target: 0/s",
                },
            );
        }
    }

    /// How much is offered in all, and for how long.
    fn extent(&mut self, file: &WorkloadFile, traffic: &[Traffic], profile: &Profile) {
        let own: f64 = file
            .traffic
            .values()
            .filter_map(|entry| entry.rate)
            .map(|rate| rate.0)
            .sum();
        let said: f64 = traffic.iter().filter_map(Traffic::websocket).map(Websocket::rate).sum();
        let own = own + said;
        let highest = profile.phases().iter().map(Phase::rate_max).fold(0.0, f64::max);
        if highest + own > RATE_MAX {
            self.mistake(
                "traffic",
                format!("all entries together offer up to {}/s", highest + own),
                format!("at most {RATE_MAX}/s in all"),
            );
        }
        if profile.end() > LENGTH_MAX {
            self.mistake(
                "profile",
                format!("the cell would last {:.1} days", profile.end().as_secs_f64() / 86_400.0),
                "at most 7 days with all phases and the time to settle",
            );
        }
    }

    fn variants(&mut self, file: &WorkloadFile, reaches: Vec<Reach>) -> Vec<Variant> {
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
            .zip(reaches)
            .map(|(variant, reach)| {
                let mut settings = file.target.settings.clone();
                lay_over(&mut settings, &variant.settings);
                Variant {
                    name: variant.name.clone(),
                    settings,
                    gateway: gateway(file.target.gateway.as_ref(), variant.gateway.as_ref()),
                    reach,
                    launch: None,
                    env: Variables::new(),
                    retry_budget: variant.retry_budget.map(|budget| budget.0),
                }
            })
            .collect()
    }
}

/// A variant's push gateway; `None` where none is started.
fn gateway(common: Option<&Settings>, own: Option<&Settings>) -> Option<PushGateway> {
    let mut block = common.or(own)?.clone();
    lay_over(&mut block, own.unwrap_or(&Settings::new()));
    Some(PushGateway::new(block))
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
