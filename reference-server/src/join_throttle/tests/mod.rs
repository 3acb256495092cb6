//! The limit over several processes: as a model with late and lost messages, and with a real Redis that is killed.

mod ledger_model;
mod model;
mod real;

use std::time::Duration;

/// The maximum in any window, for admissions known to lie between two times each.
fn most_in_a_window(admitted: &[(Duration, Duration)], window: Duration) -> usize {
    let mut admitted = admitted.to_vec();
    admitted.sort_unstable();
    let within = |first: usize| {
        let end = admitted[first].0 + window;
        admitted[first..]
            .iter()
            .take_while(|(from, _)| *from <= end)
            .filter(|(_, to)| *to <= end)
            .count()
    };
    (0..admitted.len()).map(within).max().unwrap_or(0)
}
