//! The processes behind the address of a target that bmt did not start: those that hold its listening socket.
//!
//! `/proc/net/tcp`, `tcp6` and `unix` name the socket, `/proc/PID/fd` who holds it; a master and its workers share one,
//! or have one each (`SO_REUSEPORT`). They are looked for at the start, and again when one of them is gone, at most
//! every few seconds.
//!
//! Boundary: a process of another user may not be looked into without privileges. A database that the target uses on
//! this machine, or a server behind a forwarding process, is not found this way.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use crate::endpoint::Endpoint;
use crate::observe::table::Table;

/// Looking into every process of the machine is dear.
const LOOK_EVERY_S: f64 = 5.0;

/// Where the target accepts connections, and who listens there.
#[derive(Debug)]
pub(super) struct Listener {
    endpoint: Endpoint,
    is_local: bool,
    /// Number and start of each process that holds the socket.
    holders: BTreeSet<(u32, u64)>,
    looked_at_s: Option<f64>,
    /// One of the holders is gone, or none was found yet.
    is_stale: bool,
}

impl Listener {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            is_local: match &endpoint {
                Endpoint::Ip(address) => is_local(address.ip()),
                Endpoint::Unix(_) => true,
            },
            endpoint,
            holders: BTreeSet::new(),
            looked_at_s: None,
            is_stale: true,
        }
    }

    /// Whether the address is one of this machine's.
    pub(super) fn is_local(&self) -> bool {
        self.is_local
    }

    /// The processes that listen there and are alive; empty where they may not be seen.
    pub(super) fn holders(&mut self, at_s: f64, own: u32, table: &Table) -> BTreeSet<u32> {
        let known = self.holders.len();
        self.holders.retain(|(pid, started)| table.has(*pid, *started));
        self.is_stale |= self.holders.len() < known;
        let is_due = self
            .looked_at_s
            .is_none_or(|looked_at_s| at_s - looked_at_s >= LOOK_EVERY_S);
        if self.is_local && self.is_stale && is_due {
            self.looked_at_s = Some(at_s);
            let found = find(&self.endpoint, own, table);
            let found = found.into_iter().filter_map(|pid| Some((pid, table.get(pid)?.started)));
            self.holders.extend(found);
            self.is_stale = self.holders.is_empty();
        }
        self.holders.iter().map(|(pid, _)| *pid).collect()
    }
}

/// An address that a socket can be bound to is one of this machine's.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

fn find(endpoint: &Endpoint, own: u32, table: &Table) -> BTreeSet<u32> {
    match endpoint {
        Endpoint::Ip(address) => holders(inodes(*address, &listening_sockets()), own, table),
        Endpoint::Unix(path) => holders(unix_inodes(path).into_iter(), own, table),
    }
}

/// Inodes of the sockets that are bound to a path: that which accepts, and the ends that it gave to its connections.
fn unix_inodes(path: &Path) -> Vec<u64> {
    let sockets = procfs::net::unix().unwrap_or_default().into_iter();
    let bound = sockets.filter(|socket| socket.path.as_deref() == Some(path));
    bound.map(|socket| socket.inode).collect()
}

/// The listening sockets of this machine: address and inode.
pub(super) fn listening_sockets() -> Vec<(SocketAddr, u64)> {
    let sockets = ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().filter_map(|file| {
        let file = std::fs::File::open(file).ok()?;
        Some(listening(BufReader::new(file)))
    });
    sockets.flatten().collect()
}

/// The processes but `own` that hold any of these sockets, as far as they may be looked into.
pub(super) fn holders(inodes: impl Iterator<Item = u64>, own: u32, table: &Table) -> BTreeSet<u32> {
    let links: BTreeSet<String> = inodes.map(|inode| format!("socket:[{inode}]")).collect();
    if links.is_empty() {
        return BTreeSet::new();
    }
    let others = table.iter().map(|(pid, _)| pid).filter(|pid| *pid != own);
    others.filter(|pid| holds(*pid, &links)).collect()
}

fn holds(pid: u32, links: &BTreeSet<String>) -> bool {
    let Ok(open) = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")) else {
        return false;
    };
    open.flatten().any(|entry| {
        let link = std::fs::read_link(entry.path());
        link.is_ok_and(|link| link.to_str().is_some_and(|link| links.contains(link)))
    })
}

/// The listening sockets of a file like `/proc/net/tcp`. The kernel lists them first, so the many connections of a
/// target under load are not read.
fn listening(file: impl BufRead) -> Vec<(SocketAddr, u64)> {
    const LISTEN: &str = "0A";
    let lines = file.lines().skip(1).map_while(Result::ok);
    let sockets = lines.map_while(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        (columns.get(3) == Some(&LISTEN)).then(|| Some((socket_address(columns[1])?, columns.get(9)?.parse().ok()?)))
    });
    sockets.flatten().collect()
}

