//! What is observed besides: what the schema cannot judge.

use std::collections::BTreeSet;
use std::time::Duration;

use super::domain::Workload;
use super::file::{AddressFile, ObserveFile, ProcessFile, PrometheusFile};
use super::judge::Judge;
use super::shape::join;
use crate::observe::{Address, Asked, Scrape, Selector, Wanted};
use crate::template::{Escape, is_name};

/// Samples are taken this often.
const TICK: Duration = Duration::from_millis(100);
const EVERY_MAX: Duration = Duration::from_secs(60);
const PAGE: &str = "an address such as http://127.0.0.1:9100/metrics";
const DATABASE: &str = "mysql://USER:PASSWORD@HOST:PORT/NAME";

impl Judge<'_> {
    pub(super) fn observe(&mut self, file: &ObserveFile) -> Asked {
        let mut names = BTreeSet::new();
        let pages = file.prometheus.iter().enumerate();
        let scrapes = pages.filter_map(|(index, page)| {
            let path = format!("observe.prometheus.{index}");
            for name in page.series.keys().filter(|name| !names.insert(name.as_str())) {
                self.mistake(
                    &join(&join(&path, "series"), name),
                    format!("there is another series `{name}`, and results would not tell them apart"),
                    "a name of its own",
                );
            }
            self.scrape(&path, page)
        });
        let scrapes = scrapes.collect();
        let databases = file.mysql.iter().enumerate();
        let databases = databases.filter_map(|(index, address)| {
            let path = format!("observe.mysql.{index}");
            self.address(&path, address, &["mysql", "mariadb"], DATABASE)
        });
        Asked {
            scrapes,
            databases: databases.collect(),
            process: file.process.as_ref().and_then(|process| self.process(process)),
        }
    }

    fn process(&mut self, process: &ProcessFile) -> Option<Wanted> {
        let ProcessFile { pid, port, name } = process;
        match (pid, port, name) {
            (Some(pid), None, None) => Some(Wanted::Pid(*pid)),
            (None, Some(port), None) => Some(Wanted::Port(*port)),
            (None, None, Some(name)) => {
                if name.contains('/') {
                    self.mistake(
                        "observe.process.name",
                        format!("`{name}` is a path, and processes are known by their name alone"),
                        "the name without its folder",
                    );
                }
                Some(Wanted::Name(name.clone()))
            }
            _ => {
                self.mistake(
                    "observe.process",
                    "needs exactly one of `pid`, `port` and `name`",
                    "such as {port: 8080}",
                );
                None
            }
        }
    }

    fn scrape(&mut self, path: &str, page: &PrometheusFile) -> Option<Scrape> {
        let every = page.every.0;
        if every.is_zero() || every > EVERY_MAX || !every.as_nanos().is_multiple_of(TICK.as_nanos()) {
            self.mistake(
                &join(path, "every"),
                format!("a page cannot be asked for every `{}`", page.every),
                "tenths of a second, from 100ms to 1m",
            );
        }
        let mut series = Vec::new();
        for (name, selector) in &page.series {
            let at = join(&join(path, "series"), name);
            if !is_name(name) {
                self.mistake(
                    &at,
                    format!("`{name}` cannot be the name of a series"),
                    "a letter or _, then letters, digits, _ or -",
                );
            }
            match Selector::read(selector) {
                Ok(selector) => series.push((name.clone(), selector)),
                Err(problem) => self.mistake(&at, problem, Selector::FORM),
            }
        }
        let url = self.address(&join(path, "url"), &page.url, &["http"], PAGE)?;
        Some(Scrape { url, every, series })
    }

    /// The address with what the environment says, if it is one with such a scheme.
    fn address(&mut self, path: &str, address: &AddressFile, schemes: &[&str], form: &str) -> Option<Address> {
        let filled = self.of_environment(path, &address.0, Escape::Url)?;
        let url = filled.parse::<reqwest::Url>().ok();
        let Some(url) = url.filter(|url| url.host_str().is_some_and(|host| !host.is_empty())) else {
            self.mistake(path, "this is not an address of a server", form);
            return None;
        };
        if url.scheme() == "https" && schemes == ["http"] {
            self.mistake(
                path,
                "pages of figures are asked for without TLS in this version",
                format!("{form}, where need be through a proxy on this machine"),
            );
        } else if !schemes.contains(&url.scheme()) {
            self.mistake(path, format!("`{}` is no such address", url.scheme()), form);
        }
        Some(Address::new(filled))
    }
}

impl Workload {
    /// Names of the series that are observed.
    pub fn series(&self) -> impl Iterator<Item = &str> {
        let pages = self.observe.scrapes.iter();
        pages.flat_map(|page| page.series.iter().map(|(name, _)| name.as_str()))
    }
}
