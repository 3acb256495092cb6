//! From a profile as it is written to its phases.

use std::time::Duration;

use super::file::{ProfileFile, TraceFile, WorkloadFile};
use super::folder::Folder;
use super::judge::Judge;
use super::midnights::base_name;
use super::quantity::{Rate, Share, Span};
use super::shape::join;
use crate::arrival::{PhaseKind, Profile, Trace};
use crate::template::Table;

/// `shift 10%`; where a share comes again, `shift 10% again`, and so on.
fn shift_name(shares: &[Share], index: usize, share: Share) -> String {
    let before = shares[..index].iter().filter(|other| other.0 == share.0).count();
    format!("shift {share}{}", " again".repeat(before))
}

impl Judge<'_> {
    pub(super) fn profile(&mut self, file: &WorkloadFile, folder: &Folder) -> Profile {
        let or_none = |span: &Option<Span>| span.map_or(Duration::ZERO, |span| span.0);
        let profile = &file.profile;
        match profile {
            ProfileFile::Constant { target, hold, warm_up } => {
                self.rates(None, *target);
                self.positive("profile.hold", *hold);
                Profile::default()
                    .then("warm-up", PhaseKind::WarmUp, or_none(warm_up), target.0)
                    .then("constant", PhaseKind::Step, hold.0, target.0)
            }
            ProfileFile::Steps {
                base,
                target,
                steps,
                hold,
                warm_up,
            } => {
                self.rates(Some(*base), *target);
                self.positive("profile.hold", *hold);
                Profile::default()
                    .then("warm-up", PhaseKind::WarmUp, or_none(warm_up), base.0)
                    .then_steps(*steps, base.0, target.0, hold.0)
            }
            ProfileFile::Spike {
                base,
                target,
                base_hold,
                spike_hold,
                after,
                warm_up,
            } => {
                self.rates(Some(*base), *target);
                self.positive("profile.base_hold", *base_hold);
                self.positive("profile.spike_hold", *spike_hold);
                Profile::default()
                    .then("warm-up", PhaseKind::WarmUp, or_none(warm_up), base.0)
                    .then("base", PhaseKind::Base, base_hold.0, base.0)
                    .then("spike", PhaseKind::Spike, spike_hold.0, target.0)
                    .then("after", PhaseKind::Recovery, or_none(after), base.0)
            }
            ProfileFile::Shift { .. } => self.shift(profile),
            ProfileFile::Sawtooth { .. } => self.sawtooth(profile),
            ProfileFile::Soak { .. } => self.soak(profile),
            ProfileFile::Midnights { .. } => self.midnights(file),
            ProfileFile::Trace { .. } => self.trace(profile, folder),
            ProfileFile::Bmt {
                base,
                target,
                steps,
                hold,
                recovery,
                base_hold,
                spike_hold,
                after,
                warm_up,
            } => {
                self.rates(Some(*base), *target);
                self.positive("profile.hold", *hold);
                self.positive("profile.spike_hold", *spike_hold);
                Profile::default()
                    .then("warm-up", PhaseKind::WarmUp, or_none(warm_up), base.0)
                    .then_steps(*steps, base.0, target.0, hold.0)
                    .then("recovery", PhaseKind::Recovery, or_none(recovery), base.0)
                    .then("base", PhaseKind::Base, base_hold.unwrap_or(*hold).0, base.0)
                    .then("spike", PhaseKind::Spike, spike_hold.0, target.0)
                    .then("after", PhaseKind::Recovery, or_none(after), base.0)
            }
        }
    }

    /// One rate; what changes is who gets it.
    fn shift(&mut self, profile: &ProfileFile) -> Profile {
        let ProfileFile::Shift {
            target,
            shares,
            hold,
            back,
            warm_up,
            ..
        } = profile
        else {
            unreachable!("it is asked for with a shift");
        };
        self.rates(None, *target);
        self.positive("profile.hold", *hold);
        let warm_up = warm_up.map_or(Duration::ZERO, |span| span.0);
        let before = Profile::default().then("warm-up", PhaseKind::WarmUp, warm_up, target.0);
        let shifted = shares.iter().enumerate().fold(before, |profile, (index, share)| {
            let name = shift_name(shares, index, *share);
            profile.then(name, PhaseKind::Step, hold.0, target.0)
        });
        shifted.then("back", PhaseKind::Base, back.unwrap_or(*hold).0, target.0)
    }

    /// One spike after another, and everyday load before each and after the last.
    fn sawtooth(&mut self, profile: &ProfileFile) -> Profile {
        let ProfileFile::Sawtooth {
            base,
            target,
            jumps,
            spike_hold,
            base_hold,
            recovery,
            warm_up,
        } = profile
        else {
            unreachable!("it is asked for with a sawtooth");
        };
        self.rates(Some(*base), *target);
        self.positive("profile.spike_hold", *spike_hold);
        self.positive("profile.base_hold", *base_hold);
        let or_none = |span: &Option<Span>| span.map_or(Duration::ZERO, |span| span.0);
        let before = Profile::default()
            .then("warm-up", PhaseKind::WarmUp, or_none(warm_up), base.0)
            .then(base_name(0), PhaseKind::Base, base_hold.0, base.0);
        (1..=*jumps).fold(before, |profile, jump| {
            profile
                .then(format!("spike {jump}"), PhaseKind::Spike, spike_hold.0, target.0)
                .then(
                    format!("recovery {jump}"),
                    PhaseKind::Recovery,
                    or_none(recovery),
                    base.0,
                )
                .then(base_name(jump), PhaseKind::Base, base_hold.0, base.0)
        })
    }

    /// One rate, in windows that only the result tells apart.
    fn soak(&mut self, profile: &ProfileFile) -> Profile {
        let ProfileFile::Soak {
            target,
            hold,
            windows,
            warm_up,
        } = profile
        else {
            unreachable!("it is asked for with a soak");
        };
        self.rates(None, *target);
        self.positive("profile.hold", *hold);
        let warm_up = warm_up.map_or(Duration::ZERO, |span| span.0);
        let before = Profile::default().then("warm-up", PhaseKind::WarmUp, warm_up, target.0);
        (1..=*windows).fold(before, |profile, window| {
            profile.then(format!("soak {window}"), PhaseKind::Soak, hold.0 / *windows, target.0)
        })
    }

    /// A recorded rate, grown and compressed.
    fn trace(&mut self, profile: &ProfileFile, folder: &Folder) -> Profile {
        const FILE: &str = "profile.file";
        let ProfileFile::Trace {
            file: TraceFile { csv: name, column },
            growth,
            compress,
            warm_up,
        } = profile
        else {
            unreachable!("it is asked for with a trace");
        };
        let warm_up = warm_up.map_or(Duration::ZERO, |span| span.0);
        // Stands where no trace could be read; that is told, so nobody will see it.
        let unknown = || Trace::new(vec![1.0, 3.0, 1.0]).after(Profile::default());
        let Some(bytes) = self.file(&join(FILE, "csv"), name, folder) else {
            return unknown();
        };
        let rates = Table::numbers_from_csv(&bytes, column).map_err(|error| error.to_string());
        let is_any = |rates: &Vec<f64>| rates.iter().any(|rate| *rate > 0.0);
        let nothing = || format!("column `{column}` offers nothing");
        match rates.and_then(|rates| if is_any(&rates) { Ok(rates) } else { Err(nothing()) }) {
            Ok(rates) => {
                let trace = Trace::new(rates).grown_and_compressed(*growth, *compress);
                let before = Profile::default().then("warm-up", PhaseKind::WarmUp, warm_up, trace.rates()[0]);
                trace.after(before)
            }
            Err(problem) => {
                self.mistake(
                    FILE,
                    format!("`{name}` {problem}"),
                    "a line with the names of the columns, then one for each second, with its arrivals per second in this column",
                );
                unknown()
            }
        }
    }

    fn rates(&mut self, base: Option<Rate>, target: Rate) {
        if target.0 <= 0.0 && self.takes_profile {
            self.mistake("profile.target", format!("`{target}` offers nothing"), "more than 0/s");
        }
        if let Some(base) = base.filter(|base| base.0 > target.0) {
            self.mistake(
                "profile.base",
                format!("base `{base}` is above target `{target}`"),
                format!("at most {target}"),
            );
        }
    }
}
