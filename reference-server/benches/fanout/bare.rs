//! The baseline for hotchat: a loop that writes the same frame to every socket and does nothing else.

use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::SinkExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

type Sockets = Arc<Mutex<Vec<WebSocketStream<TcpStream>>>>;

/// Accepts members; pushes each revision read from standard input to all of them.
pub(crate) fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sockets = Sockets::default();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let mut output = std::io::stdout();
    writeln!(output, "{}", listener.local_addr()?)?;
    runtime.spawn(accept(listener, Arc::clone(&sockets)));
    // The first revision arrives once all members are connected.
    let (line_sent, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if line_sent.send(line).is_err() {
                return;
            }
        }
    });
    runtime.block_on(async {
        while let Some(revision) = lines.recv().await {
            let push = Message::text(format!(r#"{{"chat_id":1,"revision":{revision}}}"#));
            let mut all = std::mem::take(&mut *sockets.lock().unwrap_or_else(PoisonError::into_inner));
            for socket in &mut all {
                socket.send(push.clone()).await?;
            }
            *sockets.lock().unwrap_or_else(PoisonError::into_inner) = all;
            writeln!(output, "pushed")?;
        }
        Ok(())
    })
}

async fn accept(listener: TcpListener, sockets: Sockets) {
    let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
    while let Ok((stream, _)) = listener.accept().await {
        let sockets = Arc::clone(&sockets);
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
            sockets.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
            anyhow::Ok(())
        });
    }
}
