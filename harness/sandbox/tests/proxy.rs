//! Real connections through the proxy: what arrives, when, and how they end.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bmt_sandbox::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(30);

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A proxied connection: the client's end, the server's end.
async fn connect(proxy: &Proxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    let (server, _) = tokio::time::timeout(LIMIT, listener.accept()).await.unwrap().unwrap();
    (client, server)
}

/// Sends a byte and waits until it arrives.
async fn pass(from: &mut TcpStream, to: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    from.write_all(b"x").await.unwrap();
    let mut byte = [0];
    tokio::time::timeout(LIMIT, to.read_exact(&mut byte))
        .await
        .unwrap()
        .unwrap();
    begun.elapsed()
}

#[tokio::test]
async fn bytes_pass_both_ways_and_each_direction_ends_by_itself() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address).unwrap();
    let (mut client, mut server) = connect(&proxy, &listener).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer", "after the client's own end of stream");
}

#[tokio::test]
async fn a_delay_holds_up_each_way_and_ends_when_it_is_taken_back() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address).unwrap();
    let (mut client, mut server) = connect(&proxy, &listener).await;
    let delay = Duration::from_millis(200);
    assert!(pass(&mut client, &mut server).await < delay);
    proxy.set_delay(delay);
    for _ in 0..2 {
        assert!(pass(&mut client, &mut server).await >= delay);
        assert!(pass(&mut server, &mut client).await >= delay);
    }
    proxy.set_delay(Duration::ZERO);
    assert!(pass(&mut client, &mut server).await < delay);
}

#[tokio::test]
async fn a_delay_does_not_slow_down_a_stream() {
    const BYTES: usize = 32 << 20;
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address).unwrap();
    proxy.set_delay(Duration::from_millis(100));
    let (mut client, mut server) = connect(&proxy, &listener).await;
    let begun = Instant::now();
    let sent: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
    let expected = sent.clone();
    let send = tokio::spawn(async move {
        client.write_all(&sent).await.unwrap();
        client
    });
    let mut received = vec![0; BYTES];
    server.read_exact(&mut received).await.unwrap();
    let took = begun.elapsed();
    assert!(received == expected, "every byte, in order");
    drop(send.await.unwrap());
    // With a chunk at a time, 2048 chunks would take 200 s; 4 MiB may be under way, so it should take about 0.8 s.
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test]
async fn a_cut_resets_what_is_open_and_refuses_what_comes_until_it_is_restored() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address).unwrap();
    let (mut client, mut server) = connect(&proxy, &listener).await;
    pass(&mut client, &mut server).await;
    proxy.cut().await.unwrap();
    for end in [&mut client, &mut server] {
        let broken = tokio::time::timeout(LIMIT, end.read_u8()).await.unwrap().unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::ConnectionReset);
    }
    let refused = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.restore().await.unwrap();
    proxy.restore().await.unwrap(); // nothing is cut any more, and that is no error
    let (mut client, mut server) = connect(&proxy, &listener).await;
    pass(&mut client, &mut server).await;
}

#[tokio::test]
async fn a_server_that_is_away_is_a_broken_connection() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address).unwrap();
    let (mut client, server) = connect(&proxy, &listener).await;
    server.set_zero_linger().unwrap();
    drop((server, listener));
    let broken = tokio::time::timeout(LIMIT, client.read_u8())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::ConnectionReset, "a reset is passed on as one");
    // The proxy may be so quick that connecting already reports the reset.
    let reset = async { TcpStream::connect(("127.0.0.1", proxy.port())).await?.read_u8().await };
    let broken = tokio::time::timeout(LIMIT, reset).await.unwrap().unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dropped_proxy_closes_everything() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address).unwrap();
    let (mut client, _server) = connect(&proxy, &listener).await;
    let port = proxy.port();
    drop(proxy);
    assert!(matches!(
        tokio::time::timeout(LIMIT, client.read_u8()).await,
        Ok(Err(_))
    ));
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}
