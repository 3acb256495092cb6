//! A small shop in Python that bmt starts, and the folder of its workload.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value as Json;

use super::storm::walk;
use super::{bmt, wait_until};

/// A workload that has bmt start the shop.
pub(crate) const SHOP: &str = r#"
name: shop
question: Is the program that bmt starts the one that is measured?
profile: {kind: constant, target: 100/s, hold: 2s}
generator: {timeout: 5s}
target:
  command: [./shop.py, --port, "{{port}}", --secret, "{{env.BMT_TEST_KEY}}"]
  env: {MODE: fast, API_TOKEN: "not to be seen", KEPT: "{{env.BMT_TEST_KEY}}"}
  ready: {http: /healthz}
traffic:
  browse: {request: {get: /items}, check: {body: {contains: mode}}, share: 0.8}
  gone: {request: {get: /gone}, check: {status: 404}, share: 0.2}
variants: [{name: only}]
"#;

/// Writes what the shop has counted to a file in the workload's folder.
pub(crate) const TELL: &str = r#"[python3, -c, "import urllib.request as r; open('counts.json', 'wb').write(r.urlopen('http://127.0.0.1:{{port}}/counts').read())"]"#;

/// On a busy machine a generator may be late: its figures are INVALID then, and not what is tested here.
pub(crate) const DONE: &[i32] = &[0, 120];

/// A folder with a workload and the shop.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    _alone: super::Alone,
}

impl Place {
    pub(crate) fn of(workload: &str) -> Self {
        let _alone = super::alone();
        let dir = tempfile::tempdir().unwrap();
        let place = Self { dir, _alone };
        std::fs::create_dir(place.path("tmp")).unwrap();
        place.write("workload.yaml", workload);
        place.script("shop.py", include_str!("shop.py"));
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn script(&self, name: &str, text: &str) {
        self.write(name, text);
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let (file, out) = (self.path("workload.yaml"), self.path("out"));
        let mut command = bmt(&["run", file.to_str().unwrap(), "--out", out.to_str().unwrap()]);
        command
            .args(["--format", "json"])
            .args(more)
            .env("TMPDIR", self.path("tmp"));
        command
    }

    pub(crate) fn run(&self, more: &[&str]) -> Output {
        let output = self.command(&[&["--allow-commands"], more].concat()).output().unwrap();
        self.assert_nothing_left();
        output
    }

    /// The result of a run that ends in one of the `ways`, and what it said.
    pub(crate) fn result(&self, more: &[&str], ways: &[i32]) -> (Json, String) {
        let output = self.run(more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(ways.contains(&output.status.code().unwrap()), "{said}");
        (super::json(&output), said)
    }

    pub(crate) fn counts(&self) -> Json {
        serde_json::from_slice(&std::fs::read(self.path("counts.json")).unwrap()).unwrap()
    }

    /// Processes whose command line has a file of this place in it, `part` of its name.
    pub(crate) fn processes(&self, part: &str) -> Vec<i32> {
        let mark = self.dir.path().display().to_string();
        let pids = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains(&mark) && line.contains(part) && !line.contains("workload.yaml")
        })
        .collect()
    }

    pub(crate) fn assert_nothing_left(&self) {
        wait_until("no process is left", || self.processes("").is_empty());
        wait_until("no temporary file is left", || {
            std::fs::read_dir(self.path("tmp")).unwrap().next().is_none()
        });
    }

    pub(crate) fn wait_until_driving(&self) {
        wait_until("the first samples are written", || {
            walk(self.dir.path()).into_iter().any(|file| {
                file.ends_with("observed.jsonl") && std::fs::read_to_string(&file).unwrap().lines().count() > 8
            })
        });
    }

    /// The shop's pid in a run under way.
    pub(crate) fn shop(&self) -> i32 {
        // Of one look: for a moment, while its interpreter takes the place of `env`, it has no command line.
        let found = std::cell::Cell::new(None);
        wait_until("the shop is started", || {
            found.set(self.processes("shop.py").first().copied());
            found.get().is_some()
        });
        found.get().unwrap()
    }
}

/// What became of an operation in the first phase of a cell.
pub(crate) fn operation<'a>(cell: &'a Json, name: &str) -> &'a Json {
    &cell["phases"][0]["operations"][name]
}
