//! Where a run takes place.

use std::process::Command;

use super::Options;
use crate::record::Environment;
use crate::workload::Workload;

pub(super) fn observe(options: &Options) -> Environment {
    let uname = rustix::system::uname();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let after = |text: &str, key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
    };
    let pin = options.pin.clone().unwrap_or_default();
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
        database: None,
        target: options.target.as_ref().map(|target| target.url.clone()),
        generator_cpus: pin.generator,
        target_cpus: pin.target,
    }
}

/// CPUs that this process may use.
pub(super) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What a reader should know before the first figure.
pub(super) fn warnings(options: &Options, workload: &Workload) -> Vec<String> {
    let mut warnings = Vec::new();
    if options.pin.is_none() && options.target.as_ref().is_none_or(|target| is_here(&target.url)) {
        warnings.push(format!(
            "generator and target share the {} cores of this machine, so each takes time from the other; compare variants with one another, and keep the two apart with --pin for absolute figures",
            cpus()
        ));
    }
    if options.target.is_some() && workload.variants.len() > 1 {
        warnings.push(
            "the target was started by somebody else, so the settings of the variants were not applied".to_owned(),
        );
    }
    warnings
}

fn is_here(url: &str) -> bool {
    url.contains("//127.") || url.contains("//localhost") || url.contains("//[::1]")
}

/// The commit that is checked out here.
pub(super) fn git_commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    Some(if dirty { format!("{commit}-dirty") } else { commit })
}
