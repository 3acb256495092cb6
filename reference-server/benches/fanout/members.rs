//! The members, in a process of their own: they connect and count the pushes they receive.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::hotchat::token;
use crate::process::raise_open_files;

/// Concurrent handshakes.
const AT_ONCE: usize = 32;

/// Members per source address: each address has 28,000 ports for connections to one server.
const PER_ADDRESS: u64 = 10_000;

/// Connects `count` members. For each number read from standard input, replies once that many pushes have arrived in
/// total.
pub(crate) fn listen(server: SocketAddr, chat: u64, count: u64) -> anyhow::Result<()> {
    raise_open_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let received = Arc::new(AtomicU64::new(0));
    let connecting = stream::iter(1..=count).map(|user| connect(server, chat, user, Arc::clone(&received)));
    runtime.block_on(connecting.buffer_unordered(AT_ONCE).try_collect::<()>())?;
    let mut output = std::io::stdout();
    writeln!(output, "connected")?;
    let (asked, mut questions) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if asked.send(line).is_err() {
                return;
            }
        }
    });
    runtime.block_on(async {
        while let Some(line) = questions.recv().await {
            let wanted: u64 = line.parse()?;
            while received.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            writeln!(output, "received")?;
        }
        Ok(())
    })
}

async fn connect(server: SocketAddr, chat: u64, user: u64, received: Arc<AtomicU64>) -> anyhow::Result<()> {
    let socket = TcpSocket::new_v4()?;
    let source = u8::try_from(2 + user / PER_ADDRESS).context("too many members")?;
    socket.bind(SocketAddr::from(([127, 0, 0, source], 0)))?;
    let stream = socket.connect(server).await?;
    let mut request = format!("ws://{server}/v1/push?chat_id={chat}").into_client_request()?;
    let bearer = format!("Bearer {}", token(user)?);
    request.headers_mut().insert("authorization", bearer.parse()?);
    let config = WebSocketConfig::default().read_buffer_size(256).write_buffer_size(0);
    let (mut pushes, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
    tokio::spawn(async move {
        while let Some(Ok(_)) = pushes.next().await {
            received.fetch_add(1, Ordering::Relaxed);
        }
    });
    Ok(())
}
