//! Folds samples into phases as they come. Pure: time is in the samples, so a recording read from disk folds like a
//! live one.
//!
//! ```text
//! mod.rs     Observed: hands each part of a sample to its fold, answers by phase
//! shards.rs  server.rs  processes.rs  machine.rs   one source each: its last reading, its totals by phase
//! notify.rs  gateway.rs                the push component and its peer
//! dials.rs   connections as the databases count them
//! push.rs    joins.rs                  totals that are part of the server's
//! series.rs  sockets.rs            what the workload asks to have observed besides
//! axis.rs    connections by second
//! growth.rs  phases.rs                 leaves: what grew between readings, which phase a stretch lies in
//! ```
//!
//! Counters are read about once a second, so what grew between two readings is shared out among the phases that the
//! stretch overlaps, by time. Gauges belong to the phase of their reading. What was not observed is `None`, never 0.
//!
//! May enter: samples, bounds of phases, and the result types of `record`. Not: clocks, files, the live profile.

mod axis;
mod dials;
mod gateway;
mod growth;
mod joins;
mod machine;
mod notify;
mod phases;
mod processes;
mod push;
mod series;
mod server;
mod shards;
mod sockets;

use std::collections::BTreeMap;

use crate::observe::Sample;
use crate::record::{
    Contention, DatabaseSide, JoinSide, Neighbours, Notifications, ObservedSide, PushConnections, PushSide, Resources,
    ServerSide, SideAxis,
};

use dials::DialsFold;
use gateway::GatewayFold;
use machine::MachineFold;
use notify::NotifyFold;
use phases::Phases;
use processes::ProcessesFold;
use series::SeriesFold;
use server::ServerFold;
use shards::ShardFold;
use sockets::SocketsFold;

/// What was observed, by phase.
#[derive(Debug)]
pub struct Observed {
    phases: Phases,
    shards: Vec<ShardFold>,
    dials: Vec<DialsFold>,
    server: ServerFold,
    notify: NotifyFold,
    gateway: GatewayFold,
    processes: ProcessesFold,
    machine: MachineFold,
    sockets: SocketsFold,
    /// By the name that the workload gives it.
    series: BTreeMap<String, SeriesFold>,
    /// Time of the last sample: what comes after it has not happened yet.
    last_s: f64,
}

impl Observed {
    /// Nothing observed yet, of `shards` databases, in phases with these starts and ends in seconds of the cell.
    #[must_use]
    pub fn new(bounds_s: &[(f64, f64)], shards: usize) -> Self {
        let phases = Phases::new(bounds_s);
        Self {
            shards: (0..shards).map(|_| ShardFold::new(phases.len())).collect(),
            dials: (0..shards).map(|_| DialsFold::new(phases.len())).collect(),
            server: ServerFold::new(phases.len()),
            notify: NotifyFold::new(phases.len()),
            gateway: GatewayFold::new(phases.len()),
            processes: ProcessesFold::new(phases.len()),
            machine: MachineFold::new(phases.len()),
            sockets: SocketsFold::new(phases.len()),
            series: BTreeMap::new(),
            last_s: 0.0,
            phases,
        }
    }

    /// The same, with these series.
    #[must_use]
    pub fn with_series(mut self, names: &[String]) -> Self {
        let series = names
            .iter()
            .map(|name| (name.clone(), SeriesFold::new(self.phases.len())));
        self.series = series.collect();
        self
    }

    /// Takes in the next sample. What happens after the last phase, while late answers come in, belongs to none.
    pub fn take(&mut self, sample: &Sample) {
        let at_s = sample.at_s;
        self.last_s = self.last_s.max(at_s);
        for (fold, shard) in self.shards.iter_mut().zip(&sample.shards) {
            if let Some(shard) = shard {
                fold.take(&self.phases, at_s, shard);
            }
        }
        for (fold, shard) in self.dials.iter_mut().zip(&sample.shards) {
            if let Some(counters) = shard.as_ref().and_then(|shard| shard.counters.as_ref()) {
                fold.take(&self.phases, at_s, counters);
            }
        }
        if let Some(server) = &sample.server {
            self.server.take(&self.phases, at_s, server);
            if let Some(notify) = &server.notify {
                self.notify.take(&self.phases, at_s, notify);
            }
        }
        if let Some(gateway) = &sample.gateway {
            self.gateway.take(&self.phases, at_s, gateway);
        }
        for (name, process) in &sample.processes {
            self.processes.take(&self.phases, at_s, name, *process);
        }
        if let Some(sockets) = &sample.sockets {
            self.sockets.take(&self.phases, at_s, sockets);
        }
        for (name, series) in &sample.series {
            if let Some(fold) = self.series.get_mut(name) {
                fold.take(&self.phases, at_s, series);
            }
        }
        if let Some(machine) = sample.machine {
            self.machine.take(&self.phases, at_s, machine);
        }
    }

