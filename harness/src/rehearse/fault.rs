//! How each fault is injected into the target, and how it is undone.
//!
//! Both may be dropped half-way: undoing puts right whatever part of an injection came about, and can be repeated.

use std::time::Duration;

use crate::provision::Target;
use crate::workload::{DelayConnections, Injection, SlowDisk, SlowQueries};

/// Injects the fault.
pub(super) async fn inject(injection: Injection, target: &mut Target) -> Result<(), String> {
    match injection {
        Injection::PauseShard(shard) => text(target.shard(shard)?.pause().await),
        Injection::KillShard(shard) => text(target.shard(shard)?.take_away().await),
        Injection::SlowDisk(SlowDisk { shard, by }) => text(target.shard(shard)?.slow_disk(by.0)),
        Injection::SlowQueries(SlowQueries { shard, hold }) => target.shard(shard)?.lock(hold.0).await,
        Injection::CutConnections(shard) => {
            let proxy = target.shard(shard)?.proxy()?;
            text(proxy.cut().await)
        }
        Injection::DelayConnections(DelayConnections { shard, by }) => {
            target.shard(shard)?.proxy()?.set_delay(by.0);
            Ok(())
        }
        Injection::PauseRedis => text(target.redis()?.pause().await),
        Injection::KillRedis => text(target.redis()?.take_away().await),
        Injection::PauseGateway => text(target.gateway()?.pause().await),
        Injection::KillGateway => text(target.gateway()?.take_away().await),
        Injection::CutGateway => {
            let proxy = target.gateway()?.proxy()?;
            text(proxy.cut().await)
        }
        Injection::PauseServer => text(target.pause_server().await),
        Injection::StopPublish => target.admin()?.publish(false).await,
        // The members disconnect themselves at the planned time.
        Injection::DisconnectMembers(_) => Ok(()),
    }
}

/// Undoes the fault; one that was undone already, or never began, changes nothing.
pub(super) async fn mend(injection: Injection, target: &mut Target) -> Result<(), String> {
    match injection {
        Injection::PauseShard(shard) => text(target.shard(shard)?.resume()),
        Injection::KillShard(shard) => text(target.shard(shard)?.bring_back().await),
        Injection::SlowDisk(SlowDisk { shard, .. }) => text(target.shard(shard)?.slow_disk(Duration::ZERO)),
        Injection::SlowQueries(SlowQueries { shard, .. }) => {
            target.shard(shard)?.unlock().await;
            Ok(())
        }
        Injection::CutConnections(shard) => {
            let proxy = target.shard(shard)?.proxy()?;
            text(proxy.restore().await)
        }
        Injection::DelayConnections(DelayConnections { shard, .. }) => {
            target.shard(shard)?.proxy()?.set_delay(Duration::ZERO);
            Ok(())
        }
        Injection::PauseRedis => text(target.redis()?.resume()),
        Injection::KillRedis => text(target.redis()?.bring_back().await),
        Injection::PauseGateway => text(target.gateway()?.resume()),
        Injection::KillGateway => text(target.gateway()?.bring_back().await),
        Injection::CutGateway => {
            let proxy = target.gateway()?.proxy()?;
            text(proxy.restore().await)
        }
        Injection::PauseServer => text(target.resume_server()),
        Injection::StopPublish => target.admin()?.publish(true).await,
        Injection::DisconnectMembers(_) => Ok(()),
    }
}

/// The error as the record has it.
fn text<T>(done: Result<T, impl std::fmt::Display>) -> Result<T, String> {
    done.map_err(|error| error.to_string())
}
