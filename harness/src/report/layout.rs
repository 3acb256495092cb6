//! Text and tables in so many columns. Numbers are never broken over lines: a table that is too wide is split into
//! several.

use std::os::fd::AsFd;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle};

use super::table::{Kind, Table};

/// Columns where nothing says how many there are.
const COLUMNS: usize = 120;
/// Fewer cannot be laid out.
const COLUMNS_MIN: usize = 40;
/// A column of words is made no narrower than this, and no wider where it shares a table.
const TEXT: usize = 30;
/// What a unit is called; it stays on the line of its number.
const UNITS: [&str; 10] = ["%", "x", "ms", "s", "/s", "µs", "cores", "x,", "ms,", "s,"];

/// Columns of the terminal behind `stream`: what `COLUMNS` says, else the terminal, else 120.
pub(super) fn columns(stream: impl AsFd) -> usize {
    let said = std::env::var("COLUMNS").ok();
    let of_terminal = rustix::termios::tcgetwinsize(stream).ok().map(|size| size.ws_col);
    chosen(said.as_deref(), of_terminal)
}

/// A terminal of 0 columns does not know how many it has.
fn chosen(said: Option<&str>, of_terminal: Option<u16>) -> usize {
    let said = said
        .and_then(|columns| columns.parse().ok())
        .filter(|columns| *columns > 0);
    let of_terminal = of_terminal.map(usize::from).filter(|columns| *columns > 0);
    said.or(of_terminal).unwrap_or(COLUMNS).max(COLUMNS_MIN)
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// A paragraph in lines of at most `columns`, the second and later ones indented. A unit stays with its number.
pub(super) fn folded(paragraph: &str, columns: usize) -> String {
    let bare = paragraph.trim_start();
    let indent = paragraph.len() - bare.len();
    let mut folded = " ".repeat(indent);
    let mut column = indent;
    for word in words(bare) {
        let width = width(&word);
        if column > indent && column + 1 + width > columns {
            folded.push_str("\n    ");
            column = 4;
        } else if column > indent {
            folded.push(' ');
            column += 1;
        }
        folded.push_str(&word);
        column += width;
    }
    folded
}

/// What may not be broken: words, and numbers with their unit.
fn words(paragraph: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in paragraph.split(' ') {
        let bare = word.trim_end_matches([')', ';', ':', '.']);
        match words.last_mut() {
            Some(number) if UNITS.contains(&bare) && number.ends_with(|last: char| last.is_ascii_digit()) => {
                number.push(' ');
                number.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// The table in lines of at most `columns`: where it is wider, in several parts that each begin with its key columns.
pub(super) fn drawn(table: &Table, columns: usize) -> String {
    let parts: Vec<String> = parts(table, columns)
        .iter()
        .map(|shown| drawn_part(table, shown, columns))
        .collect();
    parts.join("\n\n")
}

/// Which columns each part shows.
fn parts(table: &Table, columns: usize) -> Vec<Vec<usize>> {
    let place = |index: usize| {
        let cells = table.rows.iter().map(|row| width(&row[index]));
        let name = width(&table.columns[index].name);
        let widest = cells.max().unwrap_or(0).max(name);
        let content = if table.columns[index].kind == Kind::Text {
            widest.min(TEXT)
        } else {
            widest
        };
        content + 2
    };
    let of_kind = |is_key: bool| {
        let all = table.columns.iter().enumerate();
        all.filter(move |(_, column)| (column.kind == Kind::Key) == is_key)
            .map(|(index, _)| index)
    };
    let keys: Vec<usize> = of_kind(true).collect();
    let taken = 1 + keys.iter().map(|key| place(*key)).sum::<usize>();
    let mut parts = Vec::new();
    let (mut part, mut used) = (keys.clone(), taken);
    for index in of_kind(false) {
        if used + place(index) > columns && part.len() > keys.len() {
            parts.push(std::mem::replace(&mut part, keys.clone()));
            used = taken;
        }
        part.push(index);
        used += place(index);
    }
    parts.push(part);
    parts
}

fn drawn_part(table: &Table, shown: &[usize], columns: usize) -> String {
    let mut drawing = comfy_table::Table::new();
    drawing
        .load_style(NOTHING.header_separator(LineStyle::new('─', '─', '─', '─')))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(columns).unwrap_or(u16::MAX))
        .set_header(shown.iter().map(|index| table.columns[*index].name.as_ref()))
        .add_rows(
            table
                .rows
                .iter()
                .map(|row| shown.iter().map(|index| row[*index].as_str())),
        );
    for (column, index) in drawing.column_iter_mut().zip(shown) {
        column.set_padding((0, 1));
        if table.columns[*index].kind == Kind::Figure {
            column.set_constraint(ColumnConstraint::ContentWidth);
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    drawing
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_is_what_is_said_else_the_terminals_else_120() {
        for (said, of_terminal, columns) in [
            (Some("80"), Some(200), 80),
            (Some("wide"), Some(200), 200),
            (Some("0"), Some(0), 120),
            (None, Some(132), 132),
            (None, None, 120),
            (None, Some(7), 40),
        ] {
            assert_eq!(chosen(said, of_terminal), columns, "{said:?} {of_terminal:?}");
        }
    }

    #[test]
    fn a_unit_stays_with_its_number() {
        let folded = folded("it took 4.00 ms, and then 12.5 % of all failed", 13);
        assert_eq!(
            folded,
            "it took\n    4.00 ms,\n    and then\n    12.5 % of\n    all\n    failed"
        );
    }

    #[test]
    fn a_table_that_is_too_wide_is_split_and_each_part_names_its_rows() {
        let table = Table::new("t")
            .columns(Kind::Key, ["variant"])
            .columns(Kind::Figure, ["first", "second", "third"])
            .rows([vec![
                "none".to_owned(),
                "1998 [1990–2006]".to_owned(),
                "5.60 [5.50–5.71]".to_owned(),
                "7".to_owned(),
            ]]);
        assert_eq!(drawn(&table, 80).lines().count(), 3, "one part");
        let narrow = drawn(&table, 40);
        assert!(narrow.lines().all(|line| width(line) <= 40), "{narrow}");
        assert_eq!(narrow.matches("variant").count(), 2, "{narrow}");
        for figure in ["1998 [1990–2006]", "5.60 [5.50–5.71]"] {
            assert!(narrow.contains(figure), "{narrow}");
        }
    }
}
