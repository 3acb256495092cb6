//! The first requests of a workload, as they would go out.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::load::{requests, websockets};
use crate::arrival::Schedule;
use crate::scenario::http::Preview;
use crate::transport::Origin;
use crate::workload::{Span, Work, Workload};

/// Stands for the target, which is not known before a run.
const TARGET: &str = "TARGET";
/// Bytes of a request that are shown at most.
const SHOWN_MAX: usize = 4096;

/// The first `count` arrivals of the first block, each with its time and, where the workload describes it, its request;
/// of a session those of all its steps. WebSocket connections are shown as if their begin were an arrival, with the
/// first text of each.
pub fn preview(workload: &Workload, count: usize) -> impl Iterator<Item = String> {
    let (seed, to) = (workload.file.seed, Origin::new(TARGET, ""));
    let plan = requests(workload, &workload.variants[0], Arc::new([to.clone()]), seed);
    let websockets = websockets(workload, &workload.variants[0], &to, seed);
    let schedule = Schedule::new(&workload.profile, &workload.flows(), workload.file.arrivals, seed);
    let mut shown: Vec<(u64, String)> = Vec::new();
    for arrival in schedule.take(count) {
        let traffic = &workload.traffic[arrival.flow];
        let mut text = title(arrival.intended_ns, &traffic.name);
        match &traffic.work {
            Work::Chat(_) => text.push_str("  an operation on a chat that is made when a cell begins\n"),
            Work::Http(_) | Work::Session(_) | Work::Websocket(_) => {
                for request in plan.preview(&arrival) {
                    write_request(&request, &mut text);
                }
            }
        }
        shown.push((arrival.intended_ns, text));
    }
    for connection in websockets.previews(count) {
        let mut text = title(connection.opens_ns, &workload.traffic[connection.flow].name);
        write_bytes(&connection.request, &mut text);
        if let Some((at_ns, says)) = &connection.says {
            let _ = writeln!(text, "  -- says at {:.6} s", *at_ns as f64 / 1e9);
            write_bytes(says.as_bytes(), &mut text);
        }
        shown.push((connection.opens_ns, text));
    }
    shown.sort_by_key(|(at_ns, _)| *at_ns);
    shown.into_iter().take(count).map(|(_, text)| text)
}

fn title(at_ns: u64, name: &str) -> String {
    format!("\n{:.6} s  {name}\n", at_ns as f64 / 1e9)
}

fn write_request(request: &Preview, shown: &mut String) {
    if let Some(step) = &request.step {
        let pause = match request.think {
            Duration::ZERO => String::new(),
            think => format!(", {} after the answer before it", Span(think)),
        };
        let _ = writeln!(shown, "  -- {step}{pause}");
    }
    write_bytes(&request.bytes, shown);
}

fn write_bytes(bytes: &[u8], shown: &mut String) {
    let part = &bytes[..bytes.len().min(SHOWN_MAX)];
    for line in String::from_utf8_lossy(part).trim_end().lines() {
        let _ = writeln!(shown, "{}", format!("  {line}").trim_end());
    }
    if part.len() < bytes.len() {
        let _ = writeln!(shown, "  … {} bytes in all", bytes.len());
    }
}
