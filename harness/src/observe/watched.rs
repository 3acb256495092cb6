//! What to observe: addresses, process ids, and what the workload asks for.

use super::address::Address;
use super::machine::Wanted;
use super::processes::Processes;
use super::redis_info::RedisInfo;
use super::scrape::Scrape;
use crate::endpoint::Endpoint;

/// What to observe.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// Connection strings of the shards, in order.
    pub shards: Vec<String>,
    /// Address of the server's `/metrics`, where it has them.
    pub metrics_url: Option<String>,
    /// Address of the push gateway's `/metrics`, where bmt started one.
    pub gateway_url: Option<String>,
    /// Processes by the name that the result gives them.
    pub processes: Processes,
    /// Where a target that bmt did not start accepts connections, so that its processes are looked for if it is on this
    /// machine.
    pub target: Option<Endpoint>,
    /// What the workload asks for besides.
    pub asked: Asked,
}

impl Watched {
    /// How many databases are observed: the shards, and behind them those that the workload asks for.
    #[must_use]
    pub fn databases(&self) -> usize {
        self.shards.len() + self.asked.databases.len()
    }
}

/// What a workload asks to have observed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// The processes that are the server.
    pub process: Option<Wanted>,
    /// Figures that somebody gives in the Prometheus text format.
    pub scrapes: Vec<Scrape>,
    /// Fields of the `INFO` of a Redis.
    pub redis: Vec<RedisInfo>,
    /// Connection strings of databases that bmt did not start.
    pub databases: Vec<Address>,
}

impl Asked {
    /// What remains where bmt started the server and its databases: it knows both already.
    #[must_use]
    pub fn of_our_own_server(&self) -> Self {
        Self {
            scrapes: self.scrapes.clone(),
            redis: self.redis.clone(),
            ..Self::default()
        }
    }
}
