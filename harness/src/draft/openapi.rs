//! Documents of OpenAPI 3: an entry for each operation, all with the same share.

use serde_json::Value as Json;

use super::address::{Address, encoded, encoded_value};
use super::document::Document;
use super::error::DraftError;
use super::found::{Entry, Found, Piece, counted, is_safe, literal, method_key, snake, unique, withheld_note};
use super::parameter::{Parameters, text};
use super::request_body::add_body;
use super::schema::example;
use super::secret::{self, Header};

/// Operations that a draft has at most.
const OPERATIONS_MAX: usize = 500;
const NAME_MAX: usize = 60;
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What a document tells of the requests that its server takes.
///
/// # Errors
/// When it is no document of OpenAPI 3, or has no operation.
pub fn from_openapi(text: &str) -> Result<Found, DraftError> {
    let document = Document::read(text)?;
    let mut found = Found::default();
    let mut parameters = Parameters::default();
    let mut more = 0_u64;
    let paths = document.root["paths"].as_object().into_iter().flatten();
    for (path, item) in paths.filter(|(path, _)| path.starts_with('/')) {
        let Some(item) = document.follow(item) else {
            found
                .notes
                .push(format!("Left out: {path}, which another file describes."));
            continue;
        };
        for method in METHODS {
            let Some(operation) = item.get(method).filter(|operation| operation.is_object()) else {
                continue;
            };
            let Some(key) = method_key(method) else {
                found.notes.push(format!(
                    "Left out: TRACE {path}, a method that a workload does not know."
                ));
                continue;
            };
            if found.entries.len() == OPERATIONS_MAX {
                more += 1;
                continue;
            }
            let operation = Operation {
                document: &document,
                path,
                item,
                operation,
            };
            let entry = operation.entry(key, &found.entries, &mut parameters);
            found.entries.push(entry);
        }
    }
    if found.entries.is_empty() {
        return Err(DraftError::new(
            "has no operation",
            "expected `paths` with get, post and the like below them",
        ));
    }
    if more > 0 {
        found.notes.push(format!(
            "Left out: {} beyond the first {OPERATIONS_MAX}.",
            counted(more, "operation")
        ));
    }
    let changing = found.entries.iter().filter(|entry| !is_safe(entry.method)).count() as u64;
    if changing > 0 {
        found.notes.push(format!(
            "fill in: whether the {} that change something may be sent to this server",
            counted(changing, "operation")
        ));
    }
    found
        .notes
        .push("fill in: the shares; a document does not tell what is asked for how often".to_owned());
    (found.origin, found.base) = server(&document);
    found.data = parameters.data;
    Ok(found)
}

/// Origin and base of the first server.
fn server(document: &Document) -> (Option<String>, String) {
    let server = &document.root["servers"][0];
    let mut url = server["url"].as_str().unwrap_or_default().to_owned();
    for (name, variable) in server["variables"].as_object().into_iter().flatten() {
        url = url.replace(&format!("{{{name}}}"), variable["default"].as_str().unwrap_or_default());
    }
    let base = |path: &str| encoded(path.trim_end_matches('/'));
    match Address::read(&url) {
        Some(address) => (address.origin, base(address.path)),
        None => (None, String::new()),
    }
}

struct Operation<'a> {
    document: &'a Document,
    path: &'a str,
    item: &'a Json,
    operation: &'a Json,
}

impl<'a> Operation<'a> {
    fn entry(&self, method: &'static str, others: &[Entry], parameters: &mut Parameters) -> Entry {
        let wanted = match self.operation["operationId"].as_str().map(plain_name) {
            Some(name) if !name.is_empty() => name,
            _ => snake(&format!("{method}_{}", self.path), NAME_MAX),
        };
        let name = unique(&wanted, |name| others.iter().any(|entry| entry.name == name));
        let mut entry = Entry {
            name,
            weight: 1,
            method,
            ..Entry::default()
        };
        entry.path = self.path(parameters, &mut entry.notes);
        self.query(parameters, &mut entry);
        self.headers(&mut entry);
        self.security(&mut entry.notes);
        if !is_safe(method) {
            add_body(self.document, self.operation, &mut entry);
        }
        entry.statuses = self.status().into_iter().collect();
        entry
    }

