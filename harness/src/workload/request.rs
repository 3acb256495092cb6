//! Requests, their values and their checks: what the schema cannot judge.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::domain::{Traffic, Work};
use super::file::{BodyCheckFile, CheckFile, DataFile, OneOrMany, RequestFile, TrafficFile, WorkloadFile};
use super::folder::{Folder, Refused};
use super::judge::Judge;
use super::mistake::nearest;
use super::shape::join;
use crate::arrival::{Arrivals, Flow, Profile};
use crate::template::{
    Ask, Body, BodyCheck, Check, Escape, Method, Must, Pick, RESERVED, Range, RequestTemplate, Rows, Source, Sources,
    Table, Template, TemplateError, compile_form, compile_json, is_name,
};

const CONTENT_TYPE: &str = "content-type";
/// Headers that decide how a connection is used.
const OWN_HEADERS: [&str; 6] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
];
const METHODS: &str = "get, head, options, post, put, patch or delete, with a path";
const BODIES: &str = "json, form, text or file";

/// How many arrivals an entry has in a cell at most; of independent ones there are more only once in a billion cells.
fn arrivals_max(flow: &Flow, profile: &Profile, arrivals: Arrivals) -> u64 {
    let phases = profile.phases().iter();
    let mean: f64 = phases
        .map(|phase| flow.rate_in(phase) * (phase.end - phase.start).as_secs_f64())
        .sum();
    let more = match arrivals {
        Arrivals::Uniform => 1.0,
        // Six standard deviations, and some for means too small for that to be a bound.
        Arrivals::Poisson => 6.0 * mean.sqrt() + 20.0,
    };
    (mean + more).ceil() as u64
}

