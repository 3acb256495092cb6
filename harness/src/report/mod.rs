//! What people read: live progress, the terminal's table, `report.md`. Only this module formats for people.

mod markdown;
mod progress;
mod tables;
mod terminal;
#[cfg(test)]
mod tests;
mod timeline;
mod words;

pub use markdown::markdown;
pub use progress::Progress;
pub use terminal::terminal;
