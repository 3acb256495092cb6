//! The kinds of metrics: what a declaration says.

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Microseconds.
    Time,
    /// Per second.
    Rate,
    /// A fraction of one.
    Share,
    /// A plain number.
    Number,
    /// Seconds.
    Seconds,
    /// One figure over another.
    Ratio,
    /// What the observed series is in: bytes, threads, seconds.
    Own,
}

impl Unit {
    /// The name that results give it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "us",
            Self::Rate => "per_s",
            Self::Share => "share",
            Self::Number => "number",
            Self::Seconds => "s",
            Self::Ratio => "ratio",
            Self::Own => "own",
        }
    }
}

/// What a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The calls of one traffic entry in a phase.
    Operation,
    /// The logical calls of one traffic entry with `retry`, which begin in a phase.
    Retries,
    /// Everything in a phase.
    Phase,
    /// The online members, in a phase.
    Members,
    /// The joins of all chats in a phase, by the count of the server's throttle.
    Joins,
    /// The push component of the server, in a phase.
    Push,
    /// A series that the workload names, in a phase.
    Series,
    /// A fault.
    Fault,
}

/// How the values of blocks are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compare {
    /// By the mean of the logarithms of the blocks' values or ratios: for positive continuous figures. There is no
    /// logarithm of 0: where a block measures 0, every block is judged by itself.
    Ratio,
    /// Every block is judged by itself, and one that violates the limit fails the gate: for counts, shares, maxima, and
    /// figures whose limit may be 0.
    EachBlock,
}

/// How the figure of a phase is made of its seconds, and of workers and shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fold {
    /// Added up.
    Sum,
    /// Added up, over the length of the phase.
    PerSecond,
    /// Of histograms that were added up, never a mean of percentiles.
    Merged,
    /// One sum over another, never a mean of parts.
    SumOverSum,
    /// The largest.
    Largest,
    /// The last.
    Last,
}

/// Everything that is declared of one metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declaration {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) unit: Unit,
    pub(super) scope: Scope,
    pub(super) fold: Fold,
    pub(super) compare: Compare,
    pub(super) higher_is_better: bool,
    pub(super) min_samples: u64,
    pub(super) absent: Option<&'static str>,
}
