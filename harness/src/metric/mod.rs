//! Figures that a gate can judge: each is declared once, in the table of `declare.rs`.
//!
//! A declaration gives a metric its name, meaning, unit, scope, and the ways in which it is made of its parts and in
//! which blocks are compared by it.
//! Workload files, the JSON Schema, gates, results, tables and `docs/METRICS.md` all read it from here. A new metric is
//! a new entry of the table, and its source in [`crate::analyze`].
//!
//! This room imports no other room of the crate.

mod declare;
mod kind;
mod page;
mod placement;

pub use declare::Metric;
pub use kind::{Compare, Fold, Scope, Unit};
pub use page::markdown;
pub use placement::Placement;

impl Metric {
    /// The name in a workload file and in a result.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.declaration().name
    }

    /// The metric of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|metric| metric.name() == name)
    }

    /// What it measures.
    #[must_use]
    pub fn doc(self) -> &'static str {
        self.declaration().doc
    }

    /// The unit of its figures.
    #[must_use]
    pub fn unit(self) -> Unit {
        self.declaration().unit
    }

    /// The unit of a gate's figure and limits: a ratio where the gate is relative to another variant.
    #[must_use]
    pub fn gate_unit(self, is_relative: bool) -> Unit {
        if is_relative { Unit::Ratio } else { self.unit() }
    }

    /// What its figures are of.
    #[must_use]
    pub fn scope(self) -> Scope {
        self.declaration().scope
    }

    /// Whether a gate on it has to name an operation.
    #[must_use]
    pub fn is_of_an_operation(self) -> bool {
        matches!(self.scope(), Scope::Operation | Scope::Retries)
    }

    /// Whether it is a figure of a spike that says what came after it.
    #[must_use]
    pub fn is_of_what_follows(self) -> bool {
        matches!(self, Self::RecoveryS | Self::CollapsedS)
    }

    /// Whether a name may say before the metric what it is of: an operation or a series.
    #[must_use]
    pub fn is_of_something(self) -> bool {
        self.is_of_an_operation() || self.scope() == Scope::Series
    }

    /// How the figure of a phase is made of its seconds, and of workers and shards.
    #[must_use]
    pub fn fold(self) -> Fold {
        self.declaration().fold
    }

    /// How the values of blocks are compared.
    #[must_use]
    pub fn compare(self) -> Compare {
        self.declaration().compare
    }

    /// Whether a higher figure is the better one.
    #[must_use]
    pub fn higher_is_better(self) -> bool {
        self.declaration().higher_is_better
    }

    /// The least number of samples in a block from which the figure is meaningful; 0 where it does not depend on one.
    #[must_use]
    pub fn min_samples(self) -> u64 {
        self.declaration().min_samples
    }

    /// Whether the generator's reports of a few seconds give the figure, so that guards can judge it while a run goes
    /// on: not where it is observed, or counts over a whole phase.
    #[must_use]
    pub fn is_windowed(self) -> bool {
        match self.scope() {
            Scope::Operation => !matches!(self, Self::NotAcceptedShare | Self::OkWithin) && !self.is_of_what_follows(),
            Scope::Retries => self != Self::NotDoneShare,
            Scope::Phase => matches!(
                self,
                Self::ConnectionsOpenMax | Self::ConnectionsOpened | Self::HandshakeP50 | Self::HandshakeP99
            ),
            Scope::Members | Scope::Joins | Scope::Push | Scope::Series | Scope::Fault => false,
        }
    }

    /// Why a phase or a fault may have no such figure, as a clause that begins with "where"; `None` where it always
    /// has.
    #[must_use]
    pub fn absent(self) -> Option<&'static str> {
        self.declaration().absent
    }
}

#[cfg(test)]
mod tests;
