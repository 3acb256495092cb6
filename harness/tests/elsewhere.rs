//! A target that somebody else started: its settings are borrowed, and when it goes away the run says so. A real
//! server on a real database.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use bmt_sandbox::{Child, Sandbox, Shard, ShardOptions, Stream, Streams, Template};
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use support::storm::{Place, exit_code, signal};
use support::{Server, get_workload, run_against};

const WORKLOAD: &str = "
name: elsewhere
question: Does a target of somebody else stay as it was?
generator: {timeout: 1s}
profile: {kind: constant, target: 50/s, hold: 3s}
arrivals: uniform
chats:
  hot: {members: 5}
traffic:
  hot_fetch: {operation: fetch, chats: hot, share: 1}
variants:
  - {name: small, settings: {fetch: {limit: 20}, join_throttle: local}}
  - {name: own}
";

/// A server that bmt does not start. Fields drop in order.
struct Elsewhere {
    server: Child,
    _shard: Shard,
    _sandbox: Sandbox,
    runtime: tokio::runtime::Runtime,
    url: String,
    admin: String,
}

impl Elsewhere {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let sandbox = Sandbox::new().unwrap();
        let (shard, server, ready) = runtime.block_on(async {
            let template = Template::init(&sandbox).await.unwrap();
            let shard = Shard::start(&sandbox, &template, ShardOptions::default()).await.unwrap();
            let config = json!({
                "listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "secret": "a secret for tests", "admin_token": "a token for tests", "shards": [shard.url()],
                "settings": { "fetch": { "limit": 70 } },
            });
            let file = sandbox.dir().join("hotchat.yaml");
            std::fs::write(&file, config.to_string()).unwrap();
            let mut command = Command::new(std::path::Path::new(env!("CARGO_BIN_EXE_bmt")).with_file_name("hotchat"));
            command.arg("--config").arg(&file);
            let streams = Streams {
                stdout: Stream::Piped,
                stderr: Stream::Log,
            };
            let mut server = sandbox.spawn("hotchat", command, &streams).unwrap();
            let ready = server.first_line(Duration::from_secs(60)).await.unwrap();
            (shard, server, ready)
        });
        let ready: Json = serde_json::from_str(&ready).unwrap();
        let url = |key: &str| format!("http://{}", ready[key].as_str().unwrap());
        Self {
            server,
            _shard: shard,
            _sandbox: sandbox,
            runtime,
            url: url("api"),
            admin: url("admin"),
        }
    }

    /// `bmt run` against it.
    fn run(&self, place: &Place, more: &[&str]) -> Command {
        let mut command = place.run(&["--target", &self.url, "--target-admin", &self.admin, "--format", "json"]);
        command.args(more);
        command
            .env("BMT_TARGET_SECRET", "a secret for tests")
            .env("BMT_TARGET_ADMIN_TOKEN", "a token for tests");
        command
    }

    /// The settings that it says it has.
    fn settings(&self) -> Json {
        let ask = async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client
                .get(format!("{}/admin/settings", self.admin))
                .bearer_auth("a token for tests");
            request.send().await.unwrap().text().await.unwrap()
        };
        serde_json::from_str(&self.runtime.block_on(ask)).unwrap()
    }
}

