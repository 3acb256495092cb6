//! When to ask whether a target that somebody else started is gone, and when to believe it. Pure: time comes in.
//!
//! A target is lost once it has answered nothing for [`PATIENCE`] and refused every probe over the same length of
//! time. One refused probe is not enough: the target may be restarting, and at a low rate nobody may have asked it
//! anything.

use std::time::Duration;

/// How long a target answers nothing, and refuses probes, before it is lost.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two probes.
const EVERY: Duration = Duration::from_secs(1);

/// How long a target has been silent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silence {
    answered: Duration,
    probed: Duration,
    refused_since: Option<Duration>,
}

impl Silence {
    /// Notes that something was answered.
    pub fn answered(&mut self, now: Duration) {
        self.answered = now;
        self.refused_since = None;
    }

    /// Whether to probe the target now; a probe that this asks for is to be told to [`Silence::probed`].
    pub fn wants_probe(&mut self, now: Duration) -> bool {
        let wants = now.saturating_sub(self.answered) >= PATIENCE && now.saturating_sub(self.probed) >= EVERY;
        if wants {
            self.probed = now;
        }
        wants
    }

    /// Notes what a probe found; whether the target is lost.
    pub fn probed(&mut self, now: Duration, is_refused: bool) -> bool {
        if !is_refused {
            self.refused_since = None;
            return false;
        }
        let since = *self.refused_since.get_or_insert(now);
        now.saturating_sub(since) >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds at which it probes, and the one at which it believes that the target is lost.
    fn course(answers: &[u64], is_refused: impl Fn(u64) -> bool) -> (Vec<u64>, Option<u64>) {
        let (mut silence, mut probes) = (Silence::default(), Vec::new());
        for tenth in 0..300 {
            let now = Duration::from_millis(tenth * 100);
            let second = now.as_secs();
            if answers.contains(&second) {
                silence.answered(now);
            }
            if silence.wants_probe(now) {
                probes.push(second);
                if silence.probed(now, is_refused(second)) {
                    return (probes, Some(second));
                }
            }
        }
        (probes, None)
    }

    #[test]
    fn only_a_target_that_answers_nothing_and_refuses_for_three_seconds_is_lost() {
        let all: Vec<u64> = (0..30).collect();
        assert_eq!(course(&all, |_| true), (vec![], None), "it answers, so nobody probes");
        assert_eq!(course(&all[..5], |_| true), (vec![7, 8, 9, 10], Some(10)));
        let (probes, lost) = course(&[0], |_| false);
        assert_eq!((probes.len(), lost), (27, None), "it hangs");
        let (_, lost) = course(&[0], |second| second % 4 != 0);
        assert_eq!(lost, None, "it comes back again and again");
        let (probes, lost) = course(&[0, 6], |_| true);
        assert_eq!(
            (probes, lost),
            (vec![3, 4, 5, 9, 10, 11, 12], Some(12)),
            "an answer in between"
        );
    }
}
