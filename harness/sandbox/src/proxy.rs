//! A TCP proxy on the loopback address: connections through it can be made slow, or cut, on purpose.
//!
//! It rehearses a bad network between a server and its database. It runs on a thread of its own, which preempts the
//! generator where real time is allowed ([`crate::priority`]), so that a busy owner does not add to the delays. It ends
//! with its owner.
//!
//! - **Delay**: a delay line. Each chunk is passed on so long after it was read, to within a timer's two milliseconds,
//!   while the next ones are read: throughput stays, up to [`IN_FLIGHT_MAX`] in each delay.
//! - **Cut**: open connections are reset and the listener is closed, so that new ones are *refused*, as by a firewall
//!   that rejects or a machine without the service. Not done: dropping packets in silence, because a paused server
//!   already looks like that.
//!
//! An end of stream is passed on for each direction by itself; a connection that breaks on one side is reset on the
//! other.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::priority::{Rank, raise};
use crate::{PortLease, SandboxError};

/// Bytes that may be under way in one direction of one connection.
const IN_FLIGHT_MAX: u32 = 4 << 20;
/// Bytes that are read at a time.
const CHUNK: u32 = 16 << 10;
/// A chunk counts as at least so many bytes: its own book-keeping takes memory too.
const CHUNK_COST_MIN: u32 = 64;
/// Accepting fails when files run out; others may be closed meanwhile.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// Passes connections on to a server; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    lease: PortLease,
    delay_ns: Arc<AtomicU64>,
    /// `None` only while dropping.
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Order {
    Cut(oneshot::Sender<io::Result<()>>),
    Listen(oneshot::Sender<io::Result<()>>),
}

impl Proxy {
    /// Listens on a port of its own, and passes connections on to `to`.
    ///
    /// # Errors
    /// When there is no port, or no thread.
    pub fn start(to: SocketAddr) -> Result<Self, SandboxError> {
        let lease = PortLease::take()?;
        let delay_ns = Arc::new(AtomicU64::new(0));
        let (orders, received) = mpsc::unbounded_channel();
        let failed = |source| SandboxError::io("a proxy", source);
        let serving = Serving {
            to,
            port: lease.port(),
            delay_ns: Arc::clone(&delay_ns),
            cuts: watch::Sender::new(0),
        };
        let (ready, awaited) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("bmt-proxy".to_owned())
            .spawn(move || serving.run(received, &ready))
            .map_err(failed)?;
        let listening = awaited.recv().map_err(io::Error::other).flatten();
        listening.map_err(failed)?;
        Ok(Self {
            lease,
            delay_ns,
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// The port on 127.0.0.1 that it listens on, also while it is cut.
    pub fn port(&self) -> u16 {
        self.lease.port()
    }

    /// What is read from now on is passed on so much later, each way.
    pub fn set_delay(&self, delay: Duration) {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.delay_ns.store(nanos, Ordering::Relaxed);
    }

    /// Resets the open connections and refuses new ones, until [`Proxy::restore`].
    ///
    /// # Errors
    /// When its thread is gone.
    pub async fn cut(&self) -> Result<(), SandboxError> {
        self.order(Order::Cut).await
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// When its port cannot be listened on any more.
    pub async fn restore(&self) -> Result<(), SandboxError> {
        self.order(Order::Listen).await
    }

    async fn order(&self, order: fn(oneshot::Sender<io::Result<()>>) -> Order) -> Result<(), SandboxError> {
        let (done, awaited) = oneshot::channel();
        let gone = || io::Error::other("its thread has ended");
        let sent = self.orders.as_ref().map(|orders| orders.send(order(done)));
        let obeyed = match sent {
            Some(Ok(())) => awaited.await.unwrap_or_else(|_| Err(gone())),
            Some(Err(_)) | None => Err(gone()),
        };
        obeyed.map_err(|source| SandboxError::io(format!("the proxy on port {}", self.port()), source))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, that was reported when it did.
            let _ = thread.join();
        }
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    // The standard library sets `SO_REUSEADDR`, as the lease of the port wants it.
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

struct Serving {
    to: SocketAddr,
    port: u16,
    delay_ns: Arc<AtomicU64>,
    /// Grows with each cut.
    cuts: watch::Sender<u64>,
}

impl Serving {
    /// The thread: reports when it listens, and serves until its owner drops the sending end of `orders`.
    fn run(self, orders: mpsc::UnboundedReceiver<Order>, ready: &std::sync::mpsc::SyncSender<io::Result<()>>) {
        raise(Rank::Injector);
        let up = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let listener = {
                let _inside = runtime.enter();
                listen(self.port)?
            };
            io::Result::Ok((runtime, listener))
        };
        match up() {
            Ok((runtime, listener)) => {
                let _ = ready.send(Ok(()));
                runtime.block_on(self.serve(listener, orders));
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    }

    async fn serve(self, listener: TcpListener, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut listener = Some(listener);
        let mut links = JoinSet::new();
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    None => return,
                    Some(Order::Cut(done)) => {
                        listener = None;
                        self.cuts.send_modify(|cuts| *cuts += 1);
                        while links.join_next().await.is_some() {}
                        let _ = done.send(Ok(()));
                    }
                    Some(Order::Listen(done)) => {
                        let again = match listener.take() {
                            Some(open) => Ok(open),
                            None => listen(self.port),
                        };
                        let _ = done.send(again.map(|open| listener = Some(open)));
                    }
                },
                client = accept(listener.as_ref()) => {
                    links.spawn(link(client, self.to, Arc::clone(&self.delay_ns), self.cuts.subscribe()));
                }
                Some(_) = links.join_next() => {}
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((client, _)) => return client,
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
}

/// One connection, until both directions have ended, either is broken, or it is cut.
async fn link(mut client: TcpStream, to: SocketAddr, delay_ns: Arc<AtomicU64>, mut cuts: watch::Receiver<u64>) {
    let connected = tokio::select! {
        connected = TcpStream::connect(to) => connected,
        _ = cuts.changed() => Err(io::ErrorKind::ConnectionReset.into()),
    };
    let Ok(mut server) = connected else {
        // Too late to refuse it: it was accepted before the server's state was known.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let is_whole = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let both = async {
            tokio::try_join!(
                carry(from_client, to_server, &delay_ns),
                carry(from_server, to_client, &delay_ns)
            )
        };
        tokio::select! {
            ended = both => ended.is_ok(),
            _ = cuts.changed() => false,
        }
    };
    if !is_whole {
        // Closing now sends a reset instead of an end of stream.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// One direction, until its end of stream has been passed on.
async fn carry(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, delay_ns: &AtomicU64) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(IN_FLIGHT_MAX as usize));
    let (line, mut end_of_line) = mpsc::unbounded_channel();
    let read = async move {
        let mut buffer = vec![0; CHUNK as usize];
        loop {
            let taken = Arc::clone(&room).acquire_many_owned(CHUNK).await;
            let mut taken = taken.map_err(io::Error::other)?;
            let length = from.read(&mut buffer).await?;
            if length == 0 {
                return Ok(()); // drops `line`, which ends the writer's loop
            }
            let cost = length.max(CHUNK_COST_MIN as usize);
            drop(taken.split(CHUNK as usize - cost));
            let due = Instant::now() + Duration::from_nanos(delay_ns.load(Ordering::Relaxed));
            let _ = line.send((due, buffer[..length].to_vec(), taken));
        }
    };
    let write = async move {
        while let Some((due, bytes, _room)) = end_of_line.recv().await {
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}
