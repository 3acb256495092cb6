//! Profiles with more than one jump, recorded ones, and long ones.

use std::collections::BTreeSet;

use super::*;
use crate::arrival::{Phase, PhaseKind};

/// Two entries that share the profile's rate, and one with a rate of its own.
fn with(profile: &str) -> String {
    format!(
        "name: small\nquestion: Does it hold?\nprofile: {profile}\n\
         traffic:\n  photo: {{operation: {{get: {{path: /p}}}}, share: 0.3}}\n  text: {{operation: {{get: {{path: /t}}}}, share: 0.7}}\n  \
         ping: {{operation: {{get: {{path: /}}}}, rate: 10/s}}\nvariants: [{{name: only}}]\n"
    )
}

const MIDNIGHTS: &str = "
  kind: midnights
  base: 100/s
  warm_up: 3s
  base_hold: 10s
  jumps:
    - {name: auckland, at: 10s, target: 800/s, hold: 6s, mix: {text: 0.9, photo: 0.1}}
    - {name: tokyo, at: 14s, target: 2000/s, hold: 8s}
  end_hold: 5s";

fn phases(text: &str, overrides: &Overrides) -> Vec<Phase> {
    parse("w.yaml", text, overrides).unwrap().profile.phases().to_vec()
}

fn told(phases: &[Phase]) -> Vec<(&str, f64, u64)> {
    let told = phases.iter();
    told.map(|phase| (phase.name.as_str(), phase.rate, phase.end.as_secs()))
        .collect()
}

#[test]
fn a_sawtooth_jumps_again_and_again_and_drains_where_it_is_told_to() {
    let sawtooth = "{kind: sawtooth, base: 100/s, target: 1000/s, jumps: 2, spike_hold: 2s, base_hold: 5s, recovery: 1s, warm_up: 1s}";
    let phases = phases(&with(sawtooth), &Overrides::default());
    assert_eq!(
        told(&phases),
        [
            ("warm-up", 100.0, 1),
            ("base", 100.0, 6),
            ("spike 1", 1000.0, 8),
            ("recovery 1", 100.0, 9),
            ("base 1", 100.0, 14),
            ("spike 2", 1000.0, 16),
            ("recovery 2", 100.0, 17),
            ("base 2", 100.0, 22)
        ]
    );
    let without = with(&sawtooth.replace("recovery: 1s, ", ""));
    assert_eq!(
        parse("w.yaml", &without, &Overrides::default())
            .unwrap()
            .profile
            .phases()
            .len(),
        6
    );
    let above = refused(&with(&sawtooth.replace("base: 100/s", "base: 2000/s")), &[]);
    assert!(
        above.contains("profile.base: base `2000/s` is above target `1000/s`"),
        "{above}"
    );
}

#[test]
fn a_soak_is_cut_in_equal_windows_that_gates_can_compare() {
    let text = with("{kind: soak, target: 300/s, hold: 60s, windows: 4, warm_up: 2s}")
        + "gates: [{metric: response_p99, operation: text, phase: soak 4, relative_to_phase: soak 1, at_most: 1.2}]\n";
    let phases = phases(&text, &Overrides::default());
    assert_eq!(
        told(&phases),
        [
            ("warm-up", 300.0, 2),
            ("soak 1", 300.0, 17),
            ("soak 2", 300.0, 32),
            ("soak 3", 300.0, 47),
            ("soak 4", 300.0, 62)
        ]
    );
    assert!(
        phases[1..]
            .iter()
            .all(|phase| phase.kind == PhaseKind::Soak && phase.kind.is_judged())
    );
}

