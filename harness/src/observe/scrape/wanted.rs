//! Which page is asked for, and what of it.

use std::time::Duration;

use super::selector::Selector;
use crate::observe::address::Address;

/// Where figures are given in the Prometheus text format, and which of them are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Scrape {
    /// The address.
    pub url: Address,
    /// How often they are asked for.
    pub every: Duration,
    /// By the name that the result gives them.
    pub series: Vec<(String, Selector)>,
}
