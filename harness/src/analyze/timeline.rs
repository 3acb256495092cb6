//! The calls to each shard, second by second, for the time axis of reports.

use super::figure::p99_us;
use crate::record::{Calls, ShardTimeline, TENTHS, TimeAxis, Timeline};

/// `None` where shards were not told apart.
#[must_use]
pub(super) fn timeline(axis: &TimeAxis) -> Option<Timeline> {
    let shards = axis.shards().iter().enumerate();
    let shards: Vec<ShardTimeline> = shards
        .map(|(shard, calls)| {
            let seconds = || calls.chunks(TENTHS);
            ShardTimeline {
                shard,
                requests: seconds()
                    .map(|second| second.iter().map(|calls| u64::from(calls.all)).sum())
                    .collect(),
                not_ok: seconds().map(|second| second.iter().map(Calls::not_ok).sum()).collect(),
                ok_p99_us: seconds().map(p99_us).collect(),
            }
        })
        .collect();
    (!shards.is_empty()).then_some(Timeline { shards })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Outcome, ShardSecond};

    #[test]
    fn each_second_has_its_calls_its_failures_and_its_p99() {
        assert_eq!(timeline(&TimeAxis::default()), None);
        let mut axis = TimeAxis::default();
        let mut second = vec![ShardSecond::default()];
        for ms in 1..=200 {
            second[0].at(1_200_000_000).ended(Outcome::Ok, ms * 1_000_000);
        }
        second[0].at(1_900_000_000).ended(Outcome::Shed, 5_000);
        second[0].at(1_900_000_000).unsent();
        axis.add(1, &second);
        let shard = &timeline(&axis).unwrap().shards[0];
        assert_eq!((&shard.requests[..], &shard.not_ok[..]), (&[0, 202][..], &[0, 2][..]));
        assert_eq!(shard.ok_p99_us, [None, Some(198_000)]);
    }
}
