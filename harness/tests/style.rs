//! The style of source and prose that no compiler checks: gender-neutral wording, comment width, trailing whitespace,
//! no unfinished work.
//!
//! Every finding names file, line and rule. The walk needs no git, so it also works in an unpacked archive.

#![expect(clippy::unwrap_used, reason = "in a test a panic is a failure report")]

use std::fs;
use std::path::{Path, PathBuf};

/// Files and directories that are checked, relative to the workspace.
const ROOTS: [&str; 6] = ["reference-server", "docs", "harness", "workloads", "ci", "README.md"];

/// Directories that are not checked: build output and recorded results.
const SKIPPED_DIRECTORIES: [&str; 2] = ["target", "results"];

/// This file spells out the words that it forbids.
const THIS_FILE: &str = "harness/tests/style.rs";

/// Extensions of the checked files; files in `ci/` are checked whatever their extension.
const EXTENSIONS: [&str; 7] = ["rs", "md", "yaml", "yml", "toml", "lua", "sql"];

/// Longest comment line, in characters, including its indentation.
const COMMENT_WIDTH_MAX: usize = 120;

const GENDERED: [&str; 9] = ["he", "him", "his", "himself", "she", "her", "hers", "herself", "guys"];
const UNFINISHED: [&str; 3] = ["TODO", "FIXME", "XXX"];

#[test]
fn sources_and_prose_follow_the_style() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut findings = Vec::new();
    for root in ROOTS {
        let mut files = Vec::new();
        collect(&workspace.join(root), &mut files);
        assert!(!files.is_empty(), "nothing to check below `{root}`; correct ROOTS");
        for file in files {
            let name = file.strip_prefix(workspace).unwrap().display().to_string();
            if name != THIS_FILE {
                let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
                findings.extend(check(&name, &text));
            }
        }
    }
    assert!(
        findings.is_empty(),
        "{} findings:\n{}",
        findings.len(),
        findings.join("\n")
    );
}

#[test]
fn each_rule_reports_file_and_line() {
    let wide = format!("    // {}", "ä".repeat(COMMENT_WIDTH_MAX - 6));
    let cases = [
        ("a.rs", "let a = 1;\n/// He retries.\n", "a.rs:2: gendered word `He`"),
        ("a.md", "as a client sees his limit", "a.md:1: gendered word `his`"),
        ("a.rs", "fn it_is_her_turn() {}", "a.rs:1: gendered word `her`"),
        ("a.rs", &wide, "a.rs:1: comment of 121 columns, expected at most 120"),
        ("a.yaml", "a: 1\nb: 2 \n", "a.yaml:2: trailing whitespace"),
        ("ci/test", "a\t\n", "ci/test:1: trailing whitespace"),
        ("a.rs", "// FIXME: later", "a.rs:1: unfinished work `FIXME`"),
    ];
    for (name, text, expected) in cases {
        assert_eq!(check(name, text), [expected], "{text}");
    }
    let allowed = format!(
        "// The theme here is other heroes: they retry, 0xhe, xxx.\n//{}\nlet s = \"{}\";\n",
        "-".repeat(COMMENT_WIDTH_MAX - 2),
        "long".repeat(COMMENT_WIDTH_MAX)
    );
    assert_eq!(check("a.rs", &allowed), [""; 0]);
    assert_eq!(
        check("a.md", &format!("// {}", "prose ".repeat(COMMENT_WIDTH_MAX).trim_end())),
        [""; 0]
    );
}

/// Adds the checked files at or below `path`, in a stable order.
fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        files.push(path.to_owned());
        return;
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)
        .unwrap_or_else(|error| panic!("{}: {error}; correct ROOTS", path.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap().to_string_lossy();
        if entry.is_dir() && !entry.is_symlink() {
            if !name.starts_with('.') && !SKIPPED_DIRECTORIES.contains(&&*name) {
                collect(&entry, files);
            }
        } else if path.ends_with("ci") || extension(&entry).is_some_and(|has| EXTENSIONS.contains(&has)) {
            files.push(entry);
        }
    }
}

/// Every violation in a file's text, as `file:line: rule`.
fn check(name: &str, text: &str) -> Vec<String> {
    let is_rust = extension(Path::new(name)) == Some("rs");
    let mut findings = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let mut report = |rule: String| findings.push(format!("{name}:{}: {rule}", index + 1));
        // Identifiers are prose as well: `_` separates words.
        for word in line.split(|c: char| !c.is_alphanumeric()) {
            if GENDERED.iter().any(|gendered| word.eq_ignore_ascii_case(gendered)) {
                report(format!("gendered word `{word}`"));
            }
            if UNFINISHED.contains(&word) {
                report(format!("unfinished work `{word}`"));
            }
        }
        let width = line.chars().count();
        if is_rust && line.trim_start().starts_with("//") && width > COMMENT_WIDTH_MAX {
            report(format!(
                "comment of {width} columns, expected at most {COMMENT_WIDTH_MAX}"
            ));
        }
        if line.ends_with(|c: char| c.is_whitespace()) {
            report("trailing whitespace".to_owned());
        }
    }
    findings
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|extension| extension.to_str())
}
