//! What the gateway's behaviour costs, changed at run time.
//!
//! `hotchat push-gateway --schema` describes this block; the doc comments become the schema's descriptions.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::heap::Budget;
use crate::config::{Bounded, Fraction, Span, Unfit};
use crate::notify::Role;

/// How the gateway behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// How long an answer takes.
    pub(super) service_time: ServiceTime,
    /// CPU time that opening a connection burns, after TLS.
    pub(super) handshake_cpu: Span<0, 100>,
    /// Memory that an open connection holds, in KiB; applies to connections opened from now on.
    pub(super) connection_memory_kib: Bounded<0, 65_536>,
    /// How much memory connections may hold before everything becomes slow.
    pub(super) heap: Heap,
    /// How many connections may be open.
    pub(super) connections: Connections,
    /// How long an HTTP/1.1 connection may be idle once its first byte has come; applies to connections opened from now
    /// on.
    pub(super) idle_timeout: Span<10, 3_600_000>,
    /// Requests at a time on one HTTP/2 connection; applies to connections opened from now on.
    pub(super) streams: Bounded<1, 100_000>,
    /// Share of the notifications that is answered with 400.
    pub(super) rejected: Fraction<0, 100>,
    /// Share of the notifications that is answered with 503.
    pub(super) unavailable: Fraction<0, 100>,
    /// How much longer the answers to one role's notifications take.
    pub(super) slow: Slow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service_time: ServiceTime::Fixed(const { Span::from_millis(0) }),
            handshake_cpu: const { Span::from_millis(0) },
            connection_memory_kib: const { Bounded::new(0) },
            heap: Heap::Unlimited,
            connections: Connections::Unbounded,
            idle_timeout: const { Span::from_millis(300_000) },
            streams: const { Bounded::new(1000) },
            rejected: const { Fraction::new(0.0) },
            unavailable: const { Fraction::new(0.0) },
            slow: Slow::default(),
        }
    }
}

/// How long an answer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ServiceTime {
    /// Always the same.
    Fixed(Span<0, 60_000>),
    /// Exponentially distributed.
    Exponential(Exponential),
    /// Pareto distributed: most answers are quick, a few take very long.
    HeavyTailed(HeavyTailed),
}

/// Exponentially distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Exponential {
    /// The mean.
    pub(super) mean: Span<0, 60_000>,
}

/// Pareto distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HeavyTailed {
    /// No answer is quicker.
    pub(super) min: Span<0, 60_000>,
    /// How thin the tail is: of those above any time, `2^-shape` are above twice that.
    pub(super) shape: Fraction<10, 1000>,
    /// No answer is slower.
    pub(super) cap: Span<0, 600_000>,
}

/// How much memory connections may hold before everything becomes slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Heap {
    /// Any amount.
    Unlimited,
    /// So much.
    Budget(HeapBudget),
}

/// The excess is `held / budget - 1`, from 0 to 100. It multiplies the costs below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HeapBudget {
    /// The budget in MiB.
    pub(super) mib: Bounded<1, 1_048_576>,
    /// CPU time that every request and every new connection burns, times the excess.
    #[serde(default = "cpu")]
    pub(super) cpu: Span<0, 1000>,
    /// How much longer every answer takes, times the excess.
    #[serde(default = "time")]
    pub(super) time: Span<0, 60_000>,
}

fn cpu() -> Span<0, 1000> {
    const { Span::from_millis(1) }
}

fn time() -> Span<0, 60_000> {
    const { Span::from_millis(0) }
}

/// How many connections may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Connections {
    /// Any number.
    Unbounded,
    /// So many; further ones are closed at once and counted.
    Max(Bounded<1, 1_000_000>),
}

/// How much longer the answers to one role's notifications take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Slow {
    pub(super) message: Span<0, 60_000>,
    pub(super) reaction: Span<0, 60_000>,
    pub(super) join_notice: Span<0, 60_000>,
}

impl Default for Slow {
    fn default() -> Self {
        const NOT: Span<0, 60_000> = Span::from_millis(0);
        Self {
            message: NOT,
            reaction: NOT,
            join_notice: NOT,
        }
    }
}

impl Settings {
    /// Rejects settings that cannot work together.
    pub(super) fn check(&self) -> Result<(), Unfit> {
        let unfit = |key: &str, message: String| {
            let key = key.to_owned();
            Err(Unfit { key, message })
        };
        if let ServiceTime::HeavyTailed(HeavyTailed { min, cap, .. }) = self.service_time
            && cap.get() < min.get()
        {
            let message = format!("a cap of {cap:?} is below the min of {min:?}; raise `cap`");
            return unfit("service_time.heavy_tailed", message);
        }
        let (rejected, unavailable) = (self.rejected.get(), self.unavailable.get());
        if rejected + unavailable > 1.0 {
            let message = format!("{rejected} rejected and {unavailable} unavailable are more than all");
            return unfit("unavailable", message);
        }
        Ok(())
    }

    pub(super) fn budget(&self) -> Option<Budget> {
        match self.heap {
            Heap::Unlimited => None,
            Heap::Budget(HeapBudget { mib, cpu, time }) => Some(Budget {
                bytes: u64::from(mib.get()) * 1024 * 1024,
                cpu: cpu.get(),
                time: time.get(),
            }),
        }
    }

    /// Bytes that a new connection holds.
    pub(super) fn connection_memory(&self) -> usize {
        self.connection_memory_kib.as_usize() * 1024
    }

    pub(super) fn slow(&self, role: Role) -> Duration {
        let Slow {
            message,
            reaction,
            join_notice,
        } = self.slow;
        match role {
            Role::Message => message.get(),
            Role::Reaction => reaction.get(),
            Role::JoinNotice => join_notice.get(),
        }
    }
}

/// The JSON Schema of the `settings` block, as printed by `hotchat push-gateway --schema`.
pub(crate) fn schema() -> String {
    let schema = schemars::schema_for!(Settings);
    serde_json::to_string_pretty(&schema).expect("a schema is plain JSON")
}
