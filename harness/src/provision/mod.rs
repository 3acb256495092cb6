//! Starts what is under test and stops it, or reaches a server that somebody else started; does what a workload wants
//! done before and after the load.
//!
//! ```text
//! target ──► local ──► roles, gateway ──► table_lock      populate ──► placement
//!    │         └──► whereabouts ◄─┘                  │
//!    ├──► external ──► admin ◄───────────────────────┘      settings, check ──► external, admin
//!    └──► process ──► command, external             hooks ──► command, target
//! ```
//!
//! A workload and a template come in; a [`Target`] with its chats goes out. Nothing here knows of arrivals, phases or
//! results.

mod admin;
mod check;
mod client;
mod command;
mod disk;
mod error;
mod external;
mod gateway;
mod hooks;
mod local;
mod placement;
mod populate;
mod process;
mod roles;
mod settings;
mod silence;
mod table_lock;
mod target;
mod whereabouts;

pub use admin::Admin;
pub use check::{SettingsError, check_commands, check_external, check_settings};
pub use disk::ensure_disk;
pub use error::ProvisionError;
pub use external::External;
pub use hooks::Hooks;
pub(crate) use local::server_binary;
pub use local::{Local, LocalPlan};
pub use populate::{Populated, populate};
pub use process::ProcessPlan;
pub use roles::Breakable;
pub use settings::BorrowedSettings;
pub use silence::Silence;
pub use target::Target;
