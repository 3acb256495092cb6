//! The sources of values: what the schema cannot judge.

use std::collections::BTreeMap;

use super::domain::{Traffic, Work};
use super::file::{DataFile, WorkloadFile};
use super::folder::{Folder, Refused};
use super::judge::Judge;
use super::shape::join;
use crate::arrival::{Arrivals, Flow, Profile};
use crate::template::{Pick, RESERVED, Range, Rows, Source, Sources, Table, TableError, is_name};

/// How many arrivals the entry with this index has in a cell at most; of independent ones there are more only once in a
/// billion cells.
fn arrivals_max(index: usize, flow: &Flow, profile: &Profile, arrivals: Arrivals) -> u64 {
    let phases = profile.phases().iter();
    let mean: f64 = phases
        .map(|phase| flow.rate_in(index, phase) * (phase.end - phase.start).as_secs_f64())
        .sum();
    let more = match arrivals {
        Arrivals::Uniform => 1.0,
        // Six standard deviations, and some for means too small for that to be a bound.
        Arrivals::Poisson => 6.0 * mean.sqrt() + 20.0,
    };
    (mean + more).ceil() as u64
}

impl Judge<'_> {
    /// The sources of values.
    pub(super) fn data(&mut self, data: &BTreeMap<String, DataFile>, folder: &Folder) -> Sources {
        let (mut sources, mut broken) = (Vec::new(), Vec::new());
        for (name, file) in data {
            match self.source(name, file, folder) {
                Some(source) => sources.push(source),
                None => broken.push(name.clone()),
            }
        }
        Sources::new(sources, broken)
    }

    fn source(&mut self, name: &str, file: &DataFile, folder: &Folder) -> Option<Source> {
        let path = join("data", name);
        if !is_name(name) || RESERVED.contains(&name) {
            self.mistake(
                &path,
                format!("`{name}` cannot be the name of a value"),
                format!(
                    "a letter or _, then letters, digits, _ or -; not {}",
                    RESERVED.join(" and not ")
                ),
            );
        }
        let pick = file.pick.parse::<Pick>();
        if pick.is_err() {
            self.mistake(&join(&path, "pick"), format!("cannot read `{}`", file.pick), Pick::FORM);
        }
        let rows = match (&file.csv, &file.jsonl, &file.range) {
            (Some(csv), None, None) => self.table(&join(&path, "csv"), csv, folder, Table::from_csv),
            (None, Some(jsonl), None) => self.table(&join(&path, "jsonl"), jsonl, folder, Table::from_jsonl),
            (None, None, Some(range)) => self.range(&join(&path, "range"), range),
            _ => {
                self.mistake(
                    &path,
                    "needs exactly one of `csv`, `jsonl` and `range`",
                    "a file, or a range such as 1..1000",
                );
                None
            }
        };
        Some(Source::new(name, rows?, pick.ok()?))
    }

    /// A source that gives each row to one arrival belongs to one entry, and has as many rows as that has arrivals.
    pub(super) fn once(&mut self, file: &WorkloadFile, traffic: &[Traffic], data: &Sources, profile: &Profile) {
        for source in data.once() {
            let path = join(&join("data", source.name()), "pick");
            let takes = |traffic: &Traffic| match &traffic.work {
                Work::Http(ask) => ask.request.sources(data).contains(source.name()),
                Work::Session(session) => {
                    let mut steps = session.steps.iter();
                    steps.any(|step| step.ask.request.sources(data).contains(source.name()))
                }
                Work::Websocket(websocket) => websocket.sources(data).contains(source.name()),
                Work::Chat(_) => false,
            };
            self.once_is_said(&path, source.name(), traffic, data);
            let takers: Vec<(usize, &Traffic)> = traffic.iter().enumerate().filter(|(_, entry)| takes(entry)).collect();
            if let [(_, one), (_, other), ..] = takers[..] {
                self.mistake(
                    &path,
                    format!(
                        "`{}` and `{}` would both begin with the first row",
                        one.name, other.name
                    ),
                    "once: for a source that one entry takes from",
                );
            } else if let [(index, entry)] = takers[..] {
                let held = entry.websocket().map(|websocket| u64::from(websocket.hold));
                let needed = held.unwrap_or_else(|| arrivals_max(index, &entry.flow, profile, file.arrivals));
                if needed > source.count() {
                    self.mistake(
                        &path,
                        format!(
                            "`{}` may send {needed} requests in a cell, and there are {} rows",
                            entry.name,
                            source.count()
                        ),
                        format!("at least {needed} rows, or in_turn"),
                    );
                }
            }
        }
    }

    /// What a WebSocket says begins with the first row as well, and goes on for as long as the cell does.
    fn once_is_said(&mut self, path: &str, source: &str, traffic: &[Traffic], data: &Sources) {
        let says = |traffic: &&Traffic| {
            let says = traffic.websocket().and_then(|websocket| websocket.says.as_ref());
            says.is_some_and(|says| says.text.sources(data).contains(source))
        };
        if let Some(entry) = traffic.iter().find(says) {
            self.mistake(
                path,
                format!("`{}` takes a row for each text that it sends", entry.name),
                "in_turn, random or zipf for what a WebSocket sends",
            );
        }
    }

    fn table(
        &mut self,
        path: &str,
        name: &str,
        folder: &Folder,
        read: fn(&[u8]) -> Result<Table, TableError>,
    ) -> Option<Rows> {
        let bytes = self.file(path, name, folder)?;
        match read(&bytes) {
            Ok(table) => Some(Rows::Table(table)),
            Err(error) => {
                self.mistake(
                    path,
                    format!("`{name}` {error}"),
                    "csv: a line with the names of the columns, then lines with as many cells; jsonl: on each line an object with the same keys",
                );
                None
            }
        }
    }

    pub(super) fn file(&mut self, path: &str, name: &str, folder: &Folder) -> Option<Vec<u8>> {
        match folder.read(name) {
            Ok(bytes) => Some(bytes),
            Err(Refused { problem, allowed }) => {
                self.mistake(path, problem, allowed);
                None
            }
        }
    }

    fn range(&mut self, path: &str, range: &str) -> Option<Rows> {
        let parsed = range.parse::<Range>();
        if parsed.is_err() {
            self.mistake(path, format!("cannot read `{range}`"), Range::FORM);
        }
        parsed.ok().map(Rows::Range)
    }
}
