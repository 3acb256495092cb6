//! Programs that bmt starts for a workload: the target of a cell, and hooks before and after the load.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::file::Settings;
use super::secret::HIDDEN;
use crate::template::{Ask, CommandText};

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program first; there is one.
    pub(super) words: Vec<CommandText>,
    /// The workload's folder, in which it is started.
    pub folder: PathBuf,
}

impl Program {
    /// The program itself: a name with a `/` is relative to the folder, another is looked for on the `PATH`.
    #[must_use]
    pub fn path(&self, port: u16) -> PathBuf {
        let name = self.words[0].filled(port);
        match name.contains('/') {
            true => self.folder.join(name),
            false => PathBuf::from(name),
        }
    }

    /// Its arguments.
    pub fn arguments(&self, port: u16) -> impl Iterator<Item = String> {
        self.words[1..].iter().map(move |word| word.filled(port))
    }

    /// Whether the port is part of its command line.
    #[must_use]
    pub fn takes_port(&self) -> bool {
        self.words.iter().any(CommandText::takes_port)
    }

    /// The command line for people, without what comes from the environment.
    #[must_use]
    pub fn shown(&self, port: u16) -> Vec<String> {
        self.words.iter().map(|word| word.shown(port)).collect()
    }
}

/// A variable of the environment of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its value.
    pub text: CommandText,
    /// Whether it is not to be seen at all.
    pub is_secret: bool,
}

impl Variable {
    /// Its value for people.
    #[must_use]
    pub fn shown(&self, port: u16) -> String {
        match self.is_secret {
            true => HIDDEN.to_owned(),
            false => self.text.shown(port),
        }
    }
}

/// Variables by name, besides those that are inherited.
pub type Variables = BTreeMap<String, Variable>;

/// The target of a cell, where bmt starts a program in place of the reference server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// What is started.
    pub program: Program,
    /// Where it listens.
    pub url: CommandText,
    /// When it is ready.
    pub ready: Ready,
    /// How long it may take to be so.
    pub within: Duration,
}

/// What shows that a program is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It accepts a connection.
    Port,
    /// A path below its base is answered with a success.
    Http(String),
}

/// Something that is done before or after the load.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// What is done.
    pub deed: Deed,
    /// How long it may take.
    pub within: Duration,
}

/// What a hook does.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Sends a request to the target.
    Request(Ask),
    /// Runs a program to its end.
    Command(Program),
}

/// The push gateway that is started beside the reference server.
#[derive(Debug, Clone, PartialEq)]
pub struct PushGateway {
    /// Its settings.
    pub settings: Settings,
    /// Whether it speaks TLS, with a certificate that it makes itself and the server then trusts.
    pub is_tls: bool,
    /// Threads of its runtime; its own default where it is `None`.
    pub threads: Option<u64>,
}

impl PushGateway {
    /// Of the block in a workload: the settings, and beside them what is fixed at its start.
    #[must_use]
    pub(super) fn new(mut block: Settings) -> Self {
        Self {
            is_tls: block.remove(TLS).and_then(|is_tls| is_tls.as_bool()).unwrap_or(false),
            threads: block.remove(THREADS).and_then(|threads| threads.as_u64()),
            settings: block,
        }
    }
}

/// Key of a gateway's block: see [`PushGateway::is_tls`].
pub(super) const TLS: &str = "tls";
/// The same: see [`PushGateway::threads`].
pub(super) const THREADS: &str = "threads";
