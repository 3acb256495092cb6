//! The tables of a result, as text cells; terminal and Markdown draw them. One table a file.

mod against;
mod blast;
mod bystanders;
mod connections;
mod fanout;
mod figures;
mod guards;
mod headline;
mod hosts;
mod injections;
mod joins;
mod jumps;
mod notifications;
mod observed;
mod operations;
mod phases;
mod recovery;
mod retries;
mod sessions;
mod websockets;

pub(super) use figures::figures;
pub(super) use phases::phases;

use super::table::Table;
use crate::record::Run;

/// The tables that every report shows, those that have anything to show.
pub(super) fn all(run: &Run) -> impl Iterator<Item = Table> {
    let tables = [
        headline::headline(run),
        if run.header.aa {
            against::noise_floor(run)
        } else {
            against::against(run)
        },
        operations::operations(run),
        jumps::jumps(run),
        retries::retries(run),
        recovery::recovery(run),
        connections::connections(run),
        notifications::notifications(run),
        hosts::hosts(run),
        sessions::sessions(run),
        websockets::websockets(run),
        fanout::fanout(run),
        joins::joins(run),
        observed::server(run),
        observed::series(run),
        bystanders::bystanders(run),
        injections::injections(run),
        guards::guards(run),
        blast::blast_radius(run),
    ];
    tables.into_iter().flatten()
}
