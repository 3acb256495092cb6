//! The JSON Schema of a workload file, with the reference server's own settings schema put in its place.

use serde_json::{Value as Json, json};

use super::file::WorkloadFile;

/// Written by `hotchat --schema`; the two programs share files, not code.
const SETTINGS_SCHEMA: &str = include_str!("../../../reference-server/settings.schema.json");

/// The schema that `bmt schema` prints and `bmt check` enforces.
///
/// # Panics
/// When the settings schema that was built in is not JSON, which a test rules out.
#[must_use]
pub fn schema() -> Json {
    let mut schema = serde_json::to_value(schemars::schema_for!(WorkloadFile)).expect("a derived schema is JSON");
    let mut settings: Json = serde_json::from_str(SETTINGS_SCHEMA).expect("the settings schema is JSON");
    let nested = settings.as_object_mut().and_then(|settings| settings.remove("$defs"));
    if let Some(settings) = settings.as_object_mut() {
        settings.remove("$schema");
        // Blocks of a workload may give any part of the settings: the server fills in the rest.
        settings.remove("required");
    }
    let defs = schema["$defs"].as_object_mut().expect("the workload has named parts");
    for block in ["TargetFile", "VariantFile", "ChangeFile"] {
        let description = defs[block]["properties"]["settings"]["description"].clone();
        defs[block]["properties"]["settings"] = json!({ "$ref": "#/$defs/Settings", "description": description });
    }
    defs.insert("Settings".to_owned(), settings);
    for (name, def) in nested.as_ref().and_then(Json::as_object).into_iter().flatten() {
        assert!(
            !defs.contains_key(name),
            "the settings and the workload both define `{name}`"
        );
        defs.insert(name.clone(), def.clone());
    }
    schema
}
