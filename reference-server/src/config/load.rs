//! Reads the configuration file; every mistake is told with file, line, column and key.

use std::path::{Path, PathBuf};

use super::locate::place;
use super::{Config, Settings, Unfit};

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

pub(crate) fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(&path.display().to_string(), &text)
}

/// `name` is how the file is called in messages.
pub(super) fn parse(name: &str, text: &str) -> Result<Config, ConfigError> {
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
    let config: Config = parsed.map_err(|error: serde_saphyr::Error| {
        let place = match error.location() {
            Some(at) => format!("{name}:{}:{}", at.line(), at.column()),
            None => name.to_owned(),
        };
        let message = error.without_snippet().to_string();
        ConfigError::Invalid { place, key, message }
    })?;
    let fit = config.settings.check(config.redis.is_some());
    fit.map_err(|unfit| located(name, text, unfit))?;
    Ok(config)
}

/// A mistake among the settings, with the place in the file that it comes from.
pub(super) fn located(name: &str, text: &str, Unfit { key, message }: Unfit) -> ConfigError {
    let key = format!("settings.{key}");
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
