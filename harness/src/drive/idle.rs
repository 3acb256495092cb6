//! The idle connections, most recently used first; each step takes the same time however many there are.
//!
//! A leaf: a linked list over connection ids, so that one in the middle can leave.

/// Marks the end of the list.
const NONE: usize = usize::MAX;

#[derive(Debug, Clone, Copy)]
struct Links {
    newer: usize,
    older: usize,
    is_in: bool,
}

const OUT: Links = Links {
    newer: NONE,
    older: NONE,
    is_in: false,
};

#[derive(Debug)]
pub(super) struct Idle {
    links: Vec<Links>,
    newest: usize,
}

impl Idle {
    pub(super) fn new() -> Self {
        Self {
            links: Vec::new(),
            newest: NONE,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.newest == NONE
    }

    pub(super) fn contains(&self, id: usize) -> bool {
        self.links.get(id).is_some_and(|links| links.is_in)
    }

    /// Adds one as the most recently used; one that is idle already stays where it is.
    pub(super) fn push(&mut self, id: usize) {
        if self.contains(id) {
            return;
        }
        if self.links.len() <= id {
            self.links.resize(id + 1, OUT);
        }
        self.links[id] = Links {
            newer: NONE,
            older: self.newest,
            is_in: true,
        };
        if self.newest != NONE {
            self.links[self.newest].newer = id;
        }
        self.newest = id;
    }

    /// Takes the most recently used.
    pub(super) fn pop(&mut self) -> Option<usize> {
        let id = self.newest;
        self.remove(id).then_some(id)
    }

    /// Takes out one, wherever it is; says whether it was there.
    pub(super) fn remove(&mut self, id: usize) -> bool {
        if !self.contains(id) {
            return false;
        }
        let Links { newer, older, .. } = std::mem::replace(&mut self.links[id], OUT);
        match newer {
            NONE => self.newest = older,
            _ => self.links[newer].older = older,
        }
        if older != NONE {
            self.links[older].newer = newer;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_behaves_as_a_list_from_which_one_may_leave(steps in prop::collection::vec((0u8..3, 0usize..12), 0..200)) {
            let (mut idle, mut model) = (Idle::new(), Vec::new());
            for (step, id) in steps {
                match step {
                    0 if !model.contains(&id) => {
                        model.push(id);
                        idle.push(id);
                    }
                    0 => idle.push(id),
                    1 => prop_assert_eq!(idle.pop(), model.pop()),
                    _ => {
                        let before = model.len();
                        model.retain(|known| *known != id);
                        prop_assert_eq!(idle.remove(id), model.len() < before);
                    }
                }
                prop_assert!((0..12).all(|id| idle.contains(id) == model.contains(&id)));
            }
        }
    }

    /// Searching a list for each would take 45,000,000,000 steps.
    #[test]
    fn three_hundred_thousand_connections_can_close_at_once() {
        const MANY: usize = 300_000;
        let mut idle = Idle::new();
        (0..MANY).for_each(|id| idle.push(id));
        let begun = Instant::now();
        assert!((0..MANY).rev().step_by(2).all(|id| idle.remove(id)));
        assert!((0..MANY).step_by(2).all(|id| idle.remove(id)));
        assert_eq!(idle.pop(), None);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
