//! What is driven, and the configurations to compare, as they are written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is driven: the reference server on its database shards, unless `--target URL` names another.
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
}

/// A block of reference-server settings.
pub type Settings = serde_json::Map<String, serde_json::Value>;

impl Default for TargetFile {
    fn default() -> Self {
        Self {
            shards: 2,
            database_options: Vec::new(),
            settings: Settings::new(),
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
}
