//! What happens at a given second, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Settings;
use crate::workload::quantity::{Share, Span};

/// A change of the server's live settings.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeFile {
    /// The phase in which it is made; if not given, `after` counts from the start of the cell.
    #[serde(default)]
    pub phase: Option<String>,
    /// How long after the start of the phase.
    pub after: Span,
    /// The settings to change; the others stay as they are.
    pub settings: Settings,
    /// The variants that it is made in; all if not given.
    #[serde(default)]
    pub variants: Option<Vec<String>>,
}

/// Something that goes wrong on purpose.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultFile {
    /// The phase in which it begins; if not given, `after` counts from the start of the cell.
    #[serde(default)]
    pub phase: Option<String>,
    /// How long after the start of the phase.
    pub after: Span,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub lasts: Span,
    /// What goes wrong.
    pub inject: Injection,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Injection {
    /// Redis is killed, and started again, empty.
    KillRedis,
    /// The server's publish role stops, and goes on where it was.
    StopPublish,
    /// This part of the online members lose their connections at once, and connect again.
    DisconnectMembers(Share),
}

impl Injection {
    /// As the workload names it.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::KillRedis => "kill_redis",
            Self::StopPublish => "stop_publish",
            Self::DisconnectMembers(_) => "disconnect_members",
        }
    }

    /// The shard that it is done to, where it is done to one.
    #[must_use]
    pub fn shard(self) -> Option<u16> {
        match self {
            Self::KillRedis | Self::StopPublish | Self::DisconnectMembers(_) => None,
        }
    }
}
