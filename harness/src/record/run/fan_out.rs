//! What became of events and of throttled joins in one phase.

use serde::{Deserialize, Serialize};

use super::Quantiles;

/// How the events of one phase reached the members who were online.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fanout {
    /// Messages to followed chats that the server acknowledged.
    pub events: u64,
    /// Most members that were online at once.
    pub members: u64,
    /// Pushes that the members received.
    pub pushes_received: u64,
    /// Fetches of the members that were answered `ok`.
    pub fetches: u64,
    /// The same for each event.
    pub fetches_per_event: Option<f64>,
    /// Events in such a fetch, mean; of the events that were due in this phase.
    pub events_per_fetch: Option<f64>,
    /// Intended send of an event → a member has it, over all members and events; events that never arrived are older
    /// than all.
    pub freshness_us: Quantiles,
    /// Pairs of an acknowledged event and a member in which the event never arrived.
    #[serde(default)]
    pub missing: u64,
    /// The same, of all pairs: 0 to 1; `None` where no event was acknowledged.
    #[serde(default)]
    pub missing_share: Option<f64>,
    /// Members, online or not, that lacked an event acknowledged `stale_after` before the end of the phase.
    pub stale_members_end: Option<u64>,
    /// Revisions that a member was never given although it has later ones.
    pub revisions_skipped: u64,
    /// What the server says of its side; `None` where it could not be asked.
    pub server: Option<PushSide>,
}

/// The server's side of one phase's pushes. A gauge that was not read in the phase is `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PushSide {
    /// Pushes written to members.
    pub pushes_sent: u64,
    /// Pushes dropped by throttling.
    pub pushes_dropped: u64,
    /// Pushes that a newer one replaced before they were written.
    pub pushes_coalesced: u64,
    /// Of the pushes sent, those that make up for dropped ones.
    pub trailing_pushes: u64,
    /// Records that the publish role was behind, most in one sample, summed over partitions.
    pub lag_records_max: Option<u64>,
    /// Age of the oldest record not yet consumed, most in one sample.
    pub lag_s_max: Option<f64>,
    /// Records that the bus refused because a partition was full.
    pub bus_refused: u64,
    /// Times that a chat was marked hot.
    pub marks_set: u64,
    /// Times that a mark ran out.
    pub marks_expired: u64,
    /// Chats marked hot at once, most in one sample.
    pub hot_chats_max: Option<u64>,
    /// From the fetch that crossed the threshold to the mark being stored, mean.
    pub detection_delay_us: Option<f64>,
    /// Calls of Redis that failed.
    pub redis_errors: u64,
    /// Connections of members that the server ended because they stayed behind.
    pub disconnected_behind: u64,
}

/// What the server's throttle of joins decided in one phase, for all chats.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JoinSide {
    /// Joins under the limit.
    pub admitted: u64,
    /// Joins over it.
    pub refused: u64,
    /// Joins admitted because nobody could tell.
    pub open: u64,
    /// Joins refused because nobody could tell.
    pub closed: u64,
    /// Commands to Redis for the throttle.
    pub redis_calls: u64,
    /// Age of the oldest record that a throttle that follows the bus had not counted, most in one sample.
    pub lag_s_max: Option<f64>,
}
