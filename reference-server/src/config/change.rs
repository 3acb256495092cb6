//! Which settings may change at run time, and the result of a change. Pure.
//!
//! A change is applied whole or not at all: after a rejection the operator must not have to find out which part was
//! applied.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Settings;
use super::unfit::Unfit;

/// Keys of `settings` that are read for every decision; all others take effect at start only.
const LIVE: [&str; 10] = [
    "fetch",
    "hot_chat",
    "push_throttle",
    "trailing_push",
    "push_overrides",
    "join_throttle",
    "join_limit",
    "breaker",
    "bulkhead",
    "burn_cpu",
];

/// The settings after a change to `wanted`; rejects changes to keys that are not live.
pub(super) fn successor(current: &Settings, wanted: Settings, redis: bool) -> Result<Settings, Unfit> {
    wanted.check(redis)?;
    let (Value::Object(old), Value::Object(new)) = (to_json(current), to_json(&wanted)) else {
        unreachable!("settings are written as an object");
    };
    for (key, old) in &old {
        let new = &new[key];
        if old != new && !LIVE.contains(&key.as_str()) {
            let (key, old, new) = deepest_difference(key.clone(), old, new);
            return Err(Unfit {
                key,
                message: format!(
                    "cannot change from {old} to {new} at run time; restart the server to apply this, or change only {}",
                    LIVE.join(", ")
                ),
            });
        }
    }
    Ok(wanted)
}

/// The settings after a JSON merge patch (RFC 7396): `null` resets a key to its default.
pub(super) fn patched(current: &Settings, patch: Value, redis: bool) -> Result<Settings, Unfit> {
    let wanted = merged(current, patch)?;
    successor(current, wanted, redis)
}

/// A block of settings after a JSON merge patch (RFC 7396), not yet checked across keys.
pub(crate) fn merged<T: Serialize + DeserializeOwned>(current: &T, patch: Value) -> Result<T, Unfit> {
    let Value::Object(patch) = patch else {
        return Err(Unfit {
            key: String::new(),
            message: format!(
                "{patch} is not a settings patch, expected an object such as {{\"fetch\": {{\"limit\": 50}}}}"
            ),
        });
    };
    let mut target = to_json(current);
    merge(&mut target, patch);
    serde_path_to_error::deserialize(target).map_err(|error| Unfit {
        key: match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        },
        message: error.into_inner().to_string(),
    })
}

fn to_json(settings: &impl Serialize) -> Value {
    serde_json::to_value(settings).expect("settings are plain JSON")
}

fn merge(target: &mut Value, patch: Map<String, Value>) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        match value {
            Value::Null => drop(target.shift_remove(&key)),
            Value::Object(below) => merge(target.entry(key).or_insert(Value::Null), below),
            plain => drop(target.insert(key, plain)),
        }
    }
}

/// The path to the first value that differs, and both values.
fn deepest_difference(path: String, old: &Value, new: &Value) -> (String, Value, Value) {
    if let (Value::Object(olds), Value::Object(news)) = (old, new) {
        let differs = olds.iter().find_map(|(key, old)| {
            let new = news.get(key)?;
            (old != new).then(|| (format!("{path}.{key}"), old, new))
        });
        if let Some((path, old, new)) = differs {
            return deepest_difference(path, old, new);
        }
    }
    (path, old.clone(), new.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(patch: Value) -> String {
        patched(&Settings::default(), patch, false).unwrap_err().to_string()
    }

    #[test]
    fn a_merge_patch_changes_what_it_names() {
        let start = Settings::default();
        let patch = json!({
            "push_throttle": { "fixed": { "drop": 0.9 } }, "hot_chat": { "fetches": 7 }, "push_overrides": { "never": [3] },
        });
        let settings = patched(&start, patch, true).unwrap();
        let json = to_json(&settings);
        assert_eq!(json["push_throttle"], json!({ "fixed": { "drop": 0.9 } }));
        assert_eq!(
            (&json["hot_chat"]["fetches"], &json["hot_chat"]["window"]),
            (&json!(7), &json!("5s"))
        );
        assert_eq!(json["push_overrides"], json!({ "never": [3], "always": [] }));
        let burning = patched(&start, json!({ "burn_cpu": "300us" }), false).unwrap();
        assert_eq!(burning.burn_cpu.get().as_micros(), 300, "a live setting");
        let back = json!({ "push_throttle": "none", "hot_chat": { "fetches": null }, "push_overrides": null });
        assert_eq!(patched(&settings, back, true).unwrap(), start);
        assert_eq!(patched(&settings, json!({}), true).unwrap(), settings);
    }

    #[test]
    fn a_bad_change_names_key_value_and_allowed_values() {
        let table = [
            (
                json!({ "hot_chat": { "fetches": 0 } }),
                ["hot_chat.fetches: 0 is", "expected 1 to"],
            ),
            (
                json!({ "hot_chat": { "fetchs": 1 } }),
                ["hot_chat", "unknown field `fetchs`, expected one of `fetches`"],
            ),
            (
                json!({ "hot_caht": {} }),
                ["settings.hot_caht: unknown field", "`hot_chat`"],
            ),
            (
                json!({ "push_throttle": { "fixed": { "drop": 2 } } }),
                ["push_throttle.fixed.drop: 2 is", "0 to 1"],
            ),
            (
                json!({ "trailing_push": { "within": "5" } }),
                ["trailing_push.within: `5`", "500ms"],
            ),
            (
                json!({ "push_throttle": { "fixed": { "drop": 0.5 } } }),
                ["settings.push_throttle:", "`redis: redis://"],
            ),
            (
                json!({ "bus": { "partitions": 16 } }),
                ["settings.bus.partitions: cannot change from 8 to 16", "restart"],
            ),
            (
                json!({ "member_count": "scan" }),
                ["member_count: cannot change from \"aggregate\" to \"scan\"", "restart"],
            ),
            (
                json!({ "fetch": { "limit": 5 }, "drain": "1s" }),
                ["settings.drain: cannot change from \"5s\"", "fetch"],
            ),
            (
                json!([1]),
                ["settings: [1] is not a settings patch", "expected an object"],
            ),
        ];
        for (patch, parts) in table {
            let message = told(patch.clone());
            for part in parts {
                assert!(message.contains(part), "{patch}: `{part}` is missing in: {message}");
            }
        }
    }
}
