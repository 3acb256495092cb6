//! A target of the workload's own that bmt starts: a small shop in Python that counts what it is asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use rustix::process::{Pid, Signal};
use rustix::thread::{CpuSet, sched_getaffinity};
use serde_json::Value as Json;
use support::storm::{assert_every_arrival_is_accounted_for, exit_code, signal, walk};
use support::{KEY, bmt, wait_until};

const SHOP: &str = r#"
name: shop
question: Is the program that bmt starts the one that is measured?
profile: {kind: constant, target: 100/s, hold: 2s}
generator: {timeout: 5s}
target:
  command: [./shop.py, --port, "{{port}}", --secret, "{{env.BMT_TEST_KEY}}"]
  env: {MODE: fast, API_TOKEN: "not to be seen", KEPT: "{{env.BMT_TEST_KEY}}"}
  ready: {http: /healthz}
traffic:
  browse: {request: {get: /items}, check: {body: {contains: mode}}, share: 0.8}
  gone: {request: {get: /gone}, check: {status: 404}, share: 0.2}
variants: [{name: only}]
"#;

/// Writes what the shop has counted to a file in the workload's folder.
const TELL: &str = r#"[python3, -c, "import urllib.request as r; open('counts.json', 'wb').write(r.urlopen('http://127.0.0.1:{{port}}/counts').read())"]"#;

/// A folder with a workload and the shop.
struct Place {
    dir: tempfile::TempDir,
    _alone: support::Alone,
}

impl Place {
    fn of(workload: &str) -> Self {
        let _alone = support::alone();
        let dir = tempfile::tempdir().unwrap();
        let place = Self { dir, _alone };
        std::fs::create_dir(place.path("tmp")).unwrap();
        place.write("workload.yaml", workload);
        place.script("shop.py", include_str!("support/shop.py"));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn script(&self, name: &str, text: &str) {
        self.write(name, text);
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, more: &[&str]) -> Command {
        let (file, out) = (self.path("workload.yaml"), self.path("out"));
        let mut command = bmt(&["run", file.to_str().unwrap(), "--out", out.to_str().unwrap()]);
        command
            .args(["--format", "json"])
            .args(more)
            .env("TMPDIR", self.path("tmp"));
        command
    }

    fn run(&self, more: &[&str]) -> Output {
        let output = self.command(&[&["--allow-commands"], more].concat()).output().unwrap();
        self.assert_nothing_left();
        output
    }

    /// The result of a run that ends in this way, and what it said.
    fn result(&self, more: &[&str], way: i32) -> (Json, String) {
        let output = self.run(more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(way), "{said}");
        (support::json(&output), said)
    }

    fn counts(&self) -> Json {
        serde_json::from_slice(&std::fs::read(self.path("counts.json")).unwrap()).unwrap()
    }

    /// Processes whose command line has a file of this place in it, `part` of its name.
    fn processes(&self, part: &str) -> Vec<i32> {
        let mark = self.dir.path().display().to_string();
        let pids = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains(&mark) && line.contains(part) && !line.contains("workload.yaml")
        })
        .collect()
    }

    fn assert_nothing_left(&self) {
        wait_until("no process is left", || self.processes("").is_empty());
        wait_until("no temporary file is left", || {
            std::fs::read_dir(self.path("tmp")).unwrap().next().is_none()
        });
    }

    fn wait_until_driving(&self) {
        wait_until("the first samples are written", || {
            walk(self.dir.path()).into_iter().any(|file| {
                file.ends_with("observed.jsonl") && std::fs::read_to_string(&file).unwrap().lines().count() > 8
            })
        });
    }

    /// The shop's pid in a run under way.
    fn shop(&self) -> i32 {
        wait_until("the shop is started", || !self.processes("shop.py").is_empty());
        self.processes("shop.py")[0]
    }
}

fn operation<'a>(cell: &'a Json, name: &str) -> &'a Json {
    &cell["phases"][0]["operations"][name]
}

