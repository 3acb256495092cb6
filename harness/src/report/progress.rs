//! What happens right now: a bar on a terminal, a line every few seconds elsewhere. Always on standard error.
//!
//! An interval is what one worker measured since its last report, so the sum of those that came since the last line is
//! what happened since then.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{layout, words};
use crate::arrival::Phase;
use crate::record::{
    CellEvent, CellHeader, Durations, GuardResult, Interval, Outcome, RecordingError, RunEvent, RunHeader, Subscriber,
};

const LINE_EVERY: Duration = Duration::from_secs(5);
const BAR_EVERY: Duration = Duration::from_secs(1);
/// How often a worker reports.
const REPORTED_EVERY: Duration = Duration::from_secs(1);
/// Columns of the bar and the blank behind it.
const BAR: usize = 25;
/// Columns of a message below which there is no room for a bar.
const MESSAGE_MIN: usize = 90;

/// The progress display of a run.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    run: Position,
    seen: Seen,
    since: Instant,
}

impl Progress {
    /// Nothing is shown before the run begins.
    #[must_use]
    pub fn new() -> Self {
        let bar = stderr().is_terminal().then(ProgressBar::no_length);
        Self {
            bar,
            run: Position::default(),
            seen: Seen::default(),
            since: Instant::now(),
        }
    }

    /// A cell's target is about to be started; nothing is measured yet.
    pub fn announce(&mut self, cell: &str) {
        self.say(|columns| fitted(&[(0, format!("{cell}: starting the target"))], columns));
    }

    fn show(&mut self) {
        let passed = self.since.elapsed();
        if passed < if self.bar.is_some() { BAR_EVERY } else { LINE_EVERY } {
            return;
        }
        self.since = Instant::now();
        let seen = std::mem::take(&mut self.seen);
        self.say(|columns| self.run.line(&seen, passed, columns));
    }

