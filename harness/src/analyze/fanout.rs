//! How the events of a phase reached the members who were online.

use crate::drive::LaneTable;
use crate::record::{Fanout, Interval, Outcome, PushSide, Quantiles};
use crate::workload::Workload;

/// `None` where nobody is online. Events and fetches belong to the phase in which they were due, pushes to that in which they arrived.
pub(super) fn of_phase(workload: &Workload, interval: &Interval, server: Option<PushSide>) -> Option<Fanout> {
    let (entry, _) = workload.follow()?;
    let senders = workload.traffic.iter().enumerate();
    let events: u64 = senders
        .filter(|(_, traffic)| workload.is_followed(traffic))
        .map(|(sender, _)| ok(interval, sender))
        .sum();
    let fetches = ok(interval, entry);
    let following = interval.following.as_deref().cloned().unwrap_or_default();
    let received = following.freshness.count();
    Some(Fanout {
        events,
        members: following.sockets.open_max,
        pushes_received: following.pushes,
        fetches,
        fetches_per_event: ratio(fetches, events),
        events_per_fetch: ratio(received, fetches),
        freshness_us: Quantiles::from(&following.freshness),
        stale_members_end: following.stale.map(|(_, members)| members),
        revisions_skipped: following.skipped,
        server,
    })
}

/// Requests of a traffic entry that were answered `ok`.
fn ok(interval: &Interval, entry: usize) -> u64 {
    let first = LaneTable::lane(entry, None);
    let lanes = &interval.lanes[first..first + 2];
    let counts = lanes.iter().filter_map(|lane| lane.times(Outcome::Ok));
    counts.map(|times| times.response.count()).sum()
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