#[test]
fn what_the_program_counted_is_what_is_reported_and_no_secret_is() {
    let workload = SHOP.replace(
        "  ready:",
        &format!("  before: [{{request: {{post: /admin/reset}}}}]\n  after: [{{command: {TELL}}}]\n  ready:"),
    );
    let place = Place::of(&workload);
    let (run, _) = place.result(&[], 0);
    let cell = &run["cells"][0];
    let told = place.counts();
    for (name, path) in [("browse", "/items"), ("gone", "/gone")] {
        assert!(operation(cell, name)["sent"].as_u64().unwrap() > 20, "{cell}");
        assert_eq!(operation(cell, name)["sent"], told["counts"][path], "{name}");
        assert_eq!(operation(cell, name)["outcomes"]["ok"], told["counts"][path], "{name}");
    }
    let environment = &told["environment"];
    assert_eq!(
        (&environment["MODE"], &environment["KEPT"]),
        (&Json::from("fast"), &Json::from(KEY))
    );
    assert!(environment["PATH"].is_string(), "the rest is inherited");
    assert!(environment["BMT_TEST_KEY"].is_null(), "but for what is bmt's");
    assert!(cell["phases"][0]["resources"]["server"]["cpu_s"].as_f64().unwrap() > 0.0);
    assert!(cell["server"].is_null() && cell["database"].is_null());
    let port = cell["process"]["url"].as_str().unwrap().rsplit_once(':').unwrap().1;
    assert_eq!(
        cell["process"]["command"],
        serde_json::json!(["./shop.py", "--port", port, "--secret", "***"])
    );
    assert_eq!(
        cell["process"]["env"],
        serde_json::json!({"MODE": "fast", "API_TOKEN": "***", "KEPT": "***"})
    );
    let out = place.path("out");
    let files = walk(&out);
    for file in &files {
        let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
        assert!(
            !text.contains(KEY) && !text.contains("not to be seen"),
            "{}",
            file.display()
        );
    }
    let directory = support::run_directory(&out);
    let log = std::fs::read_to_string(directory.join("cells/only-1/server.log")).unwrap();
    assert_eq!(log, format!("the shop opens at {port}, fast\n"));
    let report = std::fs::read_to_string(directory.join("report.md")).unwrap();
    assert!(
        report.contains(&format!("./shop.py --port {port} --secret ***")),
        "{report}"
    );
}

#[test]
fn variants_are_started_with_commands_and_environments_of_their_own() {
    let place = Place::of(&SHOP.replace(
        "[{name: only}]",
        r#"[{name: quick one}, {name: by env, env: {MODE: slow}}, {name: by word, command: [./shop.py, --port, "{{port}}", --mode, slow]}]"#,
    ));
    let (run, _) = place.result(&[], 0);
    let median = |variant: &str| {
        let mut cells = run["cells"].as_array().unwrap().iter();
        let cell = cells.find(|cell| cell["variant"] == variant).unwrap();
        operation(cell, "browse")["response_us"]["ok"]["p50"].as_u64().unwrap()
    };
    assert!(median("quick one") < 20_000, "{}", median("quick one"));
    for slow in ["by env", "by word"] {
        assert!(median(slow) >= 20_000, "{slow}: {}", median(slow));
    }
}

