//! What an arrival asks of the target, and what its answer means.
//!
//! ```text
//!   ensemble ──► plan                      series (a leaf)
//!   chat, http, websocket: scenarios, each of which knows the seam in `plan` and nothing of the others
//! ```
//!
//! A [`ScenarioPlan`] is made once for a cell and shared by its workers; each worker has its own part of it, a
//! [`Scenario`], which is plain state: time and answers come in, requests and what is to be done come out. Queues,
//! connections and the clock are the business of [`crate::drive`], which does not know which scenarios there are.
//!
//! What may enter: `plan` and `ensemble` know arrivals, requests, answers and the recorder. A scenario may know its
//! target's interface; nothing outside but who prepares a cell names one.

pub mod chat;
mod ensemble;
pub mod http;
mod plan;
mod series;
pub mod websocket;

pub use ensemble::{Scenarios, SocketId};
pub use plan::{Call, Place, Scenario, ScenarioPlan, Todo};
pub use series::SeriesTable;
