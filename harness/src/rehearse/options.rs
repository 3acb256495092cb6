//! What to do besides what the workload says.

use std::path::PathBuf;

use crate::provision::External;
use crate::workload::Variant;

/// What to do besides what the workload says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where run directories are made.
    pub out: PathBuf,
    /// The workload's file.
    pub workload: PathBuf,
    /// Only these variants; all if empty.
    pub variants: Vec<String>,
    /// Run this variant against itself.
    pub aa: Option<String>,
    /// A server that somebody else started.
    pub target: Option<External>,
    /// Secret that caller tokens are signed with where chats are made on a program of the workload's.
    pub target_secret: String,
    /// CPUs for the generator, and for everything that bmt starts.
    pub pin: Option<Pin>,
    /// The command line, for the record.
    pub command: String,
}

impl Options {
    /// The server that somebody else started for a variant; `None` where bmt starts the reference server. The one given
    /// on the command line stands in for the workload's, and not for a variant's own.
    #[must_use]
    pub fn external(&self, variant: &Variant) -> Option<External> {
        let named = || variant.reach.url.clone().map(External::new);
        let external = match (&self.target, variant.reach.is_own) {
            (Some(given), false) => Some(given.clone()),
            _ => named(),
        };
        Some(external?.reached(&variant.reach))
    }
}

/// CPUs kept apart.
#[derive(Debug, Clone, Default)]
pub struct Pin {
    /// For the generator.
    pub generator: Vec<usize>,
    /// For the server and its databases.
    pub target: Vec<usize>,
}
