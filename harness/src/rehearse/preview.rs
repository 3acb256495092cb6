//! The first requests of a workload, as they would go out.

use std::fmt::Write as _;

use super::load::requests;
use crate::arrival::Schedule;
use crate::transport::Origin;
use crate::workload::{Work, Workload};

/// Stands for the target, which is not known before a run.
const TARGET: &str = "TARGET";
/// Bytes of a request that are shown at most.
const SHOWN_MAX: usize = 4096;

/// The first `count` arrivals of the first block, each with its time and, where the workload describes it, its request.
pub fn preview(workload: &Workload, count: usize) -> impl Iterator<Item = String> {
    let seed = workload.file.seed;
    let plan = requests(workload, &workload.variants[0], Origin::new(TARGET, ""), seed);
    let schedule = Schedule::new(&workload.profile, &workload.flows(), workload.file.arrivals, seed);
    schedule.take(count).map(move |arrival| {
        let traffic = &workload.traffic[arrival.flow];
        let mut shown = String::new();
        let at_s = arrival.intended_ns as f64 / 1e9;
        let _ = writeln!(shown, "\n{at_s:.6} s  {}", traffic.name);
        match &traffic.work {
            Work::Chat(_) => shown.push_str("  an operation on a chat that is made when a cell begins\n"),
            Work::Http(_) => {
                let request = plan.preview(&arrival);
                let part = &request[..request.len().min(SHOWN_MAX)];
                for line in String::from_utf8_lossy(part).trim_end().lines() {
                    let _ = writeln!(shown, "{}", format!("  {line}").trim_end());
                }
                if part.len() < request.len() {
                    let _ = writeln!(shown, "  … {} bytes in all", request.len());
                }
            }
        }
        shown
    })
}
