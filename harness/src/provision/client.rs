//! Requests off the hot path: those that prepare a target, or look whether it is ready.

use std::path::Path;

use reqwest::{Client, ClientBuilder};

/// A client that asks the target itself, without a proxy: at its Unix socket, where it has one, whatever the address.
pub(super) fn client(socket: Option<&Path>) -> ClientBuilder {
    let client = Client::builder().no_proxy();
    match socket {
        Some(path) => client.unix_socket(path),
        None => client,
    }
}
