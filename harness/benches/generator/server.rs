//! A tiny HTTP server on one thread: every request gets the same two bytes.
//!
//! To know the truth about a response it has to be seen from outside the generator: so the server can also probe
//! itself, with a blocking client on a thread of its own that sends one request at a time beside the load and measures
//! it.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Serves until standard input ends, then writes the probe's median in microseconds to `truth`.
pub(crate) fn serve(truth: Option<&Path>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    println!("http://{address}");
    let over = Arc::new(AtomicBool::new(false));
    let probe = truth.map(|_| {
        let over = Arc::clone(&over);
        std::thread::spawn(move || probe(address, &over))
    });
    let waiting = Arc::clone(&over);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0; 1]);
        waiting.store(true, Ordering::Relaxed);
    });
    runtime.block_on(async {
        while !over.load(Ordering::Relaxed) {
            let accepted = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
            if let Ok(Ok((stream, _))) = accepted {
                tokio::spawn(answer_all(stream));
            }
        }
    });
    if let (Some(truth), Some(probe)) = (truth, probe) {
        let mut seen = probe.join().map_err(|_| anyhow::anyhow!("the probe panicked"))?;
        seen.sort_unstable();
        std::fs::write(truth, format!("{:.1}\n", seen[seen.len() / 2].as_secs_f64() * 1e6))?;
    }
    Ok(())
}

async fn answer_all(stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let answer = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok")))) });
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answer)
        .await?;
    Ok(())
}

/// Sends one request at a time, with pauses, and returns how long each took.
fn probe(address: SocketAddr, over: &AtomicBool) -> Vec<Duration> {
    let mut seen = Vec::new();
    let Ok(mut stream) = std::net::TcpStream::connect(address) else {
        return seen;
    };
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 4096];
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        if stream.write_all(b"GET / HTTP/1.1\r\nhost: probe\r\n\r\n").is_err()
            || !matches!(stream.read(&mut buffer), Ok(1..))
        {
            break;
        }
        seen.push(begun.elapsed());
        std::thread::sleep(Duration::from_micros(700));
    }
    seen
}
