//! Chats made on a small real HTTP server that answers out of order.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rand::RngExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::provision::External;
use crate::workload::TargetUrl;

/// Chats by id, with the number of members that were loaded.
type Chats = Arc<Mutex<BTreeMap<u64, u64>>>;

/// A server below `/base` that numbers chats in the order in which requests come to their turn, each after a random
/// delay.
async fn server() -> (Target, Chats) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/base", listener.local_addr().unwrap());
    let chats = Chats::default();
    let served = Arc::clone(&chats);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let chats = Arc::clone(&served);
            let service = service_fn(move |request| answer(request, Arc::clone(&chats)));
            tokio::spawn(async move {
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let _ = connection.await;
            });
        }
    });
    let external = External {
        admin: Some(Admin {
            url: url.clone(),
            token: "token".to_owned(),
        }),
        ..External::new(TargetUrl::parse(&url).unwrap())
    };
    (Target::external(&external).await.unwrap(), chats)
}

async fn answer(request: Request<Incoming>, chats: Chats) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let delay = rand::rng().random_range(0..30);
    tokio::time::sleep(Duration::from_millis(delay)).await;
    let mut chats = chats.lock().unwrap();
    let answer = if path == "/base/v1/chats" {
        let id = 100 + chats.len() as u64;
        chats.insert(id, 0);
        json!({ "chat_id": id, "shard": id % 3 })
    } else {
        let id = path
            .strip_prefix("/base/admin/chats/")
            .and_then(|rest| rest.strip_suffix("/members"));
        let id: u64 = id.unwrap_or_else(|| panic!("{path}")).parse().unwrap();
        let body: Json = serde_json::from_slice(&body).unwrap();
        *chats.get_mut(&id).unwrap() += body["count"].as_u64().unwrap();
        Json::Null
    };
    Ok(Response::new(Full::new(Bytes::from(answer.to_string()))))
}

fn groups() -> Vec<ChatGroup> {
    let group = |name: &str, count, members| ChatGroup {
        name: name.to_owned(),
        count,
        members,
    };
    vec![group("hot", 1, 50), group("idle", 20, 0), group("quiet", 40, 3)]
}

async fn populated(seed: u64) -> (Populated, Chats) {
    let (target, chats) = server().await;
    let signer = Signer::new("secret", 9);
    (
        populate(&target, &signer, &groups(), Some(0), seed).await.unwrap(),
        chats,
    )
}

#[tokio::test]
async fn the_same_seed_gives_the_same_chat_to_each_place_whatever_the_timing() {
    let (first, chats) = populated(7).await;
    let (second, _) = populated(7).await;
    assert_eq!(first, second);
    let (other, _) = populated(8).await;
    assert_ne!(first, other, "another block");
    let mut hot_shards = Vec::new();
    for seed in 7..13 {
        hot_shards.push(populated(seed).await.0[0][0].shard.unwrap());
    }
    hot_shards.sort_unstable();
    hot_shards.dedup();
    assert!(
        hot_shards.len() > 1,
        "blocks differ in where the hot chat lives: {hot_shards:?}"
    );
    let loaded = chats.lock().unwrap();
    for (group, chats) in groups().iter().zip(&first) {
        assert_eq!(chats.len(), group.count as usize);
        for chat in chats {
            assert_eq!(
                loaded[&chat.id],
                u64::from(group.members),
                "{} of {}",
                chat.id,
                group.name
            );
            let is_hot = chat.shard == first[0][0].shard;
            let expected = if is_hot {
                Placement::HotShard
            } else {
                Placement::OtherShards
            };
            assert_eq!(chat.placement, Some(expected));
        }
    }
}
