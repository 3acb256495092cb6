//! The query cache is used when configured, and never otherwise.

use serde_json::json;

use crate::support::{Server, execute, numbers, own_shard, usual};

async fn status(url: &str, name: &str) -> i64 {
    let sql = format!(
        "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status WHERE variable_name = '{name}'"
    );
    numbers(url, &sql).await[0]
}

#[tokio::test]
async fn repeated_counts_hit_the_cache_and_a_join_invalidates_it() {
    let shard = own_shard(usual()).await;
    let server = Server::start(&[shard.url()], json!({ "member_count": "query_cache" })).await;
    let chat = server.create_chat().await;
    server.seed(chat, 100, 1000).await;
    assert_eq!(server.join(chat, 1, "ann").await.body["member_count"], 101);
    let (hits, inserts) = (
        status(&shard.url(), "Qcache_hits").await,
        status(&shard.url(), "Qcache_inserts").await,
    );
    for _ in 0..10 {
        assert_eq!(server.count(chat).await.body["joined"], 101);
    }
    assert!(
        status(&shard.url(), "Qcache_hits").await - hits >= 9,
        "the counts were not answered by the cache"
    );
    assert_eq!(
        server.join(chat, 2, "bob").await.body["member_count"],
        102,
        "the answer in the cache is not used"
    );
    assert_eq!(server.count(chat).await.body["joined"], 102);
    assert!(status(&shard.url(), "Qcache_inserts").await > inserts);
}

#[tokio::test]
async fn scan_bypasses_the_query_cache() {
    let shard = own_shard(usual()).await;
    execute(&shard.url(), "CREATE DATABASE scanned").await;
    let url = shard.url().replace("/hotchat?", "/scanned?");
    let server = Server::start(&[url], json!({ "member_count": "scan" })).await;
    let chat = server.create_chat().await;
    server.seed(chat, 100, 1000).await;
    let before = (
        status(&shard.url(), "Qcache_hits").await,
        status(&shard.url(), "Qcache_inserts").await,
    );
    for _ in 0..10 {
        assert_eq!(server.count(chat).await.body["joined"], 100);
    }
    let after = (
        status(&shard.url(), "Qcache_hits").await,
        status(&shard.url(), "Qcache_inserts").await,
    );
    assert_eq!(before, after);
}
