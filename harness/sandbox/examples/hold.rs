//! Holds a sandbox with a sleeping child and a shard until it is killed: the clean-up tests kill it in every way.
//!
//! Prints `<directory> <pid> <pid>…` when everything runs. `hold panic` then panics.

use std::process::Command;

use bmt_sandbox::{Sandbox, Shard, ShardOptions, Streams, Template};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), bmt_sandbox::SandboxError> {
    let sandbox = Sandbox::new()?;
    let mut sleep = Command::new("sleep");
    sleep.arg("1000");
    let sleeper = sandbox.spawn("sleeper", sleep, &Streams::default())?;
    // A grandchild that leaves its process group, as a daemon does.
    let mut daemon = Command::new("setsid");
    daemon.args(["--fork", "sleep", "1000"]);
    let mut daemon = sandbox.spawn("daemon", daemon, &Streams::default())?;
    daemon.wait(std::time::Duration::from_secs(5)).await?;
    let template = Template::init(&sandbox).await?;
    let shard = Shard::start(&sandbox, &template, ShardOptions::default()).await?;
    write_out(&format!(
        "{} {} {}",
        sandbox.dir().display(),
        sleeper.pid(),
        shard.pid()
    ));
    assert!(std::env::args().nth(1).is_none(), "asked to panic");
    std::future::pending::<()>().await;
    Ok(())
}

fn write_out(line: &str) {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").expect("the test that started this reads its output");
}
