//! Commands and exit codes that need no database.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use support::{bmt, get_workload, run_against};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn written(content: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("workload.yaml");
    std::fs::write(&file, content).unwrap();
    let name = file.to_str().unwrap().to_owned();
    (dir, name)
}

#[test]
fn check_says_valid_or_names_every_mistake() {
    let good = get_workload("uniform", "10/s", "1s", 4);
    let (_dir, file) = written(&good);
    let output = bmt(&["check", &file]).output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.len()),
        (Some(0), 0),
        "{}",
        text(&output.stderr)
    );

    let (_dir, file) = written(
        &good
            .replace("target: 10/s", "target: ten")
            .replace("arrivals: uniform", "arivals: uniform"),
    );
    let output = bmt(&["check", &file]).output().unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(104));
    assert!(
        errors.contains(&format!("{file}:3:"))
            && errors.contains("profile.target")
            && errors.contains("a rate such as"),
        "{errors}"
    );
    assert!(
        errors.contains("unknown key `arivals`") && errors.contains("did you mean `arrivals`?"),
        "{errors}"
    );
}

#[test]
fn check_knows_the_length_and_the_peak_of_a_recorded_rate() {
    let (folder, file) = written(&format!(
        "{}quick: {{profile: {{compress: 6}}}}\n",
        get_workload("uniform", "10/s", "70s", 4).replace(
            "{kind: constant, target: 10/s, hold: 70s}",
            "{kind: trace, file: {csv: newyear.csv}, growth: 1.4}"
        )
    ));
    let rates: Vec<&str> = (0..60).map(|second| if second == 30 { "500" } else { "10" }).collect();
    std::fs::write(
        folder.path().join("newyear.csv"),
        format!("rate\n{}\n", rates.join("\n")),
    )
    .unwrap();
    let output = bmt(&["check", &file]).output().unwrap();
    let said = text(&output.stdout);
    for form in [
        "full:  1 variant × 1 block, 1:00 of load; up to 700/s",
        "quick: 1 variant × 1 block, 0:10 of load; up to 700/s",
    ] {
        assert!(said.contains(form), "{said}{}", text(&output.stderr));
    }
}

#[test]
fn check_takes_several_files_and_says_how_long_each_form_is() {
    let good = get_workload("uniform", "10/s", "70s", 4);
    let (_one, plain) = written(&good);
    let (_two, short) = written(&format!(
        "{good}\nrepetitions: 2\nquick: {{repetitions: 1, profile: {{hold: 2s}}}}\n"
    ));
    let (_three, bad) = written("name: x\n");
    let output = bmt(&["check", &plain, &bad, &short]).output().unwrap();
    assert_eq!(output.status.code(), Some(104), "one of them is not valid");
    let said = text(&output.stdout);
    assert!(
        said.contains(&format!("{plain}: valid\n  full:  1 variant × 1 block, 1:10 of load")),
        "{said}"
    );
    assert!(
        said.contains(&format!("{short}: valid\n  full:  1 variant × 2 blocks, 2:20 of load")),
        "{said}"
    );
    assert_eq!(
        said.matches("  quick: 1 variant × 1 block, 0:02 of load").count(),
        1,
        "{said}"
    );
    assert!(
        text(&output.stderr).contains(&bad),
        "the mistakes are on standard error"
    );

    let output = bmt(&["check", "--quick", &plain, &short]).output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!said.contains("full:") && said.matches("quick:").count() == 2, "{said}");
}

