//! Counters and gauges between two readings.

/// One value, and when it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<T> {
    pub(super) at_s: f64,
    pub(super) value: T,
}

/// How much a counter grew; a counter that went back was restarted, and has grown from zero.
pub(super) fn grown(before: f64, after: f64) -> f64 {
    if after >= before { after - before } else { after }
}

/// The same of a count.
pub(super) fn grown_count(before: u64, after: u64) -> f64 {
    grown(before as f64, after as f64)
}

/// Raises a highest value to `now`; a gauge that was not read changes nothing.
pub(super) fn raise<T: PartialOrd + Copy>(highest: &mut Option<T>, now: Option<T>) {
    if let Some(now) = now
        && highest.is_none_or(|highest| now > highest)
    {
        *highest = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_went_back_has_grown_from_zero() {
        assert!((grown(10.0, 3.0) - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_gauge_that_was_never_read_has_no_highest_value() {
        let mut highest = None;
        raise(&mut highest, None);
        assert_eq!(highest, None);
        for now in [Some(0), Some(4), None, Some(3)] {
            raise(&mut highest, now);
        }
        assert_eq!(highest, Some(4));
    }
}
