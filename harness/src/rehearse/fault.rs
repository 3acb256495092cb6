//! What each fault does to the target, and how it is undone.

use std::time::Duration;

use crate::provision::Target;
use crate::workload::{DelayConnections, Injection, SlowDisk, SlowQueries};

/// Breaks it.
pub(super) async fn inject(injection: Injection, target: &mut Target) -> Result<(), String> {
    match injection {
        Injection::PauseShard(shard) => told(target.shard(shard)?.pause().await),
        Injection::KillShard(shard) => told(target.shard(shard)?.take_away().await),
        Injection::SlowDisk(SlowDisk { shard, by }) => told(target.shard(shard)?.slow_disk(by.0)),
        Injection::SlowQueries(SlowQueries { shard, hold }) => target.shard(shard)?.lock(hold.0).await,
        Injection::CutConnections(shard) => {
            let proxy = target.shard(shard)?.proxy()?;
            told(proxy.cut().await)
        }
        Injection::DelayConnections(DelayConnections { shard, by }) => {
            target.shard(shard)?.proxy()?.set_delay(by.0);
            Ok(())
        }
        Injection::PauseRedis => told(target.redis()?.pause().await),
        Injection::KillRedis => told(target.redis()?.take_away().await),
        Injection::PauseServer => told(target.pause_server().await),
        Injection::StopPublish => target.admin()?.publish(false).await,
        // The members do this themselves, at the same moment.
        Injection::DisconnectMembers(_) => Ok(()),
    }
}

/// Undoes it; what has already been undone, or never began, stays as it is.
pub(super) async fn mend(injection: Injection, target: &mut Target) -> Result<(), String> {
    match injection {
        Injection::PauseShard(shard) => told(target.shard(shard)?.resume()),
        Injection::KillShard(shard) => told(target.shard(shard)?.bring_back().await),
        Injection::SlowDisk(SlowDisk { shard, .. }) => told(target.shard(shard)?.slow_disk(Duration::ZERO)),
        Injection::SlowQueries(SlowQueries { shard, .. }) => {
            target.shard(shard)?.unlock().await;
            Ok(())
        }
        Injection::CutConnections(shard) => {
            let proxy = target.shard(shard)?.proxy()?;
            told(proxy.restore().await)
        }
        Injection::DelayConnections(DelayConnections { shard, .. }) => {
            target.shard(shard)?.proxy()?.set_delay(Duration::ZERO);
            Ok(())
        }
        Injection::PauseRedis => told(target.redis()?.resume()),
        Injection::KillRedis => told(target.redis()?.bring_back().await),
        Injection::PauseServer => told(target.resume_server()),
        Injection::StopPublish => target.admin()?.publish(true).await,
        Injection::DisconnectMembers(_) => Ok(()),
    }
}

fn told<T>(done: Result<T, impl std::fmt::Display>) -> Result<T, String> {
    done.map_err(|error| error.to_string())
}
