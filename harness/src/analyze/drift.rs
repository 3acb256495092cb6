//! Whether anything grew while one rate was held for long.
//!
//! The windows of a soak offer the same, so their figures differ by noise, or because something grows: a leak, a table,
//! a cache that never forgets. Grown is said where the last window exceeds the first by more than a tenth *and* the
//! windows rise one after the other more often than chance makes them: the trend test of H. B. Mann ("Nonparametric
//! tests against trend", Econometrica 13, 1945), one-sided, at 5 %. It needs four windows. Windows that were disturbed
//! are left out of response times, but not of memory, which nobody else can take.
//!
//! It is a note, and no judgement: what must hold is a gate's, with `relative_to_phase`.

use std::collections::BTreeMap;

use super::figure::{Of, figure};
use super::validity::disturbed;
use crate::arrival::PhaseKind;
use crate::metric::Metric;
use crate::record::{Cell, PhaseResult};

/// Growth from the first window to the last that is worth a word.
const GROWTH_MIN: f64 = 1.1;
/// Windows without which chance explains any order: four rise one after the other once in 24 times.
const WINDOWS_MIN: usize = 4;
/// The standard normal variate that is exceeded with 5 %.
const Z_ONE_SIDED: f64 = 1.645;

/// One sentence on what grew over the windows of a soak, or that nothing did; none where there are no windows.
pub(super) fn note(cell: &Cell) -> Option<String> {
    let windows: Vec<&PhaseResult> = cell
        .phases
        .iter()
        .filter(|phase| phase.kind == PhaseKind::Soak)
        .collect();
    let (first, last) = (windows.first()?, windows.last()?);
    let between = format!("from `{}` to `{}`", first.name, last.name);
    if windows.len() < WINDOWS_MIN {
        return Some(format!(
            "{between}: with fewer than {WINDOWS_MIN} windows, growth cannot be told from chance"
        ));
    }
    let quiet: Vec<&PhaseResult> = windows
        .iter()
        .copied()
        .filter(|phase| disturbed(phase).is_none())
        .collect();
    let mut known: Vec<(String, Vec<f64>)> = Vec::new();
    for name in last.operations.keys() {
        known.push((format!("the p99 of {name}"), p99s(&quiet, name)));
    }
    for (process, sizes) in sizes(&windows) {
        known.push((format!("the memory of {process}"), sizes));
    }
    known.retain(|(_, values)| values.len() >= WINDOWS_MIN);
    let grown = known.iter().filter(|(_, values)| has_grown(values));
    let grown: Vec<String> = grown
        .filter_map(|(name, values)| Some(format!("{name} grew {:.1} x", growth(values)?)))
        .collect();
    Some(match (grown.is_empty(), known.is_empty()) {
        (_, true) => format!("{between}: too little was measured to say whether anything grew"),
        (true, _) => {
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            format!("{between} nothing grew: {}", names.join(", "))
        }
        (false, _) => format!("{between} {}", grown.join(", ")),
    })
}

fn p99s(windows: &[&PhaseResult], operation: &str) -> Vec<f64> {
    let of = Of {
        operation: Some(operation),
        ..Of::default()
    };
    let p99s = windows
        .iter()
        .filter_map(|phase| figure(phase, Metric::ResponseP99, of));
    p99s.collect()
}

/// The largest resident size of each process, window by window; the generator's is no matter of the target.
fn sizes<'a>(windows: &[&'a PhaseResult]) -> BTreeMap<&'a str, Vec<f64>> {
    let mut sizes: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (process, used) in windows.iter().copied().flat_map(|phase| &phase.resources) {
        if let Some(bytes) = used.rss_max_bytes.filter(|_| process != "generator") {
            sizes.entry(process).or_default().push(bytes as f64);
        }
    }
    sizes
}

fn growth(values: &[f64]) -> Option<f64> {
    Some(values.last()? / values.first().filter(|first| **first > 0.0)?)
}

fn has_grown(values: &[f64]) -> bool {
    growth(values).is_some_and(|growth| growth > GROWTH_MIN) && rises(values)
}

/// Whether values rise one after the other more often than chance makes them, by Mann's test.
fn rises(values: &[f64]) -> bool {
    let n = values.len() as f64;
    let later = |index: usize, value: &f64| {
        let signs = values[index + 1..].iter().map(|later| match later.total_cmp(value) {
            std::cmp::Ordering::Less => -1.0,
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Greater => 1.0,
        });
        signs.sum::<f64>()
    };
    let concordance: f64 = values
        .iter()
        .enumerate()
        .map(|(index, value)| later(index, value))
        .sum();
    let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    // Less one, for whole numbers are taken for a normal variate.
    concordance > 1.0 && (concordance - 1.0) / deviation > Z_ONE_SIDED
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_xoshiro::SplitMix64;

    use super::*;
    use crate::analyze::fixture;
    use crate::record::Resources;

    fn cell(p99_us: &[u64], rss_mib: &[u64]) -> Cell {
        let windows = p99_us.iter().zip(rss_mib).zip(1..);
        let windows = windows.map(|((us, mib), number)| {
            let operation = fixture::operation(1000, *us, *us);
            let mut phase = fixture::phase(&format!("soak {number}"), PhaseKind::Soak, operation);
            let used = Resources {
                cpu_s: 1.0,
                rss_max_bytes: Some(mib << 20),
            };
            phase.resources = [("server".to_owned(), used.clone()), ("generator".to_owned(), used)].into();
            phase
        });
        fixture::cell("a", 1, windows.collect())
    }

    #[test]
    fn what_grew_over_a_soak_is_told_and_what_did_not_as_well() {
        for (p99_us, rss_mib, told) in [
            (
                [3_000, 3_300, 3_700, 4_200, 4_800, 6_000],
                [100; 6],
                "from `soak 1` to `soak 6` the p99 of get grew 2.0 x",
            ),
            (
                [3_000; 6],
                [100, 110, 120, 130, 140, 150],
                "from `soak 1` to `soak 6` the memory of server grew 1.5 x",
            ),
            (
                [3_000, 2_900, 3_100, 2_950, 3_050, 3_200],
                [100, 101, 102, 103, 104, 105],
                "from `soak 1` to `soak 6` nothing grew: the p99 of get, the memory of server",
            ),
        ] {
            assert_eq!(note(&cell(&p99_us, &rss_mib)).unwrap(), told);
        }
        let few = note(&cell(&[1_000, 9_000], &[1, 9])).unwrap();
        assert!(few.contains("cannot be told from chance"), "{few}");
        assert_eq!(note(&fixture::cell("a", 1, vec![])), None);
    }

    #[test]
    fn chance_rises_no_more_often_than_the_test_says() {
        let mut rng = SplitMix64::seed_from_u64(7);
        for windows in [4, 6, 12, 50] {
            let mut draw = || (0..windows).map(|_| rng.random::<f64>()).collect::<Vec<f64>>();
            let rose = (0..4_000).filter(|_| rises(&draw())).count();
            // 5 % are 200, with a standard deviation of 14; short series can only have less.
            assert!(rose < 260, "{rose} of 4,000 with {windows} windows");
        }
    }
}
