//! Options of curl, and what each does to a request.
//!
//! A leaf but for its errors.

use super::error::DraftError;

/// What an option does to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    Method,
    Header,
    Data,
    RawData,
    EncodedData,
    Json,
    Url,
    Agent,
    Referer,
    /// It carries a secret, which goes into the header of this name.
    Secret(&'static str),
    Get,
    Head,
    /// Nothing that a workload would have.
    Nothing,
    /// The same, and an argument comes with it.
    NothingOfIts,
    /// It cannot be left out without another request, and this one says what to do.
    Refused(&'static str),
}

use Does::{
    Agent, Data, EncodedData, Get, Head, Json, Method, Nothing, NothingOfIts, RawData, Referer, Refused, Secret, Url,
};

const PARTS: &str = "leave it out, and give a body recorded in a file as `file: NAME` in the workload";
const ONE: &str = "give one request at a time";

/// Options by their long names, and their short ones where they have any.
const OPTIONS: [(&str, char, Does); 62] = [
    ("request", 'X', Method),
    ("header", 'H', Does::Header),
    ("data", 'd', Data),
    ("data-ascii", ' ', Data),
    ("data-binary", ' ', Data),
    ("data-raw", ' ', RawData),
    ("data-urlencode", ' ', EncodedData),
    ("json", ' ', Json),
    ("url", ' ', Url),
    ("user-agent", 'A', Agent),
    ("referer", 'e', Referer),
    ("user", 'u', Secret("authorization")),
    ("oauth2-bearer", ' ', Secret("authorization")),
    ("cookie", 'b', Secret("cookie")),
    ("get", 'G', Get),
    ("head", 'I', Head),
    ("insecure", 'k', Nothing),
    ("compressed", ' ', Nothing),
    ("location", 'L', Nothing),
    ("silent", 's', Nothing),
    ("show-error", 'S', Nothing),
    ("verbose", 'v', Nothing),
    ("include", 'i', Nothing),
    ("fail", 'f', Nothing),
    ("fail-with-body", ' ', Nothing),
    ("globoff", 'g', Nothing),
    ("no-buffer", 'N', Nothing),
    ("progress-bar", '#', Nothing),
    ("no-progress-meter", ' ', Nothing),
    ("http1.0", '0', Nothing),
    ("http1.1", ' ', Nothing),
    ("http2", ' ', Nothing),
    ("http3", ' ', Nothing),
    ("ipv4", '4', Nothing),
    ("ipv6", '6', Nothing),
    ("remote-name", 'O', Nothing),
    ("remote-header-name", 'J', Nothing),
    ("basic", ' ', Nothing),
    ("disable", 'q', Nothing),
    ("path-as-is", ' ', Nothing),
    ("tlsv1.2", ' ', Nothing),
    ("tlsv1.3", ' ', Nothing),
    ("ssl-no-revoke", ' ', Nothing),
    ("output", 'o', NothingOfIts),
    ("max-time", 'm', NothingOfIts),
    ("connect-timeout", ' ', NothingOfIts),
    ("write-out", 'w', NothingOfIts),
    ("retry", ' ', NothingOfIts),
    ("retry-delay", ' ', NothingOfIts),
    ("max-redirs", ' ', NothingOfIts),
    ("cookie-jar", 'c', NothingOfIts),
    ("cacert", ' ', NothingOfIts),
    ("cert", 'E', NothingOfIts),
    ("key", ' ', NothingOfIts),
    ("resolve", ' ', NothingOfIts),
    ("proxy", 'x', NothingOfIts),
    ("limit-rate", ' ', NothingOfIts),
    ("form", 'F', Refused(PARTS)),
    ("form-string", ' ', Refused(PARTS)),
    ("upload-file", 'T', Refused(PARTS)),
    ("next", ':', Refused(ONE)),
    ("config", 'K', Refused("write its options into the command")),
];

/// What the option with this long name does.
pub(super) fn named(long: &str) -> Option<Does> {
    OPTIONS
        .iter()
        .find(|(name, _, _)| *name == long)
        .map(|(_, _, does)| *does)
}

/// What the option with this letter does.
pub(super) fn lettered(letter: char) -> Option<Does> {
    let known = OPTIONS.iter().find(|(_, short, _)| *short == letter && letter != ' ');
    known.map(|(_, _, does)| *does)
}

/// Why an option stops everything.
pub(super) fn unknown(option: &str) -> DraftError {
    DraftError::new(
        format!("the option {option} of curl is not understood"),
        "leave it out, if the request is the same without it",
    )
}
