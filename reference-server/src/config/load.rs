//! Reads the configuration file; every error names file, line, column and key.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::locate::place;
use super::{Config, Settings};

/// Why the configuration could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{path}: {source}; give the path of a readable file", path = path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{place}: {key}: {message}")]
    Invalid {
        place: String,
        key: String,
        message: String,
    },
}

/// Largest accepted configuration file.
const BYTES_MAX: u64 = 1024 * 1024;

/// The configuration and its source file; the text holds secrets.
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) config: Config,
}

pub(crate) fn load(path: &Path) -> Result<ConfigFile, ConfigError> {
    let text = read(path)?;
    let config = parse(&path.display().to_string(), &text)?;
    let path = path.to_owned();
    Ok(ConfigFile { path, text, config })
}

pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    let read = || {
        if std::fs::metadata(path)?.len() > BYTES_MAX {
            return Err(std::io::Error::other(format!("more than {BYTES_MAX} bytes")));
        }
        std::fs::read_to_string(path)
    };
    read().map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// `name` is the file's name in messages.
pub(super) fn parse(name: &str, text: &str) -> Result<Config, ConfigError> {
    let config: Config = parse_any(name, text)?;
    let fit = config.settings.check(config.redis.is_some());
    fit.map_err(|unfit| located(name, text, unfit.path(), unfit.message))?;
    Ok(config)
}

/// A file of any shape; `name` is its name in messages.
pub(crate) fn parse_any<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, ConfigError> {
    let mut key = String::from("(file)");
    let parsed = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let path = error.path().to_string();
            if path != "." {
                key = path;
            }
            error.into_inner()
        })
    });
    parsed.map_err(|error: serde_saphyr::Error| {
        let place = match error.location() {
            Some(at) => format!("{name}:{}:{}", at.line(), at.column()),
            None => name.to_owned(),
        };
        let message = error.without_snippet().to_string();
        ConfigError::Invalid { place, key, message }
    })
}

/// An error found only after the whole file was parsed, with its location.
pub(crate) fn located(name: &str, text: &str, key: String, message: String) -> ConfigError {
    ConfigError::Invalid {
        place: place(name, text, &key),
        key,
        message,
    }
}

/// The JSON Schema of the `settings` block, as printed by `hotchat --schema`.
pub(crate) fn schema() -> String {
    let schema = schemars::schema_for!(Settings);
    serde_json::to_string_pretty(&schema).expect("a schema is plain JSON")
}
