//! Files that a workload names: those in its own folder or below it, unless the caller allows others.

use std::path::{Path, PathBuf};

/// Bytes that such a file may have: it is kept in memory.
const BYTES_MAX: u64 = 256 << 20;

/// Where a workload's files are.
pub(super) struct Folder {
    root: PathBuf,
    allow_others: bool,
}

/// Why a file cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) problem: String,
    pub(super) allowed: &'static str,
}

const A_FILE: &str = "a file in the folder of the workload or below it";

impl Folder {
    /// The folder that `workload` is in.
    pub(super) fn of(workload: &Path, allow_others: bool) -> Self {
        let parent = workload.parent().unwrap_or(Path::new(""));
        let root = match parent.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => parent.to_owned(),
        };
        Self { root, allow_others }
    }

    /// The folder, wherever bmt was started.
    pub(super) fn absolute(&self) -> PathBuf {
        self.root.canonicalize().unwrap_or_else(|_| self.root.clone())
    }

    /// Reads the file called `name`.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, Refused> {
        let refused = |problem: String, allowed| Refused { problem, allowed };
        let cannot = |error: std::io::Error| refused(format!("cannot read `{name}`: {error}"), A_FILE);
        let root = self.root.canonicalize().map_err(cannot)?;
        // Where links lead counts, not where they are.
        let path = self.root.join(name).canonicalize().map_err(cannot)?;
        if !path.starts_with(&root) && !self.allow_others {
            let problem = format!("`{name}` is not in the folder of the workload, {}", root.display());
            return Err(refused(
                problem,
                "a file in it or below it; any other with --allow-files",
            ));
        }
        let about = path.metadata().map_err(cannot)?;
        if !about.is_file() {
            return Err(refused(format!("`{name}` is no file"), A_FILE));
        }
        if about.len() > BYTES_MAX {
            let problem = format!("`{name}` has {} bytes", about.len());
            return Err(refused(problem, "at most 256 MiB, which are kept in memory"));
        }
        std::fs::read(&path).map_err(cannot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_below_the_workload_are_read_unless_others_are_allowed() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("workloads");
        std::fs::create_dir_all(root.join("data")).unwrap();
        std::fs::write(root.join("data/users.csv"), "a").unwrap();
        std::fs::write(outside.path().join("secret"), "b").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), root.join("link")).unwrap();
        let absolute = outside.path().join("secret");
        let absolute = absolute.to_str().unwrap();
        let folder = Folder::of(&root.join("w.yaml"), false);
        assert_eq!(folder.read("data/users.csv").unwrap(), b"a");
        assert_eq!(folder.read("../workloads/data/users.csv").unwrap(), b"a");
        for name in ["../secret", "link", absolute] {
            let refused = folder.read(name).unwrap_err();
            assert!(
                refused.problem.contains("is not in the folder of the workload"),
                "{refused:?}"
            );
            assert!(refused.allowed.contains("--allow-files"), "{refused:?}");
        }
        let told = folder.read("missing.csv").unwrap_err().problem;
        assert!(told.contains("cannot read `missing.csv`: No such file"), "{told}");
        assert_eq!(folder.read("data").unwrap_err().problem, "`data` is no file");
        let trusting = Folder::of(&root.join("w.yaml"), true);
        for name in ["../secret", "link", absolute] {
            assert_eq!(trusting.read(name).unwrap(), b"b");
        }
    }
}
