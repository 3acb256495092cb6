//! Why a request was not admitted.

use std::time::Duration;

/// Why a request was shed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shed {
    /// No slot was free, and no place in the queue.
    QueueFull,
    /// It has waited so long.
    WaitTimeout(Duration),
    /// The queue was standing when it arrived, and it has waited so long.
    ControlledDelay(Duration),
    /// Others are more important.
    LowPriority,
}

impl Shed {
    /// As `requests_shed` calls it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::WaitTimeout(_) => "wait_timeout",
            Self::ControlledDelay(_) => "controlled_delay",
            Self::LowPriority => "low_priority",
        }
    }

    /// For the caller; `deadline` is that of every request, which may be shorter than the wait.
    pub(super) fn message(self, deadline: Duration) -> String {
        match self {
            Self::QueueFull => "too many requests are waiting; retry later".to_owned(),
            Self::WaitTimeout(wait) => {
                format!(
                    "the request was not admitted within {:?}; retry later",
                    wait.min(deadline)
                )
            }
            Self::ControlledDelay(wait) => format!(
                "the server is overloaded, and the request was not admitted within {:?}; retry later",
                wait.min(deadline)
            ),
            Self::LowPriority => {
                "the server is overloaded, and more important requests go first; retry later".to_owned()
            }
        }
    }
}
