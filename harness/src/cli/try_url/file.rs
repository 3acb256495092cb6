//! The workload that a try is: the text that `--save` writes and that is run, one and the same.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::args::{Try, Verb, Version};
use crate::workload::{Rate, Span};

/// The entry of the traffic, and the name of its figures.
pub(super) const OPERATION: &str = "request";
/// Steps of the ramp.
const STEPS: u32 = 2;
/// A request is given up after this.
const TIMEOUT_S: f64 = 5.0;
/// Arrivals that may wait for a connection: as many as come within the time-out, within what a workload may say.
const WAITING: (f64, f64) = (8192.0, 1e6);
/// Part of the requests that may fail.
const ERRORS_MAX: &str = "1%";
/// How much worse the jump may be than the ramp.
const RATIO_MAX: &str = "2";

/// The workload as YAML.
pub(super) fn text(wanted: &Try) -> String {
    let body = wanted.body.as_ref().map(|body| Body::of(body, wanted.save.as_deref()));
    let name = wanted.save.as_deref().unwrap_or(Path::new("try.yaml"));
    let allow = match &body {
        Some(Body::File(path)) if path.is_absolute() => " --allow-files",
        _ => "",
    };
    let mut text = head(wanted, &name.display().to_string(), allow);
    text.push_str(&target(wanted));
    text.push_str(&profile(wanted));
    text.push_str(&traffic(wanted, body.as_ref()));
    let _ = write!(
        text,
        "
variants:
  - name: as it is

# With one block, which is one jump, a figure is one draw; with several (--blocks 5) it has an interval.
gates:
  - because: nobody is turned away
    metric: error_share
    operation: {OPERATION}
    at_most: {ERRORS_MAX}
  - because: nobody is turned away while what the ramp has piled up drains either
    metric: error_share
    operation: {OPERATION}
    phase: recovery
    at_most: {ERRORS_MAX}
  - because: the jump is no worse than the ramp at the same rate
    metric: response_p99
    operation: {OPERATION}
    phase: spike
    relative_to_phase: step {STEPS}
    at_most: {RATIO_MAX}
"
    );
    text
}

fn head(wanted: &Try, file: &str, allow: &str) -> String {
    let question = format!(
        "What does {} do when the rate jumps to {} at once, and what when it rises to that in steps?",
        wanted.url.target, wanted.rate
    );
    let run = format!("bmt run {file}{allow}");
    format!(
        "# Made by `bmt try`; docs/your-own-service.md explains the keys.
#
#   bmt check {file} --show 1{allow}
#   {run}
#   {run} --blocks 5
name: try
question: {}
",
        quoted(&question)
    )
}

fn target(wanted: &Try) -> String {
    let http = match wanted.http {
        Version::One => "1.1",
        Version::Two => "2",
        Version::Auto => "auto",
    };
    let insecure = if wanted.insecure {
        "\n  tls: {insecure: true}"
    } else {
        ""
    };
    let waiting = (wanted.rate.0 * TIMEOUT_S).clamp(WAITING.0, WAITING.1).ceil();
    format!(
        "
target:
  url: {}
  http: {http}{insecure}

# A connection that has been idle for `idle` is closed, as clients do: the jump opens its own.
generator: {{connections: {}, waiting: {waiting}, timeout: {}, idle: {}}}
",
        quoted(&wanted.url.target.to_string()),
        wanted.connections,
        span(TIMEOUT_S),
        span(calm_s(wanted).min(3.0)),
    )
}

/// What is not measured is short.
fn short_s(wanted: &Try) -> f64 {
    wanted.hold.0.as_secs_f64().min(2.0)
}

/// Half the time between ramp and jump: what the ramp opened is not there any more when the jump comes.
fn calm_s(wanted: &Try) -> f64 {
    (short_s(wanted) + wanted.hold.0.as_secs_f64()) / 2.0
}

fn profile(wanted: &Try) -> String {
    let (hold, short) = (wanted.hold, span(short_s(wanted)));
    // Two decimals, which is more than anybody's everyday load is known with.
    let base = Rate((wanted.rate.0 / wanted.jump * 100.0).round().max(1.0) / 100.0);
    format!(
        "
# Everyday load, up to the target in {STEPS} steps, back, and the jump.
profile:
  kind: bmt
  base: {base}
  target: {}
  steps: {STEPS}
  warm_up: {short}
  hold: {hold}
  recovery: {short}
  base_hold: {hold}
  spike_hold: {hold}
",
        wanted.rate
    )
}

fn traffic(wanted: &Try, body: Option<&Body>) -> String {
    let method = match (wanted.method, &wanted.body) {
        (Some(Verb::Get), _) | (None, None) => "get",
        (Some(Verb::Post), _) | (None, Some(_)) => "post",
        (Some(Verb::Head), _) => "head",
        (Some(Verb::Options), _) => "options",
        (Some(Verb::Put), _) => "put",
        (Some(Verb::Patch), _) => "patch",
        (Some(Verb::Delete), _) => "delete",
    };
    let mut text = format!(
        "
traffic:
  {OPERATION}:
    share: 1
    request:
      {method}: {}
",
        quoted(&wanted.url.path)
    );
    let mut headers = wanted.headers.clone();
    let is_typed = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if body.is_some_and(Body::is_json) && !is_typed {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    if !headers.is_empty() {
        text.push_str("      headers:\n");
    }
    for (name, value) in &headers {
        let _ = writeln!(text, "        {}: {}", quoted(name), quoted(value));
    }
    match body {
        Some(Body::Text(body)) => text.push_str(&format!("      text: {}\n", quoted(body))),
        Some(Body::File(path)) => text.push_str(&format!("      file: {}\n", quoted(&path.display().to_string()))),
        None => {}
    }
    text
}

/// What is sent.
enum Body {
    Text(String),
    File(PathBuf),
}

impl Body {
    /// A file in the folder of the workload or below it is named from there, any other by its whole path.
    fn of(body: &str, save: Option<&Path>) -> Self {
        let Some(file) = body.strip_prefix('@') else {
            return Self::Text(body.to_owned());
        };
        let folder = save
            .and_then(Path::parent)
            .filter(|parent| !parent.as_os_str().is_empty());
        let whole = std::fs::canonicalize(file).ok();
        let root = std::fs::canonicalize(folder.unwrap_or(Path::new("."))).ok();
        Self::File(match (whole, root) {
            (Some(whole), Some(root)) => whole.strip_prefix(&root).map_or(whole.clone(), Path::to_owned),
            // That it cannot be read is told with the workload.
            _ => PathBuf::from(file),
        })
    }

    fn is_json(&self) -> bool {
        match self {
            Self::Text(text) => serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok(),
            Self::File(path) => path.extension().is_some_and(|extension| extension == "json"),
        }
    }
}

fn span(seconds: f64) -> Span {
    Span(std::time::Duration::from_secs_f64(seconds))
}

/// A text in double quotes: what JSON writes is YAML as well, but for characters that YAML wants escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for character in serde_json::Value::from(text).to_string().chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted
}

#[cfg(test)]
mod tests;
