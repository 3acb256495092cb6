//! How a request can end.

use serde::{Deserialize, Serialize};

/// How a request ended. Each has histograms of its own, so that a fast refusal never improves a latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 2xx.
    Ok,
    /// 429: the caller was asked to slow down.
    Throttled,
    /// 503: the server protected itself.
    Shed,
    /// No full answer within the time-out, counted from the intended start.
    Timeout,
    /// No connection, or one that broke before the answer was complete.
    ConnectError,
    /// Any other 3xx or 4xx.
    ClientError,
    /// Any other 5xx.
    ServerError,
    /// An answer that is not HTTP.
    ProtocolError,
}

impl Outcome {
    /// All outcomes, in the order in which results list them.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Throttled,
        Self::Shed,
        Self::Timeout,
        Self::ConnectError,
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

    /// Whether the server answered that it would not do the work.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::Throttled | Self::Shed)
    }

    /// Whether the server answered at all, in HTTP.
    #[must_use]
    pub fn is_answer(self) -> bool {
        !matches!(self, Self::Timeout | Self::ConnectError | Self::ProtocolError)
    }

    /// The name used in every file and table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Throttled => "throttled",
            Self::Shed => "shed",
            Self::Timeout => "timeout",
            Self::ConnectError => "connect_error",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::ProtocolError => "protocol_error",
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
}
