//! How an event reaches the members of its chat: fetches, the event bus, pushes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bounded, Span};

/// Fetching events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fetch {
    /// Maximum number of events per answer, whatever the caller asks for.
    pub(crate) limit: Bounded<1, 1000>,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            limit: const { Bounded::new(100) },
        }
    }
}

/// The partitioned event log between the API and the publish role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bus {
    /// Number of partitions; all records of a chat go to one of them.
    pub(crate) partitions: Bounded<1, 256>,
    /// Maximum number of unconsumed records per partition.
    pub(crate) capacity: Bounded<1, 16_777_216>,
    /// Longest wait for room in a full partition; after it the record is rejected and counted.
    pub(crate) full_wait: Span<0, 60_000>,
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            partitions: const { Bounded::new(8) },
            capacity: const { Bounded::new(65_536) },
            full_wait: const { Span::from_millis(1000) },
        }
    }
}

/// Members connected for pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Push {
    /// How long a member's connection may be unwritable before it is closed and counted.
    pub(crate) behind: Span<10, 600_000>,
    /// Maximum number of chats per connection.
    pub(crate) max_chats: Bounded<1, 10_000>,
}

impl Default for Push {
    fn default() -> Self {
        Self {
            behind: const { Span::from_millis(10_000) },
            max_chats: const { Bounded::new(100) },
        }
    }
}
