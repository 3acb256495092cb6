//! A table as text cells; what draws it knows nothing of what it shows.

use std::borrow::Cow;

/// A table with a title.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) title: String,
    /// What the columns mean, where their names do not say.
    pub(super) legend: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
    /// What marks in the cells refer to.
    pub(super) footnotes: Vec<String>,
}

/// One column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: Cow<'static, str>,
    pub(super) kind: Kind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the row is about; repeated where a table is split.
    Key,
    /// A figure: never broken over lines.
    Figure,
    /// Words, which may be.
    Text,
}

impl Table {
    /// A table without columns and rows.
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            legend: String::new(),
            columns: Vec::new(),
            rows: Vec::new(),
            footnotes: Vec::new(),
        }
    }

    /// Says what the columns mean.
    pub(super) fn legend(mut self, legend: impl Into<String>) -> Self {
        self.legend = legend.into();
        self
    }

    /// Adds columns of one kind.
    pub(super) fn columns<N: Into<Cow<'static, str>>>(
        mut self,
        kind: Kind,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        self.columns.extend(names.into_iter().map(|name| Column {
            name: name.into(),
            kind,
        }));
        self
    }

    /// Adds rows; each has a cell for every column.
    pub(super) fn rows(mut self, rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        self.rows.extend(rows);
        debug_assert!(self.rows.iter().all(|row| row.len() == self.columns.len()));
        self
    }

    /// `None` where there is nothing to show.
    pub(super) fn unless_empty(self) -> Option<Self> {
        (!self.rows.is_empty()).then_some(self)
    }
}
