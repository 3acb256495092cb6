//! Local addresses that connections are made from.
//!
//! One address has some 28,000 ports for connections to one server. On the loopback interface all of 127.0.0.0/8 is
//! ours, so many connections are spread over several of its addresses; elsewhere the workload names the addresses that
//! this machine has.
//!
//! A leaf.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

/// Connections from one address: well below the number of its ports, some of which are in use or not free again yet.
const EACH: usize = 15_000;

/// Where connections to one server come from.
#[derive(Debug, Clone)]
pub struct Sources {
    address: SocketAddr,
    /// Empty: the system chooses.
    given: Vec<IpAddr>,
    /// Connections for requests; those of members come after them.
    connections: usize,
}

impl Sources {
    /// Connections to `address` from the addresses `given`, or from wherever suits; at most `connections` of them are
    /// for requests.
    #[must_use]
    pub fn new(address: SocketAddr, given: Vec<IpAddr>, connections: usize) -> Self {
        Self {
            address,
            given,
            connections,
        }
    }

    /// Opens a connection, small packets sent at once. Of those that are open at the same time each has another
    /// `number`, and the smallest are used: so many come from one address, and no more.
    pub(crate) async fn connect(&self, number: usize) -> std::io::Result<TcpStream> {
        let stream = match self.source(number) {
            None => TcpStream::connect(self.address).await?,
            Some(source) => {
                let socket = match source {
                    IpAddr::V4(_) => TcpSocket::new_v4()?,
                    IpAddr::V6(_) => TcpSocket::new_v6()?,
                };
                socket.bind(SocketAddr::new(source, 0))?;
                socket.connect(self.address).await?
            }
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Opens the connection of the `number`-th member: on the loopback interface not from the addresses that requests
    /// come from.
    pub(crate) async fn connect_member(&self, number: usize) -> std::io::Result<TcpStream> {
        self.connect(self.first_member() + number).await
    }

    fn first_member(&self) -> usize {
        self.connections.div_ceil(EACH).max(1) * EACH
    }

    fn source(&self, number: usize) -> Option<IpAddr> {
        if !self.given.is_empty() {
            return Some(self.given[number % self.given.len()]);
        }
        let block = u8::try_from(number / EACH).unwrap_or(u8::MAX);
        match self.address.ip() {
            IpAddr::V4(address) if address.is_loopback() && block > 0 => {
                Some(IpAddr::V4(Ipv4Addr::new(127, 0, 1, block)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_connections_come_from_anywhere_and_many_from_several_addresses() {
        let loopback = Sources::new("127.0.0.1:80".parse().unwrap(), vec![], 100);
        assert_eq!(loopback.first_member(), EACH);
        let many = Sources::new("127.0.0.1:80".parse().unwrap(), vec![], 2 * EACH + 1);
        assert_eq!(many.first_member(), 3 * EACH, "members and requests share no address");
        assert_eq!(loopback.source(0), None);
        assert_eq!(loopback.source(EACH), Some("127.0.1.1".parse().unwrap()));
        assert_eq!(loopback.source(2 * EACH), Some("127.0.1.2".parse().unwrap()));
        let elsewhere = Sources::new("10.0.0.1:80".parse().unwrap(), vec![], 100);
        assert_eq!(elsewhere.source(5 * EACH), None);
        let addresses = ["10.0.0.2", "10.0.0.3"].map(|address| address.parse().unwrap());
        let given = Sources::new("10.0.0.1:80".parse().unwrap(), addresses.to_vec(), 100);
        assert_eq!(
            (given.source(0), given.source(3)),
            (Some(addresses[0]), Some(addresses[1]))
        );
    }

    #[tokio::test]
    async fn a_connection_comes_from_the_address_it_was_given() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sources = Sources::new(listener.local_addr().unwrap(), vec!["127.0.9.9".parse().unwrap()], 100);
        let (accepted, _connected) = tokio::join!(listener.accept(), sources.connect(0));
        assert_eq!(accepted.unwrap().1.ip(), "127.0.9.9".parse::<IpAddr>().unwrap());
    }
}
