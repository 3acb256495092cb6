//! Several midnights: a jump for each region, at a time of its own, to a rate of its own, with a mix of its own.
//!
//! The callers of a region do not know of another's. So where jumps overlap, their rates add up, and each brings its
//! own mix: together they send every operation as often as both would alone. Each stretch in which the same jumps last
//! is a phase of its own, for a phase has one rate and one mix.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::file::{JumpFile, ProfileFile, WorkloadFile};
use super::judge::Judge;
use super::quantity::{Rate, Span};
use super::shape::join;
use crate::arrival::{PhaseKind, Profile};
use crate::template::is_name;

/// Most jumps of a profile.
const JUMPS_MAX: usize = 100;
/// Phases that are called so are none of a jump's.
const RESERVED: [&str; 3] = ["base", "settle", "warm-up"];

/// One jump; offsets are from the end of the warm-up.
struct Jump<'a> {
    name: &'a str,
    at: Duration,
    end: Duration,
    rate: f64,
    /// By traffic entry; `None` where each takes its own share.
    mix: Option<Vec<f64>>,
}

impl Judge<'_> {
    pub(super) fn midnights(&mut self, file: &WorkloadFile) -> Profile {
        let ProfileFile::Midnights {
            base,
            warm_up,
            base_hold,
            jumps,
            end_hold,
        } = &file.profile
        else {
            unreachable!("it is asked for with midnights");
        };
        self.jumps_fit(jumps, *base, *base_hold);
        let mut all: Vec<Jump<'_>> = Vec::new();
        for (index, jump) in jumps.iter().enumerate() {
            let path = format!("profile.jumps.{index}.mix");
            all.push(Jump {
                name: &jump.name,
                at: jump.at.0,
                end: jump.at.0 + jump.hold.0,
                rate: jump.target.0,
                mix: jump.mix.as_ref().map(|mix| self.mix(&path, mix, file)),
            });
        }
        all.sort_by_key(|jump| jump.at);
        let or_none = |span: Option<Span>| span.map_or(Duration::ZERO, |span| span.0);
        let last = all.iter().map(|jump| jump.end).max().unwrap_or_default();
        let shares: Vec<f64> = file.traffic.values().map(|entry| entry.share.unwrap_or(0.0)).collect();
        let before = Profile::default().then("warm-up", PhaseKind::WarmUp, or_none(*warm_up), base.0);
        laid_out(before, base.0, &all, &shares, last + or_none(*end_hold))
    }

    fn jumps_fit(&mut self, jumps: &[JumpFile], base: Rate, base_hold: Option<Span>) {
        if jumps.len() > JUMPS_MAX {
            let problem = format!("there are {} jumps", jumps.len());
            self.mistake("profile.jumps", problem, format!("at most {JUMPS_MAX}"));
        }
        let mut seen = BTreeSet::new();
        for (index, jump) in jumps.iter().enumerate() {
            let path = format!("profile.jumps.{index}");
            let name = &jump.name;
            if !is_name(name) || RESERVED.contains(&name.as_str()) {
                self.mistake(
                    &join(&path, "name"),
                    format!("`{name}` cannot be the name of a jump"),
                    format!(
                        "a letter or _, then letters, digits, _ or -; not {}",
                        RESERVED.join(" and not ")
                    ),
                );
            } else if !seen.insert(name) {
                self.mistake(
                    &join(&path, "name"),
                    format!("`{name}` is another jump's name"),
                    "a name of its own",
                );
            }
            self.positive(&join(&path, "hold"), jump.hold);
            let target = jump.target;
            if target.0 < base.0 || target.0 <= 0.0 && self.takes_profile {
                self.mistake(
                    &join(&path, "target"),
                    format!("a jump from `{base}` to `{target}` is none"),
                    format!("at least {base}, and more than 0/s"),
                );
            }
            if let Some(hold) = base_hold.filter(|hold| jump.at < *hold) {
                self.mistake(
                    &join(&path, "at"),
                    format!("`{}` lies within `base_hold`, {hold}", jump.at),
                    format!("at least {hold}, or a shorter `base_hold`"),
                );
            }
        }
    }

    /// The parts of each traffic entry, in order.
    fn mix(&mut self, path: &str, mix: &BTreeMap<String, f64>, file: &WorkloadFile) -> Vec<f64> {
        let takers = file.traffic.iter().filter(|(_, entry)| entry.share.is_some());
        let takers: Vec<&str> = takers.map(|(name, _)| name.as_str()).collect();
        for (name, part) in mix {
            let at = join(path, name);
            self.known(&at, name, "traffic entry with a share of the profile's rate", &takers);
            if !(0.0..=1.0).contains(part) {
                self.mistake(&at, format!("`{part}` is no part of a whole"), "from 0 to 1");
            }
        }
        let sum: f64 = mix.values().sum();
        if (sum - 1.0).abs() > 1e-6 {
            self.mistake(
                path,
                format!("the shares add up to {sum}, so the jump's rate is not what would be offered"),
                "shares that add up to 1",
            );
        }
        let parts = file.traffic.keys().map(|name| mix.get(name).copied().unwrap_or(0.0));
        parts.collect()
    }
}

