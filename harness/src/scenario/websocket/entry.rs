//! What the connections of a traffic entry ask for and say: functions of their number.

use std::sync::Arc;
use std::time::Duration;

use super::timetable::{Timetable, opens_ns};
use crate::arrival::{Arrival, mixed};
use crate::template::{Captured, Sources, Template, Values, Websocket};
use crate::transport::{Address, MESSAGE_MAX, Origin};

/// Keeps the values of texts apart from those of connections of the same number.
const TEXTS: u64 = 0x7465_7874_7321;
/// Keeps pauses apart from all else that follows from the same seed.
const PAUSES: u64 = 0x7061_7573_6573;
/// A connection that ended is opened again after a random time of half to one and a half of this.
const PAUSE_NS: u64 = 1_000_000_000;

/// A traffic entry that holds WebSocket connections.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its index among all entries.
    pub flow: usize,
    /// Index of its series.
    pub series: usize,
    /// Connections that others hold, whose local addresses come first.
    pub first_number: usize,
    /// Where connections lead.
    pub to: Origin,
    /// What they ask for and say.
    pub websocket: Websocket,
    /// Headers of every request for one, besides its own.
    pub headers: Arc<[(String, Template)]>,
    /// Where values come from.
    pub sources: Arc<Sources>,
    /// Seed of the block.
    pub seed: u64,
    /// From then on nothing is sent any more.
    pub until_ns: u64,
}

impl Entry {
    /// When connection number `number` is opened for the first time.
    pub(super) fn opens_ns(&self, number: usize) -> u64 {
        opens_ns(number, self.websocket.connect_rate)
    }

    /// When something is sent; `None` where nothing ever is.
    pub(super) fn timetable(&self) -> Option<Timetable> {
        let Websocket { hold, says, .. } = &self.websocket;
        let every_ns = nanos(says.as_ref()?.every);
        let first_ns = self.opens_ns(*hold as usize);
        let seed = mixed(self.seed, self.flow as u64 + 1);
        Some(Timetable::new(*hold, every_ns, first_ns, self.until_ns, seed))
    }

    /// How long connection number `number` stays shut after its `ends`-th end.
    pub(super) fn pause_ns(&self, number: usize, ends: u32) -> u64 {
        let seed = mixed(self.seed ^ PAUSES, self.flow as u64 + 1);
        let drawn = mixed(mixed(seed, number as u64), u64::from(ends));
        PAUSE_NS / 2 + drawn % (PAUSE_NS + 1)
    }

    /// Where connection number `number` leads.
    pub(super) fn address(&self, number: usize, hides_secrets: bool) -> Address {
        let filled = |template: &Template| self.filled(template, self.seed, number as u64, hides_secrets);
        let headers = self.websocket.headers.iter().chain(&*self.headers);
        Address {
            url: self.to.websocket_url(format_args!("{}", filled(&self.websocket.path))),
            headers: headers.map(|(name, value)| (name.clone(), filled(value))).collect(),
            number: self.first_number + number,
            message_max: MESSAGE_MAX,
            speaks: self.websocket.says.is_some(),
        }
    }

    /// Text number `text`.
    pub(super) fn text(&self, text: u64, hides_secrets: bool) -> String {
        let says = self.websocket.says.as_ref();
        says.map_or(String::new(), |says| {
            self.filled(&says.text, mixed(self.seed, TEXTS), text, hides_secrets)
        })
    }

    fn filled(&self, template: &Template, seed: u64, ordinal: u64, hides_secrets: bool) -> String {
        let arrival = Arrival {
            intended_ns: 0,
            flow: self.flow,
            ordinal,
            item: 0,
            host: 0,
        };
        let values = Values {
            sources: &self.sources,
            seed,
            arrival: &arrival,
            hides_secrets,
            captured: Captured::NOTHING,
        };
        template.with(values).to_string()
    }
}

/// Whole nanoseconds; of more than there are, the most.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
