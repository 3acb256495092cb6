//! Rows of named cells, from CSV or from a JSON object on each line.
//!
//! A leaf.

use serde_json::Value as Json;

/// Rows of cells, each row with a cell in every column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<String>,
    /// Row by row.
    cells: Vec<Cell>,
}

/// One cell, or what was captured from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub(super) text: Box<str>,
    /// It is a JSON value as it stands: a number, true, false, null, a list or a mapping.
    pub(super) is_bare: bool,
}

/// Why there is no table in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TableError {
    /// Line of the file, from 1.
    pub line: u64,
    /// What is wrong there.
    pub problem: String,
}

impl TableError {
    fn new(line: u64, problem: impl Into<String>) -> Self {
        Self {
            line,
            problem: problem.into(),
        }
    }
}

impl Table {
    /// Reads comma-separated values (RFC 4180) whose first record names the columns.
    ///
    /// # Errors
    /// When it has no rows, a row with more or fewer cells than columns, a column twice, or text that is not UTF-8.
    pub fn from_csv(bytes: &[u8]) -> Result<Self, TableError> {
        let mut reader = csv::Reader::from_reader(bytes);
        let headers = reader.headers().map_err(|error| unreadable(&error, bytes))?;
        let columns: Vec<String> = headers.iter().map(str::to_owned).collect();
        let mut cells = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| unreadable(&error, bytes))?;
            cells.extend(record.iter().map(Cell::text));
        }
        Self { columns, cells }.judged()
    }

    /// Reads the numbers in one column of comma-separated values, which may not be below 0.
    ///
    /// # Errors
    /// When there is no table, as in [`Table::from_csv`], or no such column, or something else in one of its cells.
    pub fn numbers_from_csv(bytes: &[u8], column: &str) -> Result<Vec<f64>, TableError> {
        let mut reader = csv::Reader::from_reader(bytes);
        let headers = reader.headers().map_err(|error| unreadable(&error, bytes))?;
        let named: Vec<&str> = headers.iter().map(str::trim).collect();
        let Some(place) = named.iter().position(|name| *name == column) else {
            let problem = format!("there is no column `{column}`, only {}", named.join(", "));
            return Err(TableError::new(1, problem));
        };
        let mut numbers = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| unreadable(&error, bytes))?;
            let cell = record.get(place).unwrap_or("").trim();
            let number = cell.parse::<f64>().ok();
            let number = number.filter(|number| number.is_finite() && *number >= 0.0);
            numbers.push(number.ok_or_else(|| {
                let line = record.position().map_or(1, |position| line_at(position, bytes));
                TableError::new(
                    line,
                    format!("column `{column}`: `{cell}` is not a number of at least 0"),
                )
            })?);
        }
        if numbers.is_empty() {
            return Err(TableError::new(1, "there are no rows"));
        }
        Ok(numbers)
    }

    /// Reads a JSON object on each line; the first one names the columns. Empty lines are passed over.
    ///
    /// # Errors
    /// When it has no rows, a line is no JSON object, or lacks a key of the first.
    pub fn from_jsonl(bytes: &[u8]) -> Result<Self, TableError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            TableError::new(line_after(before), "not UTF-8")
        })?;
        let (mut columns, mut cells): (Vec<String>, Vec<Cell>) = (Vec::new(), Vec::new());
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            let row: serde_json::Map<String, Json> =
                serde_json::from_str(line).map_err(|_| TableError::new(number, "no JSON object"))?;
            if columns.is_empty() {
                columns = row.keys().cloned().collect();
            }
            if columns.is_empty() {
                return Err(TableError::new(number, "an object without a key"));
            }
            for column in &columns {
                let value = row
                    .get(column)
                    .ok_or_else(|| TableError::new(number, format!("has no `{column}`, which the first row has")))?;
                cells.push(Cell::json(value));
            }
        }
        Self { columns, cells }.judged()
    }

    fn judged(self) -> Result<Self, TableError> {
        let twice = |(index, column): (usize, &String)| self.columns[..index].contains(column);
        if let Some((_, column)) = self.columns.iter().enumerate().find(|column| twice(*column)) {
            return Err(TableError::new(1, format!("the column `{column}` is there twice")));
        }
        if self.cells.is_empty() {
            return Err(TableError::new(1, "there are no rows"));
        }
        Ok(self)
    }

    /// Names of the columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of rows; at least one.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.cells.len() / self.columns.len()
    }

    pub(super) fn cell(&self, row: usize, column: usize) -> &Cell {
        &self.cells[row * self.columns.len() + column]
    }

    /// All cells of a column, in order.
    pub(super) fn column(&self, column: usize) -> impl Iterator<Item = &Cell> {
        self.cells.iter().skip(column).step_by(self.columns.len())
    }
}

