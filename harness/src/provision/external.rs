//! A target that somebody else started: its address as given on the command line, and whether anybody listens there.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::admin::Admin;
use super::error::ProvisionError;

/// How long the first connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How to reach a target that somebody else started.
#[derive(Debug, Clone)]
pub struct External {
    /// As given, `http://host:port/base`.
    pub url: String,
    /// Name or address, IPv6 in brackets.
    pub host: String,
    /// 80 if not given.
    pub port: u16,
    /// What every path starts with, such as `/base`; empty where paths start at the root.
    pub base_path: String,
    /// Its admin API, where members can be loaded in bulk.
    pub admin: Option<Admin>,
    /// Secret that caller tokens are signed with.
    pub secret: String,
}

impl External {
    /// Reads `http://HOST[:PORT][/BASE]`, without asking anybody: the name is looked up when the target is reached.
    /// There is no admin API and no secret yet.
    ///
    /// # Errors
    /// When it is anything else, with what is expected.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{url}` {what}; expected http://HOST:PORT or http://HOST:PORT/BASE");
        let parsed: reqwest::Url = url.parse().map_err(|_| wrong("is not an address of a server"))?;
        let host = match (parsed.scheme(), parsed.host_str()) {
            ("http", Some(host)) => host.to_owned(),
            ("https", _) => return Err(wrong("wants TLS, which bmt does not speak yet")),
            _ => return Err(wrong("is not an address of a server")),
        };
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(wrong("has a query or a fragment, which requests could not keep"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(wrong("has a user, which requests would not name"));
        }
        Ok(Self {
            url: url.to_owned(),
            host,
            port: parsed.port().unwrap_or(80),
            base_path: parsed.path().trim_end_matches('/').to_owned(),
            admin: None,
            secret: String::new(),
        })
    }

    /// `host:port`, for the `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What paths follow: `http://host:port/base`.
    pub(super) fn base(&self) -> String {
        format!("http://{}{}", self.authority(), self.base_path)
    }

    /// The address at which it accepts a connection now.
    pub(super) async fn connect(&self) -> Result<SocketAddr, ProvisionError> {
        let unreachable = |reason: String| ProvisionError::Unreachable {
            target: self.url.clone(),
            reason,
        };
        let addresses = tokio::net::lookup_host((self.host.trim_matches(['[', ']']), self.port)).await;
        let mut problem = "the name has no address".to_owned();
        // A name may stand for several, of which the server listens on one.
        for address in addresses.map_err(|error| unreachable(error.to_string()))? {
            problem = match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
                Ok(Ok(_)) => return Ok(address),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {PATIENCE:?}"),
            };
        }
        Err(unreachable(problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_base_path() {
        for (url, authority, base) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", ""),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080", ""),
            ("http://chat.example", "chat.example:80", ""),
            ("http://[::1]:9/base", "[::1]:9", "/base"),
            ("http://chat.example:81/a/b/", "chat.example:81", "/a/b"),
            ("http://chat.example/a b", "chat.example:80", "/a%20b"),
        ] {
            let external = External::parse(url).unwrap();
            assert_eq!(
                (external.authority().as_str(), external.base_path.as_str()),
                (authority, base),
                "{url}"
            );
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
            ("https://x", "TLS"),
            ("http://x/?y=1", "query"),
            ("http://x/#y", "fragment"),
            ("http://somebody@x/", "user"),
        ] {
            let error = External::parse(url).unwrap_err();
            assert!(
                error.contains(told) && error.contains("expected http://HOST:PORT"),
                "{url}: {error}"
            );
        }
    }
}
