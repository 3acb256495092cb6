//! The address of a server.
//!
//! A leaf.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

/// The address of a server: `http://host:port/base`, or `unix:///path` of a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrl {
    text: String,
    /// Whether it wants TLS.
    pub is_tls: bool,
    /// The Unix socket, where it is one.
    pub socket: Option<PathBuf>,
    /// Name or address, IPv6 in brackets; `localhost` of a Unix socket.
    pub host: String,
    /// 80 or 443 if not given.
    pub port: u16,
    /// What every path starts with, such as `/base`; empty where paths start at the root.
    pub base_path: String,
}

impl Display for TargetUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TargetUrl {
    /// What is expected of one.
    pub(super) const FORM: &str = "http://HOST:PORT, https://HOST:PORT, either with a /BASE, or unix:///PATH/OF/SOCKET";

    /// Reads `http://HOST[:PORT][/BASE]`, the same with `https`, or `unix:///PATH`, without asking anybody: the name is
    /// looked up when the target is reached.
    ///
    /// # Errors
    /// When it is anything else, with what is expected.
    pub fn parse(url: &str) -> Result<Self, String> {
        Self::read(url).map_err(|what| format!("`{url}` {what}; expected {}", Self::FORM))
    }

    /// As [`TargetUrl::parse`]; the error says what is wrong, and not of what.
    pub(super) fn read(url: &str) -> Result<Self, &'static str> {
        const NONE: &str = "is not an address of a server";
        if let Some(path) = url.strip_prefix("unix://") {
            return Self::socket(url, path);
        }
        let parsed: reqwest::Url = url.parse().map_err(|_| NONE)?;
        let (is_tls, host) = match (parsed.scheme(), parsed.host_str()) {
            ("http", Some(host)) => (false, host.to_owned()),
            ("https", Some(host)) => (true, host.to_owned()),
            _ => return Err(NONE),
        };
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err("has a query or a fragment, which requests could not keep");
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err("has a user, which requests would not name");
        }
        Ok(Self {
            text: url.to_owned(),
            is_tls,
            socket: None,
            host,
            port: parsed.port().unwrap_or(if is_tls { 443 } else { 80 }),
            base_path: parsed.path().trim_end_matches('/').to_owned(),
        })
    }

    /// A Unix socket; its name ends where the address ends.
    fn socket(url: &str, path: &str) -> Result<Self, &'static str> {
        // What the kernel has room for, and the end that it wants.
        const LONGEST: usize = 107;
        if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
            return Err("is not the address of a Unix socket, which has three slashes and the path of a file");
        }
        if path.len() > LONGEST {
            return Err("has a longer path than a Unix socket may have, which is 107 bytes");
        }
        Ok(Self {
            text: url.to_owned(),
            is_tls: false,
            socket: Some(PathBuf::from(path)),
            host: "localhost".to_owned(),
            port: 0,
            base_path: String::new(),
        })
    }

    /// `host:port`, for the `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.socket {
            Some(_) => self.host.clone(),
            None => format!("{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_base_path() {
        for (url, authority, base, is_tls) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "", false),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080", "", false),
            ("http://chat.example", "chat.example:80", "", false),
            ("https://chat.example", "chat.example:443", "", true),
            ("http://[::1]:9/base", "[::1]:9", "/base", false),
            ("https://chat.example:81/a/b/", "chat.example:81", "/a/b", true),
            ("http://chat.example/a b", "chat.example:80", "/a%20b", false),
        ] {
            let read = TargetUrl::parse(url).unwrap();
            assert_eq!(
                (read.authority().as_str(), read.base_path.as_str(), read.is_tls),
                (authority, base, is_tls),
                "{url}"
            );
        }
    }

    #[test]
    fn a_unix_socket_is_one_whatever_its_name() {
        for path in ["/run/shop.sock", "/run/a b?c#d%20"] {
            let read = TargetUrl::parse(&format!("unix://{path}")).unwrap();
            assert_eq!(read.socket, Some(PathBuf::from(path)));
            assert_eq!((read.authority().as_str(), read.is_tls), ("localhost", false));
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_what_is_expected() {
        for (url, told) in [
            ("nonsense", "is not an address"),
            ("127.0.0.1:8080", "is not an address"),
            ("ftp://x", "is not an address"),
            ("http://", "is not an address"),
            ("http://x:99999", "is not an address"),
            ("http://x/?y=1", "query"),
            ("http://x/#y", "fragment"),
            ("http://somebody@x/", "user"),
            ("unix://run/shop.sock", "three slashes"),
            ("unix:///run/", "three slashes"),
            ("unix:/run/shop.sock", "is not an address"),
            (format!("unix:///{}", "x".repeat(107)).as_str(), "107 bytes"),
        ] {
            let error = TargetUrl::parse(url).unwrap_err();
            assert!(
                error.contains(told) && error.contains("expected http://HOST:PORT"),
                "{url}: {error}"
            );
        }
    }
}
