//! Which cells are run, and in which order.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_xoshiro::SplitMix64;

use super::options::Options;
use crate::arrival::block_seed;
use crate::workload::{Variant, Workload, directory_name};

/// Keeps the order of the cells apart from everything else that is drawn from a block's seed.
const PURPOSE: u64 = 0x6f72_6465_7200;

/// A cell that is to be run.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) variant: Variant,
    /// From 1.
    pub(super) block: u32,
    /// Of arrivals and placement, the same for all cells of the block.
    pub(super) seed: u64,
    /// From 1, in the order of running.
    pub(super) number: usize,
}

impl Planned {
    /// Name of its directory.
    pub(super) fn directory(&self) -> String {
        format!("{}-{}", directory_name(&self.variant.name), self.block)
    }
}

/// The variants that are run: those of the workload that were asked for, or one twice.
#[must_use]
pub fn variants(workload: &Workload, options: &Options) -> Vec<Variant> {
    let all = workload.variants.iter();
    if let Some(twice) = &options.aa {
        let one = all.filter(|variant| variant.name == *twice).cloned();
        return one
            .flat_map(|variant| {
                let again = Variant {
                    name: format!("{} again", variant.name),
                    ..variant.clone()
                };
                [variant, again]
            })
            .collect();
    }
    let only = &options.variants;
    let wanted = all.filter(|variant| only.is_empty() || only.contains(&variant.name));
    wanted.cloned().collect()
}

/// The cells of a block, in an order of its own: what drifts on a machine does not always hit the same variant.
pub(super) fn block(workload: &Workload, options: &Options, block: u32) -> Vec<Planned> {
    let mut order = variants(workload, options);
    let before = order.len() * (block as usize - 1);
    let seed = block_seed(workload.file.seed, block);
    order.shuffle(&mut SplitMix64::seed_from_u64(seed ^ PURPOSE));
    let cells = order.into_iter().zip(before + 1..);
    let planned = cells.map(|(variant, number)| Planned {
        variant,
        block,
        seed,
        number,
    });
    planned.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workload::{Overrides, parse};

    fn workload() -> Workload {
        let variants: Vec<String> = (0..5).map(|number| format!("{{name: v{number}}}")).collect();
        let text = format!(
            "name: w\nquestion: Which order?\nrepetitions: 6\nprofile: {{kind: constant, target: 1/s, hold: 1s}}\n\
             traffic: {{get: {{operation: {{get: {{path: /}}}}, share: 1}}}}\nvariants: [{}]\n",
            variants.join(", ")
        );
        parse("w.yaml", &text, &Overrides::default()).unwrap()
    }

    #[test]
    fn each_block_has_every_variant_once_one_seed_and_an_order_of_its_own() {
        let blocks: Vec<Vec<Planned>> = (1..=6)
            .map(|number| block(&workload(), &Options::default(), number))
            .collect();
        let mut orders = BTreeSet::new();
        let mut seeds = BTreeSet::new();
        for (block, number) in blocks.iter().zip(1..) {
            let numbers: Vec<usize> = block.iter().map(|cell| cell.number).collect();
            assert!(
                numbers
                    .iter()
                    .copied()
                    .eq(number as usize * 5 - 4..=number as usize * 5),
                "{numbers:?}"
            );
            assert!(
                block
                    .iter()
                    .all(|cell| cell.block == number && cell.seed == block[0].seed)
            );
            let names: BTreeSet<&str> = block.iter().map(|cell| cell.variant.name.as_str()).collect();
            assert_eq!(names.len(), 5);
            orders.insert(block.iter().map(|cell| cell.variant.name.clone()).collect::<Vec<_>>());
            seeds.insert(block[0].seed);
        }
        assert_eq!(seeds.len(), 6, "other blocks, other arrivals");
        assert!(orders.len() >= 5, "{orders:?}");
        assert_eq!(
            blocks[0][0].seed,
            workload().file.seed,
            "the first block is the seed's own"
        );
    }

    #[test]
    fn a_variant_against_itself_is_two_of_one() {
        let options = Options {
            aa: Some("v3".to_owned()),
            ..Options::default()
        };
        let variants = variants(&workload(), &options);
        let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
        assert_eq!(names, ["v3", "v3 again"]);
        assert_eq!(variants[0].settings, variants[1].settings);
    }
}