    /// The parameters in a place, those of the operation before those of its path.
    fn parameters(&self, place: &str) -> Vec<(&'a str, &'a Json)> {
        let mut found: Vec<(&str, &Json)> = Vec::new();
        for of in [self.operation, self.item] {
            let written = of["parameters"].as_array().into_iter().flatten();
            for parameter in written.filter_map(|parameter| self.document.follow(parameter)) {
                let name = parameter["name"].as_str().unwrap_or_default();
                let is_new = !name.is_empty() && found.iter().all(|(known, _)| *known != name);
                if parameter["in"] == place && is_new {
                    found.push((name, parameter));
                }
            }
        }
        found
    }

    fn path(&self, parameters: &mut Parameters, notes: &mut Vec<String>) -> Vec<Piece> {
        let known = self.parameters("path");
        let mut pieces = Vec::new();
        let mut rest = self.path;
        while let Some((before, name, after)) = braced(rest) {
            pieces.push(Piece::Text(encoded(before)));
            let parameter = known
                .iter()
                .find(|(known, _)| *known == name)
                .map_or(&Json::Null, |(_, parameter)| *parameter);
            pieces.push(parameters.piece(self.document, name, parameter, notes));
            rest = after;
        }
        pieces.push(Piece::Text(encoded(rest)));
        pieces
    }

    fn query(&self, parameters: &mut Parameters, entry: &mut Entry) {
        let mut optional = Vec::new();
        let mut separator = '?';
        for (name, parameter) in self.parameters("query") {
            if parameter["required"] != true {
                optional.push(name);
                continue;
            }
            if secret::is_secret_name(name) {
                entry
                    .notes
                    .push(format!("fill in: the parameter {name}, left out as a secret"));
                continue;
            }
            entry
                .path
                .push(Piece::Text(format!("{separator}{}=", encoded_value(name))));
            let piece = parameters.piece(self.document, name, parameter, &mut entry.notes);
            entry.path.push(piece);
            separator = '&';
        }
        if !optional.is_empty() {
            entry
                .notes
                .push(format!("The query may also have: {}.", optional.join(", ")));
        }
    }

    fn headers(&self, entry: &mut Entry) {
        for (name, parameter) in self.parameters("header") {
            let schema = self.document.follow(&parameter["schema"]).unwrap_or(&Json::Null);
            let value = parameter
                .get("example")
                .cloned()
                .unwrap_or_else(|| example(self.document, schema));
            let value = text(&value).unwrap_or_default();
            match secret::header(name, &value) {
                _ if parameter["required"] != true => {}
                Header::Kept if !value.is_empty() => {
                    entry.notes.push(format!("fill in: the header {name}"));
                    entry.headers.push((name.to_ascii_lowercase(), literal(&value)));
                }
                Header::Kept | Header::Withheld => entry.notes.push(withheld_note(name)),
                Header::Dropped => {}
            }
        }
        for (name, _) in self
            .parameters("cookie")
            .into_iter()
            .filter(|(_, parameter)| parameter["required"] == true)
        {
            entry.notes.push(format!(
                "fill in: the header cookie with {name}, for example cookie: \"{name}={{{{env.BMT_COOKIE}}}}\""
            ));
        }
    }

    /// What an operation wants of those who call it.
    fn security(&self, notes: &mut Vec<String>) {
        let wanted = self
            .operation
            .get("security")
            .unwrap_or(&self.document.root["security"]);
        let Some(first) = wanted.get(0).and_then(Json::as_object) else {
            return;
        };
        for name in first.keys() {
            let scheme = &self.document.root["components"]["securitySchemes"][name];
            let scheme = self.document.follow(scheme).unwrap_or(&Json::Null);
            let header = scheme["name"].as_str().unwrap_or("authorization");
            notes.push(match scheme["in"].as_str() {
                Some("query") => format!("fill in: the parameter {header}, left out as a secret"),
                Some("cookie") => withheld_note("cookie"),
                Some("header") => withheld_note(header),
                _ => withheld_note("authorization"),
            });
        }
    }

    /// The lowest status of a success, or else of a redirect.
    fn status(&self) -> Option<u16> {
        let responses = self.operation["responses"].as_object().into_iter().flatten();
        let statuses = responses.filter_map(|(status, _)| status.parse().ok());
        statuses.filter(|status| (200..400).contains(status)).min()
    }
}

/// An `operationId` with what a key of a workload may have.
fn plain_name(id: &str) -> String {
    let plain = id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' });
    plain.take(NAME_MAX).collect::<String>().trim_matches('_').to_owned()
}

/// What is before the first `{name}`, the name, and what is behind.
fn braced(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}
