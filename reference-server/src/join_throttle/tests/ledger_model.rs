//! The ledger in Rust: `grant.lua`, step by step. A test with a real Redis compares the two.

use std::collections::HashMap;

use hotchat_policy::Want;

use super::super::in_redis::micros;
use super::super::ledger::Terms;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    since: Option<u64>,
    chats: HashMap<u64, Chat>,
}

#[derive(Debug, Default)]
struct Chat {
    /// By process and time until which it is counted.
    granted: HashMap<(u64, u64), u32>,
    /// By process: joins, and until when they are wanted.
    wanted: HashMap<u64, (u32, u64)>,
}

impl Ledger {
    /// `now` in microseconds.
    pub(super) fn grant(&mut self, now: u64, process: u64, wants: &[Want], terms: &Terms) -> Vec<u32> {
        let since = *self.since.get_or_insert(now);
        let settled = now >= since + micros(terms.counted());
        let share = |want: &Want| {
            self.chats
                .entry(want.chat_id)
                .or_default()
                .grant(now, process, want.joins, terms, settled)
        };
        wants.iter().map(share).collect()
    }
}

impl Chat {
    fn grant(&mut self, now: u64, process: u64, want: u32, terms: &Terms, settled: bool) -> u32 {
        self.granted.retain(|(_, over), _| *over > now);
        self.wanted.retain(|_, (_, until)| *until > now);
        self.wanted.remove(&process);
        let mut held = HashMap::<u64, u64>::new();
        for ((who, _), share) in self.granted.iter().filter(|((who, _), _)| *who != process) {
            let most = held.entry(*who).or_default();
            *most = (*most).max(u64::from(*share));
        }
        let (pool, want) = (u64::from(terms.pool), u64::from(want));
        let free = pool.saturating_sub(held.values().sum());
        let wanted = want + self.wanted.values().map(|(joins, _)| u64::from(*joins)).sum::<u64>();
        let fair = if wanted > pool {
            want * pool / wanted
        } else if want > 0 {
            want + (pool - wanted) / u64::from(terms.processes)
        } else {
            0
        };
        let share = if settled { fair.min(free) as u32 } else { 0 };
        if share > 0 {
            let precision = micros(terms.precision());
            let over = (now / precision + 1) * precision + micros(terms.counted());
            let most = self.granted.entry((process, over)).or_default();
            *most = (*most).max(share);
        }
        self.wanted.insert(process, (want as u32, now + micros(terms.lease)));
        share
    }
}
