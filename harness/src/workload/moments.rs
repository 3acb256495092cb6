//! What happens at a given second of a cell: changes of live settings, and faults.

use std::time::Duration;

use super::file::{ChangeFile, FaultFile, Injection, Settings, WorkloadFile};
use super::quantity::Span;
use super::resolve::Judge;
use super::shape::join;
use crate::arrival::Profile;

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

impl Judge<'_> {
    pub(super) fn changes(&mut self, file: &WorkloadFile, profile: &Profile) -> Vec<Change> {
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
            changes.push(Change {
                at: self.moment(&path, phase.as_deref(), *after, profile),
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
            let at = self.moment(&path, phase.as_deref(), *after, profile);
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
            self.injection(&path, *inject, file);
            faults.push(Fault {
                at,
                until,
                inject: *inject,
            });
        }
        faults.sort_by_key(|fault| fault.at);
        faults
    }

    fn injection(&mut self, path: &str, inject: Injection, file: &WorkloadFile) {
        if !file.follows() {
            let what = match inject {
                Injection::KillRedis => "Redis is only there where members are online",
                Injection::StopPublish => "nothing is published where no member is online",
                Injection::DisconnectMembers(_) => "no member is online",
            };
            self.mistake(&join(path, "inject"), what, "a traffic entry with `operation: follow`");
        }
    }

    /// The offset from the start of the cell.
    fn moment(&mut self, path: &str, phase: Option<&str>, after: Span, profile: &Profile) -> Duration {
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