    /// Locks in one phase; `None` where some shard was not observed, for a sum that lacks one would look like a small
    /// one.
    #[must_use]
    pub fn contention(&self, phase: usize) -> Option<Contention> {
        let (start_s, end_s) = self.phases.bounds_s(phase);
        let length_s = end_s.min(self.last_s) - start_s;
        let shards = self.shards.iter().map(|shard| shard.contention(phase, length_s));
        let shards: Vec<Contention> = shards.collect::<Option<_>>()?;
        (!shards.is_empty()).then(|| shards::sum(shards))
    }

    /// The server's connections in one phase.
    #[must_use]
    pub fn server(&self, phase: usize) -> Option<ServerSide> {
        self.server.server(phase)
    }

    /// Database connections in one phase: the server's pools, and what the databases count.
    #[must_use]
    pub fn database(&self, phase: usize) -> Option<DatabaseSide> {
        let pools = self.server.database(phase);
        let counted = dials::connections(&self.dials, phase);
        (pools.is_some() || counted.is_some()).then(|| DatabaseSide {
            counted,
            ..pools.unwrap_or_default()
        })
    }

    /// The push component's connections in one phase; `None` where there is none.
    #[must_use]
    pub fn push_connections(&self, phase: usize) -> Option<PushConnections> {
        let own = self.notify.connections(phase)?;
        Some(PushConnections {
            refused: self.gateway.refused(phase),
            gateway: self.gateway.side(phase),
            ..own
        })
    }

    /// What became of the notifications in one phase; the same.
    #[must_use]
    pub fn notifications(&self, phase: usize) -> Option<Notifications> {
        self.notify.notifications(phase)
    }

    /// The push component's connections second by second; the same.
    #[must_use]
    pub fn push_axis(&self) -> Option<SideAxis> {
        let axis = self.notify.axis()?;
        Some(SideAxis {
            refused: self.gateway.refused_by_second(),
            ..axis.side()
        })
    }

    /// Database connections second by second, as the databases count them; `None` where some of them does not.
    #[must_use]
    pub fn database_axis(&self) -> Option<SideAxis> {
        dials::axis(&self.dials)
    }

    /// The server's pushes in one phase.
    #[must_use]
    pub fn push(&self, phase: usize) -> Option<PushSide> {
        self.server.push(phase)
    }

    /// What the server's throttle of joins decided in one phase; `None` where it decided nothing.
    #[must_use]
    pub fn joins(&self, phase: usize) -> Option<JoinSide> {
        self.server.joins(phase)
    }

    /// What each process used in one phase.
    #[must_use]
    pub fn resources(&self, phase: usize) -> BTreeMap<String, Resources> {
        self.processes.resources(phase)
    }

    /// What the workload asks to have observed besides, in one phase; `None` where it asks for nothing that there is.
    #[must_use]
    pub fn observed(&self, phase: usize) -> Option<ObservedSide> {
        let bounds_s = self.phases.bounds_s(phase);
        let series = self.series.iter();
        let side = ObservedSide {
            series: series
                .map(|(name, fold)| (name.clone(), fold.result(phase, bounds_s)))
                .collect(),
            sockets_max: self.sockets.most(phase),
        };
        (!side.series.is_empty() || side.sockets_max.is_some()).then_some(side)
    }

    /// What else ran on the machine in one phase; `None` where it was not observed.
    #[must_use]
    pub fn neighbours(&self, phase: usize) -> Option<Neighbours> {
        self.machine.neighbours(phase, self.phases.bounds_s(phase))
    }
}

#[cfg(test)]
mod tests;
