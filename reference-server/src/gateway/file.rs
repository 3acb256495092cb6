//! The gateway's configuration file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::settings::Settings;
use crate::config::{self, Bounded, ConfigError, Secret};

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayFile {
    /// Address for notifications; port 0 picks a free port.
    #[serde(default = "loopback")]
    pub(super) listen: SocketAddr,
    /// Address of the admin API and the metrics.
    #[serde(default = "loopback")]
    pub(super) admin: SocketAddr,
    /// Bearer token of the admin API.
    pub(super) admin_token: Secret,
    /// Whether connections are encrypted.
    #[serde(default)]
    pub(super) tls: Tls,
    /// Threads that serve; also how much CPU the costs below can take.
    #[serde(default = "two")]
    pub(crate) threads: Bounded<1, 64>,
    /// Seed of service times and of the notifications that fail.
    #[serde(default = "one")]
    pub(super) seed: u64,
    /// What can be changed at run time.
    #[serde(default)]
    pub(super) settings: Settings,
}

/// Whether connections are encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tls {
    /// They are not.
    #[default]
    None,
    /// They are, with a certificate from files.
    Files(Files),
    /// They are, with a certificate for this machine that the gateway makes at start.
    SelfMade(SelfMade),
}

/// Where a certificate and its key are (PEM).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Where the certificate is written, for those who are to trust it (PEM).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SelfMade {
    pub(super) certificate: PathBuf,
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn two() -> Bounded<1, 64> {
    const { Bounded::new(2) }
}

fn one() -> u64 {
    1
}

/// Reads the file; every error names file, line, column and key.
pub(crate) fn load(path: &Path) -> Result<GatewayFile, ConfigError> {
    parse(&path.display().to_string(), &config::read(path)?)
}

fn parse(name: &str, text: &str) -> Result<GatewayFile, ConfigError> {
    let file: GatewayFile = config::parse_any(name, text)?;
    let fit = file.settings.check();
    fit.map_err(|unfit| config::located(name, text, unfit.path(), unfit.message))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "admin_token: long-enough\n";

    #[test]
    fn every_key_but_the_token_has_a_default() {
        let file = parse("gateway.yaml", HEAD).unwrap();
        assert_eq!((file.threads.get(), file.seed, file.tls), (2, 1, Tls::None));
        assert_eq!(file.settings, Settings::default());
    }

    #[test]
    fn a_mistake_is_reported_with_place_key_and_allowed_values() {
        let table = [
            ("threads: 0\n", "gateway.yaml:2:10: threads", "expected 1 to 64"),
            ("tls: on\n", "gateway.yaml:2:6: tls", "self_made"),
            ("tls: {files: {certificate: a}}\n", "tls", "missing field `key`"),
            (
                "settings:\n  servce_time: {}\n",
                "gateway.yaml:3:3: settings",
                "service_time",
            ),
            (
                "settings:\n  service_time: {fixed: 5}\n",
                "settings.service_time.fixed",
                "expected for example 500ms",
            ),
            (
                "settings:\n  service_time: {heavy_tailed: {min: 5ms, shape: 20, cap: 1s}}\n",
                "settings.service_time.heavy_tailed.shape",
                "expected 0.1 to 10",
            ),
            (
                "settings:\n  service_time: {heavy_tailed: {min: 5s, shape: 2, cap: 1s}}\n",
                "gateway.yaml:3:32: settings.service_time.heavy_tailed",
                "a cap of 1s is below the min of 5s",
            ),
            (
                "settings:\n  rejected: 0.7\n  unavailable: 0.6\n",
                "gateway.yaml:4:16: settings.unavailable",
                "more than all",
            ),
            (
                "settings:\n  heap: {budget: {mib: 0}}\n",
                "settings.heap.budget.mib",
                "expected 1 to",
            ),
        ];
        for (text, place, allowed) in table {
            let message = parse("gateway.yaml", &format!("{HEAD}{text}")).unwrap_err().to_string();
            assert!(
                message.contains(place) && message.contains(allowed),
                "{text}: {message}"
            );
        }
        let message = parse("gateway.yaml", "seed: 3\n").unwrap_err().to_string();
        assert!(message.contains("admin_token"), "{message}");
    }
}
