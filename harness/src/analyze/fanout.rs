//! How the events of a phase reached the members who were online.

use crate::record::{CellHeader, Fanout, Outcome, PhaseTotals, PushSide, Quantiles, Snapshot};

/// `None` where nobody is online. Events belong to the phase in which their first attempt was due, fetches to that in
/// which they were due, pushes to that in which they arrived.
pub(super) fn of_phase(
    workload: &Snapshot,
    header: &CellHeader,
    totals: &PhaseTotals,
    server: Option<PushSide>,
) -> Option<Fanout> {
    let entries = || workload.traffic.iter().enumerate();
    let (entry, follow) = entries().find_map(|(entry, traffic)| Some((entry, traffic.follow.as_ref()?)))?;
    let ok = |entry: usize| -> u64 {
        let own = header.series.iter().zip(&totals.series);
        let own = own.filter(|(name, _)| name.entry == entry);
        own.map(|(_, series)| series.count(Outcome::Ok)).sum()
    };
    let fetches = ok(entry);
    let following = totals.following().unwrap_or_default();
    let events = following.events;
    let received = following.freshness.count();
    // A member may receive an event whose sender was never told that it was stored, so more may arrive than is owed.
    let owed = events * u64::from(follow.online);
    let missing = owed.saturating_sub(received);
    Some(Fanout {
        events,
        members: following.sockets.open_max,
        pushes_received: following.pushes,
        fetches,
        fetches_per_event: ratio(fetches, events),
        events_per_fetch: ratio(received, fetches),
        freshness_us: Quantiles::with_missing(&following.freshness, missing),
        missing,
        missing_share: ratio(missing, owed),
        stale_members_end: following.stale,
        revisions_skipped: following.skipped,
        server,
    })
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
