//! The live settings of a target that somebody else started, changed for a cell and put back after it.
//!
//! Changes are JSON merge patches (RFC 7396) through the admin API; the server refuses what it cannot change while it
//! runs, whole. The settings to put back are read before anything is changed, and whoever holds them puts them back
//! however the cell ends. Only a bmt that is killed at once leaves the target changed.

use serde_json::Value as Json;

use super::admin::Admin;
use super::error::ProvisionError;
use super::external::External;
use crate::workload::Settings;

/// The settings of a target that are to be put back.
#[derive(Debug)]
pub struct BorrowedSettings {
    admin: Admin,
    url: String,
    original: Settings,
    in_force: Settings,
}

impl BorrowedSettings {
    /// Reads the settings in force; `None` where there is no admin API.
    ///
    /// # Errors
    /// When the admin API does not answer.
    pub async fn read(external: &External) -> Result<Option<Self>, ProvisionError> {
        let Some(admin) = external.admin.clone() else {
            return Ok(None);
        };
        let original = admin.settings().await.map_err(|reason| ProvisionError::Unreachable {
            target: format!("{} (its admin API)", external.url),
            reason,
        })?;
        Ok(Some(Self {
            admin,
            url: external.url.to_string(),
            in_force: original.clone(),
            original,
        }))
    }

    /// What the server last said its settings are, defaults filled in.
    #[must_use]
    pub fn in_force(&self) -> &Settings {
        &self.in_force
    }

    /// Lays `settings` over those in force. May be dropped half-way: [`BorrowedSettings::give_back`] undoes what came
    /// about.
    ///
    /// # Errors
    /// When the server refuses, with its reason; then nothing has changed.
    pub async fn apply(&mut self, settings: &Settings) -> Result<(), ProvisionError> {
        let patch = patch(&self.in_force, settings, Missing::Stays);
        if !patch.is_empty() {
            self.change(&patch).await.map_err(|reason| self.refused(reason))?;
        }
        Ok(())
    }

    /// Puts the original settings back, also over changes that others made meanwhile.
    ///
    /// # Errors
    /// When the server does not answer or refuses; what it should have been put back to is part of the message.
    pub async fn give_back(mut self) -> Result<(), ProvisionError> {
        match self.restore().await {
            Ok(()) => Ok(()),
            Err(reason) => {
                let original = Json::Object(self.original.clone());
                Err(self.refused(format!("they were not put back to {original}: {reason}")))
            }
        }
    }

    async fn restore(&mut self) -> Result<(), String> {
        self.in_force = self.admin.settings().await?;
        let patch = patch(&self.in_force, &self.original, Missing::Goes);
        if patch.is_empty() {
            return Ok(());
        }
        self.change(&patch).await
    }

    async fn change(&mut self, patch: &Settings) -> Result<(), String> {
        self.admin.change(patch).await?;
        self.in_force = self.admin.settings().await?;
        Ok(())
    }

    fn refused(&self, reason: String) -> ProvisionError {
        ProvisionError::Settings {
            target: self.url.clone(),
            reason,
        }
    }
}

/// What becomes of keys that the wanted settings do not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Stays,
    Goes,
}

/// The merge patch that leads from `current` to `wanted`; empty where nothing differs.
///
/// Alternatives are written as a block with one key, such as `{fixed: {…}}`. A merge would leave the old alternative
/// beside the new one, so it is taken away by name.
fn patch(current: &Settings, wanted: &Settings, missing: Missing) -> Settings {
    let mut patch = Settings::new();
    for (key, wanted) in wanted {
        match (current.get(key), wanted) {
            (Some(current), wanted) if current == wanted => {}
            (Some(Json::Object(current)), Json::Object(wanted)) => {
                let is_alternative = current.len() == 1 && wanted.len() == 1;
                let below = self::patch(current, wanted, if is_alternative { Missing::Goes } else { missing });
                if !below.is_empty() {
                    patch.insert(key.clone(), Json::Object(below));
                }
            }
            _ => drop(patch.insert(key.clone(), wanted.clone())),
        }
    }
    if missing == Missing::Goes {
        let gone = current.keys().filter(|key| !wanted.contains_key(*key));
        patch.extend(gone.map(|key| (key.clone(), Json::Null)));
    }
    patch
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn settings(value: Json) -> Settings {
        match value {
            Json::Object(settings) => settings,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_patch_names_what_differs_and_takes_the_old_alternative_away() {
        let current = settings(json!({
            "fetch": { "limit": 50, "most": 100 }, "push_throttle": { "fixed": { "drop": 0.9 } }, "insert": "values",
        }));
        for (wanted, expected) in [
            (json!({}), json!({})),
            (json!({ "insert": "values", "fetch": { "limit": 50 } }), json!({})),
            (json!({ "fetch": { "limit": 20 } }), json!({ "fetch": { "limit": 20 } })),
            (json!({ "push_throttle": "none" }), json!({ "push_throttle": "none" })),
            (
                json!({ "push_throttle": { "fixed": { "drop": 0.5 } } }),
                json!({ "push_throttle": { "fixed": { "drop": 0.5 } } }),
            ),
            (
                json!({ "push_throttle": { "turns": { "of": 4 } } }),
                json!({ "push_throttle": { "turns": { "of": 4 }, "fixed": null } }),
            ),
        ] {
            assert_eq!(patch(&current, &settings(wanted), Missing::Stays), settings(expected));
        }
    }

    /// RFC 7396, as a server does it.
    fn merged(target: &mut Settings, patch: &Settings) {
        for (key, value) in patch {
            match value {
                Json::Null => drop(target.remove(key)),
                Json::Object(below) => {
                    let entry = target.entry(key.clone()).or_insert(Json::Null);
                    if !entry.is_object() {
                        *entry = Json::Object(Settings::new());
                    }
                    if let Json::Object(entry) = entry {
                        merged(entry, below);
                    }
                }
                plain => drop(target.insert(key.clone(), plain.clone())),
            }
        }
    }

    fn any_settings() -> impl Strategy<Value = Settings> {
        let leaf = prop_oneof![
            any::<u8>().prop_map(|number| json!(number)),
            "[ab]".prop_map(|text| json!(text))
        ];
        let value = leaf.prop_recursive(3, 12, 3, |inner| {
            proptest::collection::btree_map("[abc]", inner, 1..3).prop_map(|map| json!(map))
        });
        proptest::collection::btree_map("[abc]", value, 0..4).prop_map(|map| settings(json!(map)))
    }

    proptest! {
        #[test]
        fn settings_that_are_put_back_are_the_original_ones(mut current in any_settings(), original in any_settings()) {
            let patch = patch(&current, &original, Missing::Goes);
            merged(&mut current, &patch);
            prop_assert_eq!(current, original);
        }
    }
}
