//! How values are written: in the paths of requests, as ranges, and as files of one column.

use std::fmt::Write as _;

use super::address::encoded_value;
use super::found::{Data, Entry, Piece, Values};
use super::place::number;

/// The column that lists have.
const COLUMN: &str = "value";

/// The range of numbers that stands for data: always of a range, and of a list of numbers that has no file.
pub(super) fn ends(data: &Data, has_files: bool) -> Option<(i64, i64)> {
    match &data.values {
        Values::Range(first, last) => Some((*first, *last)),
        Values::Listed(values) if !has_files => {
            let numbers: Option<Vec<i64>> = values.iter().map(|value| number(value)).collect();
            let numbers = numbers?;
            Some((*numbers.iter().min()?, *numbers.iter().max()?))
        }
        Values::Listed(_) => None,
    }
}

/// The path as a template, and what has to be said of it.
pub(super) fn path(of: &Entry, all: &[Data], has_files: bool) -> (String, Vec<String>) {
    let (mut text, mut notes) = (String::new(), Vec::new());
    for piece in &of.path {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Uuid => text.push_str("{{uuid}}"),
            Piece::Value(name) => {
                let data = all.iter().find(|data| data.name == *name);
                match data.map(|data| (&data.values, ends(data, has_files))) {
                    Some((_, Some(_))) => {
                        let _ = write!(text, "{{{{{name}}}}}");
                    }
                    Some((Values::Listed(values), None)) if !has_files => {
                        let first = values.first().map_or("", String::as_str);
                        text.push_str(&encoded_value(first));
                        notes.push(format!(
                            "fill in: other values of {name}; {} are known, and --out FILE writes them beside the workload",
                            values.len()
                        ));
                    }
                    _ => {
                        let _ = write!(text, "{{{{{name}.{COLUMN}}}}}");
                    }
                }
            }
        }
    }
    if !text.starts_with('/') {
        text.insert(0, '/');
    }
    (text, notes)
}

/// A file with one column.
pub(super) fn csv(values: &[String]) -> Vec<u8> {
    let mut text = format!("{COLUMN}\n");
    for value in values {
        // In quotes also where nothing asks for it, so that an empty value is a row.
        let _ = writeln!(text, "\"{}\"", value.replace('"', "\"\""));
    }
    text.into_bytes()
}
