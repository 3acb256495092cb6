//! What is observed besides: what the schema cannot judge.

use std::collections::BTreeSet;
use std::time::Duration;

use super::domain::Workload;
use super::file::{AddressFile, ObserveFile, ProcessFile, PrometheusFile, RedisFile};
use super::judge::Judge;
use super::quantity::Span;
use super::shape::join;
use crate::observe::{Address, Asked, RedisInfo, Scrape, Selector, Wanted};
use crate::template::{Escape, is_name};

/// Samples are taken this often.
const TICK: Duration = Duration::from_millis(100);
const EVERY_MAX: Duration = Duration::from_secs(60);
const PAGE: &str = "an address such as http://127.0.0.1:9100/metrics";
const DATABASE: &str = "mysql://USER:PASSWORD@HOST:PORT/NAME";
const REDIS: &str = "redis://USER:PASSWORD@HOST:PORT";

impl Judge<'_> {
    pub(super) fn observe(&mut self, file: &ObserveFile) -> Asked {
        let mut names = BTreeSet::new();
        let pages = file.prometheus.iter().enumerate();
        let scrapes = pages.filter_map(|(index, page)| {
            let path = format!("observe.prometheus.{index}");
            self.names(&path, page.series.keys(), &mut names);
            self.every(&path, page.every);
            self.scrape(&path, page)
        });
        let scrapes = scrapes.collect();
        let redis = file.redis.iter().enumerate();
        let redis = redis.filter_map(|(index, redis)| {
            let path = format!("observe.redis.{index}");
            self.names(&path, redis.series.keys(), &mut names);
            self.every(&path, redis.every);
            self.redis(&path, redis)
        });
        let redis = redis.collect();
        let databases = file.mysql.iter().enumerate();
        let databases = databases.filter_map(|(index, address)| {
            let path = format!("observe.mysql.{index}");
            self.address(&path, address, &["mysql", "mariadb"], DATABASE)
        });
        Asked {
            scrapes,
            redis,
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
        let mut series = Vec::new();
        for (name, selector) in &page.series {
            let at = join(&join(path, "series"), name);
            match Selector::read(selector) {
                Ok(selector) => series.push((name.clone(), selector)),
                Err(problem) => self.mistake(&at, problem, Selector::FORM),
            }
        }
        let url = self.address(&join(path, "url"), &page.url, &["http"], PAGE)?;
        Some(Scrape {
            url,
            every: page.every.0,
            series,
        })
    }

    fn redis(&mut self, path: &str, redis: &RedisFile) -> Option<RedisInfo> {
        for (name, field) in &redis.series {
            if field.is_empty()
                || !field
                    .chars()
                    .all(|sign| sign.is_ascii_alphanumeric() || "_.-".contains(sign))
            {
                self.mistake(
                    &join(&join(path, "series"), name),
                    format!("`{field}` cannot be a field of INFO"),
                    "a field such as used_memory, or a value within one such as db0.keys",
                );
            }
        }
        let series = redis.series.iter();
        Some(RedisInfo {
            url: self.address(&join(path, "url"), &redis.url, &["redis"], REDIS)?,
            every: redis.every.0,
            series: series.map(|(name, field)| (name.clone(), field.clone())).collect(),
        })
    }

    /// Names of series, each of which is given once in the workload.
    fn names<'a>(&mut self, path: &str, names: impl Iterator<Item = &'a String>, taken: &mut BTreeSet<&'a str>) {
        for name in names {
            let at = join(&join(path, "series"), name);
            if !is_name(name) {
                self.mistake(
                    &at,
                    format!("`{name}` cannot be the name of a series"),
                    "a letter or _, then letters, digits, _ or -",
                );
            }
            if !taken.insert(name) {
                self.mistake(
                    &at,
                    format!("there is another series `{name}`, and results would not tell them apart"),
                    "a name of its own",
                );
            }
        }
    }

    /// How often a page is asked for.
    fn every(&mut self, path: &str, every: Span) {
        if every.0.is_zero() || every.0 > EVERY_MAX || !every.0.as_nanos().is_multiple_of(TICK.as_nanos()) {
            self.mistake(
                &join(path, "every"),
                format!("a page cannot be asked for every `{every}`"),
                "tenths of a second, from 100ms to 1m",
            );
        }
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
        let pages = self.observe.scrapes.iter().flat_map(|page| &page.series);
        let redis = self.observe.redis.iter().flat_map(|redis| &redis.series);
        let pages = pages.map(|(name, _)| name.as_str());
        pages.chain(redis.map(|(name, _)| name.as_str()))
    }
}
