//! The first requests of a workload, as they would go out.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::load::requests;
use crate::arrival::Schedule;
use crate::scenario::http::Preview;
use crate::transport::Origin;
use crate::workload::{Span, Work, Workload};

/// Stands for the target, which is not known before a run.
const TARGET: &str = "TARGET";
/// Bytes of a request that are shown at most.
const SHOWN_MAX: usize = 4096;

/// The first `count` arrivals of the first block, each with its time and, where the workload describes it, its request;
/// of a session those of all its steps.
pub fn preview(workload: &Workload, count: usize) -> impl Iterator<Item = String> {
    let seed = workload.file.seed;
    let plan = requests(
        workload,
        &workload.variants[0],
        Arc::new([Origin::new(TARGET, "")]),
        seed,
    );
    let schedule = Schedule::new(&workload.profile, &workload.flows(), workload.file.arrivals, seed);
    schedule.take(count).map(move |arrival| {
        let traffic = &workload.traffic[arrival.flow];
        let mut shown = String::new();
        let at_s = arrival.intended_ns as f64 / 1e9;
        let _ = writeln!(shown, "\n{at_s:.6} s  {}", traffic.name);
        match &traffic.work {
            Work::Chat(_) => shown.push_str("  an operation on a chat that is made when a cell begins\n"),
            Work::Http(_) | Work::Session(_) => {
                for request in plan.preview(&arrival) {
                    write_request(&request, &mut shown);
                }
            }
        }
        shown
    })
}

fn write_request(request: &Preview, shown: &mut String) {
    if let Some(step) = &request.step {
        let pause = match request.think {
            Duration::ZERO => String::new(),
            think => format!(", {} after the answer before it", Span(think)),
        };
        let _ = writeln!(shown, "  -- {step}{pause}");
    }
    let part = &request.bytes[..request.bytes.len().min(SHOWN_MAX)];
    for line in String::from_utf8_lossy(part).trim_end().lines() {
        let _ = writeln!(shown, "{}", format!("  {line}").trim_end());
    }
    if part.len() < request.bytes.len() {
        let _ = writeln!(shown, "  … {} bytes in all", request.bytes.len());
    }
}
