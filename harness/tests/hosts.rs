//! Several hosts that share the arrivals, and the profile that moves them from one to the other.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value as Json;
use support::{Server, bmt, run_without_target};

/// A server that counts what it is asked; those asked to be bad answer every tenth request with an error.
fn counting(is_bad: bool) -> (Server, Arc<AtomicU64>) {
    let seen = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&seen);
    let server = Server::answering(move |_, _| {
        let number = counts.fetch_add(1, Ordering::Relaxed);
        match is_bad && number.is_multiple_of(10) {
            true => "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n".to_owned(),
            false => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
        }
    });
    (server, seen)
}

fn shift(old: &Server, new: &Server) -> String {
    format!(
        r#"
name: shift
question: Does the new build take the traffic of the old one?
target: {{hosts: [{{name: old, url: "{}"}}, {{name: new, url: "{}/base"}}]}}
generator: {{workers: 2, connections: 16}}
profile: {{kind: shift, target: 500/s, to: new, shares: [10%, 50%, 100%], hold: 2s, back: 1s, warm_up: 1s}}
traffic:
  get: {{request: {{get: "/"}}, share: 0.9}}
  visit:
    share: 0.1
    steps: [{{name: first, get: /first}}, {{think: 50ms}}, {{name: second, get: /second}}]
variants: [{{name: only}}]
gates:
  - {{metric: error_share, operation: host.old, at_most: 0%}}
  - {{metric: error_share, operation: host.new, phase: shift 100%, at_most: 1%}}
"#,
        old.url(),
        new.url()
    )
}

fn gate<'a>(run: &'a Json, name: &str) -> &'a Json {
    let gates = run["gates"].as_array().unwrap();
    let found = gates
        .iter()
        .find(|gate| gate["name"].as_str().unwrap().starts_with(name));
    &found.unwrap_or_else(|| panic!("no {name} in {gates:?}"))["answer"]
}

#[test]
fn the_traffic_moves_step_by_step_and_back_and_each_host_has_figures_of_its_own() {
    let ((old, old_seen), (new, new_seen)) = (counting(false), counting(true));
    let folder = tempfile::tempdir().unwrap();
    let (run, code) = run_without_target(folder.path(), &shift(&old, &new), &[]);
    // Another program on the machine leaves the gates open, and all else as it is.
    assert!([99, 122].contains(&code), "{code}: {}", run["reasons"]);
    if code == 99 {
        assert_eq!(gate(&run, "host.old error_share"), "pass");
        assert_eq!(gate(&run, "host.new error_share"), "fail", "a tenth is errors");
    }
    let phases = run["cells"][0]["phases"].as_array().unwrap();
    let mut sent = [0, 0];
    for phase in phases {
        let name = phase["name"].as_str().unwrap();
        let offered = match name {
            "shift 10%" => 0.1,
            "shift 50%" => 0.5,
            "shift 100%" => 1.0,
            _ => 0.0,
        };
        let host = |host: &str| &phase["hosts"][host];
        assert_eq!(host("new")["share_offered"], offered, "{name}");
        // In settling there is only what a session that began before still has to do.
        if phase["target_rate"].as_f64().unwrap() > 0.0 {
            let share = host("new")["share"].as_f64().unwrap();
            // A step of a session goes where its session began, which may have been in the phase before.
            assert!((share - offered).abs() < 0.01, "{name}: {share} of {offered}");
        }
        for (place, name) in ["old", "new"].into_iter().enumerate() {
            sent[place] += host(name)["requests"]["sent"].as_u64().unwrap_or(0);
        }
        let whole: u64 = ["get", "visit.first", "visit.second"]
            .iter()
            .map(|operation| phase["operations"][operation]["sent"].as_u64().unwrap())
            .sum();
        let of_hosts: u64 = ["old", "new"]
            .iter()
            .map(|name| host(name)["requests"]["sent"].as_u64().unwrap())
            .sum();
        assert_eq!(of_hosts, whole, "{name}");
    }
    assert_eq!(
        sent,
        [old_seen.load(Ordering::Relaxed), new_seen.load(Ordering::Relaxed)]
    );
    assert!(sent[1] > 1000, "{sent:?}");
}

#[test]
fn hosts_share_by_their_weights_and_each_has_connections_of_its_own() {
    let ((one, one_seen), (two, two_seen)) = (counting(false), counting(false));
    let folder = tempfile::tempdir().unwrap();
    let workload = format!(
        "name: weights\nquestion: Who gets how much?\n\
         target: {{hosts: [{{name: one, url: \"{}\", weight: 3}}, {{name: two, url: \"{}\"}}]}}\n\
         profile: {{kind: constant, target: 400/s, hold: 2s}}\n\
         traffic: {{get: {{request: {{get: /}}, share: 1}}}}\nvariants: [{{name: only}}]\n",
        one.url(),
        two.url()
    );
    let (run, _) = run_without_target(folder.path(), &workload, &[]);
    let hosts = &run["cells"][0]["phases"][0]["hosts"];
    let (one_sent, two_sent) = (one_seen.load(Ordering::Relaxed), two_seen.load(Ordering::Relaxed));
    assert_eq!(hosts["one"]["requests"]["sent"], one_sent);
    assert_eq!(hosts["two"]["requests"]["sent"], two_sent);
    let share = one_sent as f64 / (one_sent + two_sent) as f64;
    assert!((share - 0.75).abs() < 0.01, "{share}");
    let all = run["cells"][0]["phases"][0]["connections"]["client"]["opened"]
        .as_u64()
        .unwrap();
    let opened = |host: &str| hosts[host]["connections"]["opened"].as_u64().unwrap();
    assert!(
        opened("one") > 0 && opened("two") > 0 && opened("one") + opened("two") == all,
        "{hosts}"
    );
}

#[test]
fn mistakes_about_hosts_are_told_with_their_place() {
    let cases = [
        (
            "hosts: [{name: a, url: \"http://a\"}]",
            "target.hosts: there is nothing to share the arrivals with",
        ),
        (
            "url: \"http://a\", hosts: [{name: a, url: \"http://a\"}, {name: new, url: \"http://b\"}]",
            "target.url: with `hosts` it is not clear what is meant",
        ),
        (
            "hosts: [{name: a, url: \"http://a\"}, {name: b, url: \"http://b\"}]",
            "profile.to: there is no host `new`",
        ),
        (
            "hosts: [{name: new, url: \"http://a\"}, {name: new, url: \"http://b\"}]",
            "target.hosts.1.name: `new` is another host's name",
        ),
        (
            "hosts: [{name: a, url: \"ftp://a\"}, {name: new, url: \"http://b\"}]",
            "target.hosts.0.url: `ftp://a` is not an address of a server",
        ),
        (
            "hosts: [{name: a, url: \"http://a\", weight: 0}, {name: new, url: \"http://b\"}]",
            "target.hosts: no host has a weight",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.yaml");
    for (target, told) in cases {
        let workload = format!(
            "name: w\nquestion: Told?\ntarget: {{{target}}}\nprofile: {{kind: shift, target: 5/s, to: new, shares: [50%], hold: 1s}}\n\
             traffic: {{get: {{request: {{get: /}}, share: 1}}}}\nvariants: [{{name: only}}]\n"
        );
        std::fs::write(&file, workload).unwrap();
        let output = bmt(&["check", file.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(104), "{target}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(told), "{target}: {said}");
    }
}
