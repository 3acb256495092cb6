//! Requests that a workload describes, to any HTTP server.
//!
//! What may enter: requests and answers as such. What a particular service means by them is the workload's to say.

use std::fmt::Write as _;
use std::sync::Arc;

use super::plan::{Call, Place, Scenario, ScenarioPlan};
use super::series::SeriesTable;
use crate::arrival::Arrival;
use crate::record::{Outcome, Recorder};
use crate::template::{Ask, Body, Check, Method, Sources, Template, Values};
use crate::transport::{Answer, Origin, Request, Wanted};

/// What is asked for in a cell.
#[derive(Debug, Clone)]
pub struct HttpPlan {
    /// Where requests go.
    pub to: Origin,
    /// By traffic entry; `None` of an entry of another scenario.
    pub entries: Arc<[Option<Ask>]>,
    /// Headers of every request, besides its own.
    pub headers: Arc<[(String, Template)]>,
    /// Where values come from.
    pub sources: Arc<Sources>,
    /// Seed of the block.
    pub seed: u64,
}

impl HttpPlan {
    /// What an arrival asks for.
    ///
    /// # Panics
    /// When its entry is another scenario's.
    fn ask(&self, arrival: &Arrival) -> &Ask {
        let ask = self.entries[arrival.flow].as_ref();
        ask.expect("an arrival of this scenario is of an entry of its own")
    }

    /// Writes the request of an arrival; `scratch` is room for its body.
    fn write(&self, arrival: &Arrival, hides_secrets: bool, scratch: &mut String, to: &mut Request) {
        let values = Values {
            sources: &self.sources,
            seed: self.seed,
            arrival,
            hides_secrets,
        };
        let request = &self.ask(arrival).request;
        let head = to.start(
            request.method.as_str(),
            &self.to,
            format_args!("{}", request.path.with(values)),
        );
        let headers = request.headers.iter().chain(&*self.headers);
        let head = headers.fold(head, |head, (name, value)| {
            head.header(name, format_args!("{}", value.with(values)))
        });
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

    /// The bytes of an arrival's request, for people: without what comes from the environment.
    pub(crate) fn preview(&self, arrival: &Arrival) -> Vec<u8> {
        let mut request = Request::new();
        self.write(arrival, true, &mut String::new(), &mut request);
        request.bytes().to_vec()
    }
}

impl ScenarioPlan for HttpPlan {
    fn part(&self, _worker: usize, _workers: usize) -> Box<dyn Scenario> {
        Box::new(Part {
            plan: self.clone(),
            body: String::new(),
        })
    }
}

struct Part {
    plan: HttpPlan,
    /// Room for the body of the request that is being written.
    body: String,
}

impl Scenario for Part {
    fn place(&self, arrival: &Arrival) -> Place {
        Place {
            series: SeriesTable::series(arrival.flow, None),
            shard: None,
        }
    }

    fn begin(&mut self, call: &Call, request: &mut Request) -> Wanted {
        self.plan.write(&call.arrival, false, &mut self.body, request);
        let Ask { request, check } = self.plan.ask(&call.arrival);
        Wanted {
            reads_answer: check.reads_body(),
            is_head: request.method == Method::Head,
            is_repeatable: request.method.is_safe(),
        }
    }

    fn answered(
        &mut self,
        call: &Call,
        outcome: Outcome,
        answer: &Answer<'_>,
        _now_ns: u64,
        _recorder: &mut Recorder,
    ) -> Outcome {
        judged(&self.plan.ask(&call.arrival).check, outcome, answer)
    }
}

/// What an outcome becomes by what was asked for. A status that is asked for is right, even one that stands for a
/// failure or a rejection; another success is not. Other failures and rejections stay what they are.
fn judged(check: &Check, outcome: Outcome, answer: &Answer<'_>) -> Outcome {
    let is_right = check.has_right_status(answer.status).unwrap_or(outcome == Outcome::Ok);
    match (is_right, outcome) {
        (true, _) if check.has_right_body(answer.body) => Outcome::Ok,
        (true, _) | (false, Outcome::Ok) => Outcome::WrongAnswer,
        (false, outcome) => outcome,
    }
}

#[cfg(test)]
mod tests;
