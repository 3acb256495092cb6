//! How many TCP sockets of some processes are in which state, from `/proc/PID/fd` and `/proc/PID/net/tcp`.
//!
//! The table is read in the network namespace of the processes, so that those in a container of this machine are seen
//! too. A socket that several processes share counts once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, ErrorKind};

/// States as `/proc/net/tcp` numbers them, from 1.
const STATES: [&str; 12] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
    "new_syn_recv",
];

/// Sockets by state; states that no socket is in are left out. `None` where a process may not be looked into.
pub(super) fn count(processes: &BTreeSet<u32>) -> Option<BTreeMap<String, u64>> {
    let mut inodes = BTreeSet::new();
    for pid in processes {
        match std::fs::read_dir(format!("/proc/{pid}/fd")) {
            Ok(open) => {
                let links = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
                inodes.extend(links.filter_map(|link| inode(link.to_str()?)));
            }
            // It has ended since the table was read.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    let mut states = BTreeMap::new();
    let of = processes.first()?;
    for file in ["tcp", "tcp6"] {
        if let Ok(file) = std::fs::File::open(format!("/proc/{of}/net/{file}")) {
            add(&mut states, &inodes, BufReader::new(file));
        }
    }
    Some(states)
}

/// `socket:[4711]`.
fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Counts those of a file like `/proc/net/tcp` that are wanted.
fn add(states: &mut BTreeMap<String, u64>, inodes: &BTreeSet<u64>, file: impl BufRead) {
    for line in file.lines().skip(1).map_while(Result::ok) {
        let mut columns = line.split_ascii_whitespace();
        let (Some(state), Some(inode)) = (columns.nth(3), columns.nth(5)) else {
            continue;
        };
        let number = usize::from_str_radix(state, 16).unwrap_or(0);
        let name = number.checked_sub(1).and_then(|number| STATES.get(number));
        if let (Some(name), Ok(inode)) = (name, inode.parse())
            && inodes.contains(&inode)
        {
            *states.entry((*name).to_owned()).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn only_the_sockets_that_are_asked_for_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0\n   \
            1: 0100007F:1F90 0100007F:A001 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 20 4 30 10 -1\n   \
            2: 0100007F:1F90 0100007F:A002 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 20 4 30 10 -1\n   \
            3: 0100007F:1F90 0100007F:A003 08 00000000:00000000 00:00000000 00000000     0        0 14 1 0 20 4 30 10 -1\n   \
            4: 0100007F:1F90 0100007F:A004 FF 00000000:00000000 00:00000000 00000000     0        0 11 1 0 20 4 30 10 -1\n   \
            5: cut off\n";
        let mut states = BTreeMap::new();
        add(&mut states, &BTreeSet::from([11, 12, 14]), table.as_bytes());
        let expected = [("close_wait", 1), ("established", 1), ("listen", 1)];
        let expected = expected.map(|(state, count)| (state.to_owned(), count));
        assert_eq!(states, BTreeMap::from(expected));
    }

    #[test]
    fn sockets_of_this_process_are_seen_in_their_states() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _server = listener.accept().unwrap();
        let states = count(&BTreeSet::from([std::process::id()])).unwrap();
        // Other tests of this process have sockets of their own.
        assert!(states["listen"] >= 1 && states["established"] >= 2, "{states:?}");
        assert_eq!(count(&BTreeSet::new()), None);
    }
}
