//! Whether the target comes back when an overload is over, and how soon: each spike that more arrivals follow.
//!
//! *Recovered* is the first moment after the spike, in whole seconds, from which on for [`WELL`] seconds
//!
//! - at least [`GOODPUT_MIN`] of the callers are answered `ok` at their first attempt,
//! - and the p99 of `ok` answers is at most [`P99_RATIO`] times that of the base phase before the first spike, or
//!   [`P99_GROWTH_US`] above it. Where there is no such phase, the first condition decides alone.
//!
//! Everything by the second in which calls were *due*, so an answer that comes late is no recovery of the second in
//! which it comes, and the late success of a caller of the spike is none of those who came after it. Response times are
//! those less the generator's own lateness. Sessions and `WebSocket`s are left out: theirs are figures of their steps
//! and of their sends.

use std::collections::BTreeMap;

use crate::arrival::{Phase, PhaseKind};
use crate::record::{CellHeader, Durations, Interval, Merged, Outcome, PhaseTotals, Recovery, Snapshot};

/// Seconds for which it has to be well.
const WELL: usize = 3;
/// Part of the callers who are answered `ok` at once.
const GOODPUT_MIN: f64 = 0.95;
/// p99 over that of the base phase …
const P99_RATIO: f64 = 1.1;
/// … or so much above it: of a p99 of a few milliseconds a tenth is chance.
const P99_GROWTH_US: f64 = 5_000.0;
/// Below this part of the callers goodput has collapsed.
const COLLAPSED: f64 = 0.5;

/// The seconds after each spike, as they come.
#[derive(Debug)]
pub(super) struct RecoveryFold {
    spikes: Vec<Spike>,
    /// Index of the base phase that all are compared with.
    base: Option<usize>,
    /// By second of the cell and entry.
    seconds: BTreeMap<(u64, usize), Second>,
}

/// A spike, and the phases after it: up to the next spike, or to the end of what is offered.
#[derive(Debug, Clone)]
struct Spike {
    phase: usize,
    after: std::ops::Range<usize>,
    from_s: f64,
    to_s: f64,
}

impl Spike {
    /// `None` where the phase is no spike, or nothing is offered after it.
    fn new(phases: &[Phase], phase: usize) -> Option<Self> {
        let is_end = |phase: &Phase| matches!(phase.kind, PhaseKind::Spike | PhaseKind::Settle);
        let behind = &phases[phase + 1..];
        let length = behind.iter().position(is_end).unwrap_or(behind.len());
        let last = behind[..length]
            .last()
            .filter(|_| phases[phase].kind == PhaseKind::Spike)?;
        Some(Self {
            phase,
            after: phase + 1..phase + 1 + length,
            from_s: phases[phase].end.as_secs_f64(),
            to_s: last.end.as_secs_f64(),
        })
    }
}

#[derive(Debug, Clone, Default)]
struct Second {
    callers: u64,
    /// Of these, answered `ok` at their first attempt.
    ok: u64,
    times: Durations,
}

