//! The address that is tried: a server, what it is asked for, and whether it is this machine.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use crate::workload::TargetUrl;

const FORM: &str = "expected http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH, such as http://127.0.0.1:8080/";

/// A URL in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The server.
    pub(super) target: TargetUrl,
    /// What it is asked for: path and query.
    pub(super) path: String,
}

impl Address {
    /// Reads a URL; what stands behind a `#` is no business of a server's.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some((_, rest)) = text.split_once("://") else {
            return Err(format!("{FORM}; did you mean http://{text}?"));
        };
        let url: reqwest::Url = text.parse().map_err(|_| FORM.to_owned())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user in the address would not be sent; give it as --header 'Authorization: …'".to_owned());
        }
        // The name as it was written: the address says where to connect to, and the path what to ask for there.
        let target = TargetUrl::parse(&url.origin().ascii_serialization()).map_err(|_| FORM.to_owned())?;
        let asked = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
        let asked = asked.split('#').next().unwrap_or_default();
        let path = match (asked.contains("{{"), url.query()) {
            // Values are put in when a request is written, and escaped then.
            (true, _) if asked.starts_with('?') => format!("/{asked}"),
            (true, _) => asked.to_owned(),
            (false, Some(query)) => format!("{}?{query}", url.path()),
            (false, None) => url.path().to_owned(),
        };
        Ok(Self { target, path })
    }

    /// Whether the host is this machine by every address that it has.
    pub(super) fn is_here(&self) -> std::io::Result<bool> {
        let host = self.target.host.trim_matches(['[', ']']);
        let addresses: Vec<SocketAddr> = (host, self.target.port).to_socket_addrs()?.collect();
        let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
        Ok(!addresses.is_empty() && addresses.iter().all(|address| is_loopback(address.ip())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_server_and_what_it_is_asked_for() {
        for (text, target, path) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "/"),
            (
                "http://127.0.0.1:8080/a/b?c=d&e=f#g",
                "http://127.0.0.1:8080",
                "/a/b?c=d&e=f",
            ),
            ("https://example.org:443/ü", "https://example.org", "/%C3%BC"),
            ("http://[::1]:81?x", "http://[::1]:81", "/?x"),
            ("http://h/items/{{uuid}}?a=b", "http://h", "/items/{{uuid}}?a=b"),
            ("http://h?id={{uuid}}", "http://h", "/?id={{uuid}}"),
        ] {
            let read = Address::parse(text).unwrap();
            assert_eq!((read.target.to_string().as_str(), read.path.as_str()), (target, path));
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_one_that_is() {
        for (text, told) in [
            ("localhost:8080/x", "did you mean http://localhost:8080/x?"),
            ("ftp://h/", "such as http://"),
            ("http://", "such as http://"),
            ("http://h:99999/", "such as http://"),
            ("http://me:secret@h/", "--header"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn only_loopback_addresses_are_this_machine() {
        for (text, is_here) in [
            ("http://127.0.0.1/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://192.0.2.1/", false),
            ("http://0.0.0.0/", false),
            ("http://[2001:db8::1]/", false),
        ] {
            assert_eq!(Address::parse(text).unwrap().is_here().unwrap(), is_here, "{text}");
        }
    }
}
