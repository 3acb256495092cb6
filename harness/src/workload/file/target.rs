//! What is driven, and the configurations to compare, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::process::{HookFile, ReadyFile, without_secrets};
use super::reach::{HostFile, HttpFile, TlsFile};
use crate::workload::quantity::Share;

/// What is driven: the reference server on its database shards, unless `command` starts another, or `url` or
/// `--target URL` names one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetFile {
    /// Number of database shards.
    #[schemars(range(min = 1, max = 16))]
    pub shards: u16,
    /// Further start-up options of every shard's database server, such as `--thread-handling=pool-of-threads`; they win
    /// over bmt's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub database_options: Vec<String>,
    /// Settings of the reference server that every variant starts from (see `reference-server/settings.schema.json`).
    pub settings: Settings,
    /// The push gateway that is started beside the reference server, which then has its address, with these settings
    /// (see `reference-server/gateway.schema.json`); none is started where neither `target` nor the variant has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Settings>,
    /// A server that bmt does not start: `http://HOST:PORT`, `https://HOST`, either with a base path, or
    /// `unix:///PATH` of a Unix socket; `--target` wins.
    /// With `command`: where that listens, by default `http://127.0.0.1:{{port}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Several servers that bmt does not start, which share the arrivals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostFile>,
    /// Which HTTP is spoken to it.
    #[serde(skip_serializing_if = "is_default")]
    pub http: HttpFile,
    /// What TLS is spoken with, where it is.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: TlsFile,
    /// A program that bmt starts anew for each cell in place of the reference server, and its arguments; `{{port}}` is
    /// a free port that it is to listen on, `{{env.NAME}}` a variable of bmt's environment. It runs in the folder of
    /// the workload, and a name with a `/` is relative to that. Needs `--allow-commands`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub command: Option<Vec<String>>,
    /// Variables of the environment of every command, besides those of bmt's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "without_secrets")]
    pub env: BTreeMap<String, String>,
    /// When `command` is ready; by default when it accepts a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<ReadyFile>,
    /// What is done in each cell once the target is ready, before chats are made and load is offered. What fails keeps
    /// the cell from being begun.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<HookFile>,
    /// What is done in each cell after the load, whatever ended it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<HookFile>,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A block of reference-server settings.
pub type Settings = serde_json::Map<String, serde_json::Value>;

impl Default for TargetFile {
    fn default() -> Self {
        Self {
            shards: 2,
            database_options: Vec::new(),
            settings: Settings::new(),
            gateway: None,
            url: None,
            hosts: Vec::new(),
            http: HttpFile::default(),
            tls: TlsFile::default(),
            command: None,
            env: BTreeMap::new(),
            ready: None,
            before: Vec::new(),
            after: Vec::new(),
        }
    }
}

/// One configuration under test.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantFile {
    /// The name that the result shows.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// Settings of the reference server, laid over `target.settings`.
    #[serde(default)]
    pub settings: Settings,
    /// Settings of the push gateway, laid over `target.gateway`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Settings>,
    /// Another server for this variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Another HTTP for this variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpFile>,
    /// Another `generator.connections` for this variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50_000))]
    pub connections: Option<u32>,
    /// Another `generator.streams` for this variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub streams: Option<u32>,
    /// Another `retry.budget` for this variant, of every traffic entry that retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_budget: Option<Share>,
    /// Headers that every `request` of this variant has besides its own, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A program of its own, in place of `target.command`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub command: Option<Vec<String>>,
    /// Variables of the environment, laid over `target.env`.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        serialize_with = "without_secrets"
    )]
    pub env: BTreeMap<String, String>,
}