/// Adds a phase for each stretch in which the same jumps last, up to `end`; the jumps are in order of time.
fn laid_out(before: Profile, base: f64, jumps: &[Jump<'_>], shares: &[f64], end: Duration) -> Profile {
    let edges = jumps.iter().flat_map(|jump| [jump.at, jump.end]);
    let edges: BTreeSet<Duration> = edges.chain([Duration::ZERO, end]).collect();
    let edges: Vec<Duration> = edges.into_iter().collect();
    let (mut profile, mut bases, mut combined) = (before, 0, Vec::new());
    for edge in edges.windows(2) {
        let (from, hold) = (edge[0], edge[1] - edge[0]);
        let lasting = jumps.iter().filter(|jump| jump.at <= from && from < jump.end);
        let lasting: Vec<&Jump<'_>> = lasting.collect();
        if lasting.is_empty() {
            bases += u32::from(!combined.is_empty());
            profile = profile.then(base_name(bases), PhaseKind::Base, hold, base);
            continue;
        }
        let names: Vec<&str> = lasting.iter().map(|jump| jump.name).collect();
        let names = names.join(" + ");
        // One jump may outlast another.
        let times = combined.iter().filter(|other| **other == names).count();
        let name = format!("{names}{}", " again".repeat(times));
        combined.push(names);
        let rate = lasting.iter().map(|jump| jump.rate).sum();
        profile = profile.then_mixed(name, PhaseKind::Spike, hold, rate, together(&lasting, shares));
    }
    profile
}

/// `base` before the first jump; `base 1` and so on after it.
pub(super) fn base_name(number: u32) -> String {
    match number {
        0 => "base".to_owned(),
        number => format!("base {number}"),
    }
}

/// The mix of jumps that last at the same time, each weighed by its rate; empty where all have the traffic's own.
fn together(jumps: &[&Jump<'_>], shares: &[f64]) -> Vec<f64> {
    if jumps.iter().all(|jump| jump.mix.is_none()) {
        return Vec::new();
    }
    let rate: f64 = jumps.iter().map(|jump| jump.rate).sum();
    let part = |index: usize| {
        let own = jumps.iter().map(|jump| {
            let mix = jump.mix.as_deref().unwrap_or(shares);
            mix[index] * jump.rate / rate
        });
        own.sum()
    };
    (0..shares.len()).map(part).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn jump(name: &str, at_s: u32, hold_s: u32, rate: f64, mix: Option<[f64; 2]>) -> Jump<'_> {
        Jump {
            name,
            at: at_s * S,
            end: (at_s + hold_s) * S,
            rate,
            mix: mix.map(|mix| mix.to_vec()),
        }
    }

    fn phases(profile: &Profile) -> Vec<(&str, u64, f64)> {
        let phases = profile.phases().iter();
        phases
            .map(|phase| (phase.name.as_str(), phase.end.as_secs(), phase.rate))
            .collect()
    }

    #[test]
    fn everyday_load_lies_between_the_jumps() {
        let jumps = [jump("auckland", 10, 6, 800.0, None), jump("tokyo", 25, 8, 2000.0, None)];
        let profile = laid_out(Profile::default(), 100.0, &jumps, &[0.5, 0.5], 38 * S);
        assert_eq!(
            phases(&profile),
            [
                ("base", 10, 100.0),
                ("auckland", 16, 800.0),
                ("base 1", 25, 100.0),
                ("tokyo", 33, 2000.0),
                ("base 2", 38, 100.0)
            ]
        );
        assert!(profile.phases().iter().all(|phase| phase.mix.is_empty()));
    }

    #[test]
    fn jumps_that_overlap_add_up_and_so_do_their_mixes() {
        let jumps = [
            jump("long", 0, 10, 300.0, Some([1.0, 0.0])),
            jump("short", 4, 2, 100.0, None),
        ];
        let profile = laid_out(Profile::default(), 50.0, &jumps, &[0.2, 0.8], 10 * S);
        assert_eq!(
            phases(&profile),
            [
                ("long", 4, 300.0),
                ("long + short", 6, 400.0),
                ("long again", 10, 300.0)
            ]
        );
        let mixes: Vec<&[f64]> = profile.phases().iter().map(|phase| &phase.mix[..]).collect();
        assert_eq!(mixes[0], [1.0, 0.0]);
        // By hand: 300 + 0.2 × 100 of 400, and 0.8 × 100 of 400.
        assert!(
            (mixes[1][0] - 0.8).abs() < 1e-12 && (mixes[1][1] - 0.2).abs() < 1e-12,
            "{mixes:?}"
        );
    }

    proptest! {
        #[test]
        fn phases_are_contiguous_named_apart_and_offer_what_the_jumps_do(
            all in prop::collection::vec((0u32..60, 1u32..30, 100.0..5000.0f64, prop::option::of(0.0..1.0f64)), 1..8),
            end_hold in 0u32..10,
        ) {
            const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
            let jumps = all.iter().zip(NAMES);
            let mut jumps: Vec<Jump<'_>> = jumps
                .map(|((at, hold, rate, part), name)| jump(name, *at, *hold, *rate, part.map(|part| [part, 1.0 - part])))
                .collect();
            jumps.sort_by_key(|jump| jump.at);
            let end = jumps.iter().map(|jump| jump.end).max().unwrap() + end_hold * S;
            let profile = laid_out(Profile::default(), 100.0, &jumps, &[0.3, 0.7], end);
            let phases = profile.phases();
            prop_assert_eq!(profile.end(), end);
            prop_assert!(phases.windows(2).all(|pair| pair[0].end == pair[1].start));
            let names: BTreeSet<&str> = phases.iter().map(|phase| phase.name.as_str()).collect();
            prop_assert_eq!(names.len(), phases.len());
            for phase in phases {
                let sum: f64 = phase.mix.iter().sum();
                prop_assert!(phase.mix.is_empty() || (sum - 1.0).abs() < 1e-9, "{phase:?}");
            }
            // What the jumps bring, and everyday load while none lasts.
            let arrivals = |phase: &crate::arrival::Phase| phase.rate * (phase.end - phase.start).as_secs_f64();
            let offered: f64 = phases.iter().map(arrivals).sum();
            let brought: f64 = all.iter().map(|(_, hold, rate, _)| f64::from(*hold) * rate).sum();
            let quiet = phases.iter().filter(|phase| phase.kind == PhaseKind::Base).map(arrivals).sum::<f64>();
            prop_assert!((offered - brought - quiet).abs() < 1e-3, "{offered} of {brought} + {quiet}");
        }
    }
}
