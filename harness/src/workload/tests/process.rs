//! A target that bmt starts, and hooks before and after the load.

use std::path::Path;
use std::time::Duration;

use super::*;

const STARTED: &str = r#"
name: shop
question: Is it started?
profile: {kind: constant, target: 10/s, hold: 10s}
target:
  command: [sh, -c, "exec serve {{port}}"]
  env: {MODE: fast, DB: "sqlite::memory:"}
  ready: {http: /healthz, within: 5s}
  url: "http://localhost:{{port}}/base"
  before: [{command: [sh, -c, "true"]}, {request: {post: /reset}, check: {status: 204}, within: 2s}]
traffic: {get: {request: {get: /}, share: 1}}
variants:
  - {name: old, command: [./../bin/old, "--port={{port}}"]}
  - {name: new, env: {MODE: safe, TOKEN: "a b"}}
"#;

/// In a folder beside which there is a program `bin/old`.
fn parsed(text: &str, overrides: &Overrides) -> Result<Workload, Mistakes> {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["bin", "workloads"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    std::fs::write(dir.path().join("bin/old"), "").unwrap();
    parse(dir.path().join("workloads/w.yaml").to_str().unwrap(), text, overrides)
}

#[test]
fn each_variant_gets_what_is_started_for_it() {
    let workload = parsed(STARTED, &Overrides::default()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(workload.starts_program());
    let [old, new] = &workload.variants[..] else {
        panic!("{:?}", workload.variants)
    };
    let launch = old.launch.as_ref().unwrap();
    assert!(launch.program.path(80).is_absolute() && launch.program.path(80).ends_with("bin/old"));
    assert_eq!(launch.program.arguments(80).collect::<Vec<_>>(), ["--port=80"]);
    assert_eq!(old.env["MODE"].text.filled(80), "fast");
    let launch = new.launch.as_ref().unwrap();
    assert_eq!(launch.program.path(80), Path::new("sh"));
    assert_eq!(launch.program.shown(80), ["sh", "-c", "exec serve 80"]);
    assert_eq!(launch.url.filled(80), "http://localhost:80/base");
    assert_eq!(
        (&launch.ready, launch.within),
        (&Ready::Http("/healthz".to_owned()), Duration::from_secs(5))
    );
    let env: Vec<(&str, String)> = new
        .env
        .iter()
        .map(|(name, variable)| (name.as_str(), variable.shown(80)))
        .collect();
    assert_eq!(
        env,
        [
            ("DB", "sqlite::memory:".to_owned()),
            ("MODE", "safe".to_owned()),
            ("TOKEN", "***".to_owned())
        ]
    );
    let within: Vec<u64> = workload.before.iter().map(|hook| hook.within.as_secs()).collect();
    assert_eq!(within, [30, 2]);
    assert!(matches!(&workload.before[1].deed, Deed::Request(ask) if ask.check.status == [204]));
}

#[test]
fn the_record_of_the_file_has_no_secrets_and_is_read_again() {
    let workload = parsed(STARTED, &Overrides::default()).unwrap();
    let recorded = serde_json::to_value(&workload.file).unwrap();
    assert_eq!(
        recorded["variants"][1]["env"],
        serde_json::json!({"MODE": "safe", "TOKEN": "***"})
    );
    let again: WorkloadFile = serde_json::from_value(recorded).unwrap();
    assert_eq!(again.target.command, workload.file.target.command);
    let plain = parse("w.yaml", GOOD, &Overrides::default()).unwrap();
    let recorded = serde_json::to_value(&plain.file).unwrap();
    assert_eq!(
        recorded["target"].as_object().unwrap().len(),
        2,
        "what is not given is not recorded"
    );
}

#[test]
fn nothing_is_started_where_somebody_else_started_the_target() {
    let overrides = Overrides {
        foreign: true,
        ..Overrides::default()
    };
    let text = STARTED.replace("bin/old", "bin/not-built");
    assert!(
        parsed(&text, &Overrides::default()).is_err(),
        "the program is not there"
    );
    let workload = parsed(&text, &overrides).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(!workload.starts_program());
    assert_eq!(workload.before.len(), 2);
}

#[test]
fn commands_are_refused_where_they_would_be_run_without_permission() {
    let told = |foreign| {
        let overrides = Overrides {
            foreign,
            refuses_commands: true,
            ..Overrides::default()
        };
        parsed(STARTED, &overrides).unwrap_err().to_string()
    };
    let all = told(false);
    for path in ["target.command", "variants.0.command", "target.before.0.command"] {
        assert!(
            all.contains(&format!("{path}: a workload runs no command")),
            "{path}: {all}"
        );
    }
    assert!(all.contains("3 mistakes"), "{all}");
    assert!(told(true).contains("1 mistake "), "the hook alone: {}", told(true));
}

#[test]
fn mistakes_about_what_is_started_are_told_with_their_place() {
    let text = STARTED
        .replace("serve {{port}}", "serve {{prot}}")
        .replace("ready: {http: /healthz, ", "ready: {")
        .replace("http://localhost:{{port}}/base", "https://localhost:{{port}}/?x")
        .replace("{command: [sh, -c, \"true\"]}", "{command: [sh], request: {get: /}}")
        .replace("bin/old", "bin/odl")
        .replace("{name: new, env", "{name: new, settings: {insert: values}, env");
    let told = parsed(&text, &Overrides::default()).unwrap_err();
    let told = told.to_string().replace(&told.file, "w.yaml");
    // The folder is another one each time.
    let told: Vec<&str> = told
        .lines()
        .filter(|line| !line.contains("there is no program /"))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
    let faults = format!("{STARTED}faults: [{{after: 1s, for: 1s, inject: pause_server}}]\n");
    let told = parsed(&faults, &Overrides::default()).unwrap_err();
    insta::assert_snapshot!(told.to_string().replace(&told.file, "w.yaml"));
}
