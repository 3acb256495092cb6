//! What a worker tells whoever started it.
//!
//! A leaf.

use crate::record::Interval;

/// What a worker reports.
#[derive(Debug)]
pub enum Message {
    /// What it has measured of one second since it last reported that second. Its index is [`Interval::worker`].
    Interval(Box<Interval>),
    /// It has reported all that happened before this moment.
    Until {
        /// Who.
        worker: u32,
        /// Nanoseconds from the start of the cell.
        ns: u64,
    },
    /// The worker has reported everything.
    Done,
}
