//! Which chat takes which place in the workload. Pure.
//!
//! Servers number chats in the order in which requests reach them, which is a matter of timing. Dealing the sorted ids
//! by a permutation drawn from a seed makes each place a function of the seed and of the set of ids: the same in all
//! cells of a block, another one in the next block. Rejected: places in the order of creation with one request at a
//! time, which takes minutes for many chats and never varies.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Deals `chats` to groups of these sizes; `id` orders them first. Chats beyond the sum of the sizes are left out.
pub(super) fn deal<T>(mut chats: Vec<T>, sizes: &[usize], seed: u64, id: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
    chats.sort_by_key(id);
    chats.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    let mut dealt = chats.into_iter();
    sizes.iter().map(|size| dealt.by_ref().take(*size).collect()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_chat_is_dealt_once_and_its_place_depends_on_ids_and_seed_alone(
            ids in proptest::collection::btree_set(any::<u64>(), 0..60),
            cuts in proptest::collection::vec(0..60usize, 0..5),
            seed in any::<u64>(),
            timing in any::<u64>(),
        ) {
            let ids: Vec<u64> = ids.into_iter().collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(ids.len())).collect();
            cuts.extend([0, ids.len()]);
            cuts.sort_unstable();
            let sizes: Vec<usize> = cuts.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let mut arrived = ids.clone();
            arrived.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(timing));
            let dealt = deal(arrived, &sizes, seed, |id| *id);
            prop_assert_eq!(&dealt, &deal(ids.clone(), &sizes, seed, |id| *id));
            prop_assert_eq!(dealt.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
            let mut all: Vec<u64> = dealt.into_iter().flatten().collect();
            all.sort_unstable();
            prop_assert_eq!(all, ids);
        }
    }

    #[test]
    fn seeds_differ_in_where_the_hot_chat_lives() {
        let on_first = (0..1000).filter(|seed| deal((0..13u64).collect(), &[1, 12], *seed, |id| *id)[0][0] % 2 == 0);
        // 7 of 13 ids are even: 538 of 1000, give or take five standard deviations.
        assert!((459..618).contains(&on_first.count()));
    }
}
