//! From a profile as it is written to its phases.

use std::time::Duration;

use super::file::ProfileFile;
use super::judge::Judge;
use super::quantity::{Rate, Span};
use crate::arrival::{PhaseKind, Profile};

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
