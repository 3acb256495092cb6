//! Time as the policies' rings count it: whole nanoseconds, which suffice for 584 years.

use std::time::Duration;

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
