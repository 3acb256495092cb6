//! Blocks that do not count, because something spoilt one of their cells that says nothing of the target: the generator
//! was late by itself, or other programs used the machine.
//!
//! Such a moment comes and goes on any machine, and a workload may keep spare blocks for it. Whether a block is set
//! aside depends on nothing that was measured of the target, and it goes whole, so that no variant is favoured. Where
//! more blocks are spoilt than there are spare ones it is no moment: then none is set aside, and the run is INVALID.

use std::collections::BTreeMap;

use super::validity;
use crate::record::{Cell, SetAside, Snapshot};

/// Number of blocks that are set aside, of those that have ended.
#[must_use]
pub fn count(workload: &Snapshot, cells: &[Cell]) -> u32 {
    u32::try_from(spoilt(workload, cells).len()).unwrap_or(u32::MAX)
}

/// Takes the cells of blocks that are set aside out of `cells`.
pub(super) fn take(workload: &Snapshot, cells: &mut Vec<Cell>) -> Vec<SetAside> {
    let spoilt = spoilt(workload, cells);
    let of_block = |(block, reason): (u32, String)| SetAside {
        block,
        reason,
        cells: cells.extract_if(.., |cell| cell.header.block == block).collect(),
    };
    spoilt.into_iter().map(of_block).collect()
}

/// The spoilt blocks and by what, where there are spare ones for all of them.
fn spoilt(workload: &Snapshot, cells: &[Cell]) -> BTreeMap<u32, String> {
    let mut spoilt = BTreeMap::new();
    for cell in cells {
        if let Some(reason) = spoilt_by(cell) {
            let reason = || format!("{}: {reason}", cell.header.variant);
            spoilt.entry(cell.header.block).or_insert_with(reason);
        }
    }
    // What is lost is lost, whoever used the machine meanwhile; and what a guard did it did.
    for cell in cells
        .iter()
        .filter(|cell| has_lost_something(cell) || !cell.guards.is_empty())
    {
        spoilt.remove(&cell.header.block);
    }
    if spoilt.len() > workload.spare_blocks as usize {
        spoilt.clear();
    }
    spoilt
}

/// What spoilt a cell. One that ended early is the end of its run, and not replaced.
fn spoilt_by(cell: &Cell) -> Option<String> {
    if cell.ended_early.is_some() {
        return None;
    }
    let invalid = cell
        .warnings
        .iter()
        .find_map(|warning| warning.strip_prefix("INVALID: "));
    let disturbed = || {
        validity::judged(cell).find_map(|phase| {
            let by = validity::disturbed(phase)?;
            Some(format!("{}: {by}", phase.name))
        })
    };
    invalid.map(str::to_owned).or_else(disturbed)
}

/// Acknowledged writes, or notifications without a word.
fn has_lost_something(cell: &Cell) -> bool {
    let lost = cell.acknowledged.iter();
    let lost = lost.flat_map(|found| [found.lost_joins, found.lost_messages]);
    lost.flatten().any(|lost| lost > 0) || !cell.unaccounted().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::fixture;
    use crate::arrival::PhaseKind;
    use crate::record::{AcknowledgedResult, Neighbours, NotificationBooks, NotificationCounts};

    fn cell(variant: &str, block: u32, invalid: bool, foreign_cpu: f64) -> Cell {
        let mut phase = fixture::phase("spike", PhaseKind::Spike, fixture::operation(1000, 100, 100));
        phase.neighbours = Some(Neighbours {
            foreign_cpu: Some(foreign_cpu),
            cpus: 2,
            ..Neighbours::default()
        });
        let mut cell = fixture::cell(variant, block, vec![phase]);
        cell.valid = !invalid;
        cell.warnings.extend(invalid.then(|| "INVALID: too late".to_owned()));
        cell
    }

    /// Six blocks of two variants.
    fn cells(invalid: &[u32], disturbed: &[u32]) -> Vec<Cell> {
        let blocks = (1..=6).flat_map(|block| {
            let foreign = if disturbed.contains(&block) { 0.9 } else { 0.0 };
            [
                cell("a", block, invalid.contains(&block), 0.0),
                cell("b", block, false, foreign),
            ]
        });
        blocks.collect()
    }

    fn workload(spare_blocks: u32) -> Snapshot {
        Snapshot {
            spare_blocks,
            ..fixture::snapshot(&["a", "b"], 5)
        }
    }

    fn taken(spare: u32, invalid: &[u32], disturbed: &[u32]) -> (Vec<(u32, String, usize)>, usize) {
        let mut cells = cells(invalid, disturbed);
        let counted = count(&workload(spare), &cells);
        let taken = take(&workload(spare), &mut cells);
        assert_eq!(counted as usize, taken.len());
        let taken = taken.into_iter().map(|one| (one.block, one.reason, one.cells.len()));
        (taken.collect(), cells.len())
    }

    #[test]
    fn a_spoilt_block_goes_whole_with_its_reason() {
        let (taken, left) = taken(2, &[3], &[5]);
        assert_eq!(
            taken,
            [
                (3, "a: too late".to_owned(), 2),
                (5, "b: spike: others used 0.9 of 2 cores".to_owned(), 2)
            ]
        );
        assert_eq!(left, 8);
    }

    #[test]
    fn more_spoilt_blocks_than_spare_ones_all_count() {
        assert_eq!(taken(2, &[1, 3, 4], &[]), (vec![], 12));
        assert_eq!(taken(0, &[3], &[]), (vec![], 12));
    }

    #[test]
    fn a_block_that_lost_writes_counts_whatever_spoilt_it() {
        let mut all = cells(&[2], &[]);
        all[3].acknowledged = Some(AcknowledgedResult {
            lost_joins: Some(0),
            lost_messages: Some(1),
            ..AcknowledgedResult::default()
        });
        assert_eq!(count(&workload(2), &all), 0);
    }

    #[test]
    fn a_block_whose_notifications_do_not_add_up_counts_as_well() {
        let mut all = cells(&[2], &[]);
        let counts = NotificationCounts {
            enqueued: 5,
            delivered: 4,
            ..NotificationCounts::default()
        };
        all[3].notifications = Some(NotificationBooks {
            roles: [("message".to_owned(), counts)].into(),
            ..NotificationBooks::default()
        });
        assert_eq!(count(&workload(2), &all), 0);
    }

    #[test]
    fn a_cell_that_ended_early_is_not_replaced() {
        let mut all = cells(&[2], &[]);
        all[2].ended_early = Some("interrupted by a signal".to_owned());
        assert_eq!(count(&workload(2), &all), 0);
    }
}
