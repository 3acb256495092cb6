//! The draft of a workload, as a careful person would write it by hand.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::address::encoded_value;
use super::clock::figure;
use super::entries::number;
use super::found::{Body, Data, Entry, Found, Load, Piece, Values};
use super::yaml::{comment, comment_line, entry, flow, key, path, quoted};

/// The column that lists have.
const COLUMN: &str = "value";
/// Entries that have gates of their own.
const GATED_MAX: usize = 12;
/// Parts that shares are written in.
const PARTS: u64 = 10_000;
const PARTS_OF_MANY: u64 = 1_000_000;
/// The highest rate that a workload may offer.
const RATE_MAX: f64 = 1e7;

/// What a draft says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// The workload's name.
    pub name: &'a str,
    /// What it was made from, as it is called in a sentence: a file's name, or `a command of curl`.
    pub source: &'a str,
    /// The command that made it, without secrets.
    pub command: &'a str,
    /// The file that it is written to, as a shell takes it; `None` where it goes to standard output.
    pub file: Option<&'a str>,
}

/// A workload, and the files of values beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drafted {
    /// The workload, as YAML.
    pub text: String,
    /// Names, without a folder, and contents.
    pub files: Vec<(String, Vec<u8>)>,
    /// How many requests it has.
    pub entries: usize,
    /// How many places are to be filled in.
    pub open: usize,
}

/// Writes a workload of what was found. Where it goes to standard output, it names no files.
#[must_use]
pub fn write(found: &Found, made: &Made<'_>) -> Drafted {
    let mut writer = Writer {
        found,
        made,
        text: String::new(),
        files: Vec::new(),
    };
    writer.head();
    writer.profile();
    writer.data();
    writer.traffic();
    writer.end();
    Drafted {
        open: writer.text.matches("# fill in:").count(),
        text: writer.text,
        files: writer.files,
        entries: found.entries.len(),
    }
}

struct Writer<'a> {
    found: &'a Found,
    made: &'a Made<'a>,
    text: String,
    files: Vec<(String, Vec<u8>)>,
}

