//! Access logs, read line by line.

use std::io::{BufRead, Read as _};

use super::address::Address;
use super::clock::Clock;
use super::entries::{Entries, entries};
use super::error::DraftError;
use super::found::{Found, counted, method_key};
use super::groups::{Groups, Request};
use super::log_line::Line;

/// Bytes of a line; the rest of a longer one is passed over.
const LINE_MAX: u64 = 64 * 1024;
const EXPECTED: &str = "expected the common or combined format of nginx and Apache, or a JSON object on each line with method, uri and status";

/// What a log tells of the traffic.
///
/// # Errors
/// When it cannot be read, or no line of it is a request for anything but static files.
pub fn from_access_log(mut log: impl BufRead) -> Result<Found, DraftError> {
    let mut read = Log::default();
    let mut bytes = Vec::new();
    let mut number = 0;
    loop {
        bytes.clear();
        number += 1;
        let got = log.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes);
        let got =
            got.map_err(|error| DraftError::new(format!("cannot be read: {error}"), "name a file of text").at(number))?;
        if got == 0 {
            break;
        }
        if !bytes.ends_with(b"\n") {
            skip_line(&mut log)
                .map_err(|error| DraftError::new(error.to_string(), "name a file of text").at(number))?;
        }
        if number == 1 && bytes.starts_with(&[0x1f, 0x8b]) {
            let next = "decompress it first: zcat FILE | bmt init --access-log /dev/stdin";
            return Err(DraftError::new("the log is compressed", next));
        }
        read.line(String::from_utf8_lossy(&bytes).trim(), number);
    }
    read.found()
}

/// Goes past the end of the line.
fn skip_line(log: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let ahead = log.fill_buf()?;
        if ahead.is_empty() {
            return Ok(());
        }
        let end = ahead.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(ahead.len(), |end| end + 1);
        log.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[derive(Default)]
struct Log {
    groups: Groups,
    clock: Clock,
    unreadable: u64,
    first_unreadable: Option<u64>,
    other_methods: u64,
}

impl Log {
    fn line(&mut self, line: &str, number: u64) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let read = Line::read(line);
        let with_address = read
            .as_ref()
            .and_then(|read| Some((read, Address::read(&read.target)?)));
        let Some((read, address)) = with_address else {
            self.unreadable += 1;
            self.first_unreadable.get_or_insert(number);
            return;
        };
        let Some(method) = method_key(&read.method) else {
            self.other_methods += 1;
            return;
        };
        let statics = self.groups.statics;
        self.groups.add(&Request {
            method,
            address,
            status: read.status,
        });
        if self.groups.statics == statics
            && let Some(second) = read.second
        {
            self.clock.add(second);
        }
    }

    fn found(self) -> Result<Found, DraftError> {
        if self.groups.groups.is_empty() {
            return Err(match self.first_unreadable {
                _ if self.groups.statics > 0 => DraftError::new(
                    "nothing but requests for static files are in it, which a draft leaves out",
                    "write them by hand, as workloads/any-http.yaml has its request",
                ),
                Some(line) => DraftError::new("no line is a request", EXPECTED).at(line),
                None => DraftError::new("there is no request in it", EXPECTED),
            });
        }
        let load = self.clock.load();
        let Entries {
            entries,
            data,
            mut notes,
        } = entries(self.groups);
        if let Some(line) = self.first_unreadable {
            let lines = counted(self.unreadable, "line");
            notes.push(format!(
                "Left out: {lines} that could not be read as a request; the first is line {line}."
            ));
        }
        if self.other_methods > 0 {
            let requests = counted(self.other_methods, "request");
            notes.push(format!(
                "Left out: {requests} with a method that a workload does not know."
            ));
        }
        Ok(Found {
            notes,
            load,
            data,
            entries,
            ..Found::default()
        })
    }
}