/// `0100007F:1F90`: each 32 bits of the address in the machine's byte order, the port in hexadecimal.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let words = (0..ip.len() / 8).map(|word| u32::from_str_radix(ip.get(word * 8..word * 8 + 8)?, 16).ok());
    let bytes: Vec<u8> = words
        .collect::<Option<Vec<u32>>>()?
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    let ip = match bytes.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// Inodes of the sockets that accept at `address`: those bound to it, or else those bound to every address.
fn inodes(address: SocketAddr, sockets: &[(SocketAddr, u64)]) -> impl Iterator<Item = u64> {
    let ip = address.ip().to_canonical();
    let is_bound = move |bound: &SocketAddr| bound.port() == address.port() && bound.ip().to_canonical() == ip;
    let is_open = move |bound: &SocketAddr| bound.port() == address.port() && bound.ip().is_unspecified();
    let is_any_bound = sockets.iter().any(|(bound, _)| is_bound(bound));
    let accepting = sockets
        .iter()
        .filter(move |(bound, _)| if is_any_bound { is_bound(bound) } else { is_open(bound) });
    accepting.map(|(_, inode)| *inode)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::{Command, Stdio};

    use super::*;

    #[cfg(target_endian = "little")]
    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0\n   \
        1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0\n   \
        2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0\n   \
        3: 0100007F:1F90 0100007F:A001 01 00000000:00000000 00:00000000 00000000     0        0 14 1 0 20 4 30 10 -1\n";
    #[cfg(target_endian = "little")]
    const TCP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 00000000000000000000000000000000:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21 1 0 100 0 0 10 0\n   \
        1: 00000000000000000000000001000000:1F93 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1 0 100 0 0 10 0\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn the_socket_of_an_address_is_the_one_bound_to_it_or_else_the_one_bound_to_every_address() {
        let mut sockets = listening(TCP.as_bytes());
        sockets.extend(listening(TCP6.as_bytes()));
        assert_eq!(sockets.len(), 5, "connections are left out: {sockets:?}");
        let of = |address: &str| inodes(address.parse().unwrap(), &sockets).collect::<Vec<_>>();
        assert_eq!(of("127.0.0.1:8080"), [11]);
        assert_eq!(of("127.0.0.1:8081"), [12]);
        assert_eq!(of("10.0.0.7:8081"), [13]);
        assert_eq!(
            of("127.0.0.1:8082"),
            [21],
            "a socket of every IPv6 address takes IPv4 too"
        );
        assert_eq!(of("[::1]:8083"), [22]);
        assert_eq!(of("127.0.0.1:8084"), [0; 0]);
    }

    #[test]
    fn loopback_is_local_and_a_test_network_is_not() {
        assert!(is_local("127.0.0.1".parse().unwrap()));
        assert!(!is_local("192.0.2.1".parse().unwrap()), "TEST-NET-1");
    }

    #[test]
    fn who_listens_on_a_unix_socket_is_found_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let mut command = Command::new("sleep");
        command.arg("60").stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)));
        let mut child = command.spawn().unwrap();
        let table = Table::read().unwrap();
        let found = find(&Endpoint::Unix(path), std::process::id(), &table);
        let none = find(&Endpoint::Unix(folder.path().join("t")), std::process::id(), &table);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&child.id()), "{found:?}");
        assert_eq!(none, BTreeSet::new());
    }

    #[test]
    fn every_process_that_holds_the_socket_is_found_and_found_again_when_one_is_gone() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        // A child that inherits the socket as its standard input, as a worker does.
        let worker = || {
            let mut command = Command::new("sleep");
            command
                .arg("60")
                .stdin(Stdio::from(std::os::fd::OwnedFd::from(socket.try_clone().unwrap())));
            command.spawn().unwrap()
        };
        let (mut first, mut second) = (worker(), worker());
        let mut listener = Listener::new(Endpoint::Ip(address));
        // Whoever looks is not the target: this process, which holds the socket too, is left out as bmt would be.
        let own = std::process::id();
        // A child of another test holds every descriptor of this process for the moment between fork and exec.
        let mut holders_of = |at_s: f64, among: &[u32]| {
            let mut holders = listener.holders(at_s, own, &Table::read().unwrap());
            holders.retain(|pid| among.contains(pid));
            holders
        };
        let at_start = holders_of(0.0, &[first.id(), second.id()]);
        first.kill().unwrap();
        first.wait().unwrap();
        let mut third = worker();
        let among = [first.id(), second.id(), third.id()];
        let too_soon = holders_of(1.0, &among);
        let in_time = holders_of(LOOK_EVERY_S, &among);
        for child in [&mut second, &mut third] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let at_end = holders_of(LOOK_EVERY_S + 1.0, &among);
        assert_eq!(at_start, BTreeSet::from([first.id(), second.id()]));
        assert_eq!(too_soon, BTreeSet::from([second.id()]));
        assert_eq!(in_time, BTreeSet::from([second.id(), third.id()]));
        assert_eq!(at_end, BTreeSet::new());
    }
}
