//! The machine that a run takes place on, and the commits of its workload and of bmt.

use std::path::Path;
use std::process::Command;

use crate::observe::Asked;
use crate::record::Environment;

/// Reads what this machine says of itself. `target` is the URL of a target that bmt did not start; the CPUs are empty
/// where nothing is pinned.
pub(super) fn observe(target: Option<&str>, generator_cpus: &[usize], target_cpus: &[usize]) -> Environment {
    let uname = rustix::system::uname();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let after = |text: &str, key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
    };
    Environment {
        kernel: format!(
            "{} {}",
            uname.sysname().to_string_lossy(),
            uname.release().to_string_lossy()
        ),
        cpu_model: after(&cpuinfo, "model name"),
        cpus: cpus(),
        memory_bytes: after(&meminfo, "MemTotal")
            .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
            .map(|kib| kib * 1024),
        target: target.map(str::to_owned),
        generator_cpus: generator_cpus.to_vec(),
        target_cpus: target_cpus.to_vec(),
    }
}

/// CPUs that this process may use.
pub(super) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What a reader should know before the first figure.
pub(super) fn warnings(is_pinned: bool, target: Option<&str>, trusts_anybody: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if !is_pinned && target.is_none_or(is_here) {
        // What bmt did not start it cannot move.
        let apart = match target {
            None => "keep the two apart with --pin",
            Some(_) => "start the target on CPUs of its own and the generator with `bmt run --pin`",
        };
        warnings.push(format!(
            "generator and target share the {} cores of this machine, so each takes time from the other; compare variants with one another, and for absolute figures {apart}",
            cpus()
        ));
    }
    if trusts_anybody {
        warnings.push(
            "the target's certificate was not verified (target.tls.insecure): nobody knows who answered".to_owned(),
        );
    }
    warnings
}

fn is_here(url: &str) -> bool {
    url.contains("//127.") || url.contains("//localhost") || url.contains("//[::1]")
}

/// The commit that bmt itself was built from, where it was built in a clone; local edits are not told apart.
pub(crate) fn built_from() -> Option<&'static str> {
    option_env!("BMT_COMMIT")
}

/// The commit that is checked out where the workload file lies, or else in the current directory; with `-dirty` if
/// tracked files have changed.
pub(super) fn git_commit(workload: &Path) -> Option<String> {
    // A file named without a directory lies in the current one.
    let beside = workload.parent().filter(|directory| !directory.as_os_str().is_empty());
    let directories = beside.into_iter().chain([Path::new(".")]);
    directories.into_iter().find_map(commit_in)
}

fn commit_in(directory: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(directory)
            .args(arguments)
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    Some(if dirty { format!("{commit}-dirty") } else { commit })
}

/// What the workload asks to have observed and bmt knows better: processes and databases that it started itself.
pub(super) fn not_observed(asked: &Asked, starts_a_server: bool) -> Option<String> {
    let is_asked = asked.process.is_some() || !asked.databases.is_empty();
    (is_asked && starts_a_server).then(|| {
        "observe.process and observe.mysql are for a server that bmt does not start; where it starts one, they are left out"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(directory: &Path, arguments: &[&str]) -> String {
        let identity = [
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@example.org",
            "-c",
            "commit.gpgsign=false",
        ];
        let mut command = Command::new("git");
        let output = command
            .arg("-C")
            .arg(directory)
            .args(identity)
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn the_commit_is_that_of_the_workload_wherever_bmt_is_started() {
        let clone = tempfile::tempdir().unwrap();
        let workload = clone.path().join("workload.yaml");
        std::fs::write(&workload, "name: x").unwrap();
        git(clone.path(), &["init", "--quiet"]);
        git(clone.path(), &["add", "workload.yaml"]);
        git(clone.path(), &["commit", "--quiet", "--message", "first"]);
        let commit = git(clone.path(), &["rev-parse", "--short=12", "HEAD"]);
        assert_eq!(git_commit(&workload), Some(commit.clone()));
        std::fs::write(&workload, "name: y").unwrap();
        assert_eq!(git_commit(&workload), Some(format!("{commit}-dirty")));
        // A workload outside any clone falls back on the current directory.
        let elsewhere = tempfile::tempdir().unwrap().path().join("workload.yaml");
        assert_eq!(git_commit(&elsewhere), commit_in(Path::new(".")));
        assert_eq!(git_commit(Path::new("workload.yaml")), commit_in(Path::new(".")));
    }

    #[test]
    fn bmt_knows_what_it_was_built_from() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        if commit_in(here).is_none() {
            return; // an archive of the sources has no commit
        }
        let commit = built_from().unwrap();
        git(here, &["cat-file", "-e", &format!("{commit}^{{commit}}")]);
    }
}
