//! A first workload, drafted from what there is: a recording of a browser, an access log, an OpenAPI document, a
//! command of curl.
//!
//! ```text
//!   har ────────┐
//!   access_log ─┼─► groups ──► entries ──┐
//!   curl ───────┘                        ├─► Found ──► write ──► Drafted: YAML, and files of values
//!   openapi ────────► schema, parameter ─┘               └─► values, shares, yaml
//!
//!   what they share: address (parts of URLs), secret (what is not written), body, clock (rates), found (the terms)
//! ```
//!
//! A draft is a valid workload at once, and marks with `fill in` what its source does not tell. Secrets are never
//! written. Memory is bounded by kinds of requests and different values, whatever the length of the source.
//!
//! What may enter: bytes and text, and what they tell of requests. Files are read and written by [`crate::cli`], and
//! what a workload means is known to [`crate::workload`], which judges each draft.

mod access_log;
mod address;
mod body;
mod clock;
mod curl;
mod curl_option;
mod document;
mod entries;
mod error;
mod found;
mod groups;
mod har;
mod log_line;
mod openapi;
mod parameter;
mod parts;
mod place;
mod request_body;
mod schema;
mod secret;
mod shares;
mod shell;
mod values;
mod write;
mod yaml;

pub use access_log::from_access_log;
pub use curl::from_curl;
pub use error::DraftError;
pub use found::Found;
pub use har::from_har;
pub use openapi::from_openapi;
pub use write::{Drafted, Made, write};

#[cfg(test)]
mod tests;
