//! Fan-out: the server's cost per push, and its memory per idle member.
//!
//! `cargo bench -p hotchat --bench fanout [members]` prints two figures:
//! - pushes per CPU second of the server, for events sent through the API to a chat of 5,000 connected members, as a
//!   ratio to a bare tokio-tungstenite loop that writes the same frames to as many sockets. The two alternate; the
//!   ratio is the median over the rounds;
//! - resident bytes of the server per idle member, with 10,000 of them.
//!
//! Servers, members and the measuring code are separate processes. CPU and memory come from the operating system's
//! accounting of the server process. Each event is sent after the previous one has reached every member, so nothing
//! coalesces and both servers do the same work.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

mod bare;
mod hotchat;
mod members;
mod process;

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use hotchat::Hotchat;
use process::{Helper, Usage};

const MEMBERS: u64 = 5000;
const IDLE_MEMBERS: u64 = 10_000;
const TURNS: usize = 7;
const EVENTS: u64 = 40;
const RATIO_WANTED: f64 = 0.7;
const BYTES_WANTED: u64 = 6 * 1024;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bare"] => bare::serve(),
        ["members", address, chat, count] => members::listen(address.parse()?, chat.parse()?, count.parse()?),
        [] => measure(MEMBERS),
        [members] => measure(members.parse().context("expected a number of members")?),
        _ => bail!("expected at most one argument, the number of members"),
    }
}

fn measure(members: u64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ratio = runtime.block_on(throughput(members))?;
    let bytes = runtime.block_on(memory())?;
    println!(
        "\nratio {ratio:.2} (wanted: at least {RATIO_WANTED}), {bytes} bytes per idle member (wanted: at most {BYTES_WANTED})"
    );
    ensure!(ratio >= RATIO_WANTED, "a push costs too much");
    ensure!(bytes <= BYTES_WANTED, "an idle member weighs too much");
    Ok(())
}

/// Pushes per CPU second relative to the bare loop: the median of the rounds' ratios.
async fn throughput(members: u64) -> anyhow::Result<f64> {
    println!("pushes per CPU second of the server, {members} members, {EVENTS} events a turn");
    let mut ours = Hotchat::start(members).await?;
    let mut our_members = Helper::members(&ours.address, ours.chat, members)?;
    let mut bare = Helper::start(&["bare"])?;
    let bare_address = bare.line()?;
    let mut bare_members = Helper::members(&bare_address, 1, members)?;
    let mut ratios = Vec::new();
    let mut ours_per_s = Vec::new();
    for turn in 0..TURNS as u64 {
        let before = Usage::of(ours.pid())?;
        for event in 1..=EVENTS {
            ours.send_event().await?;
            our_members.ask(&format!("{}", (turn * EVENTS + event) * members))?;
        }
        let our_cpu_s = Usage::of(ours.pid())?.cpu_s - before.cpu_s;
        let before = Usage::of(bare.pid())?;
        for event in 1..=EVENTS {
            let revision = turn * EVENTS + event;
            bare.ask(&revision.to_string())?;
            bare_members.ask(&format!("{}", revision * members))?;
        }
        let bare_cpu_s = Usage::of(bare.pid())?.cpu_s - before.cpu_s;
        let pushes = (EVENTS * members) as f64;
        let (ours_each, bare_each) = (pushes / our_cpu_s, pushes / bare_cpu_s);
        println!(
            "  turn {}: hotchat {ours_each:.0}/s ({our_cpu_s:.2} s), bare {bare_each:.0}/s ({bare_cpu_s:.2} s), ratio {:.2}",
            turn + 1,
            ours_each / bare_each
        );
        ratios.push(ours_each / bare_each);
        ours_per_s.push(ours_each);
    }
    let sent = ours.metric("hotchat_pushes_total{outcome=\"sent\"}").await?;
    ensure!(
        sent as u64 == TURNS as u64 * EVENTS * members,
        "{sent} pushes were sent, not one for each event and member"
    );
    println!("  median {:.0} pushes per CPU second", median(ours_per_s));
    Ok(median(ratios))
}

/// Resident bytes per idle member.
async fn memory() -> anyhow::Result<u64> {
    println!("resident memory of the server, {IDLE_MEMBERS} idle members");
    let ours = Hotchat::start(IDLE_MEMBERS).await?;
    ours.metric("hotchat_push_members").await?;
    let before = Usage::of(ours.pid())?.resident_bytes;
    let _members = Helper::members(&ours.address, ours.chat, IDLE_MEMBERS)?;
    while (ours.metric("hotchat_push_members").await? as u64) < IDLE_MEMBERS {
        tokio::time::sleep(Duration::from_millis(10)).await; // the last member's upgrade is still in progress
    }
    let after = Usage::of(ours.pid())?.resident_bytes;
    let each = after.saturating_sub(before) / IDLE_MEMBERS;
    println!("  {before} bytes before, {after} after: {each} per member");
    Ok(each)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
