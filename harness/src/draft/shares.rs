//! Shares of entries.
//!
//! A leaf.

/// Parts that shares are written in.
const PARTS: u64 = 10_000;
const PARTS_OF_MANY: u64 = 1_000_000;

/// Weights as shares that add up to 1: what rounding takes or gives is the largest one's.
pub(super) fn shares(weights: &[u64]) -> Vec<String> {
    let all: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let whole = if weights.len() > 100 { PARTS_OF_MANY } else { PARTS };
    let part = |weight: &u64| u128::from(*weight) * u128::from(whole) / all.max(1);
    let mut parts: Vec<u64> = weights
        .iter()
        .map(|weight| u64::try_from(part(weight)).unwrap_or(whole).max(1))
        .collect();
    let largest = (0..parts.len()).rev().max_by_key(|at| parts[*at]);
    if let Some(largest) = largest {
        let others = parts.iter().sum::<u64>() - parts[largest];
        parts[largest] = whole.saturating_sub(others);
    }
    let share = |part: u64| (part as f64 / whole as f64).to_string();
    parts.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_short_and_rounding_is_the_largest_ones() {
        for (weights, written) in [
            (vec![7], vec!["1"]),
            (vec![1, 1, 1], vec!["0.3334", "0.3333", "0.3333"]),
            (vec![1, 1_000_000], vec!["0.0001", "0.9999"]),
            (vec![3, 1], vec!["0.75", "0.25"]),
        ] {
            assert_eq!(shares(&weights), written);
        }
    }

    proptest! {
        #[test]
        fn shares_add_up_to_one(weights in prop::collection::vec(1_u64..u64::MAX / 1000, 1..500)) {
            let sum: f64 = shares(&weights).iter().map(|share| share.parse::<f64>().unwrap()).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        }
    }
}
