//! WebSocket connections: what the schema cannot judge.

use std::time::Duration;

use super::file::{AnswerFile, GeneratorFile, SendFile, TrafficFile, WorkloadFile, connect_rate};
use super::judge::Judge;
use super::quantity::{Rate, Span};
use super::request::OWN_HEADERS;
use super::shape::join;
use crate::arrival::{PhaseKind, Profile};
use crate::template::{Check, Escape, Says, Sources, Template, Websocket, compile_json};

/// Headers with which a WebSocket is agreed on, which bmt writes itself.
const HANDSHAKE_HEADERS: [&str; 4] = [
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-accept",
    "sec-websocket-extensions",
];
/// Less time between two texts of a connection is rather one message.
const EVERY_MIN: Duration = Duration::from_millis(1);
const NO_WEBSOCKET: &str = "only an entry with `websocket` has this";

impl Judge<'_> {
    /// What an entry with `websocket` holds; `None` where that is not to be made out.
    pub(super) fn websocket(
        &mut self,
        path: &str,
        target: &str,
        entry: &TrafficFile,
        generator: &GeneratorFile,
        data: &Sources,
    ) -> Option<Websocket> {
        self.of_websocket(path, entry);
        let connect = entry.connect.unwrap_or_else(connect_rate);
        if connect.0 <= 0.0 {
            self.mistake(
                &join(path, "connect"),
                format!("at `{connect}` no connection would ever be opened"),
                "more than 0/s",
            );
        }
        let target = self.target(&join(path, "websocket"), target, data);
        let headers = self.headers_of_websocket(&join(path, "headers"), entry, data);
        let within = self.within(&join(path, "answer.within"), entry.answer.as_ref(), generator);
        let says = match &entry.send {
            None => None,
            Some(send) => Some(self.says(path, send, entry.answer.as_ref(), within, data)?),
        };
        Some(Websocket {
            path: target?,
            headers,
            hold: entry.hold?,
            connect_rate: connect.0,
            says,
        })
    }

    /// What an entry with a WebSocket cannot have, and what it has to have.
    fn of_websocket(&mut self, path: &str, entry: &TrafficFile) {
        if entry.hold.is_none() {
            self.mistake(
                &join(path, "hold"),
                "it is not said how many connections are held",
                "a number, such as hold: 1000",
            );
        }
        for (key, is_given, remedy) in [
            (
                "check",
                entry.check.is_some(),
                "leave `check` out, or say in `answer` which message is one",
            ),
            (
                "retry",
                entry.retry.is_some(),
                "leave `retry` out: a connection that ends is opened again",
            ),
        ] {
            if is_given {
                self.mistake(&join(path, key), "a WebSocket has no such thing", remedy);
            }
        }
        if entry.answer.is_some() && entry.send.is_none() {
            self.mistake(
                &join(path, "answer"),
                "nothing is sent that it could be the answer to",
                "a `send` beside it, such as {every: 10s, text: ping}",
            );
        }
    }

    /// What belongs to a WebSocket, in an entry that is none.
    pub(super) fn no_websocket(&mut self, path: &str, entry: &TrafficFile) {
        for (key, is_given) in [
            ("hold", entry.hold.is_some()),
            ("connect", entry.connect.is_some()),
            ("send", entry.send.is_some()),
            ("answer", entry.answer.is_some()),
        ] {
            if is_given {
                let remedy = format!("leave `{key}` out, or describe a `websocket`");
                self.mistake(&join(path, key), NO_WEBSOCKET, remedy);
            }
        }
        if !entry.headers.is_empty() {
            self.mistake(
                &join(path, "headers"),
                NO_WEBSOCKET,
                "`headers` in the `request`, or in its steps",
            );
        }
    }

    fn headers_of_websocket(&mut self, path: &str, entry: &TrafficFile, data: &Sources) -> Vec<(String, Template)> {
        let mut headers = Vec::new();
        for (name, value) in &entry.headers {
            let at = join(path, name);
            headers.extend(self.header(&at, name, value, data));
            if HANDSHAKE_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                let all = [&OWN_HEADERS[..], &HANDSHAKE_HEADERS].concat().join(", ");
                self.mistake(
                    &at,
                    format!("`{name}` is what bmt says itself"),
                    format!("any header but {all}"),
                );
            }
        }
        headers
    }

    /// How long an answer may take.
    fn within(&mut self, path: &str, answer: Option<&AnswerFile>, generator: &GeneratorFile) -> Duration {
        let Some(within) = answer.and_then(|answer| answer.within) else {
            return generator.timeout.0;
        };
        self.positive(path, within);
        if within > generator.timeout {
            self.mistake(
                path,
                format!("`{within}` is longer than anything is waited for"),
                format!("at most generator.timeout, which is {}", generator.timeout),
            );
        }
        within.0
    }

    fn says(
        &mut self,
        path: &str,
        send: &SendFile,
        answer: Option<&AnswerFile>,
        within: Duration,
        data: &Sources,
    ) -> Option<Says> {
        let at = join(path, "send");
        if send.every.0 < EVERY_MIN {
            self.mistake(
                &join(&at, "every"),
                format!("every `{}` is too often for one connection", send.every),
                format!("at least {}", Span(EVERY_MIN)),
            );
        }
        let text = match (&send.text, &send.json) {
            (Some(text), None) => {
                let compiled = Template::compile(text, data, Escape::Plain);
                self.template(&join(&at, "text"), compiled)
            }
            (None, Some(json)) => self.template(&join(&at, "json"), compile_json(json, data)),
            (given, _) => {
                let problem = match given {
                    Some(_) => "there is a `text` as well as a `json`",
                    None => "it is not said what is sent",
                };
                self.mistake(&at, problem, "exactly one of text: TEXT and json: VALUE");
                None
            }
        };
        let answer = answer.map(|answer| {
            let check = answer.check();
            Check {
                body: check.map_or(vec![], |check| self.body_check(&join(path, "answer"), &check)),
                ..Check::default()
            }
        });
        Some(Says {
            every: send.every.0,
            text: text?,
            answer,
            within,
        })
    }

    /// All connections have to be open before anything is judged.
    pub(super) fn holding(&mut self, file: &WorkloadFile, profile: &Profile) {
        let warm_up = profile.phases().first().filter(|phase| phase.kind == PhaseKind::WarmUp);
        let warm_up_s = warm_up.map_or(0.0, |phase| phase.end.as_secs_f64());
        for (name, entry) in file.traffic.iter().filter(|(_, entry)| entry.websocket.is_some()) {
            let Rate(rate) = entry.connect.unwrap_or_else(connect_rate);
            let needed_s = f64::from(entry.hold.unwrap_or(0)) / rate;
            if rate > 0.0 && needed_s > warm_up_s {
                self.mistake(
                    &join(&join("traffic", name), "connect"),
                    format!("opening them takes {needed_s:.1} s, and the warm-up ends after {warm_up_s:.1} s"),
                    format!("profile.warm_up of at least {:.0}s, or a higher rate", needed_s.ceil()),
                );
            }
        }
    }
}
