//! Which phase a moment belongs to, and how a stretch of time divides among phases.

/// Start and end of each phase, in seconds of the cell.
#[derive(Debug, Clone)]
pub(super) struct Phases(Vec<(f64, f64)>);

/// The part of a stretch that lies in one phase.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overlap {
    pub(super) phase: usize,
    pub(super) from_s: f64,
    pub(super) to_s: f64,
    /// Of the whole stretch, above 0 and at most 1.
    pub(super) part: f64,
}

impl Phases {
    pub(super) fn new(bounds_s: &[(f64, f64)]) -> Self {
        Self(bounds_s.to_vec())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn bounds_s(&self, phase: usize) -> (f64, f64) {
        self.0[phase]
    }

    /// The phase of a moment; `None` after the last one, while late answers come in.
    pub(super) fn at(&self, at_s: f64) -> Option<usize> {
        self.0.iter().position(|(start, end)| (*start..*end).contains(&at_s))
    }

    /// The parts of a stretch that lie in phases; what lies in none is left out.
    pub(super) fn overlaps(&self, from_s: f64, to_s: f64) -> impl Iterator<Item = Overlap> {
        self.0.iter().enumerate().filter_map(move |(phase, (start, end))| {
            let (from, to) = (from_s.max(*start), to_s.min(*end));
            (to > from).then(|| Overlap {
                phase,
                from_s: from,
                to_s: to,
                part: (to - from) / (to_s - from_s),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_divides_by_time_and_what_lies_in_no_phase_is_left_out() {
        let phases = Phases::new(&[(0.0, 2.0), (2.0, 4.0)]);
        let parts: Vec<_> = phases.overlaps(1.0, 5.0).map(|o| (o.phase, o.part)).collect();
        assert_eq!(parts, [(0, 0.25), (1, 0.5)]);
        assert_eq!(phases.overlaps(1.0, 1.0).count(), 0);
        assert_eq!((phases.at(2.0), phases.at(4.0)), (Some(1), None));
    }
}
