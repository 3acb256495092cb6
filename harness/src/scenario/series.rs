//! Which series of the result an arrival belongs to.
//!
//! A leaf.

use crate::metric::Placement;

/// The result keeps each traffic entry apart by placement: series `2 × entry` is the hot chat's shard (or everything,
/// where nothing lives on shards), the next one the other shards. Behind those of all entries are the steps of
/// sessions, one series each; the series of a session's own entry is then of whole sessions.
#[derive(Debug, Clone, Copy)]
pub struct SeriesTable;

impl SeriesTable {
    /// The placements of an entry's series, in order.
    pub const PLACEMENTS: [Placement; 2] = [Placement::HotShard, Placement::OtherShards];

    /// Number of series for `entries` traffic entries.
    #[must_use]
    pub fn len(entries: usize) -> usize {
        2 * entries
    }

    /// The series of step number `step`, counted over the sessions of all `entries`.
    #[must_use]
    pub fn step(entries: usize, step: usize) -> usize {
        Self::len(entries) + step
    }

    /// The series of an entry at a placement.
    #[must_use]
    pub fn series(entry: usize, placement: Option<Placement>) -> usize {
        2 * entry + usize::from(placement == Some(Placement::OtherShards))
    }
}
