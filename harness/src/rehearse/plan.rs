//! Which cells are run, and in which order.

use std::time::Duration;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_xoshiro::SplitMix64;

use super::Options;
use crate::workload::{Variant, Workload};

/// A cell that is to be run.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) variant: Variant,
    pub(super) repetition: u32,
    /// From 1, in the order of running.
    pub(super) number: usize,
    pub(super) of: usize,
}

/// All cells, in an order shuffled by the seed, so that what drifts on a machine does not always hit the same variant.
pub(super) fn cells(workload: &Workload, only: &[String]) -> Vec<Planned> {
    let wanted = workload
        .variants
        .iter()
        .filter(|variant| only.is_empty() || only.contains(&variant.name));
    let mut cells: Vec<(Variant, u32)> = wanted
        .flat_map(|variant| (1..=workload.file.repetitions).map(|repetition| (variant.clone(), repetition)))
        .collect();
    cells.shuffle(&mut SplitMix64::seed_from_u64(workload.file.seed));
    let of = cells.len();
    let numbered = cells.into_iter().zip(1..);
    numbered
        .map(|((variant, repetition), number)| Planned {
            variant,
            repetition,
            number,
            of,
        })
        .collect()
}

/// How long the cells' profiles are, all together.
pub(super) fn length(workload: &Workload, options: &Options) -> Duration {
    workload.profile.end() * u32::try_from(cells(workload, &options.variants).len()).unwrap_or(u32::MAX)
}
