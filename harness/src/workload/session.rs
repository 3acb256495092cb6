//! Sessions: what the schema cannot judge.

use std::collections::BTreeSet;
use std::time::Duration;

use regex::bytes::RegexBuilder;

use super::file::{CaptureFile, StepFile, TrafficFile};
use super::folder::Folder;
use super::judge::Judge;
use super::shape::join;
use crate::template::{Capture, CaptureFrom, Method, RESERVED, Session, Sources, Step, is_name};

/// Requests and pauses of a session.
const STEPS_MAX: usize = 100;
/// Bytes that a compiled expression may have.
const REGEX_MAX: usize = 1 << 20;
const NAMES: &str = "a letter or _, then letters, digits, _ or -";
const CAPTURES: &str = "exactly one of json: POINTER, header: NAME, cookie: NAME and regex: EXPRESSION";

/// The names that a session captures, as far as a step knows them.
struct Captures {
    /// By slot.
    names: Vec<String>,
    /// By slot: whether an earlier step has captured it.
    is_known: Vec<bool>,
}

impl Captures {
    fn of(steps: &[StepFile]) -> Self {
        let mut names: Vec<String> = Vec::new();
        for name in steps.iter().flat_map(|step| step.capture.keys()) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let is_known = vec![false; names.len()];
        Self { names, is_known }
    }

    fn slot(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// What the values of a step can be, the first of `steps`.
    fn known_to(&self, steps: &[StepFile], data: &Sources) -> Sources {
        let by_slot = self.names.iter().zip(&self.is_known);
        let captured = by_slot.map(|(name, is_known)| is_known.then(|| name.clone()));
        let later = steps.iter().flat_map(|step| {
            let from = format!("from the answer to `{}`", step.name.as_deref().unwrap_or_default());
            step.capture.keys().map(move |name| (name.clone(), from.clone()))
        });
        data.knowing(captured.collect(), later.collect())
    }
}

impl Judge<'_> {
    /// What an entry with `steps` does; `None` where that is not to be made out.
    pub(super) fn session(
        &mut self,
        path: &str,
        entry: &TrafficFile,
        steps: &[StepFile],
        data: &Sources,
        folder: &Folder,
    ) -> Option<Session> {
        self.of_session(path, entry, steps);
        let mut captures = Captures::of(steps);
        self.capture_names(path, steps, data);
        let mut names = BTreeSet::new();
        let mut think = Duration::ZERO;
        let mut asked: Vec<Option<Step>> = Vec::new();
        for (index, file) in steps.iter().enumerate() {
            let at = format!("{path}.steps.{index}");
            if let Some(pause) = file.think {
                self.think(&at, file);
                think += pause.0;
                continue;
            }
            let name = self.step_name(&at, file, &mut names);
            let known = captures.known_to(&steps[index..], data);
            let ask = self.ask(&at, &at, &file.request(), file.check.as_ref(), &known, folder);
            let taken = self.captures(&at, file, &captures);
            if let Some(ask) = &ask {
                self.captures_fit(&at, file, ask.request.method, &taken);
            }
            for capture in &taken {
                captures.is_known[capture.slot] = true;
            }
            asked.push(ask.zip(name).map(|(ask, name)| Step {
                name,
                think: std::mem::take(&mut think),
                ask,
                captures: taken,
            }));
        }
        let mut steps: Vec<Step> = asked.into_iter().collect::<Option<_>>()?;
        note_headers(&mut steps);
        Some(Session {
            steps,
            captured: captures.names,
            keeps_cookies: entry.cookies.unwrap_or(true),
        })
    }

    /// What an entry with steps cannot have, and what its steps have to be like together.
    fn of_session(&mut self, path: &str, entry: &TrafficFile, steps: &[StepFile]) {
        if entry.check.is_some() {
            self.mistake(
                &join(path, "check"),
                "each answer of a session is checked by itself",
                "a `check` in the step whose answer it is of",
            );
        }
        if entry.retry.is_some() {
            self.mistake(
                &join(path, "retry"),
                "a session ends where a step fails, so nobody retries",
                "leave `retry` out, or describe a single `request`",
            );
        }
        let at = join(path, "steps");
        if steps.len() > STEPS_MAX {
            self.mistake(
                &at,
                format!("there are {} steps", steps.len()),
                format!("at most {STEPS_MAX}"),
            );
        }
        let is_pause = |step: &StepFile| step.think.is_some();
        if steps.iter().all(is_pause) {
            self.mistake(
                &at,
                "there is no request among the steps",
                "a request, such as {name: home, get: /}",
            );
            return;
        }
        let (first, last) = (0, steps.len() - 1);
        for (index, problem) in [
            (first, "nothing has been answered yet that somebody could think about"),
            (last, "no request follows this pause"),
        ] {
            if is_pause(&steps[index]) {
                self.mistake(&format!("{at}.{index}"), problem, "`think` between two requests");
            }
        }
    }

