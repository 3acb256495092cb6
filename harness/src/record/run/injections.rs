//! What was broken and changed on purpose in a cell, and what came of it.

use serde::{Deserialize, Serialize};

/// A block of settings.
type Settings = serde_json::Map<String, serde_json::Value>;

/// Writes of a cell that the target acknowledged, and how many of them are not there afterwards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AcknowledgedResult {
    /// Joins that were acknowledged.
    pub joins: u64,
    /// Messages that were acknowledged.
    pub messages: u64,
    /// Of the joins, those whose user is no member; `None` where that could not be asked.
    pub lost_joins: Option<u64>,
    /// Of the messages, those in whose place there is none, or another one; `None` where that could not be asked.
    pub lost_messages: Option<u64>,
    /// Why it could not be asked.
    pub problem: Option<String>,
}

impl AcknowledgedResult {
    /// All that are lost; `None` where that could not be asked.
    #[must_use]
    pub fn lost(&self) -> Option<u64> {
        Some(self.lost_joins? + self.lost_messages?)
    }
}

/// Something that was to go wrong on purpose. A cell has one for each fault of its workload, also for those that failed
/// or never began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultResult {
    /// What, as the workload names it, such as `pause_shard` or `kill_redis`.
    pub kind: String,
    /// What it was done to: `shard 0`, `server`, `redis`, `publish role`, `10 % of the members`.
    pub target: String,
    /// When it was to begin, in seconds of the cell.
    #[serde(default)]
    pub planned_s: f64,
    /// When it was to end.
    #[serde(default)]
    pub planned_end_s: f64,
    /// When it began; `None` where it never did.
    pub start_s: Option<f64>,
    /// When it was undone, at the latest right after the cell; `None` where that failed or it never began.
    pub end_s: Option<f64>,
    /// Why it could not be injected or undone, or was never reached: figures of the cell are not those of this fault.
    pub problem: Option<String>,
    /// What it did, shard by shard.
    #[serde(flatten)]
    pub blast: Blast,
}

/// What a fault did to the calls to each shard. `docs/METHOD.md`, "Blast radius", defines every figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Blast {
    /// The stretch that *before* means, in seconds of the cell; `None` where there was no second of undisturbed load
    /// right before.
    #[serde(default)]
    pub before_s: Option<(f64, f64)>,
    /// The stretch after it in which its recovery was looked for; `None` where it was shorter than a second.
    #[serde(default)]
    pub after_s: Option<(f64, f64)>,
    /// From the fault's begin until calls to the sick shard are answered at once, whatever the answer; `None`: not
    /// while it lasted.
    #[serde(default)]
    pub fail_fast_s: Option<f64>,
    /// From the fault's end until the sick shard is as it was before; `None`: not in that stretch.
    #[serde(default)]
    pub recovered_s: Option<f64>,
    /// Writes of the whole cell that were acknowledged and are not there; `None` where that could not be asked.
    #[serde(default)]
    pub acknowledged_lost: Option<u64>,
    /// In order; empty where shards are not known.
    #[serde(default)]
    pub shards: Vec<ShardBlast>,
}

/// The calls to one shard before and during a fault.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardBlast {
    /// Its number.
    pub shard: usize,
    /// Whether the fault is done to it.
    pub sick: bool,
    /// Whether another fault is done to it meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sick_of_another: bool,
    /// Calls that were due before.
    pub requests_before: u64,
    /// Calls that were due during.
    pub requests_during: u64,
    /// 99th percentile of the response times of `ok` answers before; `None` of none.
    pub p99_before_us: Option<u64>,
    /// The same during.
    pub p99_during_us: Option<u64>,
    /// Part of the calls before that did not end `ok`, from 0 to 1; `None` of none.
    pub error_rate_before: Option<f64>,
    /// The same during.
    pub error_rate_during: Option<f64>,
}

impl ShardBlast {
    /// The p99 before; `None` where it rests on fewer than `least` `ok` answers.
    #[must_use]
    pub fn p99_before(&self, least: u64) -> Option<u64> {
        let ok = ok_answers(self.requests_before, self.error_rate_before);
        self.p99_before_us.filter(|_| ok >= least)
    }

