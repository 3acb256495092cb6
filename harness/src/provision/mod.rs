//! Starts what is under test and stops it, or reaches a server that somebody else started.
//!
//! ```text
//! target ──► local ──► roles ──► table_lock      populate ──► placement
//!    │         └──► whereabouts ◄─┘                  │
//!    └──► external ──► admin ◄───────────────────────┘      settings, check ──► external, admin
//! ```
//!
//! A workload and a template come in; a [`Target`] with its chats goes out. Nothing here knows of arrivals, phases or
//! results.

mod admin;
mod check;
mod disk;
mod error;
mod external;
mod local;
mod placement;
mod populate;
mod roles;
mod settings;
mod silence;
mod table_lock;
mod target;
mod whereabouts;

pub use admin::Admin;
pub use check::{SettingsError, check_external, check_settings};
pub use disk::ensure_disk;
pub use error::ProvisionError;
pub use external::External;
pub(crate) use local::server_binary;
pub use local::{Local, LocalPlan};
pub use populate::{Populated, populate};
pub use roles::Breakable;
pub use settings::BorrowedSettings;
pub use silence::Silence;
pub use target::Target;
