//! The URL of a push gateway.

use std::borrow::Cow;

use axum::http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// `http://host:port` or `https://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct GatewayUrl {
    pub(crate) is_tls: bool,
    /// An address or a name, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl TryFrom<String> for GatewayUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no gateway, expected the form http://host:port or https://host:port");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let plain = uri.path() == "/" && uri.query().is_none() && !text.contains('@');
        match (uri.host(), uri.port_u16()) {
            (Some(host), Some(port)) if plain && !host.is_empty() => Ok(Self {
                is_tls,
                host: host.trim_matches(['[', ']']).to_owned(),
                port,
            }),
            _ => Err(wrong()),
        }
    }
}

impl From<GatewayUrl> for String {
    fn from(url: GatewayUrl) -> Self {
        let scheme = if url.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", url.authority())
    }
}

impl GatewayUrl {
    /// `host:port`, as the `host` header has it.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl JsonSchema for GatewayUrl {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "GatewayUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^https?://[^/@]+:[0-9]+/?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_scheme_host_and_port() {
        for (text, back) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("https://gateway.test:443/", "https://gateway.test:443"),
            ("http://[::1]:9000", "http://[::1]:9000"),
        ] {
            assert_eq!(String::from(GatewayUrl::try_from(text.to_owned()).unwrap()), back);
        }
        for wrong in [
            "",
            "127.0.0.1:9000",
            "http://127.0.0.1",
            "ftp://a:1",
            "http://a:1/path",
            "http://a:1/?q",
            "http://u:p@a:1",
            "http://a:99999",
        ] {
            let message = GatewayUrl::try_from(wrong.to_owned()).unwrap_err();
            assert!(message.contains("http://host:port"), "{wrong}: {message}");
        }
    }
}
