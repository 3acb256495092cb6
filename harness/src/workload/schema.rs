//! The JSON Schema of a workload file, with the schemas of the reference server's and the push gateway's own settings
//! put in their place.

use serde_json::{Map, Value as Json, json};

use super::file::WorkloadFile;
use super::launch::{THREADS, TLS};

/// Written by `hotchat --schema`; the two programs share files, not code.
const SETTINGS_SCHEMA: &str = include_str!("../../../reference-server/settings.schema.json");

/// Written by `hotchat push-gateway --schema`.
const GATEWAY_SCHEMA: &str = include_str!("../../../reference-server/gateway.schema.json");

/// What the names of its parts begin with here.
const GATEWAY_PREFIX: &str = "PushGateway";

/// The schema that `bmt schema` prints and `bmt check` enforces.
///
/// # Panics
/// When a schema that was built in is not JSON, which a test rules out.
#[must_use]
pub fn schema() -> Json {
    let mut schema = serde_json::to_value(schemars::schema_for!(WorkloadFile)).expect("a derived schema is JSON");
    let mut settings: Json = serde_json::from_str(SETTINGS_SCHEMA).expect("the settings schema is JSON");
    // Names of the gateway's parts may be those of other parts of the server.
    let gateway = GATEWAY_SCHEMA.replace("#/$defs/", &format!("#/$defs/{GATEWAY_PREFIX}"));
    let mut gateway: Json = serde_json::from_str(&gateway).expect("the gateway's schema is JSON");
    gateway["properties"][TLS] = json!({
        "description": "Whether it speaks TLS, with a certificate that it makes itself and that the server then trusts.",
        "type": "boolean",
        "default": false,
    });
    gateway["properties"][THREADS] = json!({
        "description": "Threads of its runtime; 2 where it is not given.",
        "type": "integer",
        "minimum": 1,
        "maximum": 64,
    });
    let own = Block {
        parts: parts(&mut settings, ""),
        key: "settings",
        name: "Settings",
        whole: settings,
    };
    let gateways = Block {
        parts: parts(&mut gateway, GATEWAY_PREFIX),
        key: "gateway",
        name: "PushGatewaySettings",
        whole: gateway,
    };
    let defs = schema["$defs"].as_object_mut().expect("the workload has named parts");
    own.put_into(defs, &["TargetFile", "VariantFile", "ChangeFile"]);
    gateways.put_into(defs, &["TargetFile", "VariantFile"]);
    schema
}

/// A block of settings of which a workload may give any part: the program fills in the rest.
struct Block {
    key: &'static str,
    name: &'static str,
    whole: Json,
    parts: Map<String, Json>,
}

impl Block {
    /// Puts it into each of these `blocks` under its key, and its parts beside the others.
    fn put_into(self, defs: &mut Map<String, Json>, blocks: &[&str]) {
        let reference = json!({ "$ref": format!("#/$defs/{}", self.name) });
        for block in blocks {
            let property = &mut defs[*block]["properties"][self.key];
            let description = property["description"].clone();
            // What may be left out may be taken away by an override.
            *property = match property["type"].is_array() || property["anyOf"].is_array() {
                true => json!({ "anyOf": [reference, { "type": "null" }], "description": description }),
                false => json!({ "$ref": reference["$ref"], "description": description }),
            };
        }
        let whole = std::iter::once((self.name.to_owned(), self.whole));
        for (name, part) in whole.chain(self.parts) {
            assert!(!defs.contains_key(&name), "two schemas define `{name}`");
            defs.insert(name, part);
        }
    }
}

/// Takes the named parts out of a schema, with a prefix to their names, and what a workload need not say.
fn parts(schema: &mut Json, prefix: &str) -> Map<String, Json> {
    let Some(whole) = schema.as_object_mut() else {
        return Map::new();
    };
    whole.remove("$schema");
    whole.remove("required");
    let Some(Json::Object(nested)) = whole.remove("$defs") else {
        return Map::new();
    };
    let named = nested.into_iter().map(|(name, part)| (format!("{prefix}{name}"), part));
    named.collect()
}
