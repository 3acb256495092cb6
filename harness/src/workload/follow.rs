//! Members that are online: what the schema cannot judge.

use super::file::{FollowFile, Operation, WorkloadFile};
use super::judge::Judge;
use super::shape::join;
use crate::arrival::{PhaseKind, Profile};

impl Judge<'_> {
    pub(super) fn follow(&mut self, file: &WorkloadFile, profile: &Profile) {
        let mut earlier: Option<&str> = None;
        for (name, entry) in &file.traffic {
            let Some(Operation::Follow(follow)) = &entry.operation else {
                continue;
            };
            let path = join("traffic", name);
            if let Some(earlier) = earlier {
                self.mistake(
                    &path,
                    format!("`{earlier}` follows already"),
                    "one entry with `operation: follow`",
                );
            }
            earlier = Some(name);
            let Some(group) = entry.chats.as_ref().and_then(|group| file.chats.get(group)) else {
                continue; // said already
            };
            let path = join(&path, "operation.follow");
            if follow.online > group.members {
                self.mistake(
                    &join(&path, "online"),
                    format!(
                        "{} members cannot be online in a chat that starts with {}",
                        follow.online, group.members
                    ),
                    format!("at most {}, or more chats.*.members", group.members),
                );
            }
            self.connecting(&path, follow, group.count, profile);
        }
    }

    /// All members have to be online before anything is judged.
    fn connecting(&mut self, path: &str, follow: &FollowFile, chats: u32, profile: &Profile) {
        if follow.connect.0 <= 0.0 {
            self.mistake(
                &join(path, "connect"),
                format!("at `{}` no member would ever be online", follow.connect),
                "more than 0/s",
            );
            return;
        }
        let warm_up = profile.phases().first().filter(|phase| phase.kind == PhaseKind::WarmUp);
        let warm_up_s = warm_up.map_or(0.0, |phase| phase.end.as_secs_f64());
        let needed_s = f64::from(follow.online) * f64::from(chats) / follow.connect.0;
        if needed_s > warm_up_s {
            self.mistake(
                &join(path, "connect"),
                format!("connecting takes {needed_s:.1} s, and the warm-up ends after {warm_up_s:.1} s"),
                format!("profile.warm_up of at least {:.0}s, or a higher rate", needed_s.ceil()),
            );
        }
    }
}
