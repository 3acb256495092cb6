//! Requests that a workload describes, to any HTTP server: single ones, and those of sessions.
//!
//! ```text
//!   mod ──► capture, visits ──► jar (a leaf)
//! ```
//!
//! What may enter: requests and answers as such. What a particular service means by them is the workload's to say.

mod capture;
mod encoding;
mod jar;
mod visits;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::jar::Moment;
use self::visits::Visits;
use super::plan::{Call, Place, Scenario, ScenarioPlan, Todo};
use super::series::SeriesTable;
use crate::arrival::Arrival;
use crate::record::{Outcome, Recorder, Sample, UnsentCause};
use crate::template::{Ask, Body, Captured, Check, Method, RequestTemplate, Session, Sources, Step, Template, Values};
use crate::transport::{Answer, Origin, Request, Wanted};

/// The header that carries cookies.
const COOKIE: &str = "cookie";

/// What is asked for in a cell.
#[derive(Debug, Clone)]
pub struct HttpPlan {
    /// Where requests go, by host.
    pub to: Arc<[Origin]>,
    /// By traffic entry; `None` of an entry of another scenario.
    pub entries: Arc<[Option<Entry>]>,
    /// Headers of every request, besides its own.
    pub headers: Arc<[(String, Template)]>,
    /// Where values come from.
    pub sources: Arc<Sources>,
    /// Seed of the block.
    pub seed: u64,
}

/// What the arrivals of an entry ask for.
#[derive(Debug, Clone)]
pub enum Entry {
    /// One request.
    Single(Ask),
    /// The steps of a session.
    Session(SessionEntry),
}

/// A session, and where it happens.
#[derive(Debug, Clone)]
pub struct SessionEntry {
    /// Its steps.
    pub session: Session,
    /// Series of the first step; those of the others follow.
    pub first_series: usize,
}

impl From<Ask> for Entry {
    fn from(ask: Ask) -> Self {
        Self::Single(ask)
    }
}

impl SessionEntry {
    fn step(&self, arrival: &Arrival) -> &Step {
        &self.session.steps[arrival.item]
    }

    /// Whether the session's cookies are sent with a step: not where it has a `cookie` of its own.
    fn sends_cookies(&self, step: &Step) -> bool {
        let mut headers = step.ask.request.headers.iter();
        self.session.keeps_cookies && headers.all(|(name, _)| name != COOKIE)
    }
}

/// A request as it would go out, for people: without what comes from the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preview {
    /// The step that it is, where it is one of a session.
    pub(crate) step: Option<String>,
    /// The pause before it.
    pub(crate) think: Duration,
    /// Its bytes; what is captured is shown by its name, as `<token>`.
    pub(crate) bytes: Vec<u8>,
}

impl HttpPlan {
    /// Whether something in the body of the answer is checked or captured.
    fn reads_body(&self, arrival: &Arrival) -> bool {
        let captures = match self.entry(arrival) {
            Entry::Session(entry) => &entry.step(arrival).captures[..],
            Entry::Single(_) => &[],
        };
        self.ask(arrival).check.reads_body() || captures.iter().any(|capture| capture.from.is_in_body())
    }

    /// Where an arrival goes; in a preview all go to the first host.
    fn to(&self, arrival: &Arrival) -> &Origin {
        self.to.get(arrival.host).unwrap_or(&self.to[0])
    }

    /// What an arrival asks for.
    ///
    /// # Panics
    /// When its entry is another scenario's.
    fn entry(&self, arrival: &Arrival) -> &Entry {
        let entry = self.entries[arrival.flow].as_ref();
        entry.expect("an arrival of this scenario is of an entry of its own")
    }

    /// The request that an arrival is, and what its answer has to be like.
    fn ask(&self, arrival: &Arrival) -> &Ask {
        match self.entry(arrival) {
            Entry::Single(ask) => ask,
            Entry::Session(entry) => &entry.step(arrival).ask,
        }
    }

    fn values<'a>(&'a self, arrival: &'a Arrival) -> Values<'a> {
        Values {
            sources: &self.sources,
            seed: self.seed,
            arrival,
            hides_secrets: false,
            captured: Captured::NOTHING,
        }
    }

