//! What happens at a given second of a cell: changes of live settings, and faults.

use std::time::Duration;

use super::domain::{Change, Fault};
use super::file::{ChangeFile, FaultFile, Injection, WorkloadFile};
use super::judge::{Foreign, Judge};
use super::quantity::Span;
use super::shape::join;
use crate::arrival::Profile;

/// The main thread begins and ends a pause a little late: the server may stay paused for this long after the planned
/// end.
const LATE: Duration = Duration::from_millis(500);

/// Least time between two faults of which one would undo the other: each begins and ends a little late.
const APART: Duration = Duration::from_secs(1);

impl Judge<'_> {
    pub(super) fn changes(&mut self, file: &WorkloadFile, profile: &Profile, faults: &[Fault]) -> Vec<Change> {
        let all: Vec<&str> = file.variants.iter().map(|variant| variant.name.as_str()).collect();
        let mut changes = Vec::new();
        for (index, change) in file.changes.iter().enumerate() {
            let path = format!("changes.{index}");
            for (at, name) in change.variants.iter().flatten().enumerate() {
                self.known(&format!("{path}.variants.{at}"), name, "variant", &all);
            }
            if change.settings.is_empty() {
                self.mistake(&join(&path, "settings"), "nothing is changed", "at least one setting");
            }
            let ChangeFile {
                phase,
                after,
                settings,
                variants,
            } = change;
            let at = self.offset(&path, phase.as_deref(), *after, profile);
            self.heard(&join(&path, "after"), "the settings change", at, faults);
            changes.push(Change {
                at,
                settings: settings.clone(),
                variants: variants
                    .clone()
                    .unwrap_or_else(|| all.iter().map(ToString::to_string).collect()),
            });
        }
        changes.sort_by_key(|change| change.at);
        changes
    }

    pub(super) fn faults(&mut self, file: &WorkloadFile, profile: &Profile) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (index, fault) in file.faults.iter().enumerate() {
            let path = format!("faults.{index}");
            self.positive(&join(&path, "for"), fault.lasts);
            let FaultFile {
                phase,
                after,
                lasts,
                inject,
            } = fault;
            let at = self.offset(&path, phase.as_deref(), *after, profile);
            let until = at + lasts.0;
            if until > profile.end() {
                self.mistake(
                    &join(&path, "for"),
                    format!("the fault would last until {:.1} s", until.as_secs_f64()),
                    format!(
                        "an end within the profile, which is {:.1} s long",
                        profile.end().as_secs_f64()
                    ),
                );
            }
            self.injection(&join(&path, "inject"), *inject, file);
            faults.push(Fault {
                at,
                until,
                inject: *inject,
            });
        }
        self.clashes(&faults);
        self.stops_of_publishing(&faults);
        faults.sort_by_key(|fault| fault.at);
        faults
    }

    /// Notes faults that would undo each other: the first to end would mend what the other broke.
    fn clashes(&mut self, faults: &[Fault]) {
        for (index, fault) in faults.iter().enumerate() {
            let clash = faults[..index].iter().find(|other| {
                let (one, two) = (fault.inject, other.inject);
                fault.at < other.until.saturating_add(APART)
                    && other.at < fault.until.saturating_add(APART)
                    && one.target() == two.target()
                    && (one.kind() == two.kind() || one.stops_a_process() && two.stops_a_process())
            });
            if let Some(other) = clash {
                self.mistake(
                    &format!("faults.{index}"),
                    format!(
                        "overlaps `{1}` ({2}) or lies less than {0} s from it, so the end of one could undo the other",
                        APART.as_secs(),
                        other.inject.kind(),
                        other.inject.target()
                    ),
                    format!(
                        "an end before {:.1} s or a begin after {:.1} s of the cell",
                        other.at.saturating_sub(APART).as_secs_f64(),
                        other.until.saturating_add(APART).as_secs_f64()
                    ),
                );
            }
        }
    }

    /// The publish role is stopped and started through the admin API.
    fn stops_of_publishing(&mut self, faults: &[Fault]) {
        for (index, fault) in faults.iter().enumerate() {
            if fault.inject == Injection::StopPublish {
                let path = format!("faults.{index}");
                self.heard(&join(&path, "after"), "`stop_publish` begins", fault.at, faults);
                self.heard(&join(&path, "for"), "`stop_publish` ends", fault.until, faults);
            }
        }
    }

    /// Notes a call to the admin API that falls into a pause of the server: the call would get no answer, and
    /// everything due after it would wait.
    fn heard(&mut self, path: &str, what: &str, at: Duration, faults: &[Fault]) {
        let pauses = faults.iter().filter(|fault| fault.inject == Injection::PauseServer);
        let mut silent = pauses.map(|pause| (pause.at, pause.until.saturating_add(LATE)));
        if let Some((from, to)) = silent.find(|(from, to)| (*from..=*to).contains(&at)) {
            self.mistake(
                path,
                format!(
                    "{what} at {:.1} s, while `pause_server` lasts, and a paused server cannot be told",
                    at.as_secs_f64()
                ),
                format!(
                    "a time before {:.1} s or after {:.1} s of the cell",
                    from.as_secs_f64(),
                    to.as_secs_f64()
                ),
            );
        }
    }

    fn injection(&mut self, path: &str, inject: Injection, file: &WorkloadFile) {
        let follow = "a traffic entry with `operation: follow`";
        match inject {
            Injection::KillRedis | Injection::PauseRedis if !file.needs_redis() => {
                self.mistake(
                    path,
                    "no Redis is started, because nothing keeps anything there",
                    "a traffic entry with `operation: follow`, or a variant whose settings need Redis",
                );
            }
            _ if inject.is_of_the_gateway() && !file.all_have_gateways() => {
                self.mistake(
                    path,
                    "no push gateway is started in some variant",
                    "target.gateway, or a `gateway` in every variant",
                );
            }
            Injection::StopPublish if !file.follows() => {
                self.mistake(path, "nothing is published where no member is online", follow);
            }
            Injection::DisconnectMembers(_) if !file.follows() => {
                self.mistake(path, "no member is online", follow);
            }
            _ => {}
        }
        let kind = inject.kind();
        let key = join(path, kind);
        let length = match inject {
            Injection::SlowDisk(slow) => Some(("by", slow.by)),
            Injection::SlowQueries(slow) => Some(("hold", slow.hold)),
            Injection::DelayConnections(delay) => Some(("by", delay.by)),
            _ => None,
        };
        let shards = file.target.shards;
        if let Some(shard) = inject.shard().filter(|shard| *shard >= shards) {
            let place = if length.is_some() {
                join(&key, "shard")
            } else {
                key.clone()
            };
            self.mistake(
                &place,
                format!("there is no shard {shard}"),
                match shards {
                    1 => "0, or more shards in target.shards".to_owned(),
                    _ => format!("0 to {}, or more shards in target.shards", shards - 1),
                },
            );
        }
        if let Some((name, length)) = length {
            self.positive(&join(&key, name), length);
        }
        if let Some(foreign) = self.foreign {
            self.ours(path, inject, foreign);
        }
    }

    /// Notes a fault of a process that bmt did not start: if bmt is killed, its reaper cannot undo the fault, and the
    /// owner does not know of it.
    fn ours(&mut self, path: &str, inject: Injection, foreign: Foreign) {
        let problem = match inject {
            // Its members are bmt's own.
            Injection::DisconnectMembers(_) => return,
            _ if foreign == Foreign::Command => "is done to the reference server or to what that uses",
            Injection::StopPublish => "would outlast a bmt that is killed",
            _ => "would touch a process that bmt did not start",
        };
        let kind = inject.kind();
        let (because, without) = match foreign {
            Foreign::Target => ("because of --target", "a run without --target"),
            Foreign::Command => ("which `command` takes the place of", "a workload without `command`"),
        };
        self.mistake(
            path,
            format!("`{kind}` {problem}, {because}"),
            format!("disconnect_members; or {without}"),
        );
    }

    /// The offset from the start of the cell.
    fn offset(&mut self, path: &str, phase: Option<&str>, after: Span, profile: &Profile) -> Duration {
        let names: Vec<&str> = profile.phases().iter().map(|phase| phase.name.as_str()).collect();
        let (start, end) = match phase {
            None => (Duration::ZERO, profile.end()),
            Some(name) => {
                self.known(&join(path, "phase"), name, "phase", &names);
                let phase = profile.phases().iter().find(|phase| phase.name == name);
                phase.map_or((Duration::ZERO, Duration::MAX), |phase| (phase.start, phase.end))
            }
        };
        let at = start.saturating_add(after.0);
        if at >= end {
            self.mistake(
                &join(path, "after"),
                format!("`{after}` is after the end"),
                format!("less than {:.1} s", (end - start).as_secs_f64()),
            );
        }
        at
    }
}
