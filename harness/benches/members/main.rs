//! Memory of a member who is online and hears nothing, in the generator and in the reference server.
//!
//! `cargo bench -p bmt --bench members` runs the real pair twice a turn, once with hardly anybody online and once with
//! 10,000, and divides the difference of their largest resident sizes by the difference in members. What both processes
//! need anyway cancels out.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::Value as Json;

const TURNS: usize = 3;
const FEW: u32 = 100;
const MANY: u32 = 10_000;
const GENERATOR_MAX: f64 = 8.0 * 1024.0;
const SERVER_MAX: f64 = 6.0 * 1024.0;

fn main() -> anyhow::Result<()> {
    let out = tempfile::tempdir()?;
    let (mut generator, mut server) = (Vec::new(), Vec::new());
    println!("resident bytes for each of {MANY} members who are online and hear nothing");
    for turn in 1..=TURNS {
        let (few, many) = (Sizes::of(FEW, out.path())?, Sizes::of(MANY, out.path())?);
        let each = |few: f64, many: f64| (many - few) / f64::from(MANY - FEW);
        generator.push(each(few.generator, many.generator));
        server.push(each(few.server, many.server));
        println!(
            "  turn {turn}: generator {:.0}, server {:.0}",
            generator[turn - 1],
            server[turn - 1]
        );
    }
    let (generator, server) = (median(generator), median(server));
    println!(
        "\ngenerator {generator:.0} (wanted: at most {GENERATOR_MAX}), server {server:.0} (wanted: at most {SERVER_MAX})"
    );
    if generator > GENERATOR_MAX || server > SERVER_MAX {
        bail!("members take more memory than they may");
    }
    Ok(())
}

/// Largest resident sizes in bytes.
struct Sizes {
    generator: f64,
    server: f64,
}

impl Sizes {
    fn of(online: u32, out: &Path) -> anyhow::Result<Self> {
        let workload = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/members/workload.yaml");
        let output = Command::new(env!("CARGO_BIN_EXE_bmt"))
            .arg("run")
            .arg(workload)
            .args(["--set", &format!("traffic.idle.operation.follow.online={online}")])
            .args(["--format", "json", "--out"])
            .arg(out)
            .stderr(Stdio::null())
            .output()?;
        let run: Json = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("bmt exited with {}; is hotchat built beside it?", output.status))?;
        let phases = run["cells"][0]["phases"].as_array().context("no phases")?;
        let last = phases.last().context("no phases")?;
        let were_online = last["fanout"]["members"].as_u64();
        if were_online != Some(u64::from(online)) {
            bail!("{online} members should have been online, and {were_online:?} were");
        }
        let size = |name: &str| {
            let bytes = last["resources"][name]["rss_max_bytes"].as_f64();
            bytes.with_context(|| format!("no size of the {name}"))
        };
        Ok(Self {
            generator: size("generator")?,
            server: size("server")?,
        })
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
