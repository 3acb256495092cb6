//! Several hosts that share the arrivals.

use std::collections::BTreeSet;

use super::domain::Host;
use super::file::{ProfileFile, WorkloadFile};
use super::judge::Judge;
use super::shape::join;
use super::target_url::TargetUrl;
use crate::arrival::{PhaseKind, Profile};

/// What gates call a host is this and its name.
pub(super) const HOST: &str = "host";

impl Judge<'_> {
    /// The hosts; none where there is a single target.
    pub(super) fn hosts(&mut self, file: &WorkloadFile) -> Vec<Host> {
        let written = &file.target.hosts;
        if let ProfileFile::Shift { to, shares, .. } = &file.profile {
            let names: Vec<&str> = written.iter().map(|host| host.name.as_str()).collect();
            self.known("profile.to", to, "host", &names);
            if let Some(index) = shares.iter().position(|share| share.0 > 1.0) {
                self.mistake(
                    &format!("profile.shares.{index}"),
                    "more than everything",
                    "at most 100%",
                );
            }
        }
        if written.is_empty() {
            return Vec::new();
        }
        self.hosts_fit(file);
        let mut seen = BTreeSet::new();
        let mut hosts = Vec::new();
        for (index, host) in written.iter().enumerate() {
            let path = format!("target.hosts.{index}");
            if !seen.insert(&host.name) {
                self.mistake(
                    &join(&path, "name"),
                    format!("`{}` is another host's name", host.name),
                    "a name of its own",
                );
            }
            if let Some(url) = self.url(&join(&path, "url"), &host.url) {
                hosts.push(Host {
                    name: host.name.clone(),
                    url,
                });
            }
        }
        hosts
    }

    fn hosts_fit(&mut self, file: &WorkloadFile) {
        const HOSTS: &str = "target.hosts";
        let written = &file.target.hosts;
        if written.len() < 2 {
            self.mistake(
                HOSTS,
                "there is nothing to share the arrivals with",
                "two hosts or more, or `url`",
            );
        }
        let to = match &file.profile {
            ProfileFile::Shift { to, .. } => Some(to),
            _ => None,
        };
        let others = written.iter().filter(|host| Some(&host.name) != to);
        if others.map(|host| host.weight).sum::<f64>() <= 0.0 {
            self.mistake(
                HOSTS,
                "no host has a weight, so none would get an arrival",
                "a weight above 0",
            );
        }
        let instead = [
            ("target.url", file.target.url.is_some()),
            ("target.command", file.has_command()),
            ("traffic", file.traffic.contains_key(HOST)),
        ];
        for (path, _) in instead.into_iter().filter(|(_, is_given)| *is_given) {
            self.mistake(
                path,
                "with `hosts` it is not clear what is meant",
                "leave one of the two out",
            );
        }
        for (index, _) in file
            .variants
            .iter()
            .enumerate()
            .filter(|(_, variant)| variant.url.is_some())
        {
            self.mistake(
                &format!("variants.{index}.url"),
                "the arrivals go to `target.hosts`",
                "leave one of the two out",
            );
        }
    }
}

/// The profile with the part of the arrivals that each host gets in each of its phases.
pub(super) fn shared(profile: Profile, file: &WorkloadFile) -> Profile {
    let written = &file.target.hosts;
    if written.len() < 2 {
        return profile;
    }
    let (to, shares) = match &file.profile {
        ProfileFile::Shift { to, shares, .. } => (written.iter().position(|host| host.name == *to), &shares[..]),
        _ => (None, &[][..]),
    };
    let kinds: Vec<PhaseKind> = profile.phases().iter().map(|phase| phase.kind).collect();
    profile.among_hosts(|phase| {
        let steps_before = kinds[..phase].iter().filter(|kind| **kind == PhaseKind::Step).count();
        let moved = match kinds[phase] {
            PhaseKind::Step => shares.get(steps_before).map_or(0.0, |share| share.0),
            _ => 0.0,
        };
        let weight = |index: usize| if Some(index) == to { 0.0 } else { written[index].weight };
        let weights: f64 = (0..written.len()).map(weight).sum();
        let part = |index: usize| match Some(index) == to {
            true => moved,
            false => (1.0 - moved) * weight(index) / weights,
        };
        (0..written.len()).map(part).collect()
    })
}

impl Host {
    /// Where it is, of each.
    pub(super) fn urls(hosts: &[Self]) -> Vec<TargetUrl> {
        hosts.iter().map(|host| host.url.clone()).collect()
    }
}
