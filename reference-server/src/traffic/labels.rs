//! Countries and apps as numbers: a request belongs to one *cell*, a country and an app.

use std::collections::BTreeMap;

use crate::config::{Labels, OTHER};

/// The configured labels; the last country and the last app represent all others.
pub(crate) struct LabelSet {
    countries: Vec<String>,
    apps: Vec<String>,
}

/// A filter that matches no request.
#[derive(Debug, thiserror::Error)]
#[error("{key} is `{value}`, expected one of {allowed}")]
pub(crate) struct UnknownLabel {
    key: &'static str,
    value: String,
    allowed: String,
}

/// A selection of cells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection {
    apps: usize,
    country: Option<usize>,
    app: Option<usize>,
}

impl Selection {
    pub(crate) fn has(&self, cell: usize) -> bool {
        let (country, app) = (cell / self.apps, cell % self.apps);
        self.country.is_none_or(|wanted| wanted == country) && self.app.is_none_or(|wanted| wanted == app)
    }
}

impl LabelSet {
    pub(crate) fn new(labels: &Labels) -> Self {
        let names = |labels: &[crate::config::Label]| {
            let configured = labels.iter().map(|label| label.as_str().to_owned());
            configured.chain([OTHER.to_owned()]).collect()
        };
        Self {
            countries: names(labels.countries.as_slice()),
            apps: names(labels.apps.as_slice()),
        }
    }

    pub(crate) fn cells(&self) -> usize {
        self.countries.len() * self.apps.len()
    }

    /// The cell of a request with these labels.
    pub(crate) fn cell(&self, country: Option<&str>, app: Option<&str>) -> usize {
        let find = |names: &[String], wanted: Option<&str>| {
            let listed = names.iter().position(|name| Some(name.as_str()) == wanted);
            listed.unwrap_or(names.len() - 1)
        };
        find(&self.countries, country) * self.apps.len() + find(&self.apps, app)
    }

    /// Country and app of a cell.
    pub(crate) fn names(&self, cell: usize) -> (&str, &str) {
        (
            &self.countries[cell / self.apps.len()],
            &self.apps[cell % self.apps.len()],
        )
    }

    pub(crate) fn select(&self, country: Option<&str>, app: Option<&str>) -> Result<Selection, UnknownLabel> {
        Ok(Selection {
            apps: self.apps.len(),
            country: place("country", &self.countries, country)?,
            app: place("app", &self.apps, app)?,
        })
    }

    /// Sums over cells, by country and by app; zero sums are left out.
    pub(crate) fn sums(&self, by_cell: &[u64]) -> (BTreeMap<&str, u64>, BTreeMap<&str, u64>) {
        let (mut countries, mut apps) = (BTreeMap::new(), BTreeMap::new());
        for (cell, weight) in by_cell.iter().enumerate().filter(|(_, weight)| **weight > 0) {
            let (country, app) = self.names(cell);
            *countries.entry(country).or_default() += weight;
            *apps.entry(app).or_default() += weight;
        }
        (countries, apps)
    }
}

fn place(key: &'static str, names: &[String], wanted: Option<&str>) -> Result<Option<usize>, UnknownLabel> {
    let Some(wanted) = wanted else { return Ok(None) };
    let found = names.iter().position(|name| name == wanted);
    found.map(Some).ok_or_else(|| UnknownLabel {
        key,
        value: wanted.to_owned(),
        allowed: names.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> LabelSet {
        let labels = serde_json::json!({ "countries": ["JP", "TH"], "apps": ["ios"] });
        LabelSet::new(&serde_json::from_value(labels).unwrap())
    }

    #[test]
    fn unlisted_labels_count_as_other() {
        let labels = labels();
        assert_eq!(labels.cells(), 6);
        let table = [
            (Some("JP"), Some("ios"), ("JP", "ios")),
            (Some("TH"), None, ("TH", "other")),
            (None, Some("ios"), ("other", "ios")),
            (Some("jp"), Some("other"), ("other", "other")),
            (Some("\u{0}{}\""), Some(""), ("other", "other")),
        ];
        for (country, app, names) in table {
            assert_eq!(labels.names(labels.cell(country, app)), names);
        }
    }

    #[test]
    fn a_selection_has_the_cells_that_it_names() {
        let labels = labels();
        let selected = |country, app| {
            let selection = labels.select(country, app).unwrap();
            (0..6).filter(|cell| selection.has(*cell)).collect::<Vec<_>>()
        };
        assert_eq!(selected(None, None), [0, 1, 2, 3, 4, 5]);
        assert_eq!(selected(Some("TH"), None), [2, 3]);
        assert_eq!(selected(None, Some("other")), [1, 3, 5]);
        assert_eq!(selected(Some("other"), Some("ios")), [4]);
        let error = labels.select(Some("XX"), None).unwrap_err().to_string();
        assert_eq!(error, "country is `XX`, expected one of JP, TH, other");
    }
}
