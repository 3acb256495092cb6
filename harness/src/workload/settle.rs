//! The end of the profile: requests in flight, pending retries and sessions settle while nothing more is offered.

use std::time::Duration;

use super::domain::Workload;
use super::file::{Operation, RetryFile, TrafficFile, WorkloadFile};
use super::judge::Judge;
use super::shape::join;
use crate::arrival::{PhaseKind, Profile};

/// Members stay online for this long after the last message that may still be acknowledged would count as stale.
const MARGIN: Duration = Duration::from_secs(2);

/// The profile with one phase more in which nothing is offered, where something has to settle:
///
/// - pending retries go on for as long as `retry.settle` says;
/// - a session that goes on without a step that is slow ends with its pauses, and one time-out lets one step be slow;
/// - where members are online, a message is acknowledged one time-out after its intended start at the latest, and every
///   member must have it `stale_after` later.
///
/// All go on at the same time, unless messages to online members are themselves retried.
pub(super) fn settled(profile: Profile, file: &WorkloadFile) -> Profile {
    let retried = retrying(file).map(|(_, retry)| retry.settle.0).max();
    let followed = following(file).map(|(entry, stale_after)| {
        let late = file.traffic.values().filter(|other| is_followed(other, entry));
        let late = late
            .filter_map(|other| other.retry.as_ref())
            .map(|retry| retry.settle.0);
        late.max().unwrap_or_default() + file.generator.timeout.0 + stale_after + MARGIN
    });
    let sessions = file.traffic.values().filter_map(|entry| entry.steps.as_ref());
    let visited = sessions.map(|steps| {
        let pauses = steps.iter().filter_map(|step| step.think);
        pauses.map(|pause| pause.0).sum::<Duration>() + file.generator.timeout.0
    });
    // `None` is less than any time, and a phase of no length is left out.
    let time = retried.max(followed).max(visited.max()).unwrap_or_default();
    profile.then("settle", PhaseKind::Settle, time, 0.0)
}

fn retrying(file: &WorkloadFile) -> impl Iterator<Item = (&String, &RetryFile)> {
    let entries = file.traffic.iter();
    entries.filter_map(|(name, entry)| Some((name, entry.retry.as_ref()?)))
}

fn following(file: &WorkloadFile) -> Option<(&TrafficFile, Duration)> {
    file.traffic.values().find_map(|entry| match &entry.operation {
        Some(Operation::Follow(follow)) => Some((entry, follow.stale_after.0)),
        _ => None,
    })
}

fn is_followed(entry: &TrafficFile, follow: &TrafficFile) -> bool {
    entry.operation == Some(Operation::Send) && entry.chats == follow.chats
}

impl Workload {
    /// The offset from the start of the cell from which on nothing new is offered.
    #[must_use]
    pub fn offered_until(&self) -> Duration {
        let phases = self.profile.phases();
        let settle = phases.iter().find(|phase| phase.kind == PhaseKind::Settle);
        settle.map_or(self.profile.end(), |phase| phase.start)
    }

    /// The offset from the start of the cell after which `retry` allows no further attempt.
    #[must_use]
    pub fn retry_until(&self, retry: &RetryFile) -> Duration {
        self.offered_until() + retry.settle.0
    }
}

impl Judge<'_> {
    pub(super) fn retries(&mut self, file: &WorkloadFile) {
        let is_nobody_retrying = retrying(file).next().is_none();
        for (index, _) in file
            .variants
            .iter()
            .enumerate()
            .filter(|(_, variant)| variant.retry_budget.is_some())
        {
            if is_nobody_retrying {
                self.mistake(
                    &format!("variants.{index}.retry_budget"),
                    "no traffic entry retries, so there is nothing to limit",
                    "`retry` in a traffic entry",
                );
            }
        }
        for (name, retry) in retrying(file) {
            let path = join(&join("traffic", name), "retry");
            if matches!(file.traffic[name].operation, Some(Operation::Follow(_))) {
                self.mistake(
                    &path,
                    "online members poll by themselves",
                    "leave `retry` out of a follow",
                );
            }
            self.positive(&join(&path, "backoff"), retry.backoff);
            if retry.backoff_max < retry.backoff {
                self.mistake(
                    &join(&path, "backoff_max"),
                    format!(
                        "the longest pause `{}` is shorter than the first, `{}`",
                        retry.backoff_max, retry.backoff
                    ),
                    format!("at least {}", retry.backoff),
                );
            }
        }
    }
}
