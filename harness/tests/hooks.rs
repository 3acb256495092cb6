//! What is done before and after the load of a cell, by the shop, by somebody else's server, and by the reference
//! server.

mod support;

use rustix::process::Signal;
use support::place::{DONE, Place, SHOP, TELL, operation};
use support::storm::{exit_code, signal};
use support::{KEY, wait_until};

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
    let (run, _) = place.result(&[], DONE);
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
        let (run, said) = place.result(&[], &[121]);
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
    let (run, said) = place.result(&[], &[121]);
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
    let (run, said) = place.result(&["--target", &url], DONE);
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
    place.result(&["--target", &url, "--variant", "other"], DONE);
}

#[test]
fn the_reference_server_has_the_steps_as_well() {
    let workload = "name: chats\nquestion: Are hooks done?\nprofile: {kind: constant, target: 20/s, hold: 1s}\n\
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
