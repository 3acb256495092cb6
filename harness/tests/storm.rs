//! The whole flow on real databases, small: what `bmt run` is for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use support::storm::Place;

#[test]
fn a_storm_is_compared_variant_by_variant_and_nothing_is_left_behind() {
    let place = Place::new();
    let output = place.run(&["--format", "json"]).output().unwrap();
    let run = support::json(&output);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(run["schema"], "bmt.run/2");
    assert_eq!(run["cells"].as_array().unwrap().len(), 2);
    for cell in run["cells"].as_array().unwrap() {
        assert_cell(cell);
    }
    assert_eq!(
        contention(&run, "slots", "autoinc_wait_s"),
        0.0,
        "one-row inserts under mode 2 take no AUTO-INC lock"
    );
    assert!(
        contention(&run, "before", "autoinc_wait_s") > 0.0,
        "the old insert under mode 1 waits for it: {}",
        run["cells"]
    );
    assert_files(&place, &run);
    place.assert_nothing_left();
}

fn assert_cell(cell: &serde_json::Value) {
    let phases: Vec<&str> = cell["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| phase["name"].as_str().unwrap())
        .collect();
    assert_eq!(phases, ["warm-up", "step 1", "base", "spike"]);
    assert_eq!(
        cell["server"]["isolation"], "read_committed",
        "the server's own defaults are in the record"
    );
    for phase in cell["phases"].as_array().unwrap() {
        support::storm::assert_every_arrival_is_accounted_for(phase);
        for (name, operation) in phase["operations"].as_object().unwrap() {
            assert_eq!(operation["outcomes"].get("client_error"), None, "{name}: {operation}");
        }
        assert!(phase["contention"]["samples"].as_u64().unwrap() > 0, "{phase}");
        assert_eq!(phase["contention"]["shards"].as_array().unwrap().len(), 2);
        assert!(phase["connections"]["server"]["open_max"].as_u64().unwrap() > 0);
        assert!(phase["connections"]["database"]["in_use_max"].is_u64());
    }
    let spike = &cell["phases"][3];
    assert!(spike["operations"]["hot_join"]["outcomes"]["ok"].as_u64().unwrap() > 0);
    for process in ["generator", "server", "shard 0", "shard 1"] {
        assert!(
            spike["resources"][process]["rss_max_bytes"].as_u64().unwrap() > 1_000_000,
            "{process}"
        );
    }
    assert!(spike["resources"]["server"]["cpu_s"].as_f64().unwrap() > 0.0);
    let placements = spike["operations"]["quiet_join"]["placements"].as_object().unwrap();
    assert_eq!(
        placements.keys().collect::<Vec<_>>(),
        ["hot_shard", "other_shards"],
        "bystanders are reported apart"
    );
    assert!(cell["observer"]["queries"].as_u64().unwrap() > 20);
}

fn contention(run: &serde_json::Value, variant: &str, figure: &str) -> f64 {
    let cell = run["cells"]
        .as_array()
        .unwrap()
        .iter()
        .find(|cell| cell["variant"] == variant)
        .unwrap();
    cell["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| phase["contention"][figure].as_f64().unwrap())
        .sum()
}

/// The run directory alone is enough: the report again, and every phase from its seconds.
fn assert_files(place: &Place, run: &serde_json::Value) {
    let directory = support::run_directory(&place.out());
    assert_eq!(&place.run_json(), run);
    let report = std::fs::read_to_string(directory.join("report.md")).unwrap();
    let again = place.out().join("again.md");
    let output = support::bmt(&[
        "report",
        directory.to_str().unwrap(),
        "--markdown",
        again.to_str().unwrap(),
    ])
    .output()
    .unwrap();
    assert!(output.status.success());
    assert_eq!(std::fs::read_to_string(again).unwrap(), report);
    let table = support::bmt(&["report", directory.to_str().unwrap()])
        .output()
        .unwrap()
        .stdout;
    let table = String::from_utf8(table).unwrap();
    let widest = table.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(
        (60..=120).contains(&widest),
        "it fits a terminal of 120 columns: {widest}\n{table}"
    );
    assert!(
        std::fs::read_to_string(directory.join("cells/slots-1/server.log"))
            .unwrap()
            .contains('{')
    );
}