    /// The same during.
    #[must_use]
    pub fn p99_during(&self, least: u64) -> Option<u64> {
        let ok = ok_answers(self.requests_during, self.error_rate_during);
        self.p99_during_us.filter(|_| ok >= least)
    }

    /// The p99 during over that before; `None` where either is missing or rests on too few.
    #[must_use]
    pub fn p99_ratio(&self, least: u64) -> Option<f64> {
        Some(self.p99_during(least)? as f64 / self.p99_before(least)?.max(1) as f64)
    }
}

fn ok_answers(requests: u64, error_rate: Option<f64>) -> u64 {
    (requests as f64 * (1.0 - error_rate.unwrap_or(1.0))).round() as u64
}

/// The calls to each shard over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// In order.
    pub shards: Vec<ShardTimeline>,
}

/// The calls to one shard, by the second in which they were due, from the start of the cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardTimeline {
    /// Its number.
    pub shard: usize,
    /// Calls.
    pub requests: Vec<u64>,
    /// Of these, those that did not end `ok`.
    pub not_ok: Vec<u64>,
    /// 99th percentile of the response times of `ok` answers, in microseconds; `null` of none.
    pub ok_p99_us: Vec<Option<u64>>,
}

/// A change of the server's live settings. A cell has one for each change of its variant, also for those that failed or
/// were never reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeResult {
    /// When it was to be made, in seconds of the cell.
    #[serde(default)]
    pub planned_s: f64,
    /// When the server was asked for it; as planned where it never was.
    pub at_s: f64,
    /// When the server said that it is in force.
    pub applied_s: Option<f64>,
    /// The settings that were changed.
    pub settings: Settings,
    /// The revision of the settings from then on.
    pub revision: Option<u64>,
    /// Why it was not made, or not reached.
    pub problem: Option<String>,
}

/// The earliest planned fault or change that failed or was never reached.
pub(super) fn first_problem(faults: &[FaultResult], changes: &[ChangeResult]) -> Option<String> {
    let faults = faults.iter();
    let faults = faults.map(|fault| {
        let what = format!("{} ({})", fault.kind, fault.target);
        (fault.planned_s, what, &fault.problem)
    });
    let changes = changes.iter();
    let changes = changes.map(|change| (change.planned_s, "the change of settings".to_owned(), &change.problem));
    let failed = faults.chain(changes).filter(|(_, _, problem)| problem.is_some());
    let (planned_s, what, problem) = failed.min_by(|one, two| one.0.total_cmp(&two.0))?;
    let problem = problem.as_deref().unwrap_or_default();
    Some(format!("{what} planned at {planned_s:.1} s: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_that_failed_or_was_never_reached_is_named() {
        let fault = |planned_s, problem: Option<&str>| FaultResult {
            kind: "kill_redis".to_owned(),
            target: "redis".to_owned(),
            planned_s,
            planned_end_s: planned_s + 1.0,
            start_s: problem.is_none().then_some(planned_s),
            end_s: None,
            problem: problem.map(str::to_owned),
            blast: Blast::default(),
        };
        let change = |planned_s, problem: Option<&str>| ChangeResult {
            planned_s,
            at_s: planned_s,
            applied_s: None,
            settings: Settings::new(),
            revision: None,
            problem: problem.map(str::to_owned),
        };
        let (good, bad) = (fault(1.0, None), fault(3.0, Some("not reached")));
        assert_eq!(first_problem(std::slice::from_ref(&good), &[change(2.0, None)]), None);
        assert_eq!(
            first_problem(&[good.clone(), bad.clone()], &[change(2.0, Some("refused"))]).as_deref(),
            Some("the change of settings planned at 2.0 s: refused")
        );
        assert_eq!(
            first_problem(&[good, bad], &[]).as_deref(),
            Some("kill_redis (redis) planned at 3.0 s: not reached")
        );
    }
}
