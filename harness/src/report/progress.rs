//! What happens right now: a bar on a terminal, a line every few seconds elsewhere. Always on standard error.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::words;
use crate::arrival::Profile;
use crate::drive::Live;

const LINE_EVERY: Duration = Duration::from_secs(5);
const BAR_EVERY: Duration = Duration::from_secs(1);

/// The progress display of a run.
pub struct Progress {
    bar: Option<ProgressBar>,
    label: String,
    total: Duration,
    done_cells: Duration,
    in_cell: Duration,
    since: Instant,
    seen: Live,
}

impl Progress {
    /// A display for a run whose profiles are `total` long.
    #[must_use]
    pub fn new(total: Duration) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:24} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total.as_secs().max(1)).with_style(style)
        });
        Self {
            bar,
            label: String::new(),
            total,
            done_cells: Duration::ZERO,
            in_cell: Duration::ZERO,
            since: Instant::now(),
            seen: Live::default(),
        }
    }

    /// A cell begins.
    pub fn begin(&mut self, label: &str) {
        label.clone_into(&mut self.label);
        self.done_cells += std::mem::take(&mut self.in_cell);
        self.seen = Live::default();
        self.say(&format!("{label} starting the target"));
    }

    /// Takes in what a worker saw.
    pub fn take(&mut self, live: &Live) {
        self.seen.due += live.due;
        self.seen.ok += live.ok;
        self.seen.refused += live.refused;
        self.seen.failed += live.failed;
        self.seen.response.merge(&live.response);
    }

    /// Shows where the cell is, if it is time to.
    pub fn show(&mut self, elapsed: Duration, profile: &Profile) {
        if self.in_cell.is_zero() {
            self.since = Instant::now();
        }
        self.in_cell = elapsed.min(profile.end());
        let passed = self.since.elapsed();
        if passed < if self.bar.is_some() { BAR_EVERY } else { LINE_EVERY } {
            return;
        }
        let phase = &profile.phases()[profile.phase_at(elapsed)];
        let seen = std::mem::take(&mut self.seen);
        self.since = Instant::now();
        let per_second = |count: u64| count as f64 / passed.as_secs_f64();
        let p99 = words::ms(seen.response.quantile_us(0.99).map(|us| us as f64));
        let left = self.total.saturating_sub(self.done_cells + self.in_cell).as_secs();
        let message = format!(
            "{} {} · asked {:.0}/s · ok {:.0}/s · p99 {p99} ms · refused {:.0}/s · failed {:.0}/s · {}:{:02} left",
            self.label,
            phase.name,
            per_second(seen.due),
            per_second(seen.ok),
            per_second(seen.refused),
            per_second(seen.failed),
            left / 60,
            left % 60,
        );
        self.say(&message);
    }

    /// Removes the display.
    pub fn finish(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn say(&self, message: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position((self.done_cells + self.in_cell).as_secs());
                bar.set_message(message.to_owned());
            }
            None => eprintln!("{message}"),
        }
    }
}
