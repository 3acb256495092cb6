//! bmt rehearses the peak before it happens.
//!
//! ```text
//! workload ──► plan ──► provision ──► drive ──► record ──► analyze ──► report
//!                          │           │  ▲       │
//!                          └──────► observe ──────┘
//! ```
//!
//! - [`workload`]: a YAML file becomes a validated workload, or a list of mistakes with their places.
//! - [`draft`]: a first workload, from a recording, a log, an OpenAPI document or a command of curl.
//! - [`arrival`]: pure schedules: when which request is due.
//! - [`template`]: requests with values in them, and what their answers have to be like.
//! - [`scenario`]: what an arrival asks of the target, and what its answer means: chats, plain HTTP.
//! - [`transport`]: how bytes reach a target: connections, requests, answers.
//! - [`drive`]: the generator: pacing, which connection serves what, retries.
//! - [`provision`]: starts what is under test, and stops it.
//! - [`observe`]: what the target says of itself: locks, connections, CPU, memory.
//! - [`record`]: histograms, one-second intervals, the run directory.
//! - [`analyze`]: pure: phases, validity, bystanders, gates.
//! - [`report`]: terminal and Markdown; the only module that formats for people.
//! - [`rehearse`]: one run: every cell in turn through the flow above.
//! - [`cli`]: commands and exit codes.
//! - [`clock`]: the time of a run and the request to end it; imports no other module.
//! - [`endpoint`]: where a server accepts connections; imports no other module.

pub mod analyze;
pub mod arrival;
pub mod cli;
pub mod clock;
pub mod draft;
pub mod drive;
pub mod endpoint;
pub mod metric;
pub mod observe;
pub mod provision;
pub mod record;
pub mod rehearse;
pub mod report;
pub mod scenario;
pub mod template;
pub mod transport;
pub mod workload;
