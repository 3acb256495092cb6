//! The draft of a workload, as a careful person would write it by hand.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::clock::figure;
use super::found::{Body, Data, Entry, Found, Load, Values};
use super::shares::shares;
use super::values::{csv, ends};
use super::yaml::{comment, comment_line, entry, flow, key, path, quoted};

/// The rate of the peak, where the source does not tell.
const PEAK: f64 = 100.0;
/// Length of the spike in the short form.
const QUICK_SPIKE_S: f64 = 8.0;
/// Entries that have gates of their own.
const GATED_MAX: usize = 12;
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
        open: writer.text.matches("fill in:").count(),
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
            Some(origin) if origin.starts_with("https://") => "https://HOST:PORT",
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
        comment_line(out, 0, &format!("bmt run {file} --target {target}{base}"));
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
                &format!("The source asks {origin}. fill in: a copy of that server which nobody else uses"),
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
                (figure(PEAK / 10.0), figure(PEAK))
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
            let (range, file) = match (&data.values, ends(data, self.made.file.is_some())) {
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
                let pick = match data.zipf {
                    Some(exponent) => {
                        let note = "The most frequent come first, and the law takes the first as often as it was seen.";
                        comment(&mut self.text, 2, note);
                        format!("zipf {exponent:.2}")
                    }
                    None => "random".to_owned(),
                };
                let name = format!("{}-{}.csv", self.made.name, data.name);
                let (of, file) = (key(&data.name), quoted(&name));
                let _ = writeln!(self.text, "  {of}: {{csv: {file}, pick: {pick}}}");
                self.files.push((name, csv(values)));
            }
        }
        self.text.push('\n');
    }

    /// Whether data is written: where there is no file to write texts to, the first of them stands in its place.
    fn shows(&self, data: &Data) -> bool {
        self.made.file.is_some() || ends(data, self.made.file.is_some()).is_some()
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
        let (path_text, notes) = super::values::path(of, &self.found.data, self.made.file.is_some());
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
            let all: u64 = self.found.entries.iter().map(|entry| entry.weight).sum();
            let peak = self.found.load.as_ref().map_or(PEAK, |load| load.peak);
            let metric = decided_quantile(peak * most.weight as f64 / all.max(1) as f64);
            let _ = writeln!(
                out,
                "  - {{metric: {metric}, operation: {name}, phase: spike, at_most: 200ms}}"
            );
        }
        out.push_str(
            "\nquick:\n  repetitions: 1\n  profile: {warm_up: 3s, hold: 4s, recovery: 2s, base_hold: 4s, spike_hold: 8s}\n",
        );
    }
}

/// The quantile that the short form decides at so many requests a second: p99 needs 500 answers, p90 50, and arrivals
/// come by chance.
fn decided_quantile(rate: f64) -> &'static str {
    match rate * QUICK_SPIKE_S {
        650.0.. => "response_p99",
        80.0.. => "response_p90",
        _ => "response_p50",
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
