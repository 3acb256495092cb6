//! Local addresses that connections are made from.
//!
//! One address has some 28,000 ports for connections to one server. On the loopback interface all of 127.0.0.0/8 is
//! ours, so many connections are spread over several of its addresses; elsewhere the workload names the addresses that
//! this machine has. Connections to a Unix socket come from no address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd as _;

use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::stream::Stream;
use crate::endpoint::Endpoint;

/// Connections from one address: well below the number of its ports, some of which are in use or not free again yet.
const EACH: usize = 15_000;

/// Where connections to one server come from.
#[derive(Debug, Clone)]
pub struct Sources {
    to: Endpoint,
    /// Empty: the system chooses.
    given: Vec<IpAddr>,
    /// Connections for requests; those that are held come after them.
    connections: usize,
}

impl Sources {
    /// Connections to `to` from the addresses `given`, or from wherever suits; at most `connections` of them are
    /// for requests.
    #[must_use]
    pub fn new(to: impl Into<Endpoint>, given: Vec<IpAddr>, connections: usize) -> Self {
        Self {
            to: to.into(),
            given,
            connections,
        }
    }

    /// Opens a connection, small packets sent at once. Of those that are open at the same time each has another
    /// `number`, and the smallest are used: so many come from one address, and no more.
    pub(crate) async fn connect(&self, number: usize) -> std::io::Result<Stream> {
        let address = match &self.to {
            Endpoint::Ip(address) => *address,
            Endpoint::Unix(path) => return UnixStream::connect(path).await.map(Stream::Unix),
        };
        let stream = match self.source(address.ip(), number) {
            None => TcpStream::connect(address).await?,
            Some(source) => bound(source)?.connect(address).await?,
        };
        stream.set_nodelay(true)?;
        Ok(Stream::Tcp(stream))
    }

    /// Opens the `number`-th connection that is held: on the loopback interface not from the addresses that requests
    /// come from.
    pub(crate) async fn connect_held(&self, number: usize) -> std::io::Result<Stream> {
        self.connect(self.first_held() + number).await
    }

    fn first_held(&self) -> usize {
        self.connections.div_ceil(EACH).max(1) * EACH
    }

    fn source(&self, to: IpAddr, number: usize) -> Option<IpAddr> {
        if !self.given.is_empty() {
            return Some(self.given[number % self.given.len()]);
        }
        let block = u8::try_from(number / EACH).unwrap_or(u8::MAX);
        match to {
            IpAddr::V4(address) if address.is_loopback() && block > 0 => {
                Some(IpAddr::V4(Ipv4Addr::new(127, 0, 1, block)))
            }
            _ => None,
        }
    }
}

/// A socket whose connection will come from `source`. Its port is chosen when it connects.
///
/// A plain bind to port 0 chooses one at once, and one that no other connection of the address has, to wherever: with
/// thousands of them, closed ones that are not forgotten yet among them, the kernel looks for so long that a thread
/// which opens a thousand connections a second does nothing else.
fn bound(source: IpAddr) -> std::io::Result<TcpSocket> {
    let socket = match source {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    choose_port_late(&socket)?;
    socket.bind(SocketAddr::new(source, 0))?;
    Ok(socket)
}

/// `IP_BIND_ADDRESS_NO_PORT`, which is of both families.
#[expect(unsafe_code, reason = "a socket option that no crate sets")]
fn choose_port_late(socket: &TcpSocket) -> std::io::Result<()> {
    let yes: libc::c_int = 1;
    let length = size_of_val(&yes) as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `socket` is borrowed, and the kernel reads `length` bytes of `yes`.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const yes).cast(),
            length,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_first_connections_come_from_anywhere_and_many_from_several_addresses() {
        let sources = |address: &str, given: &[IpAddr], connections| {
            let address: SocketAddr = address.parse().unwrap();
            (Sources::new(address, given.to_vec(), connections), address.ip())
        };
        let (loopback, at) = sources("127.0.0.1:80", &[], 100);
        assert_eq!(loopback.first_held(), EACH);
        let (many, _) = sources("127.0.0.1:80", &[], 2 * EACH + 1);
        assert_eq!(many.first_held(), 3 * EACH, "held ones and requests share no address");
        assert_eq!(loopback.source(at, 0), None);
        assert_eq!(loopback.source(at, EACH), Some("127.0.1.1".parse().unwrap()));
        assert_eq!(loopback.source(at, 2 * EACH), Some("127.0.1.2".parse().unwrap()));
        let (elsewhere, at) = sources("10.0.0.1:80", &[], 100);
        assert_eq!(elsewhere.source(at, 5 * EACH), None);
        let addresses = ["10.0.0.2", "10.0.0.3"].map(|address| address.parse().unwrap());
        let (given, at) = sources("10.0.0.1:80", &addresses, 100);
        assert_eq!(
            (given.source(at, 0), given.source(at, 3)),
            (Some(addresses[0]), Some(addresses[1]))
        );
    }

    #[tokio::test]
    async fn the_port_of_a_connection_is_chosen_when_it_connects() {
        for source in ["127.0.9.9", "::1"] {
            let source: IpAddr = source.parse().unwrap();
            let listener = match TcpListener::bind(SocketAddr::new(source, 0)).await {
                Err(_) if source.is_ipv6() => continue, // not everywhere
                listener => listener.unwrap(),
            };
            let socket = bound(source).unwrap();
            assert_eq!(socket.local_addr().unwrap(), SocketAddr::new(source, 0), "not yet");
            let stream = socket.connect(listener.local_addr().unwrap()).await.unwrap();
            let local = stream.local_addr().unwrap();
            assert!(local.ip() == source && local.port() > 0, "{local}");
        }
    }

    #[tokio::test]
    async fn a_connection_comes_from_the_address_it_was_given() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sources = Sources::new(listener.local_addr().unwrap(), vec!["127.0.9.9".parse().unwrap()], 100);
        let (accepted, _connected) = tokio::join!(listener.accept(), sources.connect(0));
        assert_eq!(accepted.unwrap().1.ip(), "127.0.9.9".parse::<IpAddr>().unwrap());
    }
}
