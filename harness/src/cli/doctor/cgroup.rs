//! What the control groups of this process limit: CPU time, and real-time CPU time.
//!
//! `/proc/self/cgroup` names a group for each hierarchy; its limits and those of the groups above it hold. Inside a
//! container that path may be the host's, of which only the top is visible here: groups that are not there are passed
//! over.

use std::path::{Path, PathBuf};

/// Where hierarchies are mounted.
const MOUNTS: &str = "/sys/fs/cgroup";

/// CPUs' worth of time that the groups of this process allow; `None` without a quota.
pub(super) fn quota() -> Option<f64> {
    least_quota(&groups(Path::new(MOUNTS), &membership()))
}

/// Microseconds of real-time CPU time in each period that the group of this process has, where groups have budgets of
/// their own (version 1 with `CONFIG_RT_GROUP_SCHED`).
pub(super) fn real_time_budget_us() -> Option<i64> {
    let own = groups(Path::new(MOUNTS), &membership());
    own.iter().find_map(|group| number(&group.join("cpu.rt_runtime_us")))
}

fn membership() -> String {
    std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
}

/// The directories of the CPU controller's groups, the innermost first, of both versions.
fn groups(mounts: &Path, membership: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let tops = match controllers {
            "" => vec![mounts.to_owned(), mounts.join("unified")],
            _ if controllers.split(',').any(|name| name == "cpu") => vec![mounts.join(controllers), mounts.join("cpu")],
            _ => continue,
        };
        for top in tops {
            let own = Path::new(path.trim_start_matches('/'));
            found.extend(
                own.ancestors()
                    .map(|group| top.join(group))
                    .filter(|group| group.is_dir()),
            );
        }
    }
    found
}

/// The least of the groups' quotas.
fn least_quota(groups: &[PathBuf]) -> Option<f64> {
    let quotas = groups.iter().flat_map(|group| [quota_v2(group), quota_v1(group)]);
    quotas.flatten().min_by(f64::total_cmp)
}

fn quota_v2(group: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(group.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    // `max`, where there is none, is no number.
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

fn quota_v1(group: &Path) -> Option<f64> {
    let quota = number(&group.join("cpu.cfs_quota_us")).filter(|quota| *quota > 0)?;
    let period = number(&group.join("cpu.cfs_period_us"))?;
    Some(quota as f64 / period as f64)
}

fn number(file: &Path) -> Option<i64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of groups with these files.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let mounts = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let file = mounts.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        mounts
    }

    fn quota_in(files: &[(&str, &str)], membership: &str) -> Option<f64> {
        let mounts = tree(files);
        least_quota(&groups(mounts.path(), membership))
    }

    #[test]
    fn the_least_quota_of_a_group_and_of_those_above_it_holds() {
        let files = [("a/cpu.max", "150000 100000\n"), ("a/b/cpu.max", "max 100000\n")];
        assert_eq!(quota_in(&files, "0::/a/b\n"), Some(1.5));
        assert_eq!(quota_in(&files[1..], "0::/a/b\n"), None);
        let tighter = [files[0], ("a/b/cpu.max", "50000 100000\n")];
        assert_eq!(quota_in(&tighter, "0::/a/b\n"), Some(0.5));
        assert_eq!(quota_in(&tighter, "0::/c\n"), None, "another group's");
    }

    #[test]
    fn version_1_and_a_containers_view_are_understood() {
        let mounted_together = [
            ("cpu,cpuacct/x/cpu.cfs_quota_us", "200000\n"),
            ("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(
            quota_in(&mounted_together, "4:memory:/x\n3:cpu,cpuacct:/x\n"),
            Some(2.0)
        );
        let of_the_container = [("cpu/cpu.cfs_quota_us", "25000"), ("cpu/cpu.cfs_period_us", "100000")];
        assert_eq!(quota_in(&of_the_container, "3:cpu:/docker/0123\n"), Some(0.25));
        let none = [("cpu/cpu.cfs_quota_us", "-1"), ("cpu/cpu.cfs_period_us", "100000")];
        assert_eq!(quota_in(&none, "3:cpu:/\n"), None);
        assert_eq!(quota_in(&of_the_container, "not a line\n5:cpuset:/\n"), None);
    }
}
