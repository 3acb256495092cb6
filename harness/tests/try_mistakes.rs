//! `bmt try` with what cannot be tried; and what is made of the command line itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::path::Path;

use support::bmt;

/// What a command came to.
struct Said {
    code: i32,
    out: String,
    error: String,
}

fn said(folder: &Path, arguments: &[&str]) -> Said {
    let output = bmt(arguments).current_dir(folder).output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        error: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn load_on_somebody_elses_machine_needs_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let tried = said(folder.path(), &["try", "http://192.0.2.1/"]);
    assert_eq!(tried.code, 2);
    assert!(
        tried.error.contains("--yes") && tried.error.contains("not this machine"),
        "{}",
        tried.error
    );
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing was begun"
    );
}

#[test]
fn what_cannot_be_tried_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (closed, here) = (format!("http://{closed}/"), "http://127.0.0.1:9/");
    for (arguments, code, told) in [
        (&[closed.as_str()][..], 121, "start it first, or check the address"),
        (&["localhost:8080"], 2, "did you mean http://localhost:8080?"),
        (&[here, "--rate", "fast"], 2, "2000/s"),
        (&[here, "--jump", "1x"], 2, "such as 10x"),
        (&[here, "--for", "0s"], 2, "such as 8s"),
        (&[here, "--header", "none"], 2, "Accept: application/json"),
        (&[here, "--header", "Host: a"], 2, "is what bmt says itself"),
        (&[here, "--body", "@missing"], 2, "missing"),
        (&[here, "--body", "{{nobody}}"], 2, "there is no value `nobody`"),
        (&[here, "--method", "BREW"], 2, "possible values"),
    ] {
        let tried = said(folder.path(), &[&["try"], arguments].concat());
        assert_eq!(tried.code, code, "{arguments:?}: {}", tried.error);
        assert!(tried.error.contains(told), "{arguments:?}: {}", tried.error);
        assert!(!tried.error.contains("panicked"), "{}", tried.error);
    }
}

#[test]
fn completions_and_the_manual_name_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = said(folder.path(), &["completions", shell]);
        assert_eq!(script.code, 0, "{}", script.error);
        assert!(script.out.contains("try") && script.out.len() > 1000, "{}", script.out);
    }
    let page = said(folder.path(), &["man"]);
    assert!(
        page.out.contains(".TH bmt 1") && page.out.contains("try"),
        "{}",
        page.out
    );
    let page = said(folder.path(), &["man", "try"]);
    assert!(page.out.contains("\\-\\-jump"), "{}", page.out);
    assert_eq!(said(folder.path(), &["man", "nothing"]).code, 2);
}
