//! A command of curl, as documentation has it and browsers copy it.

use super::address::{Address, encoded_value};
use super::body::recorded;
use super::curl_option::Does::{
    self, Agent, Data, EncodedData, Get, Head, Json, Method, Nothing, NothingOfIts, RawData, Referer, Refused, Secret,
    Url,
};
use super::curl_option::{lettered, named, unknown};
use super::entries::{Entries, entries};
use super::error::DraftError;
use super::found::{Found, is_safe, method_key};
use super::groups::{Example, Groups, Request};
use super::secret::{self, Header};
use super::shell::words;

#[derive(Default)]
struct Command {
    method: Option<String>,
    url: Option<String>,
    headers: Vec<(String, String)>,
    withheld: Vec<String>,
    data: Vec<String>,
    /// Files that the command reads, which stay where they are.
    files: Vec<String>,
    is_json: bool,
    is_compressed: bool,
    in_query: bool,
    is_head: bool,
}

/// What a command asks for.
///
/// # Errors
/// When it is no command of curl, or has an option that is not understood.
pub fn from_curl(command: &str) -> Result<Found, DraftError> {
    let words = words(command)?;
    let mut words = words.into_iter().skip_while(|word| word == "$");
    if !words
        .next()
        .is_some_and(|first| first == "curl" || first.ends_with("/curl") || first == "curl.exe")
    {
        let next = "expected curl with its options and an address, such as --curl \"curl http://127.0.0.1:8080/items\"";
        return Err(DraftError::new("the command does not begin with curl", next));
    }
    let mut read = Command::default();
    let mut only_addresses = false;
    while let Some(word) = words.next() {
        if only_addresses || !word.starts_with('-') || word == "-" {
            read.address(word)?;
        } else if word == "--" {
            only_addresses = true;
        } else if let Some(long) = word.strip_prefix("--") {
            let does = named(long).ok_or_else(|| unknown(&word))?;
            read.option(&word, does, || words.next())?;
        } else {
            read.short(&word, &mut words)?;
        }
    }
    read.found()
}

impl Command {
    /// `-sSL`, `-XPOST`, `-H name:value`.
    fn short(&mut self, word: &str, words: &mut impl Iterator<Item = String>) -> Result<(), DraftError> {
        let mut rest = word.chars();
        rest.next();
        while let Some(letter) = rest.next() {
            let option = format!("-{letter}");
            let does = lettered(letter).ok_or_else(|| unknown(&option))?;
            if matches!(does, Get | Head | Nothing | Refused(_)) {
                self.option(&option, does, || None)?;
                continue;
            }
            let attached = rest.as_str().to_owned();
            return self.option(&option, does, || {
                (!attached.is_empty()).then_some(attached).or_else(|| words.next())
            });
        }
        Ok(())
    }

    fn option(&mut self, option: &str, does: Does, next: impl FnOnce() -> Option<String>) -> Result<(), DraftError> {
        let argument = || {
            let none = || DraftError::new(format!("nothing comes after the option {option}"), "expected its value");
            next().ok_or_else(none)
        };
        match does {
            Nothing => self.is_compressed |= option == "--compressed",
            Get => self.in_query = true,
            Head => self.is_head = true,
            Method => self.method = Some(argument()?),
            Url => self.address(argument()?)?,
            Does::Header => self.header(&argument()?),
            Agent => self.headers.push(("user-agent".to_owned(), argument()?)),
            Referer => self.headers.push(("referer".to_owned(), argument()?)),
            Secret(header) => {
                argument()?;
                self.withheld.push(header.to_owned());
            }
            RawData => self.data.push(argument()?),
            Data => self.data(argument()?),
            Json => {
                self.is_json = true;
                self.data(argument()?);
            }
            EncodedData => self.encoded_data(&argument()?),
            NothingOfIts => drop(argument()?),
            Refused(next) => {
                return Err(DraftError::new(
                    format!("the option {option} of curl is not understood"),
                    next,
                ));
            }
        }
        Ok(())
    }

    fn address(&mut self, address: String) -> Result<(), DraftError> {
        match self.url.replace(address) {
            None => Ok(()),
            Some(first) => {
                let second = self.url.take().unwrap_or_default();
                let problem = format!("there are two addresses, `{}` and `{}`", plain(&first), plain(&second));
                Err(DraftError::new(problem, "give one; quote what belongs to an option"))
            }
        }
    }

