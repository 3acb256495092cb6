//! How far a fault reaches, on real databases: who suffers, when it is over, and whether anything acknowledged is lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};
use support::storm::Place;
use support::{run_directory, wait_until};

const WORKLOAD: &str = "
name: small-outage
question: Who suffers?
target: {shards: 2, settings: {pool: {size: 8, acquire_timeout: 300ms}, storage_timeout: 300ms}}
generator: {connections: 400, waiting: 1000, timeout: 2s}
profile: {kind: constant, warm_up: 1s, target: 60/s, hold: 12s}
arrivals: uniform
chats:
  quiet: {count: 10, members: 20}
  busy: {members: 20}
traffic:
  send: {operation: send, chats: quiet, share: 1}
  join: {operation: join, chats: quiet, rate: 20/s}
  count: {operation: count, chats: quiet, rate: 40/s}
variants: [{name: plain}]
";

fn gate<'a>(run: &'a Json, metric: &str) -> &'a Json {
    let gates = run["gates"].as_array().unwrap();
    gates.iter().find(|gate| gate["name"] == metric).unwrap()
}

#[test]
fn a_paused_shard_is_seen_to_suffer_and_to_recover_and_nothing_acknowledged_is_lost() {
    let place = Place::of(&format!(
        "{WORKLOAD}
faults:
  - {{phase: constant, after: 4s, for: 2s, inject: {{pause_shard: 1}}}}
gates:
  - {{metric: acknowledged_lost, at_most: 0}}
  - {{metric: recovered_s, fault: pause_shard, at_most: 4s}}
  - {{metric: blast_error_rate, at_most: 50%}}
"
    ));
    let run = place.result(&[], &[0, 99]);
    let cell = &run["cells"][0];
    let fault = &cell["faults"][0];
    assert_eq!(
        (&fault["kind"], &fault["problem"]),
        (&Json::from("pause_shard"), &Json::Null),
        "{fault}"
    );
    let shards = fault["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 2, "{fault}");
    let (other, sick) = (&shards[0], &shards[1]);
    assert_eq!((&other["sick"], &sick["sick"]), (&Json::from(false), &Json::from(true)));
    let figure = |shard: &Json, key: &str| shard[key].as_f64().unwrap_or_else(|| panic!("{key}: {shard}"));
    // About 60 a second. Calls of the last half second still found the shard awake before their patience was over.
    assert!((80.0..=140.0).contains(&figure(sick, "requests_during")), "{sick}");
    assert!(figure(sick, "requests_before") > 150.0, "{sick}");
    assert!(
        figure(sick, "error_rate_during") > 0.6 && figure(sick, "error_rate_before") < 0.1,
        "{sick}"
    );
    assert!(figure(other, "error_rate_during") < 0.5, "{other}");
    // What else the machine does may keep a p99 up, and then the gate has to fail.
    let recovered = fault["recovered_s"].as_f64().is_some_and(|seconds| seconds <= 4.0);
    let answer = if recovered { "pass" } else { "fail" };
    assert_eq!(gate(&run, "recovered_s")["answer"], answer, "{fault}");
    assert_eq!(fault["acknowledged_lost"], 0, "{}", cell["acknowledged"]);
    let kept = &cell["acknowledged"];
    let ok = |operation: &str| -> u64 {
        let phases = cell["phases"].as_array().unwrap().iter();
        phases
            .map(|phase| phase["operations"][operation]["outcomes"]["ok"].as_u64().unwrap())
            .sum()
    };
    assert_eq!(
        (&kept["joins"], &kept["messages"]),
        (&ok("join").into(), &ok("send").into()),
        "every one is looked for"
    );
    for metric in ["acknowledged_lost", "blast_error_rate"] {
        assert_eq!(gate(&run, metric)["answer"], "pass", "{}", run["gates"]);
    }
    let seconds = &cell["timeline"]["shards"][1];
    let not_ok = seconds["not_ok"].as_array().unwrap();
    let not_ok: Vec<u64> = not_ok.iter().map(|count| count.as_u64().unwrap()).collect();
    assert!(not_ok.iter().sum::<u64>() > 60, "{seconds}");
    assert_eq!(
        not_ok[10..].iter().sum::<u64>(),
        0,
        "three seconds after its end nothing fails: {seconds}"
    );
    assert_reported(&place);
    place.assert_nothing_left();
}

/// The written report has it, and so has the one that is made again.
fn assert_reported(place: &Place) {
    let directory = run_directory(&place.out());
    let markdown = std::fs::read_to_string(directory.join("report.md")).unwrap();
    for part in [
        "Blast radius",
        "On the time axis",
        "```text\nplain, one column for a second",
        "1 pause_shard",
    ] {
        assert!(markdown.contains(part), "{part}: {markdown}");
    }
    let again = support::bmt(&["report", directory.to_str().unwrap()]).output().unwrap();
    let again = String::from_utf8(again.stdout).unwrap();
    assert!(
        again.contains("Blast radius") && again.contains("shard 1 p99"),
        "{again}"
    );
}

/// The shards of the server that runs below `place`, as its configuration names them.
fn shards(place: &Place) -> Vec<String> {
    let mut found = None;
    wait_until("the server has its configuration", || {
        found = find(&place.tmp(), "hotchat.yaml")
            .and_then(|file| serde_json::from_str::<Json>(&std::fs::read_to_string(file).ok()?).ok());
        found.is_some()
    });
    let config = found.unwrap();
    let urls = config["shards"].as_array().unwrap().iter();
    urls.map(|url| url.as_str().unwrap().to_owned()).collect()
}

fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    entries.into_iter().find_map(|path| match path.is_dir() {
        true => find(&path, name),
        false => path.ends_with(name).then_some(path),
    })
}

