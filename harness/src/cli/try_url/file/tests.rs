//! Every command line is a workload.

use clap::Parser as _;

use super::*;
use crate::workload::{Overrides, parse};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    wanted: Try,
}

fn tried(arguments: &[&str]) -> Try {
    Line::parse_from([&["try"], arguments].concat()).wanted
}

#[test]
fn whatever_is_given_is_a_valid_workload() {
    for arguments in [
        &["http://127.0.0.1:8080"][..],
        &[
            "https://h/a?b=c#d",
            "--http",
            "auto",
            "--insecure",
            "--rate",
            "70/min",
            "--jump",
            "3x",
        ],
        &["http://h", "--rate", "50k/s", "--for", "1s", "--connections", "50000"],
        &[
            "http://h",
            "--body",
            "a: \"b\"\n\u{85}\u{7}# c",
            "--method",
            "put",
            "--header",
            "X: it's \"#1\": [x]",
        ],
        &[
            "http://h",
            "--body",
            "{\"id\":\"{{uuid}}\"}",
            "--header",
            "A: {{now}}",
            "--rate",
            "0.5/s",
        ],
    ] {
        let text = text(&tried(arguments));
        let parsed = parse("try.yaml", &text, &Overrides::default());
        let workload = parsed.unwrap_or_else(|mistakes| panic!("{text}\n{mistakes}"));
        assert_eq!(workload.gates.len(), 3);
    }
}

#[test]
fn the_default_takes_less_than_40_seconds_and_the_ramps_connections_are_gone_when_the_jump_comes() {
    for (arguments, whole_s) in [(&["http://h"][..], 36.0), (&["http://h", "--for", "1s"], 6.0)] {
        let workload = parse("try.yaml", &text(&tried(arguments)), &Overrides::default()).unwrap();
        let phases = workload.profile.phases();
        assert_eq!(workload.profile.end().as_secs_f64(), whole_s);
        let [.., ramp, _, _, jump] = phases else {
            panic!("{phases:?}")
        };
        assert_eq!((ramp.name.as_str(), jump.name.as_str()), ("step 2", "spike"));
        assert_eq!(ramp.rate, jump.rate);
        assert!(workload.generator().idle.0 < jump.start - ramp.end);
    }
}

#[test]
fn a_body_is_json_where_it_reads_as_such_and_nothing_else_is_said() {
    let typed = |arguments: &[&str]| text(&tried(&[&["http://h"], arguments].concat()));
    assert!(typed(&["--body", "{\"a\":1}"]).contains("application/json"));
    assert!(!typed(&["--body", "a=1"]).contains("application/json"));
    let own = typed(&["--body", "{}", "--header", "Content-Type: text/x"]);
    assert!(!own.contains("application/json") && own.contains("post:"), "{own}");
}