    /// Writes a request; `scratch` is room for its body, and `cookies` are sent where there are any.
    fn write(
        &self,
        request: &RequestTemplate,
        values: Values<'_>,
        cookies: &str,
        scratch: &mut String,
        to: &mut Request,
    ) {
        let head = to.start(
            request.method.as_str(),
            self.to(values.arrival),
            format_args!("{}", request.path.with(values)),
        );
        let headers = request.headers.iter().chain(&*self.headers);
        let head = headers.fold(head, |head, (name, value)| {
            head.header(name, format_args!("{}", value.with(values)))
        });
        let head = match cookies {
            "" => head,
            cookies => head.header(COOKIE, format_args!("{cookies}")),
        };
        match &request.body {
            Some(Body::Template(body)) => {
                scratch.clear();
                write!(scratch, "{}", body.with(values)).expect("writing to memory cannot fail");
                head.end_with(scratch.as_bytes());
            }
            Some(Body::Bytes(body)) => head.end_with(body),
            None if request.method.has_body() => head.end_with(&[]),
            None => head.end(),
        }
    }

    /// The requests of an arrival.
    pub(crate) fn preview(&self, arrival: &Arrival) -> Vec<Preview> {
        let shown = |ask: &Ask, captured: Captured<'_>| {
            let values = Values {
                hides_secrets: true,
                captured,
                ..self.values(arrival)
            };
            let mut request = Request::new();
            self.write(&ask.request, values, "", &mut String::new(), &mut request);
            request.bytes().to_vec()
        };
        match self.entry(arrival) {
            Entry::Single(ask) => vec![Preview {
                step: None,
                think: Duration::ZERO,
                bytes: shown(ask, Captured::NOTHING),
            }],
            Entry::Session(SessionEntry { session, .. }) => {
                let steps = session.steps.iter();
                let previews = steps.map(|step| Preview {
                    step: Some(step.name.clone()),
                    think: step.think,
                    bytes: shown(&step.ask, Captured::Names(&session.captured)),
                });
                previews.collect()
            }
        }
    }
}

impl ScenarioPlan for HttpPlan {
    fn part(&self, _worker: usize, _workers: usize) -> Box<dyn Scenario> {
        let is_session = |entry: &Option<Entry>| matches!(entry, Some(Entry::Session(_)));
        Box::new(Part {
            has_sessions: self.entries.iter().any(is_session),
            plan: self.clone(),
            body: String::new(),
            cookies: String::new(),
            visits: Visits::default(),
            decoded: Vec::new(),
        })
    }
}

struct Part {
    plan: HttpPlan,
    /// Room for the body of the request that is being written.
    body: String,
    /// Room for its cookies.
    cookies: String,
    has_sessions: bool,
    visits: Visits,
    /// Room for a body that came compressed.
    decoded: Vec<u8>,
}

impl Part {
    /// Whose session an arrival is a step of, where it is one.
    fn session(&self, arrival: &Arrival) -> Option<&SessionEntry> {
        match self.plan.entry(arrival) {
            Entry::Session(entry) => Some(entry),
            Entry::Single(_) => None,
        }
    }
}

/// What of an answer is read.
fn wanted(ask: &Ask, reads_answer: bool) -> Wanted {
    let Ask { request, check } = ask;
    Wanted {
        reads_answer: reads_answer || check.reads_answer(),
        is_head: request.method == Method::Head,
        is_repeatable: request.method.is_safe(),
    }
}

impl Scenario for Part {
    fn place(&self, arrival: &Arrival) -> Place {
        Place {
            series: match self.session(arrival) {
                None => SeriesTable::series(arrival.flow, None),
                Some(entry) => entry.first_series + arrival.item,
            },
            shard: None,
        }
    }

    fn due(&mut self, call: &Call, recorder: &mut Recorder) {
        if let Some(entry) = self.session(&call.arrival).filter(|_| call.arrival.item == 0) {
            let slots = entry.session.captured.len();
            self.visits.begins(call, slots, recorder);
        }
    }