impl Judge<'_> {
    /// The sources of values.
    pub(super) fn data(&mut self, data: &BTreeMap<String, DataFile>, folder: &Folder) -> Sources {
        let (mut sources, mut broken) = (Vec::new(), Vec::new());
        for (name, file) in data {
            match self.source(name, file, folder) {
                Some(source) => sources.push(source),
                None => broken.push(name.clone()),
            }
        }
        Sources::new(sources, broken)
    }

    fn source(&mut self, name: &str, file: &DataFile, folder: &Folder) -> Option<Source> {
        let path = join("data", name);
        if !is_name(name) || RESERVED.contains(&name) {
            self.mistake(
                &path,
                format!("`{name}` cannot be the name of a value"),
                format!(
                    "a letter or _, then letters, digits, _ or -; not {}",
                    RESERVED.join(" and not ")
                ),
            );
        }
        let pick = file.pick.parse::<Pick>();
        if pick.is_err() {
            self.mistake(&join(&path, "pick"), format!("cannot read `{}`", file.pick), Pick::FORM);
        }
        let rows = match (&file.csv, &file.jsonl, &file.range) {
            (Some(csv), None, None) => self.table(&join(&path, "csv"), csv, folder, Table::from_csv),
            (None, Some(jsonl), None) => self.table(&join(&path, "jsonl"), jsonl, folder, Table::from_jsonl),
            (None, None, Some(range)) => self.range(&join(&path, "range"), range),
            _ => {
                self.mistake(
                    &path,
                    "needs exactly one of `csv`, `jsonl` and `range`",
                    "a file, or a range such as 1..1000",
                );
                None
            }
        };
        Some(Source::new(name, rows?, pick.ok()?))
    }

    /// A source that gives each row to one arrival belongs to one entry, and has as many rows as that has arrivals.
    pub(super) fn once(&mut self, file: &WorkloadFile, traffic: &[Traffic], data: &Sources, profile: &Profile) {
        for source in data.once() {
            let path = join(&join("data", source.name()), "pick");
            let takes = |traffic: &&Traffic| match &traffic.work {
                Work::Http(ask) => ask.request.sources(data).contains(source.name()),
                Work::Chat(_) => false,
            };
            let takers: Vec<&Traffic> = traffic.iter().filter(takes).collect();
            if let [one, other, ..] = takers[..] {
                self.mistake(
                    &path,
                    format!(
                        "`{}` and `{}` would both begin with the first row",
                        one.name, other.name
                    ),
                    "once: for a source that one entry takes from",
                );
            } else if let [entry] = takers[..] {
                let needed = arrivals_max(&entry.flow, profile, file.arrivals);
                if needed > source.count() {
                    self.mistake(
                        &path,
                        format!(
                            "`{}` may send {needed} requests in a cell, and there are {} rows",
                            entry.name,
                            source.count()
                        ),
                        format!("at least {needed} rows, or in_turn"),
                    );
                }
            }
        }
    }

    fn table(
        &mut self,
        path: &str,
        name: &str,
        folder: &Folder,
        read: fn(&[u8]) -> Result<Table, crate::template::TableError>,
    ) -> Option<Rows> {
        let bytes = self.file(path, name, folder)?;
        match read(&bytes) {
            Ok(table) => Some(Rows::Table(table)),
            Err(error) => {
                self.mistake(
                    path,
                    format!("`{name}` {error}"),
                    "csv: a line with the names of the columns, then lines with as many cells; jsonl: on each line an object with the same keys",
                );
                None
            }
        }
    }

    fn file(&mut self, path: &str, name: &str, folder: &Folder) -> Option<Vec<u8>> {
        match folder.read(name) {
            Ok(bytes) => Some(bytes),
            Err(Refused { problem, allowed }) => {
                self.mistake(path, problem, allowed);
                None
            }
        }
    }

    fn range(&mut self, path: &str, range: &str) -> Option<Rows> {
        let parsed = range.parse::<Range>();
        if parsed.is_err() {
            self.mistake(path, format!("cannot read `{range}`"), Range::FORM);
        }
        parsed.ok().map(Rows::Range)
    }

    /// The short form of a request.
    pub(super) fn get(&mut self, path: &str, target: &str, entry: &TrafficFile, data: &Sources) -> Option<Ask> {
        let check = self.check(path, entry.check.as_ref(), Method::Get);
        let request = RequestTemplate {
            method: Method::Get,
            path: self.target(&join(path, "operation.get.path"), target, data)?,
            headers: vec![],
            body: None,
        };
        Some(Ask { request, check })
    }

    /// What an entry with `request` asks for; `None` where that is not to be made out.
    pub(super) fn ask(
        &mut self,
        path: &str,
        request: &RequestFile,
        check: Option<&CheckFile>,
        data: &Sources,
        folder: &Folder,
    ) -> Option<Ask> {
        let at = join(path, "request");
        let (method, target) = self.method(&at, request)?;
        let check = self.check(path, check, method);
        let target = self.target(&join(&at, method.key()), target, data);
        let mut headers = self.headers(&join(&at, "headers"), request, data);
        let (body, content_type) = self.body(&at, request, method, data, folder)?;
        let is_given = headers.iter().any(|(name, _)| name == CONTENT_TYPE);
        if let Some(content_type) = content_type.filter(|_| !is_given) {
            headers.push((CONTENT_TYPE.to_owned(), Template::text(content_type)));
        }
        if check.reads_body() && headers.iter().any(|(name, _)| name == "accept-encoding") {
            self.mistake(
                &join(&at, "headers.accept-encoding"),
                "an answer whose body is checked may not come compressed",
                "leave `accept-encoding` out",
            );
        }
        let request = RequestTemplate {
            method,
            path: target?,
            headers,
            body,
        };
        Some(Ask { request, check })
    }

    fn method<'a>(&mut self, path: &str, request: &'a RequestFile) -> Option<(Method, &'a str)> {
        let all = [
            (Method::Get, &request.get),
            (Method::Head, &request.head),
            (Method::Options, &request.options),
            (Method::Post, &request.post),
            (Method::Put, &request.put),
            (Method::Patch, &request.patch),
            (Method::Delete, &request.delete),
        ];
        let given = all
            .into_iter()
            .filter_map(|(method, path)| Some((method, path.as_deref()?)));
        match given.collect::<Vec<_>>()[..] {
            [one] => Some(one),
            [] => {
                self.mistake(path, "it is not said what the request does", METHODS);
                None
            }
            [(first, _), (second, _), ..] => {
                self.mistake(
                    path,
                    format!("it is `{}` as well as `{}`", first.key(), second.key()),
                    format!("one of {METHODS}"),
                );
                None
            }
        }
    }

    fn target(&mut self, path: &str, target: &str, data: &Sources) -> Option<Template> {
        let template = self.template(path, Template::compile(target, data, Escape::Url))?;
        let is_path = template.beginning().starts_with('/')
            && template
                .texts()
                .all(|text| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
        if !is_path {
            self.mistake(
                path,
                format!("`{target}` is not a path"),
                "a path that starts with / and has no spaces and no #; percent-encode what is not plain ASCII",
            );
        }
        Some(template)
    }

    /// The template, or `None` and a mistake.
    fn template(&mut self, path: &str, compiled: Result<Template, TemplateError>) -> Option<Template> {
        self.compiled(path, compiled)
    }

    /// What was compiled, or `None` and a mistake.
    pub(super) fn compiled<T>(&mut self, path: &str, compiled: Result<T, TemplateError>) -> Option<T> {
        match compiled {
            Ok(compiled) => Some(compiled),
            Err(error) if error.is_told => None,
            Err(error) => {
                self.mistake(path, error.problem, error.allowed);
                if let (Some((name, known)), Some(mistake)) = (error.unknown, self.found.last_mut()) {
                    mistake.nearest = nearest(&name, known.iter().map(String::as_str));
                }
                None
            }
        }
    }

    fn headers(&mut self, path: &str, request: &RequestFile, data: &Sources) -> Vec<(String, Template)> {
        let headers = request.headers.iter();
        headers
            .filter_map(|(name, value)| self.header(&join(path, name), name, value, data))
            .collect()
    }

    fn header(&mut self, path: &str, name: &str, value: &str, data: &Sources) -> Option<(String, Template)> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let lower = name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(is_token) {
            self.mistake(
                path,
                format!("`{name}` cannot be the name of a header"),
                "letters, digits and !#$%&'*+-.^_`|~",
            );
        } else if OWN_HEADERS.contains(&lower.as_str()) {
            self.mistake(
                path,
                format!("`{name}` is what bmt says itself"),
                format!("any header but {}", OWN_HEADERS.join(", ")),
            );
        }
        let template = self.template(path, Template::compile(value, data, Escape::Plain))?;
        let is_plain = |text: &str| text.chars().all(|c| !c.is_control() || c == '\t');
        if !template.texts().all(is_plain) {
            self.mistake(
                path,
                "the value has a line end or another control sign",
                "text on one line",
            );
        } else if let Some(problem) = template.control_sign(data) {
            self.mistake(path, problem, "values on one line, for they go into a header");
        }
        Some((lower, template))
    }

    /// The body of a request, and what it is by default; `None` where that is not to be made out.
    fn body(
        &mut self,
        path: &str,
        request: &RequestFile,
        method: Method,
        data: &Sources,
        folder: &Folder,
    ) -> Option<(Option<Body>, Option<&'static str>)> {
        let given = [
            request.json.is_some(),
            request.form.is_some(),
            request.text.is_some(),
            request.file.is_some(),
        ];
        let count = given.iter().filter(|is_given| **is_given).count();
        if count > 1 {
            self.mistake(path, "it has more than one body", format!("one of {BODIES}"));
            return None;
        }
        if count == 1 && method.is_safe() {
            self.mistake(
                path,
                format!("a `{}` has no body", method.key()),
                format!("leave {BODIES} out, or post, put, patch or delete"),
            );
        }
        if let Some(json) = &request.json {
            let body = self.template(&join(path, "json"), compile_json(json, data))?;
            return Some((Some(Body::Template(body)), Some("application/json")));
        }
        if let Some(form) = &request.form {
            let pairs = form.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            let body = self.template(&join(path, "form"), compile_form(pairs, data))?;
            return Some((Some(Body::Template(body)), Some("application/x-www-form-urlencoded")));
        }
        if let Some(text) = &request.text {
            let body = self.template(&join(path, "text"), Template::compile(text, data, Escape::Plain))?;
            return Some((Some(Body::Template(body)), Some("text/plain; charset=utf-8")));
        }
        if let Some(name) = &request.file {
            let bytes = self.file(&join(path, "file"), name, folder)?;
            return Some((Some(Body::Bytes(Arc::from(bytes))), Some("application/octet-stream")));
        }
        Some((None, None))
    }

    fn check(&mut self, path: &str, check: Option<&CheckFile>, method: Method) -> Check {
        let path = join(path, "check");
        let Some(check) = check else {
            return Check::default();
        };
        let status = check.status.as_ref().map_or(&[][..], OneOrMany::as_slice);
        if let Some(wrong) = status.iter().find(|status| !(200..=599).contains(*status)) {
            self.mistake(
                &join(&path, "status"),
                format!("no answer ends with status {wrong}"),
                "whole numbers from 200 to 599",
            );
        }
        let bodies = check.body.as_ref().map_or(&[][..], OneOrMany::as_slice);
        let empty = [
            ("status", check.status.is_some() && status.is_empty()),
            ("body", check.body.is_some() && bodies.is_empty()),
        ];
        for (key, _) in empty.into_iter().filter(|(_, is_empty)| *is_empty) {
            self.mistake(
                &join(&path, key),
                "an empty list checks nothing",
                format!("at least one, or leave `{key}` out"),
            );
        }
        if method == Method::Head && !bodies.is_empty() {
            self.mistake(
                &join(&path, "body"),
                "the answer to a `head` has no body",
                "leave `body` out",
            );
        }
        let at = join(&path, "body");
        let place = |index: usize| match check.body {
            Some(OneOrMany::Many(_)) => join(&at, &index.to_string()),
            _ => at.clone(),
        };
        let body = bodies.iter().enumerate();
        Check {
            status: status.to_vec(),
            body: body
                .flat_map(|(index, body)| self.body_check(&place(index), body))
                .collect(),
        }
    }

    fn body_check(&mut self, path: &str, check: &BodyCheckFile) -> Vec<BodyCheck> {
        let has_value = |text: &String| text.contains("{{");
        let equals = check
            .equals
            .as_ref()
            .and_then(|equals| equals.as_str().map(str::to_owned));
        if check.contains.iter().chain(&equals).any(has_value) {
            self.mistake(
                path,
                "a check is the same for all arrivals and has no values in it",
                "text without {{",
            );
        }
        let limits = [check.above.map(Must::BeAbove), check.below.map(Must::BeBelow)];
        let equal = check.equals.clone().map(Must::Equal);
        let musts: Vec<Must> = equal.into_iter().chain(limits.into_iter().flatten()).collect();
        match (&check.contains, &check.json) {
            (Some(text), None) if musts.is_empty() => vec![BodyCheck::Contains(text.clone())],
            (None, Some(pointer)) => {
                if !(pointer.is_empty() || pointer.starts_with('/')) {
                    self.mistake(
                        &join(path, "json"),
                        format!("`{pointer}` is not a pointer into JSON"),
                        "a pointer such as /items/0/price, in which ~1 is a / and ~0 is a ~; an empty one is the whole",
                    );
                }
                let musts = if musts.is_empty() { vec![Must::Exist] } else { musts };
                let of = |must| BodyCheck::Json {
                    pointer: pointer.clone(),
                    must,
                };
                musts.into_iter().map(of).collect()
            }
            _ => {
                self.mistake(
                    path,
                    "it is not clear what the body has to be like",
                    "either contains: TEXT, or json: POINTER, with equals, above or below where the value matters",
                );
                vec![]
            }
        }
    }
}