    /// Shows a message that is laid out for so many columns.
    fn say(&self, message: impl Fn(usize) -> String) {
        let columns = layout::columns(stderr());
        let Some(bar) = &self.bar else {
            eprintln!("{}", message(columns));
            return;
        };
        // A line that fills the last column wraps on some terminals.
        let columns = columns - 1;
        let has_bar = columns >= MESSAGE_MIN + BAR;
        let template = if has_bar { "{bar:24} {msg}" } else { "{msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_length(self.run.total.as_secs().max(1));
        bar.set_position(self.run.elapsed().as_secs());
        bar.set_message(message(if has_bar { columns - BAR } else { columns }));
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Subscriber for Progress {
    fn take(&mut self, event: &RunEvent) -> Result<(), RecordingError> {
        match event {
            RunEvent::RunBegan(header) => self.run = Position::of(header),
            RunEvent::CellBegan(header) => {
                self.run.begin(header);
                self.seen = Seen::default();
                self.since = Instant::now();
            }
            RunEvent::Interval(interval) => {
                if self.run.in_cell.is_zero() {
                    // The time that the target took to start is no part of the first line: a worker reports every
                    // second.
                    self.since = Instant::now().checked_sub(REPORTED_EVERY).unwrap_or(self.since);
                }
                self.run.measured(interval);
                self.seen.take(interval);
                self.show();
            }
            RunEvent::Cell(event) => match event.as_ref() {
                CellEvent::Ended(_) => self.run.end(),
                CellEvent::Guard { guard, .. } => self.say(|columns| fitted(&guard_line(guard), columns)),
                _ => {}
            },
            RunEvent::Ending(_) | RunEvent::RunEnded(_) => self.finish(),
            RunEvent::Observed(_) => {}
        }
        Ok(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A part of a line; of those that do not fit the one with the highest number goes first.
type Part = (u8, String);

/// The parts that fit, in order. Parts go whole: no number is ever cut.
fn fitted(parts: &[Part], columns: usize) -> String {
    let mut shown: Vec<&Part> = parts.iter().collect();
    loop {
        let texts: Vec<&str> = shown.iter().map(|(_, text)| text.as_str()).collect();
        let line = texts.join(" · ");
        let least = shown
            .iter()
            .enumerate()
            .max_by_key(|(place, (rank, _))| (*rank, *place));
        match least {
            Some((place, _)) if layout::width(&line) > columns => drop(shown.remove(place)),
            _ => return line,
        }
    }
}

/// A guard acted, or what it did is undone.
fn guard_line(guard: &GuardResult) -> [Part; 2] {
    let rates = match guard.until_s {
        None => format!("{:.0}/s → {:.0}/s", guard.rate_before, guard.rate_after),
        Some(_) => "the profile's rate is tried again".to_owned(),
    };
    let what = format!("guard: {} because of {}", guard.action.name(), guard.name);
    [(0, what), (1, rates)]
}

/// Where the run is.
#[derive(Debug, Default)]
struct Position {
    phases: Vec<Phase>,
    variants: usize,
    blocks: u32,
    cells: usize,
    total: Duration,
    /// `[3/20 slots, block 2]`.
    label: String,
    /// `[3/20]`.
    label_short: String,
    done: Duration,
    in_cell: Duration,
    phase: usize,
}

impl Position {
    fn of(header: &RunHeader) -> Self {
        let workload = &header.workload;
        let mut position = Self {
            phases: workload.phases.clone(),
            variants: workload.variants.len(),
            blocks: workload.blocks,
            ..Self::default()
        };
        position.expect(workload.blocks);
        position
    }

    /// There are so many blocks.
    fn expect(&mut self, blocks: u32) {
        self.cells = self.variants * blocks as usize;
        self.total = self.length() * u32::try_from(self.cells).unwrap_or(u32::MAX);
    }

    fn begin(&mut self, header: &CellHeader) {
        self.end();
        self.phase = 0;
        // A block beyond those that were planned is run in place of another.
        self.expect(self.blocks.max(header.block));
        let block = if self.blocks.max(header.block) > 1 {
            format!(", block {}", header.block)
        } else {
            String::new()
        };
        let place = format!("{}/{}", header.number, self.cells);
        self.label = format!("[{place} {}{block}]", header.variant);
        self.label_short = format!("[{place}]");
    }

    /// A cell that ended early takes as much of the run as it would have.
    fn end(&mut self) {
        if !std::mem::take(&mut self.in_cell).is_zero() {
            self.done += self.length();
        }
    }

    fn length(&self) -> Duration {
        self.phases.last().map_or(Duration::ZERO, |phase| phase.end)
    }

    fn measured(&mut self, interval: &Interval) {
        let until = Duration::from_secs(interval.second + 1).min(self.length());
        // An answer that comes late belongs to an earlier second.
        if until >= self.in_cell {
            self.in_cell = until;
            self.phase = interval.phase.max(self.phase);
        }
    }

    fn elapsed(&self) -> Duration {
        self.done + self.in_cell
    }

    /// With the short label where there is no room for the long one.
    fn line(&self, seen: &Seen, passed: Duration, columns: usize) -> String {
        let long = self.line_of(&self.label, seen, passed, columns);
        if long.starts_with(&self.label) {
            return long;
        }
        self.line_of(&self.label_short, seen, passed, columns)
    }

    fn line_of(&self, label: &str, seen: &Seen, passed: Duration, columns: usize) -> String {
        let per_second = |count: u64| format!("{:.0}/s", count as f64 / passed.as_secs_f64().max(1e-3));
        let phase = self.phases.get(self.phase).map_or("", |phase| &phase.name);
        let left = self.total.saturating_sub(self.elapsed()).as_secs();
        let p99 = words::ms(seen.response.quantile_us(0.99).map(|us| us as f64));
        let parts = [
            (4, format!("{label} {phase}")),
            (2, format!("offered {}", per_second(seen.offered))),
            (0, format!("ok {}", per_second(seen.ok))),
            (5, format!("p99 {p99} ms")),
            (3, format!("rejected {}", per_second(seen.rejected))),
            (1, format!("failed {}", per_second(seen.failed))),
            (6, format!("{}:{:02} left", left / 60, left % 60)),
        ];
        fitted(&parts, columns)
    }
}

/// What was measured since the last line.
#[derive(Debug, Default)]
struct Seen {
    offered: u64,
    ok: u64,
    rejected: u64,
    failed: u64,
    response: Durations,
}

impl Seen {
    fn take(&mut self, interval: &Interval) {
        for series in &interval.series {
            self.offered += series.scheduled;
            self.failed += series.unsent();
            for outcome in Outcome::ALL {
                let count = series.count(outcome);
                match outcome {
                    Outcome::Ok => self.ok += count,
                    rejection if rejection.is_rejection() => self.rejected += count,
                    _ => self.failed += count,
                }
            }
            if let Some(ok) = series.times(Outcome::Ok) {
                self.response.merge(&ok.response);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::record::{Due, PhaseBounds, Recorder, Sample};

    /// What one worker reports of 100 arrivals in second 11: 80 ok, 15 shed, 4 timeouts, one unsent.
    fn interval() -> Interval {
        let mut recorder = Recorder::new(0, 1, 0, PhaseBounds::new([(Duration::ZERO, Duration::from_secs(35))]));
        for number in 0..100u64 {
            let due = Due {
                series: 0,
                phase: 0,
                shard: None,
                host: 0,
                intended_ns: 11_000_000_000 + number * 1_000_000,
                is_retry: false,
            };
            recorder.due(&due, due.intended_ns);
            let outcome = match number {
                0..80 => Outcome::Ok,
                80..95 => Outcome::Shed,
                95..99 => Outcome::Timeout,
                _ => {
                    recorder.unsent(&due, crate::record::UnsentCause::QueueFull);
                    continue;
                }
            };
            recorder.done(&Sample {
                due,
                sent_ns: due.intended_ns,
                done_ns: due.intended_ns + 4_000_000,
                outcome,
                own_ns: 0,
            });
        }
        recorder.drain().next().unwrap()
    }

    fn position() -> Position {
        let run = fixture::run();
        let mut position = Position::of(&run.header);
        position.begin(&CellHeader {
            number: 3,
            block: 2,
            ..run.cells[0].header.clone()
        });
        position
    }

    #[test]
    fn rates_are_those_of_all_workers_since_the_last_line() {
        let (mut position, mut seen) = (position(), Seen::default());
        for _worker in 0..2 {
            position.measured(&interval());
            seen.take(&interval());
        }
        let line = position.line(&seen, Duration::from_secs(2), 200);
        let rates = "offered 100/s · ok 80/s · p99 4.00 ms · rejected 15/s · failed 5/s";
        assert!(line.contains(rates), "{line}");
        assert!(line.starts_with("[3/10 none, block 2]"), "{line}");
    }

    #[test]
    fn a_line_is_never_wider_than_the_terminal_and_no_number_is_cut() {
        let (mut position, mut seen) = (position(), Seen::default());
        position.measured(&interval());
        seen.take(&interval());
        let fitted = |columns| position.line(&seen, Duration::from_secs(1), columns);
        let whole = fitted(200);
        for columns in 40..=120 {
            let line = fitted(columns);
            assert!(layout::width(&line) <= columns, "{columns}: {line}");
            assert!(
                line.contains("ok 80/s") && line.contains("failed 5/s"),
                "{columns}: {line}"
            );
            let is_whole = |part: &str| part.starts_with('[') || whole.split(" · ").any(|known| known == part);
            assert!(line.split(" · ").all(is_whole), "{columns}: {line}");
        }
        let small = "[3/10 none, block 2] warm-up · offered 100/s · ok 80/s · rejected 15/s · failed 5/s";
        assert_eq!(fitted(small.chars().count()), small);
        assert_eq!(
            fitted(79),
            "[3/10] warm-up · offered 100/s · ok 80/s · rejected 15/s · failed 5/s"
        );
    }

    #[test]
    fn an_answer_that_comes_late_does_not_turn_the_time_back() {
        let mut position = position();
        position.measured(&Interval::new(0, 1, 20, 1));
        position.measured(&Interval::new(0, 0, 3, 1));
        assert_eq!((position.elapsed(), position.phase), (Duration::from_secs(21), 1));
    }
}
