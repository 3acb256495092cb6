//! How a request can end, and why an arrival was never sent.

use serde::{Deserialize, Serialize};

/// How a request ended. Each has histograms of its own, so that a fast refusal never improves a latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 2xx, or a status that a check asks for.
    Ok,
    /// An answer that fails a check, and would have been `Ok` without it or by its status.
    WrongAnswer,
    /// 429: the caller was asked to slow down.
    Throttled,
    /// 503: the server protected itself.
    Shed,
    /// The server refused to begin with the request, as HTTP/2 lets it (`REFUSED_STREAM`).
    StreamRefused,
    /// No full answer within the time-out, counted from the intended start.
    Timeout,
    /// The target took no connection, or held every one that the generator had, although it needs fewer on any other
    /// day.
    NotAccepted,
    /// A connection was refused, or broke before the answer was complete.
    ConnectError,
    /// The server gave the request up, as HTTP/2 lets it (`RST_STREAM`); its connection went on.
    StreamReset,
    /// Any other 3xx or 4xx.
    ClientError,
    /// Any other 5xx.
    ServerError,
    /// An answer that is not HTTP.
    ProtocolError,
}

impl Outcome {
    /// All outcomes, in the order in which results list them.
    pub const ALL: [Self; 12] = [
        Self::Ok,
        Self::WrongAnswer,
        Self::Throttled,
        Self::Shed,
        Self::StreamRefused,
        Self::Timeout,
        Self::NotAccepted,
        Self::ConnectError,
        Self::StreamReset,
        Self::ClientError,
        Self::ServerError,
        Self::ProtocolError,
    ];

    /// The outcome that an answer with this HTTP status stands for.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Ok,
            429 => Self::Throttled,
            503 => Self::Shed,
            300..=499 => Self::ClientError,
            500..=599 => Self::ServerError,
            _ => Self::ProtocolError,
        }
    }

    /// Whether the server rejected the work to protect itself.
    #[must_use]
    pub fn is_rejection(self) -> bool {
        matches!(self, Self::Throttled | Self::Shed | Self::StreamRefused)
    }

    /// Whether the server answered at all, with a status.
    #[must_use]
    pub fn is_answer(self) -> bool {
        !matches!(
            self,
            Self::Timeout
                | Self::NotAccepted
                | Self::ConnectError
                | Self::StreamRefused
                | Self::StreamReset
                | Self::ProtocolError
        )
    }

    /// The name used in every file and table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::WrongAnswer => "wrong_answer",
            Self::Throttled => "throttled",
            Self::Shed => "shed",
            Self::StreamRefused => "stream_refused",
            Self::Timeout => "timeout",
            Self::NotAccepted => "not_accepted",
            Self::ConnectError => "connect_error",
            Self::StreamReset => "stream_reset",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::ProtocolError => "protocol_error",
        }
    }
}

/// Why an arrival was never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum UnsentCause {
    /// More arrivals waited for a connection than `generator.waiting` allows.
    #[serde(rename = "queue_full")]
    QueueFull,
    /// No connection came free within the time-out.
    #[serde(rename = "no_connection")]
    NoConnection,
    /// The run ended first.
    #[serde(rename = "run_ended")]
    RunEnded,
    /// The pacer came to it when its time-out had already passed.
    #[serde(rename = "pacer_late")]
    TooLate,
    /// This machine has no local port left for a connection.
    #[serde(rename = "EADDRNOTAVAIL")]
    NoPort,
    /// This process may open no more files.
    #[serde(rename = "EMFILE")]
    NoFile,
    /// This machine may open no more files.
    #[serde(rename = "ENFILE")]
    NoFileAnywhere,
    /// The kernel has no memory for a socket.
    #[serde(rename = "ENOBUFS")]
    NoBuffer,
    /// Another error of this machine's own sockets.
    #[serde(rename = "local_error")]
    OtherLocal,
}

impl UnsentCause {
    /// The cause behind an error of opening a connection, where that is this machine's own and not the target's.
    #[must_use]
    pub fn of_error(error: &std::io::Error) -> Option<Self> {
        match rustix::io::Errno::from_io_error(error)? {
            rustix::io::Errno::ADDRNOTAVAIL => Some(Self::NoPort),
            rustix::io::Errno::MFILE => Some(Self::NoFile),
            rustix::io::Errno::NFILE => Some(Self::NoFileAnywhere),
            rustix::io::Errno::NOBUFS | rustix::io::Errno::NOMEM => Some(Self::NoBuffer),
            rustix::io::Errno::ACCESS | rustix::io::Errno::PERM | rustix::io::Errno::ADDRINUSE => {
                Some(Self::OtherLocal)
            }
            _ => None,
        }
    }

    /// Whether a socket of this machine failed, rather than a bound of the generator being reached.
    #[must_use]
    pub fn is_local_error(self) -> bool {
        !matches!(
            self,
            Self::QueueFull | Self::NoConnection | Self::RunEnded | Self::TooLate
        )
    }

    /// The name used in every file and table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::NoConnection => "no_connection",
            Self::RunEnded => "run_ended",
            Self::TooLate => "pacer_late",
            Self::NoPort => "EADDRNOTAVAIL",
            Self::NoFile => "EMFILE",
            Self::NoFileAnywhere => "ENFILE",
            Self::NoBuffer => "ENOBUFS",
            Self::OtherLocal => "local_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_told_apart() {
        for (status, outcome) in [
            (200, Outcome::Ok),
            (201, Outcome::Ok),
            (204, Outcome::Ok),
            (302, Outcome::ClientError),
            (409, Outcome::ClientError),
            (429, Outcome::Throttled),
            (500, Outcome::ServerError),
            (503, Outcome::Shed),
            (504, Outcome::ServerError),
            (101, Outcome::ProtocolError),
            (999, Outcome::ProtocolError),
        ] {
            assert_eq!(Outcome::of_status(status), outcome, "{status}");
        }
    }

    #[test]
    fn the_index_of_an_outcome_is_its_place_in_the_list() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
    }

    #[test]
    fn a_name_is_what_files_say() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
        }
        for cause in [
            UnsentCause::QueueFull,
            UnsentCause::TooLate,
            UnsentCause::NoPort,
            UnsentCause::OtherLocal,
        ] {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
        }
    }

    #[test]
    fn an_error_of_this_machine_is_told_from_one_of_the_target() {
        let cause = |errno: rustix::io::Errno| UnsentCause::of_error(&errno.into());
        assert_eq!(cause(rustix::io::Errno::ADDRNOTAVAIL), Some(UnsentCause::NoPort));
        assert_eq!(cause(rustix::io::Errno::MFILE), Some(UnsentCause::NoFile));
        assert_eq!(cause(rustix::io::Errno::CONNREFUSED), None);
        assert_eq!(cause(rustix::io::Errno::CONNRESET), None);
    }
}
