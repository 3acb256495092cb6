//! TCP sockets of the processes that the workload names, by phase.

use std::collections::BTreeMap;

use super::phases::Phases;

/// Most sockets that were in each state at once, by phase; `None` of a phase in which nobody looked.
#[derive(Debug)]
pub(super) struct SocketsFold(Vec<Option<BTreeMap<String, u64>>>);

impl SocketsFold {
    pub(super) fn new(phases: usize) -> Self {
        Self(vec![None; phases])
    }

    pub(super) fn take(&mut self, phases: &Phases, at_s: f64, sockets: &BTreeMap<String, u64>) {
        let Some(phase) = phases.at(at_s) else { return };
        let most = self.0[phase].get_or_insert_default();
        for (state, count) in sockets {
            let known = most.entry(state.clone()).or_default();
            *known = (*known).max(*count);
        }
    }

    pub(super) fn most(&self, phase: usize) -> Option<BTreeMap<String, u64>> {
        self.0[phase].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_of_each_state_count_and_a_phase_without_a_look_has_none() {
        let phases = Phases::new(&[(0.0, 2.0), (2.0, 3.0)]);
        let mut fold = SocketsFold::new(2);
        for (at_s, established, listen) in [(0.0, 3, 1), (1.0, 2, 2)] {
            let sockets = [("established", established), ("listen", listen)];
            let sockets = sockets.map(|(state, count)| (state.to_owned(), count));
            fold.take(&phases, at_s, &BTreeMap::from(sockets));
        }
        let most = fold.most(0).unwrap();
        assert_eq!((most["established"], most["listen"]), (3, 2));
        assert_eq!(fold.most(1), None);
    }
}
