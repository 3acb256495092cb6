//! How a target is reached, as it is written.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value as Json;

use crate::transport::Http;

/// Which HTTP is spoken: `1.1`, `2` or `auto`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpFile(pub Http);

impl HttpFile {
    const ONE: &str = "1.1";
    const AUTO: &str = "auto";
}

impl Serialize for HttpFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Http::One => serializer.serialize_f64(1.1),
            Http::Two => serializer.serialize_u64(2),
            Http::Auto => serializer.serialize_str(Self::AUTO),
        }
    }
}

impl<'de> Deserialize<'de> for HttpFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Json::deserialize(deserializer)?;
        let text = written.as_str().map_or_else(|| written.to_string(), str::to_owned);
        match text.as_str() {
            Self::ONE => Ok(Self(Http::One)),
            "2" => Ok(Self(Http::Two)),
            Self::AUTO => Ok(Self(Http::Auto)),
            other => Err(de::Error::custom(format!("`{other}` is none of 1.1, 2 and auto"))),
        }
    }
}

impl JsonSchema for HttpFile {
    fn schema_name() -> Cow<'static, str> {
        "Http".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Which HTTP is spoken: 1.1; 2, without TLS by prior knowledge; auto, over TLS what the target chooses.",
            "enum": [1.1, 2, Self::AUTO],
        })
    }
}

/// One of several hosts that share the arrivals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostFile {
    /// The name under which results report it, and gates as `host.NAME`.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// Its address: `http://HOST:PORT`, `https://HOST`, either with a base path, or `unix:///PATH`.
    pub url: String,
    /// Its part of the arrivals, relative to the weights of the others.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

/// What TLS is spoken with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsFile {
    /// A file with the certificates to trust (PEM), in the folder of the workload or below it; if not given, those that
    /// this machine trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// A file with our own certificate and its chain (PEM), for a target that asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// A file with its key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The name that the target's certificate is for, where that is not its host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Trust any certificate. The result says so.
    pub insecure: bool,
    /// Let a connection resume what an earlier one has agreed on. Every connection stands for another client, so as a
    /// rule not.
    pub resumption: bool,
}