#[test]
fn a_program_that_dies_in_mid_run_is_lost_with_the_end_of_its_log() {
    let place = Place::of(
        &SHOP
            .replace("--secret,", "--dies, \"1.5\", --secret,")
            .replace("hold: 2s", "hold: 30s"),
    );
    let (run, said) = place.result(&[], 121);
    for told in [
        "the target `./shop.py` ended by itself (exit status: 7)",
        "the shop has burnt down",
        "server.log",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert_eq!(run["verdict"], "target_lost");
    let phases = run["cells"][0]["phases"].as_array().unwrap();
    phases.iter().for_each(assert_every_arrival_is_accounted_for);
    assert!(
        operation(&run["cells"][0], "browse")["outcomes"]["ok"]
            .as_u64()
            .unwrap()
            > 10
    );
}

#[test]
fn a_program_that_is_not_ready_is_told_with_what_was_tried() {
    let ready = "ready: {http: /healthz}";
    for (from, to, told) in [
        (
            "--secret,",
            "--deaf, --secret,",
            &[
                "was not ready within 1.5s",
                "GET http://127.0.0.1:",
                "/healthz: Connection refused",
                "the shop opens at",
            ][..],
        ),
        (
            "--secret,",
            "--late, \"60\", --secret,",
            &["was answered 503 Service Unavailable"],
        ),
        (
            "--port,",
            "--prot,",
            &["ended by itself (exit status: 2)", "unrecognized arguments: --prot"],
        ),
        (
            "./shop.py",
            "bmt-no-such-program",
            &["`bmt-no-such-program` not found (looked in /"],
        ),
    ] {
        let text = SHOP.replace(ready, "ready: {http: /healthz, within: 1500ms}");
        let place = Place::of(&text.replace(from, to));
        let (run, said) = place.result(&[], 121);
        for told in told {
            assert!(said.contains(told), "{told}: {said}");
        }
        assert_eq!(run["cells"], serde_json::json!([]), "{to}");
    }
}

#[test]
fn a_port_that_the_workload_chose_and_somebody_has_is_told() {
    let server = support::Server::start(|_| {});
    let place = Place::of(&SHOP.replace("  ready:", &format!("  url: {}\n  ready:", server.url())));
    let (_, said) = place.result(&[], 121);
    assert!(said.contains("somebody listens at http://127.0.0.1:"), "{said}");
}

#[test]
fn however_a_run_is_ended_no_process_is_left() {
    let long = SHOP
        .replace("hold: 2s", "hold: 60s")
        .replace("--secret,", "--worker, --secret,");
    for (how, code) in [(Signal::KILL, -1), (Signal::INT, 105)] {
        let place = Place::of(&long);
        let mut run = place.command(&["--allow-commands"]).spawn().unwrap();
        place.wait_until_driving();
        assert_eq!(place.processes("shop.py").len(), 2, "the shop and its worker");
        signal(i32::try_from(run.id()).unwrap(), how);
        assert_eq!(exit_code(&mut run), code);
        place.assert_nothing_left();
    }
}

#[test]
fn an_interrupt_ends_a_command_that_is_under_way() {
    let place = Place::of(&SHOP.replace("  ready:", "  before: [{command: [./wait.sh], within: 5m}]\n  ready:"));
    place.script("wait.sh", "#!/bin/sh\n(trap '' INT TERM; sleep 1000) &\nsleep 1000\n");
    let mut run = place.command(&["--allow-commands"]).spawn().unwrap();
    wait_until("the command runs", || !place.processes("wait.sh").is_empty());
    signal(i32::try_from(run.id()).unwrap(), Signal::INT);
    assert_eq!(exit_code(&mut run), 105);
    place.assert_nothing_left();
}

#[test]
fn commands_are_run_only_where_that_is_allowed() {
    let place = Place::of(
        &SHOP
            .replace("  ready:", "  before: [{command: [./mark.sh]}]\n  ready:")
            .replace("{name: only}", "{name: only}, {name: other, command: [./mark.sh]}"),
    );
    place.script("mark.sh", "#!/bin/sh\ntouch marked\n");
    let output = place.command(&[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(104), "{said}");
    for path in ["target.command", "variants.1.command", "target.before.0.command"] {
        assert!(
            said.contains(&format!("{path}: a workload runs no command")),
            "{path}: {said}"
        );
    }
    assert!(
        said.contains("workload.yaml:7:") && said.contains("--allow-commands"),
        "{said}"
    );
    let file = place.path("workload.yaml");
    let checked = bmt(&["check", file.to_str().unwrap(), "--show", "2"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(
        !place.path("marked").exists() && !place.path("out").exists(),
        "nothing was started"
    );
    // Where somebody else's server is driven, what is done before it would still be run.
    let output = place
        .command(&["--target", "http://127.0.0.1:1", "--variant", "only"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(104));
}

#[test]
fn what_is_done_before_the_load_has_its_effect_and_what_fails_ends_the_run() {
    let before = r#"  before:
    - command: [sh, -c, "echo $MODE $0 > before.txt; echo said", "{{port}}"]
    - request: {post: /admin/reset, headers: {Authorization: "Bearer {{env.BMT_TEST_KEY}}"}, text: " at once"}
      check: {status: 200, body: {contains: reset}}
  ready:"#;
    let workload = SHOP
        .replace("  ready:", before)
        .replace("  ready:", &format!("  after: [{{command: {TELL}}}]\n  ready:"));
    let place = Place::of(&workload);
    let (run, _) = place.result(&[], 0);
    let told = place.counts();
    assert_eq!(told["counts"]["reset by"], format!("Bearer {KEY} at once"));
    let port = run["cells"][0]["process"]["url"]
        .as_str()
        .unwrap()
        .rsplit_once(':')
        .unwrap()
        .1;
    let written = std::fs::read_to_string(place.path("before.txt")).unwrap();
    assert_eq!(
        written,
        format!("fast {port}\n"),
        "in the workload's folder, with its environment"
    );
    let logs = support::run_directory(&place.path("out")).join("cells/only-1");
    assert_eq!(std::fs::read_to_string(logs.join("before-1.log")).unwrap(), "said\n");

    for (from, to, told) in [
        (
            "contains: reset",
            "contains: rest",
            r#"target.before.1: `POST /admin/reset` failed: it was answered 200 OK, beginning with "\"reset\"""#,
        ),
        (
            "/admin/reset,",
            "/nowhere,",
            r#"`POST /nowhere` failed: it was answered 404 Not Found, beginning with "\"there is no such thing\"""#,
        ),
        (
            "echo said",
            "echo no luck; exit 3",
            "failed: it ended with exit status: 3; from its log, ",
        ),
        (
            "echo said\", \"{{port}}\"]",
            "sleep 9\"]\n      within: 300ms",
            "failed: it did not end within 300ms",
        ),
    ] {
        let place = Place::of(&workload.replace(from, to));
        let (run, said) = place.result(&[], 121);
        assert!(said.contains(told), "{told}: {said}");
        assert_eq!(run["cells"], serde_json::json!([]), "{to}: the cell was not begun");
        assert!(!place.path("counts.json").exists(), "{to}");
    }
}

#[test]
fn what_fails_after_the_load_keeps_the_next_cell_from_being_begun() {
    let after = format!("  after: [{{request: {{get: /nowhere}}}}, {{command: {TELL}}}]\n  ready:");
    let place = Place::of(
        &SHOP
            .replace("  ready:", &after)
            .replace("{name: only}", "{name: only}, {name: other}"),
    );
    let (run, said) = place.result(&[], 121);
    assert!(
        said.contains("target.after.0: `GET /nowhere` failed: it was answered 404"),
        "{said}"
    );
    assert_eq!(run["cells"].as_array().unwrap().len(), 1);
    assert!(
        operation(&run["cells"][0], "browse")["outcomes"]["ok"]
            .as_u64()
            .unwrap()
            > 100,
        "it was measured"
    );
    assert!(
        place.counts()["counts"]["/items"].as_u64().unwrap() > 100,
        "the others are done"
    );

    // Also where the load was interrupted.
    let place = Place::of(&SHOP.replace("  ready:", &after).replace("hold: 2s", "hold: 60s"));
    let mut run = place.command(&["--allow-commands"]).spawn().unwrap();
    place.wait_until_driving();
    signal(i32::try_from(run.id()).unwrap(), Signal::INT);
    assert_eq!(exit_code(&mut run), 105);
    assert!(place.counts()["counts"]["/items"].as_u64().unwrap() > 10);
    place.assert_nothing_left();
}

#[test]
fn a_target_of_somebody_else_goes_before_the_command_and_has_the_steps_as_well() {
    let server = support::Server::answering(|request, _| {
        let status = if request.starts_with("GET /base/gone") {
            "404 Not Found"
        } else {
            "200 OK"
        };
        format!("HTTP/1.1 {status}\r\ncontent-length: 4\r\n\r\nmode")
    });
    let workload = SHOP
        .replace("./shop.py", "./not-built-yet")
        .replace("  ready:", "  before: [{request: {get: /x}, check: {body: {contains: mode}}}]\n  after: [{command: [sh, -c, 'echo $0 $MODE > after.txt', \"{{port}}\"]}]\n  ready:");
    let place = Place::of(&workload);
    let url = format!("{}/base", server.url());
    let (run, said) = place.result(&["--target", &url], 0);
    assert!(
        said.contains(&format!("--target is driven, {url}; `command` is not started")),
        "{said}"
    );
    assert!(run["cells"][0]["process"].is_null());
    let written = std::fs::read_to_string(place.path("after.txt")).unwrap();
    assert_eq!(written, format!("{} fast\n", server.address.port()));

    let place = Place::of(&workload.replace("{name: only}", "{name: only}, {name: other, env: {MODE: slow}}"));
    let output = place.run(&["--target", &url]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(104), "{said}");
    assert!(
        said.contains("variants `only` and `other` differ in `command` or `env`"),
        "{said}"
    );
    place.result(&["--target", &url, "--variant", "other"], 0);
}

#[test]
fn the_reference_server_has_the_steps_as_well() {
    let workload = "name: chats\nquestion: Are steps done?\nprofile: {kind: constant, target: 20/s, hold: 1s}\n\
         target: {shards: 1, before: [{request: {get: /metrics}, check: {body: {contains: hotchat}}}], after: [{request: {get: /nowhere}}]}\n\
         chats: {hot: {members: 1}}\ntraffic: {count: {operation: count, chats: hot, share: 1}}\nvariants: [{name: only}]\n";
    let place = Place::of(workload);
    let output = place.command(&[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(121), "{said}");
    assert!(
        said.contains("target.after.0: `GET /nowhere` failed: it was answered 404"),
        "{said}"
    );
    place.assert_nothing_left();
}

#[test]
fn a_pinned_program_never_has_the_cpus_of_the_generator() {
    let allowed = sched_getaffinity(None).unwrap();
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let (Some(generator), Some(_)) = (cpus.next(), cpus.next()) else {
        eprintln!("SKIPPED, NOTHING WAS TESTED: this process may use one CPU only");
        return;
    };
    let place = Place::of(&SHOP.replace("hold: 2s", "hold: 60s"));
    let mut run = place
        .command(&["--allow-commands", "--pin", &generator.to_string()])
        .spawn()
        .unwrap();
    let shop = Pid::from_raw(place.shop()).unwrap();
    assert!(!sched_getaffinity(Some(shop)).unwrap().is_set(generator));
    signal(i32::try_from(run.id()).unwrap(), Signal::INT);
    assert_eq!(exit_code(&mut run), 105);
    place.assert_nothing_left();
}

/// What is changed in the shop's workload, into what, and what is told of it.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "[./shop.py, --port, \"{{port}}\", --secret, \"{{env.BMT_TEST_KEY}}\"]",
        "[]",
        "target.command: needs at least 1 item",
    ),
    (
        "[./shop.py, --port, \"{{port}}\", --secret, \"{{env.BMT_TEST_KEY}}\"]",
        "./shop.py",
        "allowed: a list",
    ),
    ("./shop.py", "\"\"", "target.command.0: there is no program"),
    ("./shop.py", "./shpo.py", "target.command.0: there is no program /"),
    (
        "\"{{port}}\"",
        "\"{{prot}}\"",
        "target.command.2: there is no value `prot` in a command",
    ),
    (
        "{{env.BMT_TEST_KEY}}\"]",
        "{{env.BMT_NO_KEY}}\"]",
        "target.command.4: there is no `BMT_NO_KEY` in the environment",
    ),
    (
        "MODE: fast",
        "MODE: \"{{uuid}}\"",
        "target.env.MODE: there is no value `uuid` in a command",
    ),
    ("MODE: fast", "A=B: fast", "`A=B` cannot be the name of a variable"),
    (
        "http: /healthz",
        "http: /healthz, port: true",
        "target.ready: it is not clear what shows",
    ),
    (
        "http: /healthz",
        "within: 2s",
        "target.ready: it is not clear what shows",
    ),
    (
        "http: /healthz",
        "port: false",
        "target.ready: it is not clear what shows",
    ),
    (
        "http: /healthz",
        "http: healthz",
        "target.ready.http: `healthz` is not a path",
    ),
    (
        "http: /healthz",
        "http: /healthz, within: 0s",
        "target.ready.within: `0s` is no time at all",
    ),
    (
        "  ready:",
        "  url: ftp://x\n  ready:",
        "target.url: `ftp://x` is not an address of a server",
    ),
    (
        "  ready:",
        "  url: \"http://127.0.0.1:{{prot}}\"\n  ready:",
        "target.url: there is no value `prot`",
    ),
    (
        "  ready:",
        "  before: [{within: 2s}]\n  ready:",
        "target.before.0: needs either `request` or `command`",
    ),
    (
        "  ready:",
        "  after: [{command: [sh], check: {status: 200}}]\n  ready:",
        "target.after.0.check: it is of the answer",
    ),
    (
        "  ready:",
        "  before: [{request: {get: \"/{{id}}\"}}]\n  ready:",
        "target.before.0.request.get: there is no value `id`",
    ),
    (
        "  ready:",
        "  before: [{request: {get: /, psot: /}}]\n  ready:",
        "did you mean `post`?",
    ),
    (
        "{name: only}",
        "{name: only, settings: {insert: values}}",
        "variants.0.settings: they are the reference server's",
    ),
    (
        "  command:",
        "  shards: 1\n  # command:",
        "target.env: it is the environment of commands, and there is none",
    ),
    (
        "  command:",
        "  shards: 1\n  # command:",
        "target.ready: it is of a program that bmt starts",
    ),
    (
        "{name: only}",
        "{name: only}\nfaults: [{after: 1s, for: 500ms, inject: {kill_shard: 0}}]",
        "which `command` takes the place of",
    ),
];

#[test]
fn every_mistake_is_told_with_its_place_before_anything_is_started() {
    let place = Place::of(SHOP);
    for (from, to, told) in MISTAKES {
        let mut text = SHOP.replace(from, to);
        if from == &"{name: only}" && to.contains('\n') {
            text = SHOP.replace("[{name: only}]", &to.replace("{name: only}", "[{name: only}]"));
        }
        assert_ne!(text, SHOP, "{from}");
        place.write("workload.yaml", &text);
        let output = place.run(&[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(104), "{to}: {said}");
        assert!(said.contains(told) && said.contains("workload.yaml:"), "{to}: {said}");
    }
    let text = SHOP.replace("  command:", "  # command:").replace(
        "[{name: only}]",
        r#"[{name: only}, {name: other, command: [./shop.py, "{{port}}"]}]"#,
    );
    place.write("workload.yaml", &text);
    let said = String::from_utf8_lossy(&place.run(&[]).stderr).into_owned();
    assert!(
        said.contains("variants.0: `only` has no `command`, and another variant has one"),
        "{said}"
    );
    assert!(!place.path("out").exists());
}
