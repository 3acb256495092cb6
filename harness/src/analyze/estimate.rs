//! What several blocks say of one figure: a centre and an interval.
//!
//! The block is what repeats: requests within one are not independent, and ranking or pooling them over blocks would
//! promise far more than they know. Figures are positive and their errors multiply, so the interval is Student's on the
//! logarithms: `exp(mean(ln x) ± t(0.975, n − 1) · s / √n)`, with `s` the sample deviation of the logarithms (W. S.
//! Gosset, "The probable error of a mean", Biometrika 6, 1908). Its coverage is checked by simulation below. With two
//! blocks the interval would span a factor of hundreds, with one there is none: there the draws themselves are shown,
//! and called so.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// Fewest blocks of which there is an interval.
pub const BLOCKS_MIN: usize = 3;

/// A centre and an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Geometric mean.
    pub centre: f64,
    /// Lower end: of the interval, or the least draw.
    pub low: f64,
    /// Upper end: of the interval, or the largest draw.
    pub high: f64,
    /// Values.
    pub n: usize,
    /// How the ends were made.
    pub method: Method,
}

/// How the ends of an [`Estimate`] were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// One value: the ends are that value.
    OneDraw,
    /// Two values: the ends are these.
    TwoDraws,
    /// 95 % t interval on the logarithms.
    T95Log,
    /// The least and the largest of several values that are judged one by one.
    EachBlock,
}

impl Method {
    /// The name that results give it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OneDraw => "one_draw",
            Self::TwoDraws => "two_draws",
            Self::T95Log => "t95_log",
            Self::EachBlock => "each_block",
        }
    }
}

/// The estimate of positive values, one a block; `None` of none, and where one is not positive and finite: it has no
/// logarithm.
#[must_use]
pub fn of_positive(values: &[f64]) -> Option<Estimate> {
    if values.is_empty() || !values.iter().all(|value| value.is_finite() && *value > 0.0) {
        return None;
    }
    let n = values.len();
    let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
    let mean = logs.iter().sum::<f64>() / n as f64;
    let (low, high, method) = if n < BLOCKS_MIN {
        let (low, high) = ends(&logs);
        (low, high, if n == 1 { Method::OneDraw } else { Method::TwoDraws })
    } else {
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
        let half = t_975(n - 1) * (variance / n as f64).sqrt();
        (mean - half, mean + half, Method::T95Log)
    };
    Some(Estimate {
        centre: mean.exp(),
        low: low.exp(),
        high: high.exp(),
        n,
        method,
    })
}

/// Least and largest.
fn ends(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low, high)
}

/// The 97.5th percentile of Student's distribution.
fn t_975(freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, freedom as f64)
        .expect("a positive number of degrees of freedom")
        .inverse_cdf(0.975)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::distr::Distribution as _;
    use rand_distr::LogNormal;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn percentiles_of_students_distribution_are_those_of_the_tables() {
        for (freedom, expected) in [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042)] {
            assert!(
                (t_975(freedom) - expected).abs() < 0.001,
                "{freedom}: {}",
                t_975(freedom)
            );
        }
    }

    #[test]
    fn an_interval_worked_out_by_hand() {
        // ln of 1, e, e²: mean 1, deviation 1; 4.3027 / √3 = 2.4842.
        let e = std::f64::consts::E;
        let estimate = of_positive(&[1.0, e, e * e]).unwrap();
        assert!((estimate.centre - e).abs() < 1e-9);
        assert!((estimate.low.ln() - (1.0 - 2.4842)).abs() < 1e-3, "{estimate:?}");
        assert!((estimate.high.ln() - (1.0 + 2.4842)).abs() < 1e-3, "{estimate:?}");
    }

    #[test]
    fn few_draws_are_called_so_and_nothing_has_no_logarithm() {
        let one = of_positive(&[5.0]).unwrap();
        assert_eq!((one.method, one.n), (Method::OneDraw, 1));
        assert!((one.low - 5.0).abs() < 1e-9 && (one.high - 5.0).abs() < 1e-9);
        let two = of_positive(&[2.0, 8.0]).unwrap();
        assert_eq!(two.method, Method::TwoDraws);
        assert!((two.centre - 4.0).abs() < 1e-9 && (two.low - 2.0).abs() < 1e-9 && (two.high - 8.0).abs() < 1e-9);
        for bad in [&[][..], &[1.0, 0.0], &[1.0, f64::INFINITY], &[1.0, -2.0]] {
            assert_eq!(of_positive(bad), None, "{bad:?}");
        }
    }

    /// 20,000 experiments each: the share of intervals that hold the true ratio is 95 %, to within four standard errors
    /// (0.6 %), whatever the number of blocks and the noise.
    #[test]
    fn ninety_five_intervals_in_a_hundred_hold_the_truth() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        for (blocks, noise) in [(3, 0.05), (5, 0.05), (5, 0.5), (10, 0.2)] {
            let truth = 1.7f64;
            let block = LogNormal::new(truth.ln(), noise).unwrap();
            let mut held = 0;
            for _ in 0..20_000 {
                let ratios: Vec<f64> = (0..blocks).map(|_| block.sample(&mut rng)).collect();
                let estimate = of_positive(&ratios).unwrap();
                held += u32::from(estimate.low <= truth && truth <= estimate.high);
            }
            let coverage = f64::from(held) / 20_000.0;
            assert!(
                (coverage - 0.95).abs() < 0.0062,
                "{blocks} blocks, noise {noise}: {coverage}"
            );
        }
    }
}
