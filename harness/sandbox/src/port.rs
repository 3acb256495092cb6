//! A TCP port on the loopback address that stays ours while the process that listens on it is down.
//!
//! Binding port 0 and letting it go again leaves a gap: the kernel may give the port to any of the thousands of
//! outgoing connections of a load test. So the lease keeps a socket bound to it, never listening, with `SO_REUSEADDR`:
//! the kernel then neither hands the port out nor refuses it to a server that sets the same option (mariadbd,
//! redis-server and every Rust listener do).

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

use crate::SandboxError;

/// A port of 127.0.0.1, reserved as long as this value lives.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _socket: TcpSocket,
}

impl PortLease {
    /// Reserves a port that is free now.
    pub fn take() -> Result<Self, SandboxError> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bind = || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(any)?;
            let port = socket.local_addr()?.port();
            Ok(Self { port, _socket: socket })
        };
        bind().map_err(|e| SandboxError::io(any.to_string(), e))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn leases_differ_and_a_listener_may_use_them() {
        let leases: Vec<PortLease> = (0..50).map(|_| PortLease::take().unwrap()).collect();
        let ports: HashSet<u16> = leases.iter().map(PortLease::port).collect();
        assert_eq!(ports.len(), 50);
        for lease in &leases {
            TcpListener::bind((Ipv4Addr::LOCALHOST, lease.port())).unwrap();
        }
    }
}
