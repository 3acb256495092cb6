//! What one named series came to: counters that never go back, whichever of their lines was started again.
//!
//! Guarantee: of lines that match, counters and histograms are summed, gauges give their largest. A counter is told as
//! how much it has grown since the first page, each line by itself: one that went back was started again and has grown
//! from zero, as in Prometheus. A line that was not on the first page has grown from zero too.
//!
//! Rejected: the sum as it stands on the page. When one of two instances is started again, the sum goes back by less
//! than it had, and what the other has grown meanwhile is lost or counted twice.
//!
//! Boundary: [`LINES_MAX`] lines for each series; what comes beyond is left out and told. A counter that is started
//! again and overtakes its last value between two pages looks as if it had only grown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::selector::Selector;
use super::text::{self, Line};

/// Lines that are kept apart at most, of each series.
const LINES_MAX: usize = 10_000;

/// What a named series was at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesSample {
    /// A counter: of a page how much it has grown since it was first seen, of a Redis what it shows.
    Counter(f64),
    /// What a gauge was.
    Gauge(f64),
    /// How much a histogram has grown since it was first seen.
    Histogram(HistogramSample),
}

/// How much a histogram has grown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistogramSample {
    /// Upper bounds, ascending, and how many values were at or below each.
    pub buckets: Vec<(f64, f64)>,
    /// How many values there were.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
}

/// What kind of series a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A named series, page by page.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) selector: Selector,
    counters: Counters,
    /// Lines were left out.
    pub(super) is_full: bool,
    /// A page had it.
    pub(super) was_seen: bool,
}

/// Lines by what tells them apart, and how much each has grown.
#[derive(Debug, Default)]
struct Counters {
    lines: BTreeMap<String, Grown>,
    /// The first page is over: what is new has grown from zero.
    is_begun: bool,
}

#[derive(Debug, Clone, Copy)]
struct Grown {
    last: f64,
    by: f64,
}

impl Tally {
    pub(super) fn new(selector: Selector) -> Self {
        Self {
            selector,
            counters: Counters::default(),
            is_full: false,
            was_seen: false,
        }
    }

    /// Takes in a page; `None` where nothing on it matches.
    pub(super) fn take(&mut self, page: &str) -> Option<SeriesSample> {
        let kinds: BTreeMap<&str, &str> = page.lines().filter_map(text::kind).collect();
        let kind = self.kind(page, &kinds);
        let seen = match kind {
            Kind::Gauge => {
                let values = self.lines(page, "").map(|line| line.value);
                let largest = values.filter(|value| value.is_finite()).reduce(f64::max);
                largest.map(SeriesSample::Gauge)
            }
            Kind::Counter => self.grown(page, "").then(|| SeriesSample::Counter(self.sum(""))),
            Kind::Histogram => self.histogram(page),
        };
        // Also where it is not there yet: the first page is the first that could have had it.
        self.counters.is_begun = true;
        self.was_seen |= seen.is_some();
        seen
    }

    /// By `# TYPE`; else by what the page has, and by the name.
    fn kind(&self, page: &str, kinds: &BTreeMap<&str, &str>) -> Kind {
        let name = self.selector.name();
        let of = |suffix: &str| name.strip_suffix(suffix).and_then(|family| kinds.get(family).copied());
        let is_part = ["_bucket", "_count", "_sum"]
            .into_iter()
            .any(|suffix| matches!(of(suffix), Some("histogram" | "summary")));
        // OpenMetrics gives the type of a counter without its suffix.
        match kinds.get(name).copied().or_else(|| of("_total")) {
            Some("counter") => Kind::Counter,
            Some("histogram") => Kind::Histogram,
            Some("gauge" | "summary") => Kind::Gauge,
            _ if is_part || name.ends_with("_total") => Kind::Counter,
            _ if self.lines(page, "_bucket").any(|line| line.labels.contains_key("le")) => Kind::Histogram,
            _ => Kind::Gauge,
        }
    }