    fn header(&mut self, header: &str) {
        let Some((name, value)) = header.split_once(':') else {
            return;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        match secret::header(&name, &value) {
            Header::Kept => self.headers.push((name, value)),
            Header::Withheld => self.withheld.push(name),
            Header::Dropped => {}
        }
    }

    fn data(&mut self, data: String) {
        match data.strip_prefix('@') {
            Some(file) => self.files.push(file.to_owned()),
            None => self.data.push(data),
        }
    }

    /// `text`, `=text` or `name=text`, of which the text is encoded; `@file` and `name@file`.
    fn encoded_data(&mut self, data: &str) {
        match data.find(['=', '@']) {
            None => self.data.push(encoded_value(data)),
            Some(at) if data[at..].starts_with('@') => self.files.push(data[at + 1..].to_owned()),
            Some(0) => self.data.push(encoded_value(&data[1..])),
            Some(at) => self
                .data
                .push(format!("{}={}", &data[..at], encoded_value(&data[at + 1..]))),
        }
    }

    fn found(mut self) -> Result<Found, DraftError> {
        let url = self
            .url
            .take()
            .ok_or_else(|| DraftError::new("there is no address", "expected curl http://HOST:PORT/PATH"))?;
        let mut url = if url.contains("://") {
            url
        } else {
            format!("http://{url}")
        };
        let separator = if self.is_json { "" } else { "&" };
        let body = self.data.join(separator);
        if self.in_query && !body.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&body);
        }
        let address = Address::read(&url).ok_or_else(|| {
            DraftError::new(
                format!("`{}` is no address", plain(&url)),
                "expected http://HOST:PORT/PATH",
            )
        })?;
        let has_body = !(self.in_query || body.is_empty() && self.files.is_empty());
        let usual = match (self.is_head, has_body) {
            (true, _) => "HEAD",
            (false, true) => "POST",
            (false, false) => "GET",
        };
        let method = self.method.take().unwrap_or_else(|| usual.to_owned());
        let method = method_key(&method).ok_or_else(|| {
            DraftError::new(
                format!("`{}` is no method that a workload knows", plain(&method)),
                "GET, HEAD, OPTIONS, POST, PUT, PATCH or DELETE",
            )
        })?;
        let origin = address.origin.clone();
        if url.split('/').nth(2).is_some_and(|host| host.contains('@')) {
            self.withheld.push("authorization".to_owned());
        }
        let mut groups = Groups::default();
        let mut notes = Vec::new();
        let example = self.example(if self.in_query { "" } else { &body }, method, &mut notes);
        match groups.add(&Request {
            method,
            address,
            status: None,
        }) {
            Some(group) => group.example = Some(example),
            None => {
                let problem = "the address is that of a static file, or longer than 4 KiB";
                return Err(DraftError::new(
                    problem,
                    "write the request by hand, as workloads/any-http.yaml has its",
                ));
            }
        }
        let Entries { mut entries, data, .. } = entries(groups);
        if let Some(entry) = entries.first_mut() {
            entry.notes.extend(notes);
        }
        Ok(Found {
            origin,
            data,
            entries,
            ..Found::default()
        })
    }

    fn example(&mut self, body: &str, method: &str, notes: &mut Vec<String>) -> Example {
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in std::mem::take(&mut self.headers) {
            if value.contains(char::is_control) || headers.iter().any(|(known, _)| *known == name) {
                notes.push(format!(
                    "fill in: the header {name}, which is left out where it came again or over lines"
                ));
            } else {
                headers.push((name, value));
            }
        }
        if self.is_compressed && headers.iter().all(|(name, _)| name != "accept-encoding") {
            headers.push(("accept-encoding".to_owned(), "gzip, deflate".to_owned()));
        }
        let at = headers.iter().position(|(name, _)| name == "content-type");
        let said = at.map(|at| headers.remove(at).1);
        let usual = if self.is_json {
            "application/json"
        } else {
            "application/x-www-form-urlencoded"
        };
        let content_type = said.unwrap_or_else(|| usual.to_owned());
        let mut example = Example {
            headers,
            withheld: std::mem::take(&mut self.withheld),
            ..Example::default()
        };
        example.withheld.dedup();
        if is_safe(method) {
            if !body.is_empty() {
                notes.push(format!(
                    "Left out: the body, which a {method} of a workload does not have."
                ));
            }
        } else if self.files.is_empty() {
            example.recorded = recorded(body, Some(&content_type));
        } else {
            let files = self.files.join(", ");
            notes.push(format!(
                "fill in: the body, which curl reads from {files}; copied beside this file: `file: NAME`"
            ));
        }
        example
    }
}

/// A part of the command in a message, without what may be a secret in it.
fn plain(text: &str) -> String {
    let text = text
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .split('?')
        .next()
        .unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
