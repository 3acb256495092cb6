//! The generator alone, against a server too small to be in the way, beside wrk in the same run.
//!
//! `cargo bench -p bmt --bench generator` prints two comparisons:
//! - requests per CPU second of the whole process, 64 connections, one worker, as fast as it goes, as a ratio to wrk's;
//! - at a constant 10,000/s, how far the median response that is reported is from the median that the server's side of
//!   the wire saw.
//!
//! CPU is the operating system's own account of the finished child; the two programs take turns, so that a machine
//! whose speed drifts is fair to both. Figures are medians over the turns.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value as Json;

const TURNS: usize = 5;
const SECONDS: u32 = 8;
const CONNECTIONS: u32 = 64;
const RATIO_WANTED: f64 = 0.95;
const MEDIAN_OFF_MAX_MS: f64 = 0.08;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == "--serve") {
        return server::serve(arguments.get(place + 1).map(PathBuf::from).as_deref());
    }
    let out = tempfile::tempdir()?;
    let efficiency = efficiency(out.path())?;
    let off_ms = accuracy(out.path())?;
    println!(
        "\nratio {efficiency:.3} (wanted: at least {RATIO_WANTED}), median off by {off_ms:.3} ms (wanted: at most {MEDIAN_OFF_MAX_MS})"
    );
    if efficiency < RATIO_WANTED || off_ms.abs() > MEDIAN_OFF_MAX_MS {
        bail!("the generator is not as good as it has to be");
    }
    Ok(())
}

/// Requests per CPU second over wrk's: the median of the turns' ratios.
fn efficiency(out: &Path) -> anyhow::Result<f64> {
    println!("requests per CPU second, {CONNECTIONS} connections, one thread, {SECONDS} s a turn");
    let mut ratios = Vec::new();
    for turn in 1..=TURNS {
        let server = Server::start(None)?;
        let (wrk_requests, wrk_cpu_s) = wrk(&server)?;
        drop(server);
        let server = Server::start(None)?;
        let rate = (wrk_requests as f64 / f64::from(SECONDS) * 1.5) as u64;
        let (run, cpu_s) = bmt(&server, out, rate)?;
        let requests = run["cells"][0]["phases"][0]["operations"]["get"]["outcomes"]["ok"]
            .as_u64()
            .unwrap_or(0);
        let (wrk_per_s, bmt_per_s) = (wrk_requests as f64 / wrk_cpu_s, requests as f64 / cpu_s);
        println!(
            "  turn {turn}: wrk {wrk_per_s:.0}/s ({wrk_requests} in {wrk_cpu_s:.2} s), bmt {bmt_per_s:.0}/s ({requests} in {cpu_s:.2} s), ratio {:.3}",
            bmt_per_s / wrk_per_s
        );
        ratios.push(bmt_per_s / wrk_per_s);
    }
    Ok(median(ratios))
}

/// Reported median − the server's own median, in milliseconds, at a constant 10,000/s: the median of the turns.
fn accuracy(out: &Path) -> anyhow::Result<f64> {
    println!("median response at a constant 10000/s");
    let mut off = Vec::new();
    for turn in 1..=TURNS {
        let truth_file = out.join("truth");
        let server = Server::start(Some(&truth_file))?;
        let (run, _) = bmt(&server, out, 10_000)?;
        server.end();
        let truth_us: f64 = std::fs::read_to_string(&truth_file)?.trim().parse()?;
        let operation = &run["cells"][0]["phases"][0]["operations"]["get"];
        let reported_us = operation["response_us"]["ok"]["p50"].as_f64().context("no answers")?;
        let service_us = operation["service_us"]["ok"]["p50"].as_f64().context("no answers")?;
        println!(
            "  turn {turn}: reported {reported_us:.0} us (service {service_us:.0} us), server's own {truth_us:.0} us"
        );
        off.push((reported_us - truth_us) / 1e3);
    }
    Ok(median(off))
}

fn wrk(server: &Server) -> anyhow::Result<(u64, f64)> {
    let before_s = children_cpu_s()?;
    let output = Command::new("wrk")
        .args([
            "-t1",
            &format!("-c{CONNECTIONS}"),
            &format!("-d{SECONDS}s"),
            &server.url,
        ])
        .output()
        .context("cannot run wrk; install it: apt-get install wrk")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains("requests in"))
        .with_context(|| format!("wrk said: {text}"))?;
    let requests = line
        .split_whitespace()
        .next()
        .and_then(|count| count.parse().ok())
        .context("wrk's count")?;
    Ok((requests, children_cpu_s()? - before_s))
}

/// Runs bmt at a constant rate; its run.json, and the CPU seconds of the whole process.
fn bmt(server: &Server, out: &Path, rate: u64) -> anyhow::Result<(Json, f64)> {
    let workload = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/generator/workload.yaml");
    let before_s = children_cpu_s()?;
    let output = Command::new(env!("CARGO_BIN_EXE_bmt"))
        .arg("run")
        .arg(workload)
        .args(["--target", &server.url, "--format", "json", "--out"])
        .arg(out)
        .args(["--set", &format!("profile.target={rate}/s")])
        .args(["--set", &format!("profile.hold={SECONDS}s")])
        .args(["--set", &format!("generator.connections={CONNECTIONS}")])
        .stderr(Stdio::null())
        .output()?;
    let used_s = children_cpu_s()? - before_s;
    let run = serde_json::from_slice(&output.stdout).with_context(|| format!("bmt exited with {}", output.status))?;
    Ok((run, used_s))
}

/// CPU seconds of all children that have ended and been waited for.
fn children_cpu_s() -> anyhow::Result<f64> {
    let stat = procfs::process::Process::myself()?.stat()?;
    Ok((stat.cutime + stat.cstime) as f64 / procfs::ticks_per_second() as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The tiny server, as a process of its own.
struct Server {
    process: std::process::Child,
    url: String,
}

impl Server {
    fn start(truth: Option<&Path>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--serve");
        command.args(truth);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut url = String::new();
        let stdout = process.stdout.take().context("a piped stdout")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut url)?;
        Ok(Self {
            process,
            url: url.trim().to_owned(),
        })
    }

    /// Lets it write down what it saw.
    fn end(mut self) {
        drop(self.process.stdin.take());
        for _ in 0..500 {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
