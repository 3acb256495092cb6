//! A target of the workload's own that bmt starts: a small shop in Python that counts what it is asked.

mod support;

use rustix::process::{Pid, Signal};
use rustix::thread::{CpuSet, sched_getaffinity};
use serde_json::Value as Json;
use support::place::{DONE, Place, SHOP, TELL, operation};
use support::storm::{assert_every_arrival_is_accounted_for, exit_code, signal, walk};
use support::{KEY, bmt};

#[test]
fn what_the_program_counted_is_what_is_reported_and_no_secret_is() {
    let workload = SHOP.replace(
        "  ready:",
        &format!("  before: [{{request: {{post: /admin/reset}}}}]\n  after: [{{command: {TELL}}}]\n  ready:"),
    );
    let place = Place::of(&workload);
    let (run, _) = place.result(&[], DONE);
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
    let (run, _) = place.result(&[], DONE);
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
    let (run, said) = place.result(&[], &[121]);
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
        let (run, said) = place.result(&[], &[121]);
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
    let (_, said) = place.result(&[], &[121]);
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
