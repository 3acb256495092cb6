//! A page of figures that is asked for as often as the workload says: somebody's metrics, or a Redis.

use std::collections::BTreeMap;
use std::time::Duration;

use super::scrape::{self, SeriesSample};
use super::{Asked, redis_info};

/// Whoever has named series.
pub(super) enum Page {
    Prometheus(Box<scrape::Watch>),
    Redis(Box<redis_info::Watch>),
}

impl Page {
    /// All that the workload asks for.
    pub(super) fn all(asked: &Asked) -> impl Iterator<Item = Self> {
        let pages = asked.scrapes.iter().map(scrape::Watch::new);
        let redis = asked.redis.iter().map(redis_info::Watch::new);
        let pages = pages.map(|watch| Self::Prometheus(Box::new(watch)));
        pages.chain(redis.map(|watch| Self::Redis(Box::new(watch))))
    }

    /// How often it wants to be asked.
    pub(super) fn every(&self) -> Duration {
        match self {
            Self::Prometheus(watch) => watch.every(),
            Self::Redis(watch) => watch.every(),
        }
    }

    /// The series that it has now; none where it does not answer.
    pub(super) async fn sample(&mut self) -> BTreeMap<String, SeriesSample> {
        match self {
            Self::Prometheus(watch) => watch.sample().await,
            Self::Redis(watch) => watch.sample().await,
        }
    }

    /// What could not be seen, in words.
    pub(super) fn notes(&self) -> Vec<String> {
        match self {
            Self::Prometheus(watch) => watch.notes(),
            Self::Redis(watch) => watch.notes(),
        }
    }
}