impl Cell {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self {
            text: text.into(),
            is_bare: false,
        }
    }

    /// A value that keeps its type.
    #[must_use]
    pub fn json(value: &Json) -> Self {
        match value {
            Json::String(text) => Self::text(text),
            value => Self {
                text: value.to_string().into(),
                is_bare: true,
            },
        }
    }

    /// As it stands in plain text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn line_after(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64 + 1
}

/// The line of a record. The crate counts lines when it has read their ends, of `\r\n` one late; so the lines before
/// the record are counted here.
fn line_at(position: &csv::Position, bytes: &[u8]) -> u64 {
    let at = usize::try_from(position.byte()).map_or(bytes.len(), |at| at.min(bytes.len()));
    let ends = bytes[at..]
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    line_after(&bytes[..at + ends])
}

fn unreadable(error: &csv::Error, bytes: &[u8]) -> TableError {
    let line = error.position().map_or(1, |position| line_at(position, bytes));
    let problem = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} cells where the first line names {expected_len} columns")
        }
        _ => error.to_string(),
    };
    TableError::new(line, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(table: &Table, row: usize) -> Vec<(&str, bool)> {
        let cells = (0..table.columns().len()).map(|column| table.cell(row, column));
        cells.map(|cell| (&*cell.text, cell.is_bare)).collect()
    }

    #[test]
    fn csv_has_its_columns_in_the_first_line_and_every_cell_is_text() {
        let table = Table::from_csv(b"\xef\xbb\xbfname,age\nann,41\r\n\"bob, jr\",\"4\"\"2\"\n").unwrap();
        assert_eq!(table.columns(), ["name", "age"]);
        assert_eq!(table.rows(), 2);
        assert_eq!(row(&table, 0), [("ann", false), ("41", false)]);
        assert_eq!(row(&table, 1), [("bob, jr", false), ("4\"2", false)]);
        let ages: Vec<&str> = table.column(1).map(|cell| &*cell.text).collect();
        assert_eq!(ages, ["41", "4\"2"]);
    }

    #[test]
    fn the_numbers_of_a_column_are_read_in_order() {
        let bytes = b"at, load \n0, 12.5\n1,0\n2,1e3\n";
        assert_eq!(Table::numbers_from_csv(bytes, "load").unwrap(), [12.5, 0.0, 1000.0]);
    }

    #[test]
    fn json_lines_keep_the_type_of_each_cell() {
        let lines =
            b"{\"name\":\"ann\",\"age\":41,\"tags\":[1]}\n\n{\"tags\":null,\"age\":4.5,\"name\":\"7\",\"x\":1}\n";
        let table = Table::from_jsonl(lines).unwrap();
        assert_eq!(table.columns(), ["name", "age", "tags"]);
        assert_eq!(row(&table, 0), [("ann", false), ("41", true), ("[1]", true)]);
        assert_eq!(row(&table, 1), [("7", false), ("4.5", true), ("null", true)]);
    }

    #[test]
    fn what_is_no_table_is_told_with_its_line() {
        for (bytes, told) in [
            (&b""[..], "line 1: there are no rows"),
            (b"name\n", "line 1: there are no rows"),
            (b"a,a\n1,2\n", "line 1: the column `a` is there twice"),
            (
                b"a,b\n1,2\n3\n",
                "line 3: has 1 cells where the first line names 2 columns",
            ),
            (
                b"a,b\r\n1,2\r\n\r\n3\r\n",
                "line 4: has 1 cells where the first line names 2 columns",
            ),
            (b"a\n1\n\xff\n", "line 3: not UTF-8"),
        ] {
            assert_eq!(Table::from_csv(bytes).unwrap_err().to_string(), told);
        }
        for (bytes, told) in [
            (
                &b"at,rate\n1,2\n"[..],
                "line 1: there is no column `load`, only at, rate",
            ),
            (b"load\n", "line 1: there are no rows"),
            (
                b"at,load\r\n0,12.5\r\n\r\n1,fast\r\n",
                "line 4: column `load`: `fast` is not a number of at least 0",
            ),
            (
                b"load\n1\n-3\n",
                "line 3: column `load`: `-3` is not a number of at least 0",
            ),
            (
                b"load\n1\nNaN\n",
                "line 3: column `load`: `NaN` is not a number of at least 0",
            ),
            (
                b"load,x\n1\n",
                "line 2: has 1 cells where the first line names 2 columns",
            ),
        ] {
            assert_eq!(Table::numbers_from_csv(bytes, "load").unwrap_err().to_string(), told);
        }
        for (bytes, told) in [
            (&b""[..], "line 1: there are no rows"),
            (b"{}\n{\"a\":1}\n", "line 1: an object without a key"),
            (b"{\"a\":1}\n{\"b\":1}\n", "line 2: has no `a`, which the first row has"),
            (b"{\"a\":1}\n\xff", "line 2: not UTF-8"),
            (b"{\"a\":1}\n[1]\n", "line 2: no JSON object"),
        ] {
            assert_eq!(Table::from_jsonl(bytes).unwrap_err().to_string(), told);
        }
    }
}