#[test]
fn midnights_overlap_and_bring_a_mix_of_their_own() {
    let phases = phases(&with(MIDNIGHTS), &Overrides::default());
    assert_eq!(
        told(&phases),
        [
            ("warm-up", 100.0, 3),
            ("base", 100.0, 13),
            ("auckland", 800.0, 17),
            ("auckland + tokyo", 2800.0, 19),
            ("tokyo", 2000.0, 25),
            ("base 1", 100.0, 30)
        ]
    );
    // In order of the entries' names; `ping` takes no part of the profile's rate.
    assert_eq!(phases[2].mix, [0.1, 0.0, 0.9]);
    let [photo, _, text] = phases[3].mix[..] else {
        panic!("{:?}", phases[3].mix)
    };
    assert!((photo - (80.0 + 600.0) / 2800.0).abs() < 1e-12 && (text - (720.0 + 1400.0) / 2800.0).abs() < 1e-12);
    assert!(phases[4].mix.is_empty());
    let set = Overrides {
        set: vec!["profile.jumps.tokyo.target=900/s".into(), "profile.base=50/s".into()],
        ..Overrides::default()
    };
    let changed = parse("w.yaml", &with(MIDNIGHTS), &set).unwrap();
    let rates: Vec<f64> = changed.profile.phases().iter().map(|phase| phase.rate).collect();
    assert_eq!(rates, [50.0, 50.0, 800.0, 1700.0, 900.0, 50.0]);
}

#[test]
fn mistakes_in_midnights_are_told_where_they_are() {
    for (from, to, mistake) in [
        (
            "text: 0.9",
            "text: 0.8",
            "w.yaml:9:63: profile.jumps.0.mix: the shares add up to 0.9",
        ),
        (
            "text: 0.9",
            "texd: 0.9",
            "there is no traffic entry with a share of the profile's rate `texd`",
        ),
        ("text: 0.9", "texd: 0.9", "did you mean `text`?"),
        (
            "text: 0.9",
            "ping: 0.9",
            "there is no traffic entry with a share of the profile's rate `ping`",
        ),
        (
            "{text: 0.9, photo: 0.1}",
            "{text: 1.2, photo: -0.2}",
            "profile.jumps.0.mix.photo: `-0.2` is no part of a whole",
        ),
        (
            "at: 10s",
            "at: 9s",
            "profile.jumps.0.at: `9s` lies within `base_hold`, 10s",
        ),
        (
            "name: tokyo",
            "name: auckland",
            "profile.jumps.1.name: `auckland` is another jump's name",
        ),
        (
            "name: tokyo",
            "name: base",
            "profile.jumps.1.name: `base` cannot be the name of a jump",
        ),
        (
            "name: tokyo",
            "name: a + b",
            "profile.jumps.1.name: `a + b` cannot be the name of a jump",
        ),
        (
            "target: 800/s",
            "target: 80/s",
            "profile.jumps.0.target: a jump from `100/s` to `80/s` is none",
        ),
        ("hold: 8s", "hold: 0s", "profile.jumps.1.hold: `0s` is no time at all"),
        ("target: 2000/s", "targt: 2000/s", "did you mean `target`?"),
    ] {
        let text = with(&MIDNIGHTS.replace(from, to));
        let told = refused(&text, &[]);
        assert!(told.contains(mistake), "{to}: {told}");
        assert!(told.contains("allowed: "), "{told}");
    }
    let empty = refused(&with("{kind: midnights, base: 1/s, jumps: []}"), &[]);
    assert!(empty.contains("profile.jumps: needs at least 1 item"), "{empty}");
    let jumps: Vec<String> = (0..101)
        .map(|n| format!("{{name: j{n}, at: {n}s, target: 1/s, hold: 1s}}"))
        .collect();
    let many = refused(
        &with(&format!(
            "{{kind: midnights, base: 1/s, jumps: [{}]}}",
            jumps.join(", ")
        )),
        &[],
    );
    assert!(many.contains("profile.jumps: there are 101 jumps"), "{many}");
}

/// A workload with a trace, in a folder that has the file.
fn traced(csv: &str, profile: &str, overrides: &Overrides) -> Result<Workload, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("newyear.csv"), csv).unwrap();
    let file = folder.path().join("w.yaml");
    parse(file.to_str().unwrap(), &with(profile), overrides).map_err(|mistakes| mistakes.to_string())
}

const TRACE: &str = "{kind: trace, file: {csv: newyear.csv, column: load}, growth: 2, compress: 2, warm_up: 4s}";

