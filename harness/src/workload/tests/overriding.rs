//! What the command line lays over a file.

use super::*;

#[test]
fn blocks_take_the_place_of_repetitions_in_either_form() {
    for quick in [false, true] {
        let overrides = Overrides {
            quick,
            set: vec!["repetitions=2".to_owned()],
            blocks: Some(7),
            ..Overrides::default()
        };
        let workload = parse("w.yaml", GOOD, &overrides).unwrap();
        assert_eq!(workload.file.repetitions, 7);
    }
    let none = Overrides {
        blocks: Some(0),
        ..Overrides::default()
    };
    let told = parse("w.yaml", GOOD, &none).unwrap_err().to_string();
    assert!(told.starts_with("--blocks 0: repetitions: 0 is out of range"), "{told}");
}

#[test]
fn quick_is_laid_over_before_keys_are_set_and_cannot_be_set_itself() {
    for set in ["quick.profile.hold=3s", "quick={}"] {
        let told = refused(GOOD, &[set]);
        assert!(told.starts_with(&format!("--set {set}: quick")), "{told}");
        assert!(told.contains("--quick --set profile.hold=2s"), "{told}");
    }
}

#[test]
fn a_mistake_in_the_quick_block_is_told_as_one_of_quick() {
    let quick = "quick:\n  gates:\n    - {metric: deadlocks, at_most: 0, phase: spyke}\n  profile: {hold: 1s}\n";
    let text = GOOD.replace("quick:\n  profile: {hold: 1s}\n", quick);
    let line = 1 + text.lines().position(|line| line.contains("spyke")).unwrap();
    for quick in [false, true] {
        let overrides = Overrides {
            quick,
            ..Overrides::default()
        };
        let told = parse("w.yaml", &text, &overrides).unwrap_err().to_string();
        assert!(
            told.starts_with(&format!("w.yaml:{line}:")) && told.contains("quick.gates.0.phase: there is no phase"),
            "{told}"
        );
        assert!(told.contains("1 mistake in"), "{told}");
    }
}

#[test]
fn what_is_wrong_only_with_quick_says_so() {
    let text = format!("{GOOD}faults:\n  - {{after: 12s, for: 500ms, inject: {{pause_shard: 0}}}}\n");
    let told = refused(&text, &[]);
    assert!(
        told.contains("faults.0.after: `12s` is after the end (with `quick` laid over)"),
        "{told}"
    );
}
