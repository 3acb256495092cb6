//! How many requests there were over time: the mean, the busiest minute, and the hours of the day.
//!
//! A leaf but for what a load is.

use std::collections::BTreeMap;

use super::found::{Load, counted};

/// Minutes that are kept: half a year.
const MINUTES_MAX: usize = 263_000;
const MINUTES_OF_DAY: i64 = 24 * 60;

/// Counts requests by time. Times are seconds since 1970 by the clock that the log was written with.
#[derive(Debug, Default)]
pub(super) struct Clock {
    minutes: BTreeMap<i64, u64>,
    hours: [u64; 24],
    ends: Option<(i64, i64)>,
    counted: u64,
}

impl Clock {
    pub(super) fn add(&mut self, second: i64) {
        let minute = second.div_euclid(60);
        if self.minutes.len() == MINUTES_MAX && !self.minutes.contains_key(&minute) {
            return;
        }
        *self.minutes.entry(minute).or_default() += 1;
        let hour = minute.rem_euclid(MINUTES_OF_DAY) / 60;
        self.hours[usize::try_from(hour).unwrap_or_default()] += 1;
        let (first, last) = self.ends.unwrap_or((second, second));
        self.ends = Some((first.min(second), last.max(second)));
        self.counted += 1;
    }

    /// The load; `None` where no request had a time.
    pub(super) fn load(&self) -> Option<Load> {
        let (first, last) = self.ends?;
        let busiest = self.minutes.iter().max_by_key(|(minute, count)| (**count, -**minute));
        let (minute, count) = busiest?;
        let seconds = last - first + 1;
        let mean = self.counted as f64 / seconds as f64;
        let peak = (*count as f64 / 60.0).max(mean);
        let mut notes = vec![format!(
            "The log goes from {} to {}, with {} (static files are not counted): {} a second on the average, and {} in \
             the busiest minute, which began at {}. `base` and `target` are these two.",
            told(first),
            told(last),
            counted(self.counted, "request"),
            figure(mean),
            figure(peak),
            told(minute * 60),
        )];
        if seconds < 3600 {
            notes.push("fill in: the rates of a whole day; the log has less than an hour".to_owned());
        }
        if peak < 20.0 {
            notes.push(
                "fill in: rates of the night to rehearse; so few requests decide no percentile, unless `spike_hold` and \
                 `repetitions` grow"
                    .to_owned(),
            );
        } else {
            notes.push("fill in: the jump to rehearse, where it is higher than the busiest minute so far".to_owned());
        }
        Some(Load {
            mean,
            peak,
            notes,
            table: self.table(first, last),
        })
    }

    fn table(&self, first: i64, last: i64) -> Vec<String> {
        let mut table = vec!["hour  requests  a second".to_owned()];
        for (hour, count) in (0_i64..).zip(self.hours).filter(|(_, count)| *count > 0) {
            let covered = covered(hour, last + 1) - covered(hour, first);
            let rate = count as f64 / covered.max(1) as f64;
            table.push(format!("  {hour:02}  {count:>8}  {:>8}", figure(rate)));
        }
        table
    }
}

/// Seconds of this hour of the day, over all days before `second`.
fn covered(hour: i64, second: i64) -> i64 {
    let day = MINUTES_OF_DAY * 60;
    second.div_euclid(day) * 3600 + (second.rem_euclid(day) - hour * 3600).clamp(0, 3600)
}

fn told(second: i64) -> String {
    let time = jiff::Timestamp::from_second(second).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// Three digits that count.
pub(super) fn figure(number: f64) -> String {
    let digits = match number {
        _ if number >= 100.0 => 0,
        _ if number >= 10.0 => 1,
        _ if number >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{number:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_busiest_minute_and_hours_are_counted() {
        let mut clock = Clock::default();
        let start = 1_714_557_600; // 2024-05-01 10:00
        for second in 0..7200 {
            clock.add(start + second);
        }
        for _ in 0..540 {
            clock.add(start + 3660);
        }
        let load = clock.load().unwrap();
        assert_eq!(
            (figure(load.mean), figure(load.peak)),
            ("1.07".to_owned(), "10".to_owned())
        );
        assert_eq!(
            load.table,
            [
                "hour  requests  a second",
                "  10      3600         1",
                "  11      4140      1.15"
            ]
        );
        assert!(
            load.notes[0].contains("which began at 2024-05-01 11:01"),
            "{:?}",
            load.notes
        );
    }

    #[test]
    fn an_hour_is_covered_on_each_of_its_days() {
        let mut clock = Clock::default();
        clock.add(9 * 3600);
        clock.add(2 * 86_400 + 9 * 3600 + 1800);
        let covered = covered(9, 2 * 86_400 + 9 * 3600 + 1800) - covered(9, 9 * 3600);
        assert_eq!(covered, 2 * 3600 + 1800);
    }

    #[test]
    fn a_single_request_and_times_of_any_age_are_a_load() {
        for second in [0, -377_000_000_000, 253_000_000_000] {
            let mut clock = Clock::default();
            clock.add(second);
            assert_eq!(clock.load().unwrap().peak, 1.0);
        }
        assert_eq!(Clock::default().load(), None);
    }
}
