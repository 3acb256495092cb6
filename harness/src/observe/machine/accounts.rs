//! Whose CPU it is: bmt's, the target's, or neither's. Pure: tables come in.
//!
//! Guarantee: both sums only grow, by what their processes used since the last table, although processes start, end
//! and are waited for.
//!
//! A process belongs to the nearest of its ancestors that has an owner, itself included. A daemon whose ancestors
//! have ended keeps its owner. When a child ends and its parent waits for it, the kernel adds the child's CPU to the
//! parent's `waited`: what of that was counted while the child lived is taken off, and the rest, from the last table
//! to its end, is the parent's owner's. So a child that comes and goes between two tables counts too.
//!
//! Rejected: the sum over the processes alive now. It goes backwards whenever one ends, by all that it ever used.
//!
//! Boundary: a process that ends without its parent waiting for it loses what it used since the last table.

use std::collections::{BTreeMap, BTreeSet};

use crate::observe::table::{Process, Table};

/// CPU of bmt and of the target since the first table, in clock ticks.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    own: u64,
    target: u64,
    last: Option<Table>,
    /// Owners of the processes in the last table, with the moment each of them started.
    owners: BTreeMap<(u32, u64), Owner>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Own,
    Target,
}

impl Accounts {
    pub(super) fn own(&self) -> u64 {
        self.own
    }

    pub(super) fn target(&self) -> u64 {
        self.target
    }

    /// The target's processes in the last table.
    pub(super) fn targets(&self) -> impl Iterator<Item = u32> {
        let targets = self.owners.iter().filter(|(_, owner)| **owner == Owner::Target);
        targets.map(|((pid, _), _)| *pid)
    }

    /// Takes in the next table. `own` is bmt's process; `roots` are the target's, which bmt may have started.
    pub(super) fn take(&mut self, table: Table, own: u32, roots: &BTreeSet<u32>) {
        let owners: BTreeMap<(u32, u64), Owner> = table
            .iter()
            .filter_map(|(pid, process)| Some(((pid, process.started), self.owner(&table, pid, own, roots)?)))
            .collect();
        if let Some(last) = self.last.take() {
            let counted = counted_before(&last, &table);
            for ((pid, started), owner) in &owners {
                let Some(now) = table.get(*pid) else { continue };
                let before = last.get(*pid).filter(|before| before.started == *started);
                let grown = grown(before, now, counted.get(pid).copied().unwrap_or(0));
                match owner {
                    Owner::Own => self.own += grown,
                    Owner::Target => self.target += grown,
                }
            }
        }
        self.owners = owners;
        self.last = Some(table);
    }

    fn owner(&self, table: &Table, pid: u32, own: u32, roots: &BTreeSet<u32>) -> Option<Owner> {
        let by_ancestor = table.line(pid).find_map(|ancestor| {
            if ancestor == own {
                Some(Owner::Own)
            } else {
                roots.contains(&ancestor).then_some(Owner::Target)
            }
        });
        by_ancestor.or_else(|| {
            table.line(pid).find_map(|ancestor| {
                let started = table.get(ancestor)?.started;
                self.owners.get(&(ancestor, started)).copied()
            })
        })
    }
}

/// CPU of processes that have ended, as far as it was counted while they lived, by the process that waited for them:
/// the nearest ancestor that is still there.
fn counted_before(last: &Table, now: &Table) -> BTreeMap<u32, u64> {
    let mut counted: BTreeMap<u32, u64> = BTreeMap::new();
    let is_alive = |pid: u32| last.get(pid).is_some_and(|process| now.has(pid, process.started));
    for (pid, process) in last.iter().filter(|(pid, _)| !is_alive(*pid)) {
        if let Some(heir) = last.line(pid).find(|ancestor| is_alive(*ancestor)) {
            *counted.entry(heir).or_default() += process.used + process.waited;
        }
    }
    counted
}

