//! Which processes a workload names.
//!
//! A leaf.

use std::fmt::{self, Display, Formatter};

/// How a workload names processes of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// By number.
    Pid(u32),
    /// Whoever listens on the TCP port.
    Port(u16),
    /// All that the kernel calls so, or that were started by this name, whatever the folder.
    Name(String),
}

impl Display for Wanted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => write!(f, "pid {pid}"),
            Self::Port(port) => write!(f, "port {port}"),
            Self::Name(name) => write!(f, "name {name}"),
        }
    }
}
