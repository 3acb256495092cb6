//! The end of a child's log, for error messages: few lines, and those that matter.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// An error message quotes at most so many lines.
const LINES_MAX: usize = 10;
/// A line is cut to so many characters: some logs hold whole statements.
const WIDTH_MAX: usize = 400;
/// What is read of the end of a log.
const READ_MAX: u64 = 64 << 10;
/// The rank of a line without a level.
const PLAIN: u8 = 2;

/// The log that a child writes from its start on.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    path: PathBuf,
    /// Where the child's own lines begin: what ran before may have written to the same file.
    begins: u64,
    /// Whether the file outlives the sandbox.
    is_kept: bool,
}

impl Log {
    /// A file of the caller's.
    pub(crate) fn kept(path: &Path) -> Self {
        Self::at(path, true)
    }

    /// A file of the sandbox.
    pub(crate) fn passing(path: &Path) -> Self {
        Self::at(path, false)
    }

    fn at(path: &Path, is_kept: bool) -> Self {
        Self {
            path: path.to_owned(),
            begins: path.metadata().map_or(0, |file| file.len()),
            is_kept,
        }
    }

    /// What the child has written so far; the last 64 KiB of it.
    pub(crate) fn text(&self) -> std::io::Result<String> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(self.begins.max(length.saturating_sub(READ_MAX))))?;
        let mut bytes = Vec::new();
        file.take(READ_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn end(&self) -> LogEnd {
        LogEnd {
            lines: self
                .text()
                .map_or_else(|error| format!("(unreadable: {error})"), |text| excerpt(&text)),
            kept: self.is_kept.then(|| self.path.clone()),
        }
    }
}

/// What an error quotes of a child's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEnd {
    /// At most ten lines: the last errors, then warnings; lines without a level where there are neither; never notes.
    pub lines: String,
    /// Where the whole log is, if it outlives the sandbox.
    pub kept: Option<PathBuf>,
}

impl fmt::Display for LogEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kept {
            Some(path) => write!(f, "from its log, {}:\n{}", path.display(), self.lines),
            None => write!(f, "from its log:\n{}", self.lines),
        }
    }
}

/// How much a line matters, by the level that `MariaDB` or its installer gives it; 0 is most. `None` for lines that
/// never explain an end.
fn rank(line: &str) -> Option<u8> {
    if line.contains("[ERROR]") || line.starts_with("ERROR") {
        Some(0)
    } else if line.contains("[Warning]") {
        Some(1)
    } else if line.contains("[Note]") || line.trim().is_empty() {
        None
    } else {
        Some(PLAIN)
    }
}

/// The lines that matter most, in their order.
fn excerpt(text: &str) -> String {
    let mut ranked: Vec<(u8, usize, &str)> = text
        .lines()
        .enumerate()
        .filter_map(|(number, line)| Some((rank(line)?, number, line)))
        .collect();
    ranked.sort_by_key(|(rank, number, _)| (*rank, std::cmp::Reverse(*number)));
    if ranked.first().is_some_and(|(rank, ..)| *rank < PLAIN) {
        ranked.retain(|(rank, ..)| *rank < PLAIN);
    }
    ranked.truncate(LINES_MAX);
    ranked.sort_by_key(|(_, number, _)| *number);
    match (ranked.is_empty(), text.trim().is_empty()) {
        (true, true) => "(empty)".to_owned(),
        (true, false) => "(no errors and no warnings)".to_owned(),
        (false, _) => ranked
            .iter()
            .map(|(_, _, line)| line.chars().take(WIDTH_MAX).collect())
            .collect::<Vec<String>>()
            .join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_before_warnings_and_notes_are_left_out() {
        let mut text = String::from("[Note] Starting MariaDB\n[ERROR] the cause\n");
        for number in 0..30 {
            text += &format!("[Note] quiet {number}\n[Warning] minor {number}\nplain {number}\n\n");
        }
        let lines = excerpt(&text);
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines.len(), LINES_MAX);
        assert_eq!(
            (lines[0], lines[1], lines[9]),
            ("[ERROR] the cause", "[Warning] minor 21", "[Warning] minor 29")
        );
    }

    #[test]
    fn lines_without_a_level_are_quoted_from_the_end() {
        let text: String = (0..30).map(|number| format!("line {number}\n")).collect();
        assert_eq!(excerpt(&text).lines().next(), Some("line 20"));
        assert_eq!(excerpt(&"x".repeat(5000)).len(), WIDTH_MAX);
    }

    #[test]
    fn a_log_with_nothing_to_show_says_so() {
        assert_eq!(excerpt("\n"), "(empty)");
        assert_eq!(excerpt("[Note] ready for connections\n"), "(no errors and no warnings)");
    }

    #[test]
    fn what_ran_before_on_the_same_log_is_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shard-0.log");
        std::fs::write(&path, "[ERROR] of the last start\n").unwrap();
        let log = Log::kept(&path);
        assert_eq!(log.end().lines, "(empty)");
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, b"[ERROR] of this one\n").unwrap();
        assert_eq!(
            log.end().to_string(),
            format!("from its log, {}:\n[ERROR] of this one", path.display())
        );
        assert!(Log::passing(&path).end().kept.is_none());
    }
}
