//! An initialised data directory, made once per sandbox and copied for each shard.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::options::TEMPLATE_LOG;
use crate::binary::{find_binary, overridden};
use crate::{Sandbox, SandboxError, Streams};

const PACKAGE: &str = "mariadb-server";

/// `mariadb-install-db` takes about a second; a very slow disk may need many.
const INIT_PATIENCE: Duration = Duration::from_secs(120);

/// The data directory that shards are copied from, and the server that runs them.
///
/// The server is `$BMT_MARIADBD` if that is set, else the first `mariadbd` or `mysqld` found in `$PATH`, `/usr/sbin`,
/// `/usr/local/sbin` and `/usr/local/mysql/bin`.
#[derive(Debug, Clone)]
pub struct Template {
    pub(super) server: PathBuf,
    pub(super) data: PathBuf,
    pub(super) password: String,
}

impl Template {
    /// Initialises the data directory (about one second).
    ///
    /// # Errors
    /// [`SandboxError::MissingBinary`] with the install line when there is no `MariaDB` here;
    /// [`SandboxError::ChildDied`] with the end of the installer's log when it fails.
    pub async fn init(sandbox: &Sandbox) -> Result<Self, SandboxError> {
        let server = match overridden("BMT_MARIADBD") {
            Some(found) => found?,
            None => find_binary(&["mariadbd", "mysqld"], &[], PACKAGE)?,
        };
        let base = base_dir(&server);
        let beside = [base.join("bin"), base.join("scripts")];
        let installer = find_binary(&["mariadb-install-db", "mysql_install_db"], &beside, PACKAGE)?;
        let data = sandbox.dir().join("template");

        // In the common /tmp two servers that start at the same time remove each other's temporary tables.
        let scratch = sandbox.dir().join("template-tmp");
        fs::create_dir(&scratch).map_err(|e| SandboxError::io(&scratch, e))?;

        let mut command = Command::new(&installer);
        command
            .arg("--no-defaults")
            .arg(format!("--basedir={}", base.display()))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--tmpdir={}", scratch.display()))
            .args([
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                TEMPLATE_LOG,
            ]);
        if rustix::process::geteuid().is_root() {
            command.arg("--user=root");
        }
        let mut child = sandbox.spawn("mariadb-install-db", command, &Streams::default())?;
        match child.wait(INIT_PATIENCE).await? {
            None => return Err(child.not_up(INIT_PATIENCE, "it is still initialising")),
            Some(status) if !status.success() => {
                return Err(child.died(status, "correct what it names (often the disk), then try again"));
            }
            Some(_) => {}
        }
        let password = password().map_err(|e| SandboxError::io("/dev/urandom", e))?;
        Ok(Self { server, data, password })
    }

    /// The server binary in use.
    pub fn server(&self) -> &Path {
        &self.server
    }

    /// Copies the data directory to `dir/data` and writes the statements that every start of the shard runs first.
    pub(super) fn copy_to(&self, dir: &Path) -> Result<(), SandboxError> {
        copy_dir(&self.data, &dir.join("data"))?;
        let init = dir.join("init.sql");
        let mut statements =
            "SET sql_log_bin=0;\nCREATE DATABASE IF NOT EXISTS hotchat CHARACTER SET utf8mb4;\n".to_owned();
        // Connections through the Unix socket come from `localhost`.
        for user in ["hotchat@'127.0.0.1'", "hotchat@'localhost'"] {
            statements += &format!(
                "CREATE USER IF NOT EXISTS {user} IDENTIFIED BY '{}';\nGRANT ALL PRIVILEGES ON *.* TO {user};\n",
                self.password
            );
        }
        fs::write(&init, statements).map_err(|e| SandboxError::io(init, e))
    }
}

/// `/usr` for `/usr/sbin/mariadbd`, and likewise for a tarball's `bin/`.
fn base_dir(server: &Path) -> PathBuf {
    let real = fs::canonicalize(server).unwrap_or_else(|_| server.to_owned());
    real.parent()
        .and_then(Path::parent)
        .unwrap_or(Path::new("/usr"))
        .to_owned()
}

fn password() -> std::io::Result<String> {
    let mut bytes = [0_u8; 12];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

fn copy_dir(from: &Path, to: &Path) -> Result<(), SandboxError> {
    fs::create_dir_all(to).map_err(|e| SandboxError::io(to, e))?;
    for entry in fs::read_dir(from).map_err(|e| SandboxError::io(from, e))? {
        let source = entry.map_err(|e| SandboxError::io(from, e))?.path();
        let target = to.join(source.file_name().expect("a directory entry has a name"));
        if source.is_dir() {
            copy_dir(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(|e| SandboxError::io(&target, e))?;
        }
    }
    Ok(())
}