    /// The lines of the page that match, with `suffix` behind the name.
    fn lines<'a>(&self, page: &'a str, suffix: &str) -> impl Iterator<Item = Line<'a>> {
        let is_named = move |text: &&str| {
            let rest = text.trim_start().strip_prefix(self.selector.name());
            let rest = rest.and_then(|rest| rest.strip_prefix(suffix));
            rest.is_some_and(|rest| rest.starts_with(['{', ' ', '\t']))
        };
        let lines = page.lines().filter(is_named).filter_map(text::line);
        lines.filter(|line| self.selector.fits(&line.labels))
    }

    /// Notes how much counters have grown; whether there are any.
    fn grown(&mut self, page: &str, suffix: &str) -> bool {
        let lines: Vec<Line<'_>> = self.lines(page, suffix).filter(|line| line.value.is_finite()).collect();
        for line in &lines {
            self.is_full |= !self.counters.note(key(suffix, line), line.value);
        }
        !lines.is_empty()
    }

    fn sum(&self, suffix: &str) -> f64 {
        let prefix = format!("{suffix}\n");
        let lines = self.counters.lines.iter().filter(|(key, _)| key.starts_with(&prefix));
        lines.map(|(_, grown)| grown.by).sum()
    }

    fn histogram(&mut self, page: &str) -> Option<SeriesSample> {
        if !self.grown(page, "_bucket") {
            return None;
        }
        let (has_count, has_sum) = (self.grown(page, "_count"), self.grown(page, "_sum"));
        let mut bounds: Vec<(f64, f64)> = Vec::new();
        for (key, grown) in &self.counters.lines {
            let bound = key.strip_prefix("_bucket\n").and_then(|rest| rest.split('\n').next());
            let Some(bound) = bound.and_then(|bound| bound.parse::<f64>().ok()) else {
                continue;
            };
            match bounds.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, by)) => *by += grown.by,
                None => bounds.push((bound, grown.by)),
            }
        }
        bounds.sort_by(|one, other| one.0.total_cmp(&other.0));
        let unbounded = bounds.iter().find(|(bound, _)| *bound == f64::INFINITY);
        let count = match unbounded {
            Some((_, by)) => *by,
            None if has_count => self.sum("_count"),
            None => bounds.last().map_or(0.0, |(_, by)| *by),
        };
        bounds.retain(|(bound, _)| bound.is_finite());
        Some(SeriesSample::Histogram(HistogramSample {
            buckets: bounds,
            count,
            sum: if has_sum { self.sum("_sum") } else { 0.0 },
        }))
    }
}

impl Counters {
    /// Whether there was room for it.
    fn note(&mut self, key: String, value: f64) -> bool {
        if let Some(grown) = self.lines.get_mut(&key) {
            grown.by += if value >= grown.last { value - grown.last } else { value };
            grown.last = value;
            return true;
        }
        if self.lines.len() >= LINES_MAX {
            return false;
        }
        let by = if self.is_begun { value } else { 0.0 };
        self.lines.insert(key, Grown { last: value, by });
        true
    }
}

