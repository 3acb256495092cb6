//! From a profile as it is written to its phases.

use std::time::Duration;

use super::file::ProfileFile;
use super::judge::Judge;
use super::quantity::{Rate, Share, Span};
use crate::arrival::{PhaseKind, Profile};

/// `shift 10%`; where a share comes again, `shift 10% again`, and so on.
fn shift_name(shares: &[Share], index: usize, share: Share) -> String {
    let before = shares[..index].iter().filter(|other| other.0 == share.0).count();
    format!("shift {share}{}", " again".repeat(before))
}

impl Judge<'_> {
    pub(super) fn profile(&mut self, profile: &ProfileFile) -> Profile {
        let or_none = |span: &Option<Span>| span.map_or(Duration::ZERO, |span| span.0);
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
                warm_up,
            } => {
                self.rates(Some(*base), *target);
                self.positive("profile.base_hold", *base_hold);
                self.positive("profile.spike_hold", *spike_hold);
                Profile::default()
                    .then("warm-up", PhaseKind::WarmUp, or_none(warm_up), base.0)
                    .then("base", PhaseKind::Base, base_hold.0, base.0)
                    .then("spike", PhaseKind::Spike, spike_hold.0, target.0)
            }
            ProfileFile::Shift { .. } => self.shift(profile),
            ProfileFile::Bmt {
                base,
                target,
                steps,
                hold,
                recovery,
                base_hold,
                spike_hold,
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