/// What a process used and waited for since the last table, less what was counted of the latter.
fn grown(before: Option<&Process>, now: &Process, counted: u64) -> u64 {
    let (used, waited) = before.map_or((0, 0), |before| (before.used, before.waited));
    now.used.saturating_sub(used) + now.waited.saturating_sub(waited).saturating_sub(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u32 = 100;

    /// Rows of pid, parent, used, waited. A process started at ten times its number.
    fn table(rows: &[(u32, u32, u64, u64)]) -> Table {
        let processes = rows.iter().map(|(pid, parent, used, waited)| {
            let process = Process {
                parent: *parent,
                started: u64::from(*pid) * 10,
                used: *used,
                waited: *waited,
            };
            (*pid, process)
        });
        processes.collect()
    }

    fn after(tables: &[Table], roots: &[u32]) -> (u64, u64) {
        let mut accounts = Accounts::default();
        let (mut own, mut target) = (0, 0);
        for table in tables {
            accounts.take(table.clone(), OWN, &roots.iter().copied().collect());
            assert!(accounts.own() >= own && accounts.target() >= target, "never backwards");
            (own, target) = (accounts.own(), accounts.target());
        }
        (own, target)
    }

    #[test]
    fn descendants_count_for_their_nearest_owner_and_everybody_else_for_none() {
        // bmt has a reaper and a shard; the shard has a child; a neighbour is busy beside them.
        let first = table(&[
            (1, 0, 0, 0),
            (OWN, 1, 5, 0),
            (101, OWN, 0, 0),
            (200, OWN, 7, 0),
            (201, 200, 1, 0),
            (900, 1, 50, 0),
        ]);
        let second = table(&[
            (1, 0, 0, 0),
            (OWN, 1, 15, 0),
            (101, OWN, 2, 0),
            (200, OWN, 47, 0),
            (201, 200, 4, 0),
            (900, 1, 950, 0),
        ]);
        assert_eq!(after(&[first, second], &[200]), (12, 43));
    }

    #[test]
    fn a_child_that_ends_and_is_waited_for_counts_once() {
        // The worker used 30 until the second table and 10 more until its end; the master's `waited` then holds all
        // of it.
        let tables = [
            table(&[(300, 1, 1, 0), (301, 300, 0, 0)]),
            table(&[(300, 1, 1, 0), (301, 300, 30, 0)]),
            table(&[(300, 1, 2, 40)]),
        ];
        assert_eq!(after(&tables, &[300]), (0, 41));
    }

    #[test]
    fn a_child_that_comes_and_goes_between_two_tables_counts() {
        let tables = [table(&[(300, 1, 1, 0)]), table(&[(300, 1, 1, 25)])];
        assert_eq!(after(&tables, &[300]), (0, 25));
    }

    #[test]
    fn a_process_that_ends_and_is_not_waited_for_takes_nothing_back() {
        let tables = [
            table(&[(300, 1, 0, 0), (301, 300, 30, 0)]),
            table(&[(300, 1, 5, 0), (301, 300, 50, 0)]),
            table(&[(300, 1, 9, 0)]),
        ];
        assert_eq!(after(&tables, &[300]), (0, 29));
    }

    #[test]
    fn a_whole_branch_that_ends_counts_once() {
        // 302 is waited for by 301, and 301, with it, by 300.
        let tables = [
            table(&[(300, 1, 0, 0), (301, 300, 10, 0), (302, 301, 20, 0)]),
            table(&[(300, 1, 0, 33)]),
        ];
        assert_eq!(after(&tables, &[300]), (0, 3));
    }

    #[test]
    fn a_shard_that_bmt_kills_and_starts_again_stays_the_targets() {
        let tables = [
            table(&[(OWN, 1, 0, 0), (200, OWN, 100, 0)]),
            table(&[(OWN, 1, 0, 0), (200, OWN, 150, 0)]),
            // Killed, waited for, and started again under another number, with 8 used already.
            table(&[(OWN, 1, 1, 155), (210, OWN, 8, 0)]),
        ];
        let mut accounts = Accounts::default();
        let roots = [[200], [200], [210]];
        for (table, roots) in tables.into_iter().zip(roots) {
            accounts.take(table, OWN, &roots.into());
        }
        // The 5 from the last table to the kill are with bmt, who waited for it.
        assert_eq!((accounts.own(), accounts.target()), (6, 58));
    }

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        let reused = [(
            300,
            Process {
                parent: 1,
                started: 9_999,
                used: 4,
                waited: 0,
            },
        )];
        let tables = [table(&[(300, 1, 500, 0)]), reused.into_iter().collect()];
        assert_eq!(after(&tables, &[300]), (0, 4));
    }

    #[test]
    fn a_daemon_that_lost_its_ancestors_keeps_its_owner() {
        let tables = [
            table(&[(300, 1, 0, 0), (301, 300, 0, 0), (302, 301, 0, 0)]),
            table(&[(300, 1, 0, 0), (302, 1, 10, 0)]),
            table(&[(300, 1, 0, 0), (302, 1, 25, 0), (303, 302, 2, 0)]),
        ];
        assert_eq!(after(&tables, &[300]), (0, 27));
    }
}