#[test]
fn each_variant_gets_its_settings_and_the_target_its_own_ones_back() {
    let _alone = support::alone();
    let elsewhere = Elsewhere::start();
    let before = elsewhere.settings();
    let place = Place::of(WORKLOAD);
    let output = elsewhere.run(&place, &[]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let run = support::json(&output);
    let server = |variant: &str| {
        let mut cells = run["cells"].as_array().unwrap().iter();
        &cells.find(|cell| cell["variant"] == variant).unwrap()["server"]
    };
    assert_eq!(server("small")["fetch"]["limit"], 20);
    assert_eq!(server("small")["join_throttle"], "local");
    assert_eq!(*server("own"), before);
    assert_eq!(elsewhere.settings(), before);
    place.assert_nothing_left();
}

#[test]
fn a_stopped_run_gives_the_settings_back_and_what_cannot_change_is_refused_before_it() {
    let _alone = support::alone();
    let elsewhere = Elsewhere::start();
    let before = elsewhere.settings();
    let place = Place::of(WORKLOAD);
    let mut run = elsewhere
        .run(&place, &["--variant", "small", "--set", "profile.hold=30s"])
        .spawn()
        .unwrap();
    place.wait_until_driving();
    assert_eq!(elsewhere.settings()["fetch"]["limit"], 20);
    signal(i32::try_from(run.id()).unwrap(), Signal::INT);
    assert_eq!(exit_code(&mut run), 105);
    assert_eq!(elsewhere.settings(), before);

    let place = Place::of(&WORKLOAD.replace("{name: own}", "{name: own, settings: {insert: select_not_exists}}"));
    let output = elsewhere.run(&place, &[]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(104), "{errors}");
    for told in ["variant `own`", "insert", "at run time", "start it with them"] {
        assert!(errors.contains(told), "{told}: {errors}");
    }
    assert!(
        std::fs::read_dir(place.out()).unwrap().next().is_none(),
        "nothing was begun"
    );
    assert_eq!(elsewhere.settings(), before);
}

#[test]
fn a_target_that_goes_away_in_mid_run_is_lost() {
    let _alone = support::alone();
    let elsewhere = Elsewhere::start();
    let place = Place::of(&WORKLOAD.replace("hold: 3s", "hold: 60s"));
    let run = elsewhere.run(&place, &["--variant", "own"]).spawn().unwrap();
    place.wait_until_driving();
    signal(i32::try_from(elsewhere.server.pid()).unwrap(), Signal::KILL);
    let output = run.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(121), "{errors}");
    assert!(
        errors.contains("is gone") && errors.contains(&elsewhere.url),
        "{errors}"
    );
    let result = place.run_json();
    assert_eq!(result["verdict"], "target_lost");
    let cell = &result["cells"][0];
    assert!(cell["ended_early"].as_str().unwrap().contains("lost"), "{cell}");
    let phases = cell["phases"].as_array().unwrap();
    let end_s = phases.last().unwrap()["end_s"].as_f64().unwrap();
    assert!(end_s < 40.0, "it did not wait for the end: {end_s}");
    phases
        .iter()
        .for_each(support::storm::assert_every_arrival_is_accounted_for);
    assert!(phases[0]["operations"]["hot_fetch"]["sent"].as_u64().unwrap() > 0);
    place.assert_nothing_left();
}

#[test]
fn settings_that_are_not_put_back_end_the_run() {
    // Both variants are tried and taken back before the run (four changes); then the first cell makes the fifth change,
    // and giving back is refused from then on.
    let state = Mutex::new((70_u64, 0));
    let server = Server::answering(move |request, _| {
        let mut state = state.lock().unwrap();
        let (limit, changes) = &mut *state;
        let answer =
            |status: &str, body: &str| format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if !request.contains("/admin/settings") {
            return answer("200 OK", "ok");
        }
        if request.starts_with("PATCH") {
            *changes += 1;
            if *changes > 5 {
                return answer("503 Service Unavailable", "not now");
            }
            let (_, body) = request.split_once("\r\n\r\n").unwrap();
            let patch: Json = serde_json::from_str(body).unwrap();
            *limit = patch["fetch"]["limit"].as_u64().unwrap();
            return answer("200 OK", &format!("{{\"revision\":{changes}}}"));
        }
        answer("200 OK", &format!("{{\"fetch\":{{\"limit\":{limit}}}}}"))
    });
    let workload = get_workload("uniform", "50/s", "1s", 5).replace(
        "variants: [{name: only}]",
        "variants: [{name: a, settings: {fetch: {limit: 20}}}, {name: b, settings: {fetch: {limit: 30}}}]",
    );
    let (run, code) = run_against(&workload, &server.url(), &["--target-admin", &server.url()]);
    assert_eq!(
        (code, &run["verdict"]),
        (121, &Json::from("target_lost")),
        "{}",
        run["reasons"]
    );
    let reasons = run["reasons"].to_string();
    assert!(reasons.contains("not put back") && reasons.contains("70"), "{reasons}");
    assert_eq!(
        run["cells"].as_array().unwrap().len(),
        1,
        "the other variant is not run on them"
    );
}
