//! Requests as templates: text with values in it, and what their answers have to be like.
//!
//! ```text
//!   command ──► error, parse
//!   session ──► request ──► check, source, text          websocket ──► check, source, text
//!   json ──► error, escape, source, text
//!   text ──► error, escape, parse, source, value          value ──► error, escape, parse, source, table
//!   error ──► parse          source ──► table          check, escape, parse, table (leaves)
//! ```
//!
//! All values but the time and what comes from the environment follow from the seed and the arrival, so that every
//! variant of a block asks for the same. Templates are compiled once, and filling one in looks nothing up by name.
//!
//! What may enter: what text of a workload means. Files are read by [`crate::workload`]; requests are sent by
//! [`crate::scenario`].

mod check;
mod command;
mod error;
mod escape;
mod json;
mod parse;
mod request;
mod session;
mod source;
mod table;
mod text;
mod value;
mod websocket;

pub use check::{BodyCheck, Check, HeaderCheck, HeaderMust, Must};
pub use command::CommandText;
pub use error::TemplateError;
pub use request::{Ask, Body, Method, RequestTemplate};
pub use session::{Capture, CaptureFrom, Session, Step};
pub use source::{Pick, Range, Rows, Source, Sources};
pub use table::{Cell, Table, TableError};
pub use text::Template;
pub use value::{Captured, Values};
pub use websocket::{Says, Websocket};

pub(crate) use escape::Escape;
pub(crate) use json::{compile as compile_json, compile_form};
pub(crate) use parse::is_name;
pub(crate) use value::RESERVED;
