//! One member whose app is open. Pure: what to do next follows from what was heard; time and chance come in from
//! outside.
//!
//! The app keeps a revision. A push says only that there is something new; one fetch then brings everything since the
//! revision the app has. So at most one fetch is under way at a time, and a push that comes meanwhile leads to another
//! only if that fetch did not already bring what it announced.

/// What a member has, was told of, and is doing about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    have: u64,
    told: u64,
    fetch: Fetch,
    online: bool,
    /// Pushes may have been missed, and how much cannot be known: fetch until an answer is empty.
    catching_up: bool,
    /// The fetch under way began after that was so, so its answer counts.
    began_catching_up: bool,
    /// When it last heard anything: pushes and fetches put off the next poll.
    heard_ns: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fetch {
    #[default]
    None,
    Planned,
    UnderWay,
}

/// What comes after a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing is known to be missing.
    Wait,
    /// More is known to be there: after the app's usual delay.
    FetchLater,
    /// The answer was full: at once.
    FetchNow,
}

impl Member {
    /// The WebSocket is open. What was pushed before is unknown, so a fetch that begins from now on is wanted; says
    /// whether to plan one.
    pub(crate) fn connected(&mut self, now_ns: u64) -> bool {
        self.online = true;
        self.heard_ns = now_ns;
        self.catching_up = true;
        self.began_catching_up = false;
        self.plan()
    }

    pub(crate) fn disconnected(&mut self) {
        self.online = false;
    }

    pub(crate) fn is_online(&self) -> bool {
        self.online
    }

    /// A push announced `revision`; says whether to plan a fetch.
    pub(crate) fn told(&mut self, revision: u64, now_ns: u64) -> bool {
        self.heard_ns = now_ns;
        self.told = self.told.max(revision);
        self.told > self.have && self.plan()
    }

    /// Whether it is time to look without having been told; counts as planning it.
    pub(crate) fn polls(&mut self, now_ns: u64, every_ns: u64) -> bool {
        let plan = self.online && self.heard_ns.saturating_add(every_ns) <= now_ns && self.plan();
        self.catching_up |= plan;
        plan
    }

    fn plan(&mut self) -> bool {
        let plan = self.fetch == Fetch::None;
        if plan {
            self.fetch = Fetch::Planned;
        }
        plan
    }

    /// The planned fetch is due: whether to send it. A member who lost the connection meanwhile fetches when it is
    /// back.
    pub(crate) fn begin(&mut self) -> bool {
        self.fetch = if self.online { Fetch::UnderWay } else { Fetch::None };
        self.began_catching_up = self.catching_up;
        self.online
    }

    /// Everything up to this revision is there.
    pub(crate) fn have(&self) -> u64 {
        self.have
    }

    /// A fetch brought everything up to `revision`: nothing at all, or perhaps not all that is there because it was
    /// `full`.
    pub(crate) fn fetched(&mut self, revision: u64, empty: bool, full: bool, now_ns: u64) -> Next {
        self.have = self.have.max(revision);
        self.heard_ns = now_ns;
        if self.began_catching_up && empty {
            self.catching_up = false;
        }
        let next = if full || self.catching_up {
            Next::FetchNow
        } else if self.told > self.have {
            Next::FetchLater
        } else {
            Next::Wait
        };
        self.fetch = if next == Next::Wait {
            Fetch::None
        } else {
            Fetch::Planned
        };
        next
    }

    /// A fetch failed; it is to be tried again later, which counts as planned.
    pub(crate) fn failed(&mut self) {
        self.fetch = Fetch::Planned;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_push_during_a_fetch_leads_to_another_only_if_it_announced_more() {
        for (brought, next) in [(5, Next::FetchLater), (6, Next::Wait), (7, Next::Wait)] {
            let mut member = Member::default();
            assert!(member.connected(0));
            assert!(member.begin());
            assert_eq!(
                member.fetched(3, false, false, 1),
                Next::FetchNow,
                "until an answer is empty"
            );
            assert!(member.begin());
            assert_eq!(member.fetched(3, true, false, 1), Next::Wait);
            assert!(member.told(5, 2));
            assert!(member.begin());
            assert!(!member.told(6, 3), "one fetch at a time");
            assert_eq!(member.fetched(brought, false, false, 4), next);
        }
    }

    #[test]
    fn a_push_for_what_is_there_already_changes_nothing() {
        let mut member = Member::default();
        member.connected(0);
        member.begin();
        member.fetched(9, false, false, 1);
        member.begin();
        member.fetched(9, true, false, 1);
        assert!(!member.told(9, 2) && !member.told(4, 3));
    }

    #[test]
    fn who_hears_nothing_polls_and_who_was_told_does_not() {
        let mut member = Member::default();
        member.connected(0);
        member.begin();
        member.fetched(1, true, false, 100);
        assert!(!member.polls(1_099, 1_000));
        assert!(member.polls(1_100, 1_000));
        assert!(!member.polls(1_200, 1_000), "it is planned already");
    }

    #[test]
    fn a_fetch_from_before_the_connection_was_back_does_not_count() {
        let mut member = Member::default();
        member.connected(0);
        member.begin();
        member.disconnected();
        assert!(!member.connected(5), "one fetch at a time");
        assert_eq!(
            member.fetched(7, true, false, 6),
            Next::FetchNow,
            "what was pushed meanwhile may be missing"
        );
        member.begin();
        assert_eq!(member.fetched(7, true, false, 7), Next::Wait);
    }

    proptest! {
        /// Whatever happens, at most one fetch is under way, and one is planned or under way as long as something is
        /// known to be missing.
        #[test]
        fn what_is_known_to_be_missing_is_always_being_fetched(steps in prop::collection::vec((0u8..6, 0u64..20), 1..200)) {
            let mut member = Member::default();
            let mut planned = 0i32;
            let mut under_way = false;
            for (now_ns, (step, revision)) in (0u64..).zip(steps) {
                match step {
                    0 => planned += i32::from(member.connected(now_ns)),
                    1 => planned += i32::from(member.told(revision, now_ns)),
                    2 if planned > 0 => {
                        planned -= 1;
                        prop_assert!(!under_way, "two fetches at a time");
                        under_way = member.begin();
                    }
                    3 if under_way => {
                        under_way = false;
                        let (empty, full) = (revision % 3 == 0, revision % 5 == 0);
                        planned += i32::from(member.fetched(revision, empty, full, now_ns) != Next::Wait);
                    }
                    4 if under_way => {
                        under_way = false;
                        member.failed();
                        planned += 1;
                    }
                    5 => member.disconnected(),
                    _ => planned += i32::from(member.polls(now_ns, 10)),
                }
                prop_assert!((0..=1).contains(&(planned + i32::from(under_way))));
                if member.is_online() && member.told > member.have {
                    prop_assert!(planned > 0 || under_way, "told of {} has {}", member.told, member.have);
                }
            }
        }
    }
}
