//! Compiles the commit that bmt is built from into it, as `BMT_COMMIT`.
//!
//! Runs again only when `HEAD` or what it points to changes, so local edits do not rebuild anything; a build with such
//! edits has the commit that they were made on. Outside a clone, or without git, there is no commit, unless the
//! environment's `BMT_COMMIT` names one, as packagers do.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BMT_COMMIT");
    let named = std::env::var("BMT_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = named.or_else(|| {
        for file in changing_files() {
            println!("cargo::rerun-if-changed={file}");
        }
        git(&["rev-parse", "--short=12", "HEAD"])
    });
    if let Some(commit) = commit {
        println!("cargo::rustc-env=BMT_COMMIT={commit}");
    }
}

/// Files that change with the commit: `HEAD` and its log, and the branch, which is a file of its own or a line of
/// `packed-refs`. Cargo runs this again each time if one of them does not exist.
fn changing_files() -> Vec<String> {
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let names = ["HEAD", "logs/HEAD", "packed-refs"]
        .map(str::to_owned)
        .into_iter()
        .chain(branch);
    let files = names.filter_map(|name| git(&["rev-parse", "--git-path", &name]));
    files.filter(|file| Path::new(file).exists()).collect()
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
