//! The lines of a page in the Prometheus text format, as the project's own programs write it. Pages that others write
//! are read by [`super::scrape`], which expects less of them.

/// Name, labels (what stands behind the opening brace) and value of each series. A figure that is not a number, as an
/// average of nothing, says nothing and is left out.
pub(super) fn series(text: &str) -> impl Iterator<Item = (&str, &str, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let value = value.parse::<f64>().ok().filter(|value| value.is_finite())?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        Some((name, labels, value))
    })
}
