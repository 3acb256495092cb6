//! The recording is all that a result needs: it is made again from it, and of a run that was killed as far as that
//! went.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value as Json;
use support::storm::{Place, assert_every_arrival_is_accounted_for, exit_code, signal};
use support::{bmt, run_directory};

/// `bmt report` of a directory, as JSON, and how it exited.
fn reported(directory: &Path) -> (Json, i32) {
    let output = bmt(&["report", directory.to_str().unwrap(), "--format", "json"])
        .output()
        .unwrap();
    (support::json(&output), output.status.code().unwrap())
}

fn without_time(mut run: Json) -> Json {
    assert!(run["analyzed_at"].is_string());
    run.as_object_mut().unwrap().remove("analyzed_at");
    run
}

#[test]
fn a_deleted_result_is_made_again_equal_but_for_the_time_of_its_analysis() {
    let place = Place::new();
    let output = place.run(&["--format", "json"]).output().unwrap();
    let live = support::json(&output);
    let directory = run_directory(&place.out());
    let file = directory.join("run.json");
    let written: Json = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(written, live, "what is printed is what is written");
    std::fs::remove_file(&file).unwrap();
    let (again, code) = reported(&directory);
    assert_eq!(without_time(again), without_time(live.clone()));
    assert_eq!(Some(code), output.status.code(), "it exits as the run did");
    let rewritten: Json = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(without_time(rewritten), without_time(live.clone()));
    assert_the_block_shared_its_arrivals(&live);
    // A reader of old or foreign files is told what this bmt reads.
    std::fs::write(&file, "{\"schema\": \"bmt.run/1\"}").unwrap();
    let output = bmt(&["report", file.to_str().unwrap()]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("bmt.run/1") && errors.contains("bmt.run/2"), "{errors}");
    assert_eq!(output.status.code(), Some(2));
}

/// Every cell of a block has the same arrivals at the same places.
fn assert_the_block_shared_its_arrivals(run: &Json) {
    let scheduled = |cell: &Json| -> Vec<Json> {
        let phases = cell["phases"].as_array().unwrap().iter();
        let operations = phases.flat_map(|phase| phase["operations"].as_object().unwrap().values());
        let counts = operations.map(|operation| {
            let places = operation["placements"].as_object();
            let places = places.map(|places| {
                places
                    .values()
                    .map(|place| place["scheduled"].clone())
                    .collect::<Vec<_>>()
            });
            serde_json::json!([operation["scheduled"], places])
        });
        counts.collect()
    };
    let cells = run["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2);
    assert_eq!(cells[0]["seed"], cells[1]["seed"]);
    assert_eq!(scheduled(&cells[0]), scheduled(&cells[1]));
}

#[test]
fn a_run_that_was_killed_yields_what_it_had_measured() {
    let place = Place::new();
    let mut run = place.run(&[]).spawn().unwrap();
    place.wait_until_driving();
    signal(i32::try_from(run.id()).unwrap(), Signal::KILL);
    assert_eq!(exit_code(&mut run), -1);
    let directory = run_directory(&place.out());
    let (partial, code) = reported(&directory);
    assert_eq!((partial["verdict"].as_str(), code), (Some("unfinished"), 1));
    let cell = &partial["cells"][0];
    assert!(cell["ended_early"].as_str().unwrap().contains("killed"), "{cell}");
    let phases = cell["phases"].as_array().unwrap();
    let sent = phases[0]["operations"]["hot_join"]["sent"].as_u64().unwrap();
    assert!(sent > 0 && !phases.is_empty());
    let text = bmt(&["report", directory.to_str().unwrap()]).output().unwrap();
    assert!(String::from_utf8_lossy(&text.stdout).contains("UNFINISHED"));
    place.assert_nothing_left();
}

#[test]
fn a_line_that_was_cut_short_is_left_out_and_a_changed_one_is_named() {
    let place = Place::new();
    assert!(
        place
            .run(&["--variant", "slots"])
            .output()
            .unwrap()
            .status
            .code()
            .is_some()
    );
    let directory = run_directory(&place.out());
    let (whole, _) = reported(&directory);
    whole["cells"][0]["phases"]
        .as_array()
        .unwrap()
        .iter()
        .for_each(assert_every_arrival_is_accounted_for);
    let file = directory.join("cells/slots-1/intervals.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() - 40]).unwrap();
    let (cut, _) = reported(&directory);
    assert_eq!(cut["cells"].as_array().unwrap().len(), 1);
    std::fs::write(&file, text.replacen("\"second\"", "\"secnod\"", 3)).unwrap();
    let output = bmt(&["report", directory.to_str().unwrap()]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("intervals.jsonl") && errors.contains("line 1"),
        "{errors}"
    );
}
