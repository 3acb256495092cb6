//! Requests: what the schema cannot judge.

use std::sync::Arc;

use super::file::{CheckFile, RequestFile, TrafficFile};
use super::folder::Folder;
use super::judge::Judge;
use super::mistake::nearest;
use super::secret::masked;
use super::shape::join;
use crate::template::{
    Ask, Body, Escape, Method, RequestTemplate, Sources, Template, TemplateError, compile_form, compile_json,
};

const CONTENT_TYPE: &str = "content-type";
/// Headers that decide how a connection is used.
pub(super) const OWN_HEADERS: [&str; 8] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "keep-alive",
    "proxy-connection",
];
const METHODS: &str = "get, head, options, post, put, patch or delete, with a path";
const BODIES: &str = "json, form, text or file";

impl Judge<'_> {
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

    /// What the request at `at` asks for, whose `check` is below `path`; `None` where that is not to be made out.
    pub(super) fn ask(
        &mut self,
        path: &str,
        at: &str,
        request: &RequestFile,
        check: Option<&CheckFile>,
        data: &Sources,
        folder: &Folder,
    ) -> Option<Ask> {
        let (method, target) = self.method(at, request)?;
        let check = self.check(path, check, method);
        let target = self.target(&join(at, method.key()), target, data);
        let mut headers = self.headers(&join(at, "headers"), request, data);
        let (body, content_type) = self.body(at, request, method, data, folder)?;
        let is_given = headers.iter().any(|(name, _)| name == CONTENT_TYPE);
        if let Some(content_type) = content_type.filter(|_| !is_given) {
            headers.push((CONTENT_TYPE.to_owned(), Template::text(content_type)));
        }
        if check.reads_body() {
            self.decodable(at, request);
        }
        let request = RequestTemplate {
            method,
            path: target?,
            headers,
            body,
        };
        Some(Ask { request, check })
    }

    /// Notes an encoding that is asked for and that nothing here can decode, of an answer whose body is looked at.
    pub(super) fn decodable(&mut self, path: &str, request: &RequestFile) {
        let mut headers = request.headers.iter();
        let Some((name, value)) = headers.find(|(name, _)| name.eq_ignore_ascii_case("accept-encoding")) else {
            return;
        };
        let codings = value
            .split(',')
            .map(|coding| coding.split(';').next().unwrap_or_default().trim());
        let mut unknown = codings.filter(|coding| !["gzip", "deflate", "identity", ""].contains(coding));
        if let Some(unknown) = unknown.next() {
            self.mistake(
                &join(&join(path, "headers"), name),
                format!("an answer whose body is looked at cannot be decoded from `{unknown}`"),
                "gzip, deflate, identity",
            );
        }
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

    pub(super) fn target(&mut self, path: &str, target: &str, data: &Sources) -> Option<Template> {
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
    pub(super) fn template(&mut self, path: &str, compiled: Result<Template, TemplateError>) -> Option<Template> {
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

    /// Text in which the environment alone is a value, filled in; `None` and a mistake where there is another one.
    pub(super) fn of_environment(&mut self, path: &str, text: &str, escape: Escape) -> Option<String> {
        let filled = match Template::compile(text, &Sources::default(), escape) {
            Ok(template) => template.fixed(),
            // What is set in the environment is told; of other values none would do.
            Err(error) if error.unknown.is_none() => {
                self.mistake(path, masked(&error.problem), error.allowed);
                return None;
            }
            Err(_) => None,
        };
        if filled.is_none() {
            self.mistake(
                path,
                "a value in it depends on a request, and no request is sent here",
                "{{env.NAME}}, a variable of the environment",
            );
        }
        filled
    }

    fn headers(&mut self, path: &str, request: &RequestFile, data: &Sources) -> Vec<(String, Template)> {
        let headers = request.headers.iter();
        headers
            .filter_map(|(name, value)| self.header(&join(path, name), name, value, data))
            .collect()
    }

    /// The name of a header in lower case; `None` of what can be none.
    pub(super) fn header_name(&mut self, path: &str, name: &str) -> Option<String> {
        self.token(path, name, "header").map(str::to_ascii_lowercase)
    }

    /// The name of a header or a cookie (RFC 9110, section 5.6.2).
    pub(super) fn token<'a>(&mut self, path: &str, name: &'a str, what: &str) -> Option<&'a str> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            self.mistake(
                path,
                format!("`{name}` cannot be the name of a {what}"),
                "letters, digits and !#$%&'*+-.^_`|~",
            );
            return None;
        }
        Some(name)
    }

    pub(super) fn header(&mut self, path: &str, name: &str, value: &str, data: &Sources) -> Option<(String, Template)> {
        let lower = self.header_name(path, name)?;
        if OWN_HEADERS.contains(&lower.as_str()) {
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
}
