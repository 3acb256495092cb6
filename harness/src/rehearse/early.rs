//! Cells that end before their profile does: why, and what becomes of the load.

use std::time::Duration;

use super::intake::Intake;
use super::stage::Stage;
use crate::clock::{Clock, Stop};
use crate::provision::{ProvisionError, Silence, Target};

/// Why a cell ends before its profile does, and when it began to.
pub(super) struct Early {
    pub(super) at: Duration,
    pub(super) why: Why,
}

/// Why a cell ends.
pub(super) enum Why {
    Interrupted,
    /// A guard says so.
    Aborted(String),
    Lost(ProvisionError),
}

impl Early {
    pub(super) fn reason(&self) -> String {
        match &self.why {
            Why::Interrupted => "interrupted by a signal".to_owned(),
            Why::Aborted(reason) => reason.clone(),
            Why::Lost(error) => format!("the target was lost: {error}"),
        }
    }

    /// Ends the load: what is under way may end, unless nobody is there to answer.
    pub(super) fn tell(&self, workers: &Stop) {
        match self.why {
            Why::Interrupted | Why::Aborted(_) => workers.ask_to_finish(),
            Why::Lost(_) => workers.ask(),
        }
    }
}

/// Why the cell ends now, if it does.
pub(super) async fn why(stage: &Stage<'_>, intake: &mut Intake, target: &mut Target, clock: Clock) -> Option<Why> {
    if stage.interrupt.is_asked() {
        return Some(Why::Interrupted);
    }
    if let Some(reason) = intake.aborted() {
        return Some(Why::Aborted(reason));
    }
    lost_target(target, &mut intake.silence, clock).await.map(Why::Lost)
}

/// Why the target is lost, if it is.
async fn lost_target(target: &mut Target, silence: &mut Silence, clock: Clock) -> Option<ProvisionError> {
    if let Err(error) = target.ensure_running() {
        return Some(error);
    }
    if !silence.wants_probe(clock.elapsed()) {
        return None;
    }
    let refused = target.is_lost().await;
    silence
        .probed(clock.elapsed(), refused.is_some())
        .then_some(refused)
        .flatten()
}