/// Runs a statement on a shard until it has changed `rows` rows.
fn change(url: &str, statement: &str, rows: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connection = MySqlConnection::connect(url).await.unwrap();
        let mut changed = 0;
        let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
        while changed < rows {
            assert!(tokio::time::Instant::now() < limit, "{changed} of {rows}: {statement}");
            let text = format!("{statement} LIMIT {}", rows - changed);
            changed += sqlx::raw_sql(AssertSqlSafe(text))
                .execute(&mut connection)
                .await
                .unwrap()
                .rows_affected();
        }
    });
}

#[test]
fn what_is_lost_behind_the_servers_back_is_counted_and_fails_the_gate() {
    let place = Place::of(&format!(
        "{}
faults:
  - {{phase: constant, after: 2s, for: 1s, inject: kill_redis}}
gates:
  - {{metric: acknowledged_lost, at_most: 0}}
",
        WORKLOAD.replace("hold: 12s", "hold: 6s").replace(
            "traffic:",
            "traffic:\n  follow: {operation: {follow: {online: 5}}, chats: busy}"
        )
    ));
    let child = place.run(&["--format", "json"]).spawn().unwrap();
    let shards = shards(&place);
    place.wait_until_driving();
    // Two joins of the run are gone, one message is gone, and one is another than was sent.
    change(&shards[0], "DELETE FROM members WHERE user_id > 1 << 40 ORDER BY id", 2);
    change(
        &shards[1],
        "DELETE FROM events WHERE body LIKE 'at %' ORDER BY chat_id, revision",
        1,
    );
    change(
        &shards[1],
        "UPDATE events SET body = 'at 0' WHERE body <> 'at 0' ORDER BY chat_id DESC, revision",
        1,
    );
    let output = child.wait_with_output().unwrap();
    let run = support::json(&output);
    let cell = &run["cells"][0];
    let kept = &cell["acknowledged"];
    assert_eq!(
        (&kept["lost_joins"], &kept["lost_messages"]),
        (&2.into(), &2.into()),
        "{kept}"
    );
    let fault = &cell["faults"][0];
    assert_eq!(
        (&fault["kind"], &fault["acknowledged_lost"]),
        (&Json::from("kill_redis"), &4.into()),
        "{fault}"
    );
    // Redis is no shard: none is sick, all are looked at, and it is the whole server that recovers.
    assert_eq!(fault["fail_fast_s"], Json::Null, "{fault}");
    assert!(fault["recovered_s"].is_number(), "{fault}");
    let shards = fault["shards"].as_array().unwrap();
    assert!(
        shards.len() == 2 && shards.iter().all(|shard| shard["sick"] == false),
        "{fault}"
    );
    assert!(
        shards
            .iter()
            .all(|shard| shard["requests_during"].as_u64().unwrap() > 0),
        "{fault}"
    );
    assert_eq!(gate(&run, "acknowledged_lost")["answer"], "fail", "{}", run["gates"]);
    place.assert_nothing_left();
}