/// What tells a line apart from others of the series: which of its parts it is, its bound, its other labels.
fn key(suffix: &str, line: &Line<'_>) -> String {
    let bound = line.labels.get("le").map_or("", String::as_str);
    let mut key = format!("{suffix}\n{bound}");
    for (label, value) in line.labels.iter().filter(|(label, _)| **label != "le") {
        key.push('\n');
        key.push_str(label);
        key.push('=');
        // A value may have line ends.
        key.push_str(&format!("{value:?}"));
    }
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(selector: &str) -> Tally {
        Tally::new(Selector::read(selector).unwrap())
    }

    #[test]
    fn the_kind_is_what_the_page_says_and_else_what_the_name_says() {
        for (selector, page, expected) in [
            ("a", "# TYPE a counter\na 5\n", SeriesSample::Counter(0.0)),
            ("a_total", "# TYPE a counter\na_total 5\n", SeriesSample::Counter(0.0)),
            ("a_total", "a_total 5\n", SeriesSample::Counter(0.0)),
            ("a_total", "# TYPE a_total gauge\na_total 5\n", SeriesSample::Gauge(5.0)),
            ("a", "a 5\n", SeriesSample::Gauge(5.0)),
            ("a", "# TYPE a untyped\na 5\n", SeriesSample::Gauge(5.0)),
            ("h_count", "# TYPE h histogram\nh_count 5\n", SeriesSample::Counter(0.0)),
            (
                "s{quantile=\"0.9\"}",
                "# TYPE s summary\ns{quantile=\"0.9\"} 5\n",
                SeriesSample::Gauge(5.0),
            ),
            (
                "h",
                "h_bucket{le=\"1\"} 5\nh_bucket{le=\"+Inf\"} 6\n",
                SeriesSample::Histogram(HistogramSample {
                    buckets: vec![(1.0, 0.0)],
                    ..HistogramSample::default()
                }),
            ),
        ] {
            assert_eq!(tally(selector).take(page), Some(expected), "{selector}: {page}");
        }
        assert_eq!(tally("a").take("ab 1\na_b 2\nb 3\na{x=\"1\"} NaN\n"), None);
    }

    #[test]
    fn of_several_gauges_the_largest_counts_and_of_several_counters_the_sum() {
        let mut gauge = tally("g{pool=\"db\"}");
        let page = "g{pool=\"db\",i=\"1\"} 3\ng{pool=\"db\",i=\"2\"} 7\ng{pool=\"web\"} 9\n";
        assert_eq!(gauge.take(page), Some(SeriesSample::Gauge(7.0)));
        let mut counter = tally("c_total");
        for (page, grown) in [
            ("c_total{i=\"1\"} 100\nc_total{i=\"2\"} 100\n", 0.0),
            ("c_total{i=\"1\"} 103\nc_total{i=\"2\"} 110\n", 13.0),
            // One was started again and has counted 5 since; the other one went on.
            ("c_total{i=\"1\"} 5\nc_total{i=\"2\"} 111\n", 19.0),
            // One is away for a page, and a third one is new.
            ("c_total{i=\"2\"} 111\nc_total{i=\"3\"} 4\n", 23.0),
            ("c_total{i=\"1\"} 6\nc_total{i=\"2\"} 111\nc_total{i=\"3\"} 4\n", 24.0),
        ] {
            assert_eq!(counter.take(page), Some(SeriesSample::Counter(grown)), "{page}");
        }
    }

    #[test]
    fn a_counter_that_was_not_there_at_first_has_grown_from_zero() {
        let mut errors = tally("errors_total{code=\"500\"}");
        assert_eq!(errors.take("errors_total{code=\"404\"} 9\n"), None);
        let page = "errors_total{code=\"404\"} 9\nerrors_total{code=\"500\"} 2\n";
        assert_eq!(errors.take(page), Some(SeriesSample::Counter(2.0)));
    }

    #[test]
    fn histograms_are_summed_by_bound() {
        let page = |first: u32, second: u32| {
            format!(
                "# TYPE h histogram\nh_bucket{{le=\"0.1\",i=\"1\"}} {first}\nh_bucket{{le=\"+Inf\",i=\"1\"}} {second}\nh_sum{{i=\"1\"}} {second}\n\
                 h_count{{i=\"1\"}} {second}\nh_bucket{{le=\"0.1\",i=\"2\"}} 10\nh_bucket{{le=\"+Inf\",i=\"2\"}} 10\nh_sum{{i=\"2\"}} 1\nh_count{{i=\"2\"}} 10\n"
            )
        };
        let mut tally = tally("h");
        tally.take(&page(5, 6));
        let expected = HistogramSample {
            buckets: vec![(0.1, 3.0)],
            count: 4.0,
            sum: 4.0,
        };
        assert_eq!(tally.take(&page(8, 10)), Some(SeriesSample::Histogram(expected)));
    }

    #[test]
    fn lines_beyond_the_bound_are_left_out_and_told() {
        let page: String = (0..=LINES_MAX)
            .map(|line| format!("c_total{{i=\"{line}\"}} 1\n"))
            .collect();
        let mut tally = tally("c_total");
        tally.take(&page);
        assert!(tally.is_full && tally.counters.lines.len() == LINES_MAX);
    }

    proptest! {
        #[test]
        fn a_counter_grows_by_all_that_it_counted_however_often_it_is_started_again(
            steps in prop::collection::vec((0u32..1000, any::<bool>()), 1..30)
        ) {
            let mut tally = tally("c_total");
            tally.take("c_total 0\n");
            let (mut now, mut all) = (0, 0);
            for (step, is_restarted) in steps {
                // A restart that overtakes the last value cannot be seen.
                now = if is_restarted && step < now { step } else { now + step };
                all += step;
                let seen = tally.take(&format!("c_total {now}\n"));
                prop_assert_eq!(seen, Some(SeriesSample::Counter(f64::from(all))));
            }
        }

        #[test]
        fn no_page_panics(page in any::<String>(), noise in "(h|h_bucket|h_sum|# TYPE h|\\{le=\"|\"\\}|[0-9.+Inf]| |\n){0,60}") {
            let mut tally = tally("h");
            for page in [&page, &noise, &noise] {
                tally.take(page);
            }
        }
    }
}