    fn think(&mut self, path: &str, step: &StepFile) {
        if let Some(pause) = step.think {
            self.positive(&join(path, "think"), pause);
        }
        let pause = StepFile {
            think: step.think,
            ..StepFile::default()
        };
        let written = |step: &StepFile| serde_json::to_value(step).unwrap_or_default();
        if written(step) != written(&pause) {
            self.mistake(
                path,
                "it is a pause as well as a request",
                "a step of its own for `think`",
            );
        }
    }

    /// The name of a request, which no other step has; where it has none, one that nobody will see.
    fn step_name(&mut self, path: &str, step: &StepFile, names: &mut BTreeSet<String>) -> Option<String> {
        let Some(name) = &step.name else {
            self.mistake(
                path,
                "the request has no name under which the result could report it",
                format!("name: {NAMES}"),
            );
            return None;
        };
        let at = join(path, "name");
        if !is_name(name) {
            self.mistake(&at, format!("`{name}` cannot be the name of a step"), NAMES);
        } else if !names.insert(name.clone()) {
            self.mistake(
                &at,
                format!("another step is called `{name}` already"),
                "a name of its own",
            );
        }
        Some(name.clone())
    }

    /// Names that are captured are no others'.
    fn capture_names(&mut self, path: &str, steps: &[StepFile], data: &Sources) {
        for (index, name) in steps
            .iter()
            .enumerate()
            .flat_map(|(index, step)| step.capture.keys().map(move |name| (index, name)))
        {
            let at = format!("{path}.steps.{index}.capture.{name}");
            if !is_name(name) || RESERVED.contains(&name.as_str()) {
                self.mistake(
                    &at,
                    format!("`{name}` cannot be the name of a value"),
                    format!("{NAMES}; not {}", RESERVED.join(" and not ")),
                );
            } else if data.has(name) {
                self.mistake(
                    &at,
                    format!("`{name}` is a source of values in `data` already"),
                    "another name",
                );
            }
        }
    }

    fn captures(&mut self, path: &str, step: &StepFile, all: &Captures) -> Vec<Capture> {
        let captures = step.capture.iter();
        captures
            .filter_map(|(name, file)| {
                Some(Capture {
                    slot: all.slot(name)?,
                    from: self.capture(&format!("{path}.capture.{name}"), file)?,
                    is_for_header: false,
                })
            })
            .collect()
    }

    fn capture(&mut self, path: &str, file: &CaptureFile) -> Option<CaptureFrom> {
        match (&file.json, &file.header, &file.cookie, &file.regex) {
            (Some(pointer), None, None, None) => {
                self.pointer(&join(path, "json"), pointer);
                Some(CaptureFrom::Json(pointer.clone()))
            }
            (None, Some(name), None, None) => {
                let name = self.header_name(&join(path, "header"), name)?;
                Some(CaptureFrom::Header(name))
            }
            (None, None, Some(name), None) => {
                let name = self.token(&join(path, "cookie"), name, "cookie")?;
                Some(CaptureFrom::Cookie(name.to_owned()))
            }
            (None, None, None, Some(text)) => match RegexBuilder::new(text).size_limit(REGEX_MAX).build() {
                Ok(regex) => Some(CaptureFrom::Regex(regex)),
                Err(error) => {
                    let why = error.to_string();
                    let why = why
                        .lines()
                        .next_back()
                        .unwrap_or_default()
                        .trim_start_matches("error: ");
                    self.mistake(
                        &join(path, "regex"),
                        format!("cannot read `{text}`: {why}"),
                        "a regular expression as Rust's `regex` has them: (…) is a group, \\d+ a number",
                    );
                    None
                }
            },
            _ => {
                self.mistake(path, "it is not clear where the value is found", CAPTURES);
                None
            }
        }
    }

    /// A body that is looked into has to come, and as it is.
    fn captures_fit(&mut self, path: &str, step: &StepFile, method: Method, captures: &[Capture]) {
        if !captures.iter().any(|capture| capture.from.is_in_body()) {
            return;
        }
        if method == Method::Head {
            self.mistake(
                &join(path, "capture"),
                "the answer to a `head` has no body",
                "header: NAME or cookie: NAME",
            );
        }
        self.decodable(path, &step.request());
    }
}

/// Notes of each capture whether a later step writes it into a header.
fn note_headers(steps: &mut [Step]) {
    for index in 0..steps.len() {
        let (until, later) = steps.split_at_mut(index + 1);
        let headers = || later.iter().flat_map(|step| &step.ask.request.headers);
        for capture in &mut until[index].captures {
            capture.is_for_header = headers().any(|(_, value)| value.shows_slot(capture.slot));
        }
    }
}
