//! Quantities beyond what a run can be, and documents beyond what a workload can be.

use super::*;

#[test]
fn rates_and_times_have_a_limit() {
    let nines = "9".repeat(400);
    for (from, to, mistake) in [
        ("hold: 2s", "hold: 15000000000000000000s", "at most 720h"),
        ("hold: 2s", "hold: 1.5e19s", "a length of time such as"),
        ("hold: 2s", &format!("hold: {nines}h"), "at most 720h"),
        ("target: 1000/s", &format!("target: {nines}/s"), "at most 10000000/s"),
        ("target: 1000/s", "target: 10001k/s", "at most 10000000/s"),
        (
            "target: 1000/s",
            "target: 10000k/s",
            "all entries together offer up to 10000050/s",
        ),
        ("spike_hold: 4s", "spike_hold: 168h", "the cell would last 7.0 days"),
    ] {
        let told = refused(&GOOD.replace(from, to), &[]);
        assert!(told.contains(mistake), "{to}: {told}");
    }
    let long = GOOD.replace("spike_hold: 4s", "spike_hold: 167h");
    assert!(parse("w.yaml", &long, &Overrides::default()).is_ok());
}

#[test]
fn a_document_is_rejected_in_words_of_its_own() {
    let deep = format!("name: {}{}", "[".repeat(3000), "]".repeat(3000));
    let wide = format!("name: [{}]", vec!["a"; 300_000].join(","));
    let long = format!("name: {}", "x".repeat(BYTES_MAX));
    for (text, place, words) in [
        ("name: x\nname: y\n", "w.yaml:2:1:", "`name` is given twice"),
        ("name: x\n\tquestion: y\n", "w.yaml:2:1:", "indented with a tab"),
        ("chats:\n  hot: {}\n\tquiet: {}\n", "w.yaml:3:1:", "indented with a tab"),
        (
            "chats:\n  hot: {}\n  \tquiet: {}\n",
            "w.yaml:3:3:",
            "indented with a tab",
        ),
        (&deep, "w.yaml:1:", "too large or nested too deeply"),
        (&wide, "w.yaml:1:", "too large or nested too deeply"),
        (&long, "w.yaml:1:1:", "at most 1048576 bytes"),
        ("name: x\n---\nname: y\n", "w.yaml:3:1:", "a second YAML document"),
        ("name: *x\n", "w.yaml:1:7:", "an anchor that is not defined"),
        ("? [a, b]\n: x\n", "w.yaml:1:3:", "the key is not a text"),
    ] {
        let told = refused(text, &[]);
        let shown: String = told.chars().take(400).collect();
        assert!(told.starts_with(place) && told.contains(words), "{shown}");
        for word in ["Options", "budget", "Nodes", "policy", "recursion", " at line "] {
            assert!(!told.contains(word), "{word}: {shown}");
        }
        assert!(told.lines().all(|line| line.chars().count() < 200), "{shown}");
    }
}

#[test]
fn a_misspelt_kind_is_an_unknown_key() {
    let told = refused(&GOOD.replace("kind: bmt", "knd: bmt"), &[]);
    assert!(
        told.contains("profile.knd: unknown key `knd`") && told.contains("did you mean `kind`?"),
        "{told}"
    );
    let told = refused(&GOOD.replace("kind: bmt, ", ""), &[]);
    assert!(told.contains("required key `kind` is missing"), "{told}");
}

#[test]
fn the_hot_chat_is_the_single_chat_with_the_largest_share() {
    let hot = |text: &str| {
        let workload = parse("w.yaml", text, &Overrides::default()).unwrap();
        workload.chats[workload.hot_group().unwrap()].name.clone()
    };
    let traffic = |entries: &str| {
        let (before, rest) = GOOD.split_once("chats:\n").unwrap();
        let after = rest.split_once("variants:").unwrap().1.split_once("gates:").unwrap().0;
        format!(
            "{before}chats: {{a: {{}}, b: {{}}, c: {{}}, many: {{count: 5}}}}\ntraffic: {{{entries}}}\nvariants:{after}"
        )
    };
    for (entries, expected) in [
        (
            "x: {operation: join, chats: a, share: 0.4}, y: {operation: count, chats: c, share: 0.6}",
            "c",
        ),
        (
            "x: {operation: join, chats: a, rate: 50/s}, y: {operation: count, chats: b, share: 1}",
            "b",
        ),
        (
            "x: {operation: join, chats: many, share: 1}, y: {operation: count, chats: b, rate: 9/s}",
            "b",
        ),
        ("x: {operation: join, chats: many, share: 1}", "a"),
    ] {
        assert_eq!(hot(&traffic(entries)), expected, "{entries}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads/join-throttle.yaml");
    assert_eq!(hot(&std::fs::read_to_string(path).unwrap()), "hot");
}

#[test]
fn faults_that_could_undo_each_other_lie_a_second_apart() {
    let faults =
        |second: &str| format!("{GOOD}faults:\n  - {{after: 1s, for: 4s, inject: {{pause_shard: 0}}}}\n  - {second}\n");
    for (second, is_allowed) in [
        ("{after: 5s, for: 2s, inject: {pause_shard: 0}}", false),
        ("{after: 5900ms, for: 2s, inject: {kill_shard: 0}}", false),
        ("{after: 6s, for: 2s, inject: {pause_shard: 0}}", true),
        ("{after: 5s, for: 2s, inject: {pause_shard: 1}}", true),
        ("{after: 5s, for: 2s, inject: {cut_connections: 0}}", true),
    ] {
        let text = faults(second).split("quick:").next().unwrap().to_owned()
            + faults(second).split("hold: 1s}\n").nth(1).unwrap();
        let told = parse("w.yaml", &text, &Overrides::default())
            .err()
            .map(|mistakes| mistakes.to_string());
        assert_eq!(told.is_none(), is_allowed, "{second}: {told:?}");
        if let Some(told) = told {
            assert!(
                told.contains("faults.1: overlaps `pause_shard` (shard 0) or lies less than 1 s from it"),
                "{told}"
            );
            assert!(told.contains("a begin after 6.0 s"), "{told}");
        }
    }
}