#[test]
fn a_run_of_a_bad_workload_starts_nothing() {
    let (dir, file) = written(&get_workload("uniform", "10/s", "1s", 0));
    let out = dir.path().join("out");
    let output = bmt(&["run", &file, "--out", out.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(104));
    assert!(!out.exists());
}

#[test]
fn wrong_usage_exits_with_2_and_what_is_not_there_is_named() {
    assert_eq!(bmt(&["run"]).output().unwrap().status.code(), Some(2));
    assert_eq!(bmt(&["frobnicate"]).output().unwrap().status.code(), Some(2));
    let output = bmt(&["check", "/no/such/workload.yaml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(104));
    assert!(text(&output.stderr).contains("/no/such/workload.yaml"));
    let (_dir, file) = written(&get_workload("uniform", "10/s", "1s", 4));
    let output = bmt(&["run", &file, "--variant", "other"]).output().unwrap();
    assert_eq!(output.status.code(), Some(104));
    assert!(text(&output.stderr).contains("the workload has: only"));
}

#[test]
fn a_target_that_nobody_serves_cannot_be_driven() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (dir, file) = written(&get_workload("uniform", "10/s", "1s", 4));
    let url = format!("http://{free}");
    let output = bmt(&["run", &file, "--target", &url, "--out", dir.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(121), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("start it first"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_target_that_is_no_address_is_wrong_usage_and_leaves_no_run_directory() {
    let (dir, file) = written(&get_workload("uniform", "10/s", "1s", 4));
    let out = dir.path().join("out");
    for (flags, named) in [
        (vec!["--target", "ftp://x"], "expected http://HOST:PORT"),
        (vec!["--target", "127.0.0.1:80"], "expected http://HOST:PORT"),
        (vec!["--target", "https://x/?y=1"], "query"),
        (
            vec!["--target", "http://x", "--target-admin", "x"],
            "--target-admin: `x`",
        ),
    ] {
        let mut arguments = vec!["run", &file, "--out", out.to_str().unwrap()];
        arguments.extend(&flags);
        let output = bmt(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(named), "{}", text(&output.stderr));
        assert!(!out.exists(), "{flags:?}");
    }
}

#[test]
fn requests_keep_the_path_of_the_target() {
    let server = support::Server::answering(|request, _| {
        let status = if request.starts_with("GET /base/x HTTP/1.1") {
            "200 OK"
        } else {
            "404 Not Found"
        };
        format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")
    });
    let workload = get_workload("uniform", "50/s", "1s", 16).replace("{path: /}", "{path: /x}");
    let (run, _) = run_against(&workload, &format!("{}/base", server.url()), &[]);
    assert_eq!(
        support::only_operation(&run)["outcomes"]["ok"],
        50,
        "{}",
        support::only_operation(&run)
    );
}

#[test]
fn variants_that_differ_are_refused_where_their_settings_cannot_be_applied() {
    let (dir, file) = written(&get_workload("uniform", "10/s", "1s", 4).replace(
        "{name: only}",
        "{name: one}, {name: other, settings: {fetch: {limit: 20}}}",
    ));
    let out = dir.path().join("out");
    let arguments = [
        "run",
        &file,
        "--target",
        "http://127.0.0.1:1",
        "--out",
        out.to_str().unwrap(),
    ];
    let output = bmt(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(104), "{}", text(&output.stderr));
    for told in ["variant `other` has settings of its own (fetch)", "--target-admin"] {
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
    assert!(!out.exists(), "nothing was begun");
}

#[test]
fn the_same_seed_sends_the_same_arrivals_whatever_the_number_of_workers() {
    let server = support::Server::start(|_| {});
    let scheduled = |seed: &str, workers: &str| {
        let (run, _) = run_against(
            &get_workload("poisson", "500/s", "2s", 16),
            &server.url(),
            &["--seed", seed, "--set", workers],
        );
        support::only_operation(&run)["scheduled"].as_u64().unwrap()
    };
    assert_eq!(
        scheduled("5", "generator.workers=1"),
        scheduled("5", "generator.workers=3")
    );
    assert_ne!(
        scheduled("5", "generator.workers=1"),
        scheduled("6", "generator.workers=1")
    );
}

#[test]
fn a_gate_that_fails_and_one_without_data_stop_the_build() {
    let server = support::Server::start(|_| {});
    let gates = "gates:\n  - {metric: response_p50, operation: get, at_most: 10s}\n  - {metric: autoinc_wait_s, at_most: 5}\n  - {metric: goodput_rate, operation: get, at_least: 1000/s}\n";
    let (run, code) = run_against(
        &(get_workload("uniform", "100/s", "1s", 16) + gates),
        &server.url(),
        &[],
    );
    let answers: Vec<&str> = run["gates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gate| gate["answer"].as_str().unwrap())
        .collect();
    assert_eq!(answers, ["pass", "fail", "fail"], "{}", run["gates"]);
    assert_eq!(
        run["gates"][1]["actual"],
        serde_json::Value::Null,
        "what was not observed is no data, not 0"
    );
    assert_eq!(code, 99, "{}", run["reasons"]);
}

#[test]
fn a_generator_that_cannot_send_calls_its_run_invalid() {
    let server = support::Server::start(|_| std::thread::sleep(std::time::Duration::from_millis(300)));
    // Two connections serve about 7 of 200 requests a second, and only 5 may wait.
    let workload = get_workload("uniform", "200/s", "2s", 2).replace("timeout: 10s", "timeout: 2s, waiting: 5");
    let (run, code) = run_against(&workload, &server.url(), &[]);
    assert_eq!(code, 120);
    assert_eq!(run["verdict"], "invalid");
    let operation = support::only_operation(&run);
    assert!(operation["unsent"].as_u64().unwrap() > 300, "{operation}");
    assert!(
        run["cells"][0]["warnings"][0]
            .as_str()
            .unwrap()
            .contains("raise generator.connections")
    );
}

#[test]
fn too_few_files_are_told_before_the_run_unless_the_limit_can_be_raised() {
    let (dir, file) = written(&get_workload("uniform", "10/s", "1s", 1500));
    let run = |limit: &str| {
        let script = format!(
            "ulimit {limit} 1000 && exec {} run {file} --out {} --target http://127.0.0.1:1",
            env!("CARGO_BIN_EXE_bmt"),
            dir.path().display()
        );
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.status.code(), Some(121));
        text(&output.stderr)
    };
    let hard = run("-n");
    assert!(
        hard.contains("takes 2500 open files") && hard.contains("ulimit -Hn 2500"),
        "{hard}"
    );
    let soft = run("-Sn");
    assert!(soft.contains("cannot reach the target"), "{soft}");
}

#[test]
fn a_report_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let output = bmt(&["report", dir.path().to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("recording.json"));
    std::fs::write(dir.path().join("run.json"), "{\"schema\": \"bmt.run/9\"}").unwrap();
    let output = bmt(&["report", dir.path().to_str().unwrap()]).output().unwrap();
    assert!(text(&output.stderr).contains("bmt.run/9") && text(&output.stderr).contains("bmt.run/2"));
}

#[test]
fn results_that_cannot_be_written_are_named() {
    let server = support::Server::start(|_| {});
    let (dir, file) = written(&get_workload("uniform", "10/s", "1s", 4));
    let blocked = dir.path().join("workload.yaml");
    let output = bmt(&[
        "run",
        &file,
        "--target",
        &server.url(),
        "--out",
        blocked.to_str().unwrap(),
    ])
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--out"), "{}", text(&output.stderr));
}

#[test]
fn the_generators_memory_does_not_grow_with_the_length_of_the_run() {
    let server = support::Server::start(|_| {});
    // With a time-out of 1 s the generator has all the seconds that it ever holds long before the warm-up ends.
    let workload = get_workload("poisson", "1000/s", "20s", 16)
        .replace("timeout: 10s", "timeout: 1s")
        .replace("hold: 20s", "hold: 20s, warm_up: 8s");
    let (run, _) = run_against(&workload, &server.url(), &[]);
    let phases = run["cells"][0]["phases"].as_array().unwrap();
    let mib = |phase: usize| {
        phases[phase]["resources"]["generator"]["rss_max_bytes"]
            .as_f64()
            .unwrap()
            / f64::from(1 << 20)
    };
    assert!(
        mib(1) < mib(0) + 1.0,
        "{} MiB in the first 8 s, {} MiB in the next 20",
        mib(0),
        mib(1)
    );
}

/// What was published can still be read, and says what it said.
#[test]
fn every_baseline_is_reported_as_it_ended() {
    let baselines = concat!(env!("CARGO_MANIFEST_DIR"), "/../results/baselines");
    let directories: Vec<_> = std::fs::read_dir(baselines).unwrap().flatten().collect();
    assert!(directories.len() >= 4, "{directories:?}");
    for directory in directories {
        let path = directory.path();
        let output = bmt(&["report", path.to_str().unwrap()]).output().unwrap();
        let (said, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{}: {errors}", path.display());
        assert!(said.contains("PASSED"), "{}: {said}", path.display());
    }
}
