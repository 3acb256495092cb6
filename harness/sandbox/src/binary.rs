//! Where installed programs are looked for.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::SandboxError;

/// Beside `$PATH`: where distributions and upstream tarballs put servers.
const EXTRA_DIRS: [&str; 4] = [
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/local/mysql/bin",
    "/usr/local/mysql/scripts",
];

/// The first of `names` found in `beside`, `$PATH` or the usual places for servers.
///
/// `package` is the Debian package that the remedy in [`SandboxError::MissingBinary`] names.
pub fn find_binary(names: &[&str], beside: &[PathBuf], package: &str) -> Result<PathBuf, SandboxError> {
    let path = env::var_os("PATH").unwrap_or_default();
    find_in(names, &search_dirs(beside, &path), package)
}

/// The program an environment variable points at, if it is set.
pub(crate) fn overridden(variable: &str) -> Option<Result<PathBuf, SandboxError>> {
    let path = PathBuf::from(env::var_os(variable)?);
    if is_program(&path) {
        return Some(Ok(path));
    }
    Some(Err(SandboxError::MissingBinary {
        binary: path.display().to_string(),
        looked_in: format!("${variable} only"),
        remedy: format!("point ${variable} at an executable file or unset it"),
    }))
}

fn search_dirs(beside: &[PathBuf], path: &OsStr) -> Vec<PathBuf> {
    let listed = env::split_paths(path).filter(|dir| dir.is_absolute());
    let mut dirs: Vec<PathBuf> = beside.to_vec();
    for dir in listed.chain(EXTRA_DIRS.iter().map(PathBuf::from)) {
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    dirs
}

fn find_in(names: &[&str], dirs: &[PathBuf], package: &str) -> Result<PathBuf, SandboxError> {
    let candidates = names.iter().flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    candidates
        .into_iter()
        .find(|path| is_program(path))
        .ok_or_else(|| SandboxError::MissingBinary {
            binary: names.first().copied().unwrap_or_default().to_owned(),
            looked_in: dirs
                .iter()
                .map(|d| d.display().to_string())
                .collect::<Vec<_>>()
                .join(":"),
            remedy: install_line(package, rustix::process::geteuid().is_root()),
        })
}

fn install_line(package: &str, root: bool) -> String {
    let sudo = if root { "" } else { "sudo " };
    format!("install it: {sudo}apt-get install {package}")
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_binary_names_itself_the_places_and_the_remedy() {
        let dirs = search_dirs(&[], OsStr::new("/nowhere/a:/nowhere/b"));
        let error = find_in(&["no-such-server"], &dirs[..2], "mariadb-server").unwrap_err();
        let sudo = if rustix::process::geteuid().is_root() {
            ""
        } else {
            "sudo "
        };
        assert_eq!(
            error.to_string(),
            format!(
                "`no-such-server` not found (looked in /nowhere/a:/nowhere/b); \
                 install it: {sudo}apt-get install mariadb-server"
            )
        );
        assert_eq!(install_line("x", false), "install it: sudo apt-get install x");
        assert_eq!(install_line("x", true), "install it: apt-get install x");
    }

    #[test]
    fn the_sbin_directories_are_searched_even_when_path_lacks_them() {
        let dirs = search_dirs(&[], OsStr::new("/usr/bin"));
        assert!(dirs.contains(&PathBuf::from("/usr/sbin")) && dirs.contains(&PathBuf::from("/usr/local/mysql/bin")));
    }

    #[test]
    fn a_directory_or_a_plain_file_is_no_program() {
        assert!(!is_program(Path::new("/etc")));
        assert!(!is_program(Path::new("/etc/passwd")));
        assert!(is_program(Path::new("/bin/sh")));
    }
}