impl RecoveryFold {
    pub(super) fn new(phases: &[Phase]) -> Self {
        let spikes = (0..phases.len()).filter_map(|phase| Spike::new(phases, phase));
        let first = phases.iter().position(|phase| phase.kind == PhaseKind::Spike);
        let before = &phases[..first.unwrap_or(0)];
        Self {
            spikes: spikes.collect(),
            base: before.iter().rposition(|phase| phase.kind == PhaseKind::Base),
            seconds: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, header: &CellHeader, interval: &Interval) {
        if !self.spikes.iter().any(|spike| spike.after.contains(&interval.phase)) {
            return;
        }
        for (name, series) in header.series.iter().zip(&interval.series) {
            let (callers, ok) = series.first_attempts();
            let times = series.times(Outcome::Ok);
            if callers == 0 && times.is_none() {
                continue;
            }
            let second = self.seconds.entry((interval.second, name.entry)).or_default();
            second.callers += callers;
            second.ok += ok;
            if let Some(times) = times {
                second.times.merge(&times.net);
            }
        }
    }

    /// What became of the calls of `entry` after the spike `phase`; `None` where nothing comes after it, or the entry
    /// is not one of requests. The cell ended at `ended_s`.
    pub(super) fn after(
        &self,
        (phase, entry): (usize, usize),
        (workload, header, merged): (&Snapshot, &CellHeader, &Merged),
        ended_s: f64,
    ) -> Option<Recovery> {
        let spike = self.spikes.iter().find(|spike| spike.phase == phase)?;
        let traffic = workload.traffic.get(entry)?;
        if traffic.is_session() || traffic.websocket.is_some() || traffic.follow.is_some() {
            return None;
        }
        let base = self.base.and_then(|base| merged.phases.get(base));
        let base_p99_us = base.and_then(|base| ok_p99_us(base, header, entry));
        let bound_us = base_p99_us.map(|us| (us as f64 * P99_RATIO).max(us as f64 + P99_GROWTH_US));
        let seconds = self.whole_seconds(spike, entry, ended_s);
        let first = seconds.first().map(|(second, _)| *second)?;
        let since = |index: usize| first as f64 + index as f64 - spike.from_s;
        let well = seconds.windows(WELL).position(|window| is_well(window, bound_us));
        let end = &seconds[seconds.len().saturating_sub(WELL)..];
        let has_collapsed = |second: &Second| (second.ok as f64) < second.callers as f64 * COLLAPSED;
        let collapsed = seconds.iter().take_while(|(_, second)| has_collapsed(second));
        Some(Recovery {
            observed_s: seconds.len() as f64,
            recovered_s: well.map(since),
            collapsed_s: collapsed.count() as f64,
            base_p99_us,
            goodput_share_end: goodput_share(end),
            p99_us_end: merged_times(end).quantile_us(0.99),
        })
    }

    /// The whole seconds behind the spike, in order.
    fn whole_seconds(&self, spike: &Spike, entry: usize, ended_s: f64) -> Vec<(u64, Second)> {
        let (from, to) = (spike.from_s.ceil() as u64, spike.to_s.min(ended_s).max(0.0) as u64);
        (from..to)
            .map(|second| (second, self.seconds.get(&(second, entry)).cloned().unwrap_or_default()))
            .collect()
    }
}

fn ok_p99_us(totals: &PhaseTotals, header: &CellHeader, entry: usize) -> Option<u64> {
    let series = header.series.iter().zip(&totals.series);
    let own = series.filter(|(name, _)| name.entry == entry);
    let mut ok = Durations::default();
    own.filter_map(|(_, series)| series.times(Outcome::Ok))
        .for_each(|times| ok.merge(&times.net));
    ok.quantile_us(0.99)
}

fn is_well(window: &[(u64, Second)], bound_us: Option<f64>) -> bool {
    let p99_us = merged_times(window).quantile_us(0.99);
    let is_fast = bound_us.is_none_or(|bound_us| p99_us.is_some_and(|us| us as f64 <= bound_us));
    is_fast && goodput_share(window).is_some_and(|share| share >= GOODPUT_MIN)
}

/// `None` where nobody came.
fn goodput_share(window: &[(u64, Second)]) -> Option<f64> {
    let callers: u64 = window.iter().map(|(_, second)| second.callers).sum();
    let ok: u64 = window.iter().map(|(_, second)| second.ok).sum();
    (callers > 0).then(|| ok as f64 / callers as f64)
}

fn merged_times(window: &[(u64, Second)]) -> Durations {
    let mut times = Durations::default();
    window.iter().for_each(|(_, second)| times.merge(&second.times));
    times
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::analyze::fixture;
    use crate::arrival::Profile;
    use crate::record::{Due, PhaseBounds, Recorder, Sample};

    const MS: u64 = 1_000_000;
    const S: u64 = 1000 * MS;

    /// As [`of`], with nobody who retries.
    fn after(answers: impl Fn(u64) -> Result<u64, Outcome>) -> Recovery {
        of(|second| (answers(second), None))
    }

    /// Base for 4 s, a spike for 2 s, base again for 4 and for 6 s: 100 callers a second, each answered after so many
    /// milliseconds as `answers` says of its second, or with an error; and with them, a retry that ends so.
    fn of(answers: impl Fn(u64) -> (Result<u64, Outcome>, Option<Outcome>)) -> Recovery {
        let s = Duration::from_secs;
        let profile = Profile::default()
            .then("base", PhaseKind::Base, s(4), 100.0)
            .then("spike", PhaseKind::Spike, s(2), 100.0)
            .then("recovery", PhaseKind::Recovery, s(4), 100.0)
            .then("base again", PhaseKind::Base, s(6), 100.0);
        let bounds = profile.phases().iter().map(|phase| (phase.start, phase.end));
        let bounds = PhaseBounds::new(bounds);
        let mut recorder = Recorder::new(0, 1, 0, bounds.clone());
        for (second, place) in (0..16).flat_map(|second| (0..100).map(move |place| (second, place))) {
            let intended_ns = second * S + place * 10 * MS;
            let due = Due {
                series: 0,
                phase: bounds.at(intended_ns),
                shard: None,
                host: 0,
                intended_ns,
                is_retry: false,
            };
            let (first, retry) = answers(second);
            let mut ended = |is_retry, outcome, took_ns| {
                let due = Due { is_retry, ..due };
                recorder.due(&due, intended_ns);
                recorder.done(&Sample {
                    due,
                    sent_ns: intended_ns,
                    done_ns: intended_ns + took_ns,
                    outcome,
                    own_ns: 0,
                });
            };
            match first {
                Ok(ms) => ended(false, Outcome::Ok, ms * MS),
                Err(outcome) => ended(false, outcome, MS),
            }
            if let Some(outcome) = retry {
                ended(true, outcome, 20 * MS);
            }
        }
        let header = fixture::cell("a", 1, vec![]).header;
        let workload = fixture::snapshot(&["a"], 1);
        let mut fold = RecoveryFold::new(profile.phases());
        let mut merged = Merged::new(4, 1);
        for interval in recorder.drain() {
            fold.take(&header, &interval);
            merged.take(&interval);
        }
        let of = (&workload, &header, &merged);
        for phase in [0, 2, 3] {
            assert!(fold.after((phase, 0), of, 16.0).is_none(), "no overload: {phase}");
        }
        fold.after((1, 0), of, 16.0).unwrap()
    }

    #[test]
    fn one_that_answers_as_before_has_recovered_at_once() {
        let recovery = after(|_| Ok(20));
        assert_eq!((recovery.recovered_s, recovery.collapsed_s), (Some(0.0), 0.0));
        assert_eq!(
            (recovery.goodput_share_end, recovery.p99_us_end.is_some()),
            (Some(1.0), true)
        );
        let base_ms = recovery.base_p99_us.map(|us| (us + 500) / 1000);
        assert_eq!((recovery.observed_s, base_ms), (10.0, Some(20)));
    }

    #[test]
    fn one_that_is_slow_or_refuses_has_not() {
        let slow = after(|second| if second < 9 { Ok(40) } else { Ok(20) });
        // The base was as slow.
        assert_eq!(slow.recovered_s, Some(0.0));
        let slow = after(|second| if (4..9).contains(&second) { Ok(40) } else { Ok(20) });
        assert_eq!((slow.recovered_s, slow.collapsed_s), (Some(3.0), 0.0));
        let refusing = |second| match second {
            4..9 => Err(Outcome::Shed),
            _ => Ok(20),
        };
        let refused = after(refusing);
        assert_eq!((refused.recovered_s, refused.collapsed_s), (Some(3.0), 3.0));
    }

    #[test]
    fn a_moment_of_wellbeing_is_no_recovery() {
        let never = after(|second| match second {
            0..4 | 7 | 8 | 12 => Ok(20),
            _ => Err(Outcome::Timeout),
        });
        assert_eq!((never.recovered_s, never.collapsed_s), (None, 1.0));
        assert_eq!(never.goodput_share_end, Some(0.0));
        assert_eq!(never.p99_us_end, None);
    }

    #[test]
    fn who_is_answered_at_a_retry_was_not_answered_at_once() {
        // Everybody is turned away at first, and as many retries of others succeed.
        let busy = of(|second| match second {
            0..4 => (Ok(20), None),
            _ => (Err(Outcome::Shed), Some(Outcome::Ok)),
        });
        assert_eq!((busy.recovered_s, busy.collapsed_s), (None, 10.0));
        // Retries that fail take nothing from those who came later.
        let well = of(|second| match second {
            0..4 => (Ok(20), None),
            _ => (Ok(20), Some(Outcome::Timeout)),
        });
        assert_eq!(well.recovered_s, Some(0.0));
    }

    #[test]
    fn where_nothing_follows_the_spike_nothing_is_said() {
        let s = Duration::from_secs(4);
        let profile = Profile::default()
            .then("base", PhaseKind::Base, s, 100.0)
            .then("spike", PhaseKind::Spike, s, 100.0)
            .then("settle", PhaseKind::Settle, s, 0.0);
        assert!(RecoveryFold::new(profile.phases()).spikes.is_empty());
    }
}