impl Writer<'_> {
    fn head(&mut self) {
        let Made {
            name,
            source,
            command,
            file,
        } = self.made;
        let usual = format!("{name}.yaml");
        let file = file.unwrap_or(&usual);
        let target = match &self.found.origin {
            Some(origin) if origin.starts_with("http://") => origin,
            _ => "http://HOST:PORT",
        };
        let base = &self.found.base;
        let out = &mut self.text;
        out.push_str("# yaml-language-server: $schema=workload.schema.json\n#\n");
        comment(out, 0, &format!("Made from {source} by"));
        out.push_str("#\n");
        comment_line(out, 0, command);
        out.push_str("#\n");
        comment(out, 0, "What the source does not tell is marked with `fill in`. Then:");
        out.push_str("#\n");
        comment_line(out, 0, &format!("bmt check {file} --show 5"));
        comment_line(out, 0, &format!("bmt run {file} --target {target}{base} --quick"));
        if let Some(origin) = self
            .found
            .origin
            .as_ref()
            .filter(|origin| origin.starts_with("https://"))
        {
            out.push_str("#\n");
            comment(
                out,
                0,
                &format!("The source asks {origin}. fill in: where that server takes plain HTTP"),
            );
        }
        for note in &self.found.notes {
            out.push_str("#\n");
            comment(out, 0, note);
        }
        let _ = writeln!(out, "name: {}", key(name));
        let question = format!("Does what {source} asks for keep its latency when the rate jumps at once?");
        let question: String = question.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(out, "question: {}", quoted(&question));
        out.push_str("repetitions: 5\nspare_blocks: 2\n\ngenerator: {connections: 256, timeout: 5s}\n\n");
    }

    fn profile(&mut self) {
        let out = &mut self.text;
        out.push_str("# Everyday load, up to the target in two steps, back, and the jump.\n");
        let (base, target) = match &self.found.load {
            Some(load) => told_load(out, load),
            None => {
                comment(
                    out,
                    0,
                    "fill in: the rate of an ordinary day as `base`, and that of the peak as `target`",
                );
                ("10".to_owned(), "100".to_owned())
            }
        };
        let _ = writeln!(
            out,
            "profile: {{kind: bmt, warm_up: 5s, base: {base}/s, target: {target}/s, steps: 2, hold: 10s, recovery: 3s, \
             base_hold: 10s, spike_hold: 10s}}\n"
        );
    }

    fn data(&mut self) {
        let shown: Vec<&Data> = self.found.data.iter().filter(|data| self.shows(data)).collect();
        if shown.is_empty() {
            return;
        }
        self.text.push_str("data:\n");
        for data in shown {
            for note in &data.notes {
                comment(&mut self.text, 2, note);
            }
            let (range, file) = match (&data.values, self.ends(data)) {
                (_, Some(ends)) => (Some(ends), None),
                (Values::Listed(values), None) => (None, Some(values)),
                (Values::Range(..), None) => continue,
            };
            if let Some((first, last)) = range {
                if matches!(data.values, Values::Listed(_)) {
                    let note =
                        "fill in: the numbers that exist; with --out, those that were seen are written to a file";
                    comment(&mut self.text, 2, note);
                }
                let _ = writeln!(
                    self.text,
                    "  {}: {{range: {first}..{last}, pick: random}}",
                    key(&data.name)
                );
            } else if let Some(values) = file {
                let name = format!("{}-{}.csv", self.made.name, data.name);
                let _ = writeln!(
                    self.text,
                    "  {}: {{csv: {}, pick: random}}",
                    key(&data.name),
                    quoted(&name)
                );
                self.files.push((name, csv(values)));
            }
        }
        self.text.push('\n');
    }

    /// The range of numbers that stands for data: always of a range, and of a list of numbers that has no file.
    fn ends(&self, data: &Data) -> Option<(i64, i64)> {
        match &data.values {
            Values::Range(first, last) => Some((*first, *last)),
            Values::Listed(values) if self.made.file.is_none() => {
                let numbers: Option<Vec<i64>> = values.iter().map(|value| number(value)).collect();
                let numbers = numbers?;
                Some((*numbers.iter().min()?, *numbers.iter().max()?))
            }
            Values::Listed(_) => None,
        }
    }

    /// Whether data is written: where there is no file to write texts to, the first of them stands in its place.
    fn shows(&self, data: &Data) -> bool {
        self.made.file.is_some() || self.ends(data).is_some()
    }

    fn traffic(&mut self) {
        let weights: Vec<u64> = self.found.entries.iter().map(|entry| entry.weight).collect();
        self.text.push_str("traffic:\n");
        for (index, (entry, share)) in self.found.entries.iter().zip(shares(&weights)).enumerate() {
            if index > 0 && entry.notes.len() + self.found.entries[index - 1].notes.len() > 0 {
                self.text.push('\n');
            }
            self.entry(entry, &share);
        }
    }

    fn entry(&mut self, of: &Entry, share: &str) {
        let (path_text, notes) = self.path(of);
        let out = &mut self.text;
        let _ = writeln!(out, "  {}:", key(&of.name));
        for note in of.notes.iter().chain(&notes) {
            comment(out, 4, note);
        }
        if of.headers.is_empty() && of.body.is_none() {
            let _ = writeln!(out, "    request: {{{}: {}}}", of.method, path(&path_text));
        } else {
            let _ = writeln!(out, "    request:\n      {}: {}", of.method, path(&path_text));
            if !of.headers.is_empty() {
                entry(out, 6, "headers", &object(&of.headers));
            }
            match &of.body {
                Some(Body::Json(json)) => entry(out, 6, "json", json),
                Some(Body::Form(fields)) => entry(out, 6, "form", &object(fields)),
                Some(Body::Text(text)) => entry(out, 6, "text", &text.as_str().into()),
                None => {}
            }
        }
        match &of.statuses[..] {
            [] => {}
            [one] => {
                let _ = writeln!(out, "    check: {{status: {one}}}");
            }
            several => {
                let _ = writeln!(out, "    check: {{status: {}}}", flow(&several.into()));
            }
        }
        let _ = writeln!(out, "    share: {share}");
    }

    /// The path as a template, and what has to be said of it.
    fn path(&self, of: &Entry) -> (String, Vec<String>) {
        let (mut text, mut notes) = (String::new(), Vec::new());
        for piece in &of.path {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Uuid => text.push_str("{{uuid}}"),
                Piece::Value(name) => {
                    let data = self.found.data.iter().find(|data| data.name == *name);
                    match data.map(|data| (&data.values, self.ends(data))) {
                        Some((_, Some(_))) => {
                            let _ = write!(text, "{{{{{name}}}}}");
                        }
                        Some((Values::Listed(values), None)) if self.made.file.is_none() => {
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

    fn end(&mut self) {
        let out = &mut self.text;
        out.push_str("\nvariants:\n  - name: as it is\n\ngates:\n");
        for entry in self.found.entries.iter().take(GATED_MAX) {
            let _ = writeln!(
                out,
                "  - {{metric: error_share, operation: {}, at_most: 1%}}",
                key(&entry.name)
            );
        }
        if self.found.entries.len() > GATED_MAX {
            comment(out, 2, "fill in: gates of the others, where they matter");
        }
        let most = self.found.entries.iter().rev().max_by_key(|entry| entry.weight);
        if let Some(most) = most {
            comment(out, 2, "fill in: what a caller puts up with");
            let name = key(&most.name);
            let _ = writeln!(
                out,
                "  - {{metric: response_p99, operation: {name}, phase: spike, at_most: 200ms}}"
            );
        }
        out.push_str(
            "\nquick:\n  repetitions: 1\n  profile: {warm_up: 3s, hold: 4s, recovery: 2s, base_hold: 4s, spike_hold: 5s}\n",
        );
    }
}

/// Says where the rates come from; base and target.
fn told_load(out: &mut String, load: &Load) -> (String, String) {
    for note in &load.notes {
        comment(out, 0, note);
    }
    out.push_str("#\n");
    for line in &load.table {
        comment_line(out, 0, line);
    }
    let rate = |rate: f64| figure(rate.clamp(0.001, RATE_MAX));
    (rate(load.mean), rate(load.peak))
}

fn object(pairs: &[(String, String)]) -> Json {
    let pairs = pairs
        .iter()
        .map(|(name, value)| (name.clone(), Json::from(value.as_str())));
    Json::Object(pairs.collect())
}

/// A file with one column.
fn csv(values: &[String]) -> Vec<u8> {
    let mut text = format!("{COLUMN}\n");
    for value in values {
        // In quotes also where nothing asks for it, so that an empty value is a row.
        let _ = writeln!(text, "\"{}\"", value.replace('"', "\"\""));
    }
    text.into_bytes()
}

/// Weights as shares that add up to 1: what rounding takes or gives is the largest one's.
fn shares(weights: &[u64]) -> Vec<String> {
    let all: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let whole = if weights.len() > 100 { PARTS_OF_MANY } else { PARTS };
    let part = |weight: &u64| u128::from(*weight) * u128::from(whole) / all.max(1);
    let mut parts: Vec<u64> = weights
        .iter()
        .map(|weight| u64::try_from(part(weight)).unwrap_or(whole).max(1))
        .collect();
    let largest = (0..parts.len()).rev().max_by_key(|at| parts[*at]);
    if let Some(largest) = largest {
        let others = parts.iter().sum::<u64>() - parts[largest];
        parts[largest] = whole.saturating_sub(others);
    }
    let share = |part: u64| (part as f64 / whole as f64).to_string();
    parts.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_short_and_rounding_is_the_largest_ones() {
        for (weights, written) in [
            (vec![7], vec!["1"]),
            (vec![1, 1, 1], vec!["0.3334", "0.3333", "0.3333"]),
            (vec![1, 1_000_000], vec!["0.0001", "0.9999"]),
            (vec![3, 1], vec!["0.75", "0.25"]),
        ] {
            assert_eq!(shares(&weights), written);
        }
    }

    proptest! {
        #[test]
        fn shares_add_up_to_one(weights in prop::collection::vec(1_u64..u64::MAX / 1000, 1..500)) {
            let sum: f64 = shares(&weights).iter().map(|share| share.parse::<f64>().unwrap()).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        }
    }
}
