//! The priority of the generator's workers; [`bmt_sandbox::priority`] has the reasons.

use bmt_sandbox::priority::{Priority, Rank, raise};

/// Raises the calling thread to a worker's priority, as far as it may be, and returns what the kernel then says of it.
pub fn raise_priority() -> Priority {
    raise(Rank::Generator)
}