    fn begin(&mut self, call: &Call, request: &mut Request) -> Wanted {
        let Self {
            plan,
            body,
            cookies,
            visits,
            ..
        } = self;
        let values = plan.values(&call.arrival);
        let entry = match plan.entry(&call.arrival) {
            Entry::Single(ask) => {
                plan.write(&ask.request, values, "", body, request);
                return wanted(ask, false);
            }
            Entry::Session(entry) => entry,
        };
        let step = entry.step(&call.arrival);
        let visit = visits.of(&call.arrival);
        let values = Values {
            captured: Captured::Values(&visit.captured),
            ..values
        };
        cookies.clear();
        if entry.session.keeps_cookies {
            visit.path.clear();
            let path = step.ask.request.path.with(values);
            write!(visit.path, "{}{path}", plan.to(&call.arrival).base()).expect("writing to memory cannot fail");
        }
        if entry.sends_cookies(step) {
            let due_ns = call.arrival.intended_ns;
            visit
                .jar
                .write(&visit.path, plan.to(&call.arrival).is_tls(), due_ns, cookies);
        }
        plan.write(&step.ask.request, values, cookies, body, request);
        wanted(&step.ask, entry.session.keeps_cookies || !step.captures.is_empty())
    }

    fn answered(
        &mut self,
        call: &Call,
        outcome: Outcome,
        answer: &Answer<'_>,
        now_ns: u64,
        _recorder: &mut Recorder,
    ) -> Outcome {
        let Self {
            plan, visits, decoded, ..
        } = self;
        let answer = match plan.reads_body(&call.arrival) {
            true => encoding::decoded(answer, decoded),
            false => Some(*answer),
        };
        let Some(answer) = &answer else {
            // A failure stays what it is, whatever its body.
            return if outcome == Outcome::Ok {
                Outcome::WrongAnswer
            } else {
                outcome
            };
        };
        let outcome = judged(&plan.ask(&call.arrival).check, outcome, answer);
        let Entry::Session(entry) = plan.entry(&call.arrival) else {
            return outcome;
        };
        let visit = visits.of(&call.arrival);
        if entry.session.keeps_cookies {
            for set_cookie in answer.headers("set-cookie") {
                let moment = Moment {
                    ns: now_ns,
                    unix_s: unix_s(),
                };
                visit.jar.take(set_cookie, &visit.path, moment);
            }
        }
        let captures = &entry.step(&call.arrival).captures;
        if outcome == Outcome::Ok && !capture::take(captures, answer, &mut visit.captured) {
            return Outcome::WrongAnswer;
        }
        outcome
    }

    fn measured(&mut self, call: &Call, sample: &Sample, recorder: &mut Recorder) {
        let Self { plan, visits, .. } = self;
        if let Entry::Session(entry) = plan.entry(&call.arrival) {
            visits.measured(call, sample, &entry.session.steps, recorder);
        }
    }

    fn unsent(&mut self, call: &Call, cause: UnsentCause, now_ns: u64, recorder: &mut Recorder) {
        if self.has_sessions {
            self.visits.unsent(call, cause, now_ns, recorder);
        }
    }

    fn acts(&self) -> bool {
        self.has_sessions
    }

    fn next_ns(&self) -> Option<u64> {
        self.visits.next_ns()
    }

    fn take_due(&mut self, _now_ns: u64, _recorder: &mut Recorder) -> Todo<usize> {
        self.visits.take_due().map_or(Todo::Nothing, Todo::Admit)
    }

    fn close(&mut self, _end_ns: u64, _recorder: &mut Recorder) {
        self.visits.close();
    }

    fn end(&mut self, now_ns: u64, recorder: &mut Recorder) {
        self.visits.end(now_ns, recorder);
    }
}

/// Seconds since 1970.
fn unix_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// What an outcome becomes by what was asked for. A status that is asked for is right, even one that stands for a
/// failure or a rejection; another success is not. Other failures and rejections stay what they are.
fn judged(check: &Check, outcome: Outcome, answer: &Answer<'_>) -> Outcome {
    let is_right = check.has_right_status(answer.status).unwrap_or(outcome == Outcome::Ok);
    match (is_right, outcome) {
        (true, _) if has_right_headers(check, answer) && check.has_right_body(answer.body) => Outcome::Ok,
        (true, _) | (false, Outcome::Ok) => Outcome::WrongAnswer,
        (false, outcome) => outcome,
    }
}

fn has_right_headers(check: &Check, answer: &Answer<'_>) -> bool {
    let mut headers = check.headers.iter();
    headers.all(|header| answer.headers(&header.name).any(|value| header.holds(value)))
}

#[cfg(test)]
mod tests;
