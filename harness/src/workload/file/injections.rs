//! What happens at a given second, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::target::Settings;
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

/// What goes wrong. Shards are numbered from 0; a chat lives on shard `chat id mod shards`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Injection {
    /// The shard's database stands still (`SIGSTOP`): its connections stay open and nothing is answered.
    PauseShard(u16),
    /// The shard's database is killed (`kill -9`), and at the end started again, with the same data on the same port.
    KillShard(u16),
    /// Each flush to the disk (`fsync`, `fdatasync`, `msync`) of the shard's database takes longer.
    SlowDisk(SlowDisk),
    /// The shard's tables are locked again and again, and queries wait for them.
    SlowQueries(SlowQueries),
    /// The server's connections to the shard are reset, and new ones are rejected.
    CutConnections(u16),
    /// What the server and the shard send each other arrives later.
    DelayConnections(DelayConnections),
    /// Redis stands still (`SIGSTOP`).
    PauseRedis,
    /// Redis is killed, and started again, empty.
    KillRedis,
    /// The push gateway stands still (`SIGSTOP`): its connections stay open and no notification is answered.
    PauseGateway,
    /// The push gateway is killed (`kill -9`), and at the end started again on the same port, having counted nothing.
    KillGateway,
    /// The server's connections to the push gateway are reset, and new ones are refused.
    CutGateway,
    /// The server stands still (`SIGSTOP`).
    PauseServer,
    /// The server's publish role stops, and goes on where it was.
    StopPublish,
    /// This part of the online members lose their connections at once, and connect again.
    DisconnectMembers(Share),
}

/// Each flush to the disk of the shard's database takes longer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowDisk {
    /// Which shard, from 0.
    pub shard: u16,
    /// How much longer each flush takes; a durable commit makes several.
    pub by: Span,
}

/// The shard's tables are locked again and again, and queries wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowQueries {
    /// Which shard, from 0.
    pub shard: u16,
    /// How long they are locked at a time; a query waits for up to so long, half of it on average.
    pub hold: Span,
}

/// What the server and the shard send each other arrives later.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelayConnections {
    /// Which shard, from 0.
    pub shard: u16,
    /// How much later, each way; a query and its answer take twice as long.
    pub by: Span,
}

impl Injection {
    /// As the workload names it.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::PauseShard(_) => "pause_shard",
            Self::KillShard(_) => "kill_shard",
            Self::SlowDisk(_) => "slow_disk",
            Self::SlowQueries(_) => "slow_queries",
            Self::CutConnections(_) => "cut_connections",
            Self::DelayConnections(_) => "delay_connections",
            Self::PauseRedis => "pause_redis",
            Self::KillRedis => "kill_redis",
            Self::PauseGateway => "pause_gateway",
            Self::KillGateway => "kill_gateway",
            Self::CutGateway => "cut_gateway",
            Self::PauseServer => "pause_server",
            Self::StopPublish => "stop_publish",
            Self::DisconnectMembers(_) => "disconnect_members",
        }
    }

    /// The shard that it is done to, from 0.
    #[must_use]
    pub fn shard(self) -> Option<u16> {
        match self {
            Self::PauseShard(shard) | Self::KillShard(shard) | Self::CutConnections(shard) => Some(shard),
            Self::SlowDisk(slow) => Some(slow.shard),
            Self::SlowQueries(slow) => Some(slow.shard),
            Self::DelayConnections(delay) => Some(delay.shard),
            Self::PauseRedis
            | Self::KillRedis
            | Self::PauseGateway
            | Self::KillGateway
            | Self::CutGateway
            | Self::PauseServer
            | Self::StopPublish
            | Self::DisconnectMembers(_) => None,
        }
    }

    /// What it is done to, in words.
    #[must_use]
    pub fn target(self) -> String {
        match (self, self.shard()) {
            (_, Some(shard)) => format!("shard {shard}"),
            (Self::PauseRedis | Self::KillRedis, _) => "redis".to_owned(),
            (Self::PauseGateway | Self::KillGateway | Self::CutGateway, _) => "gateway".to_owned(),
            (Self::StopPublish, _) => "publish role".to_owned(),
            (Self::DisconnectMembers(share), _) => format!("{share} of the members"),
            _ => "server".to_owned(),
        }
    }

    /// Whether it stops a process: two such faults of one process at once would undo each other.
    pub(in crate::workload) fn stops_a_process(self) -> bool {
        matches!(
            self,
            Self::PauseShard(_)
                | Self::KillShard(_)
                | Self::PauseRedis
                | Self::KillRedis
                | Self::PauseGateway
                | Self::KillGateway
                | Self::PauseServer
        )
    }

    /// Whether it is done to the push gateway.
    #[must_use]
    pub fn is_of_the_gateway(self) -> bool {
        matches!(self, Self::PauseGateway | Self::KillGateway | Self::CutGateway)
    }
}