#[test]
fn a_trace_rises_peaks_and_falls_and_keeps_its_peak_second() {
    let csv = "at,load\n0,10\n1,20\n2,40\n3,100\n4,60\n5,60\n6,30\n";
    let workload = traced(csv, TRACE, &Overrides::default()).unwrap();
    let phases = workload.profile.phases();
    assert_eq!(
        told(phases),
        [
            ("warm-up", 30.0, 4),
            ("rise", 30.0, 5),
            ("peak", 160.0, 7),
            ("fall", 60.0, 8)
        ]
    );
    assert_eq!(phases[2].rates, [200.0, 120.0]);
    let set = Overrides {
        set: vec!["profile.growth=3".into(), "profile.compress=1".into()],
        ..Overrides::default()
    };
    let whole = traced(csv, TRACE, &set).unwrap();
    assert_eq!(whole.profile.end().as_secs(), 4 + 7);
    assert_eq!(
        whole.profile.phases().iter().map(Phase::rate_max).fold(0.0, f64::max),
        300.0
    );
}

#[test]
fn mistakes_in_a_trace_are_told_with_file_line_column_and_value() {
    for (csv, mistake) in [
        (
            "load\n1\nx\n",
            "profile.file: `newyear.csv` line 3: column `load`: `x` is not a number of at least 0",
        ),
        (
            "rate\n1\n",
            "`newyear.csv` line 1: there is no column `load`, only rate",
        ),
        ("load\n", "`newyear.csv` line 1: there are no rows"),
        ("load\n0\n0\n", "`newyear.csv` column `load` offers nothing"),
        ("load\n9000000\n", "all entries together offer up to 18000010/s"),
    ] {
        let told = traced(csv, TRACE, &Overrides::default()).unwrap_err();
        assert!(told.contains(mistake), "{told}");
        assert!(
            told.ends_with(&format!("1 mistake in {}", told.rsplit(' ').next().unwrap())),
            "{told}"
        );
    }
    for (from, to, mistake) in [
        (
            "csv: newyear.csv",
            "csv: other.csv",
            "profile.file.csv: cannot read `other.csv`",
        ),
        ("compress: 2", "compress: 0.5", "profile.compress: 0.5 is out of range"),
        ("growth: 2", "growth: 0", "profile.growth: 0 is out of range"),
    ] {
        let told = traced("load\n1\n", &TRACE.replace(from, to), &Overrides::default()).unwrap_err();
        assert!(told.contains(mistake), "{to}: {told}");
    }
}

#[test]
fn a_trace_outside_the_folder_has_to_be_allowed() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), "load\n5\n").unwrap();
    let profile = TRACE.replace("newyear.csv", &format!("\"{}\"", outside.path().display()));
    let told = traced("load\n1\n", &profile, &Overrides::default()).unwrap_err();
    assert!(told.contains("is not in the folder of the workload"), "{told}");
    let trusting = Overrides {
        allow_files: true,
        ..Overrides::default()
    };
    assert!(traced("load\n1\n", &profile, &trusting).is_ok());
}

#[test]
fn phases_of_every_profile_are_contiguous_and_named_apart() {
    let profiles = [
        "{kind: sawtooth, base: 1/s, target: 2/s, jumps: 100, spike_hold: 1s, base_hold: 1s, recovery: 1s}",
        "{kind: soak, target: 2/s, hold: 7s, windows: 6}",
        "{kind: soak, target: 2/s, hold: 1h}",
        "{kind: bmt, base: 1/s, target: 2/s, steps: 7, hold: 1s, spike_hold: 1s}",
        MIDNIGHTS,
    ];
    for profile in profiles {
        let phases = phases(&with(profile), &Overrides::default());
        let names: BTreeSet<&str> = phases.iter().map(|phase| phase.name.as_str()).collect();
        assert_eq!(names.len(), phases.len(), "{profile}");
        assert!(phases.windows(2).all(|pair| pair[0].end == pair[1].start), "{profile}");
        assert!(phases[0].start.is_zero());
    }
}
