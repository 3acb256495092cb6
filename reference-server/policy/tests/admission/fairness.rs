//! Jain's fairness index.

/// `(Σx)² / (n · Σx²)`: 1 when all get the same, 1/n when one gets everything; `None` when nobody gets anything.
///
/// Source: Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and Discrimination for Resource Allocation in
/// Shared Computer Systems", DEC TR-301, 1984.
pub(crate) fn jain(shares: &[u64]) -> Option<f64> {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    (sum > 0.0).then(|| sum * sum / (shares.len() as f64 * squares))
}

#[test]
fn the_index_is_the_share_of_callers_who_share_equally() {
    let table: [(&[u64], Option<f64>); 7] = [
        (&[5, 5, 5, 5], Some(1.0)),
        (&[1, 0, 0, 0], Some(0.25)),
        (&[7, 7, 0, 0], Some(0.5)),
        (&[1, 2, 3], Some(36.0 / 42.0)),
        (&[u64::MAX], Some(1.0)),
        (&[0, 0], None),
        (&[], None),
    ];
    for (shares, expected) in table {
        let index = jain(shares);
        let close = match (index, expected) {
            (Some(index), Some(expected)) => (index - expected).abs() < 1e-12,
            (index, expected) => index == expected,
        };
        assert!(close, "{shares:?}: {index:?}, expected {expected:?}");
    }
}

#[test]
fn the_index_does_not_depend_on_the_unit() {
    let (once, thrice) = ([1, 4, 9, 16], [3, 12, 27, 48]);
    assert!((jain(&once).unwrap() - jain(&thrice).unwrap()).abs() < 1e-12);
}
