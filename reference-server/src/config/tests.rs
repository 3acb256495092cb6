//! The configuration file: defaults, refusals, and the checked-in schema.

use super::load::{parse, schema};
use super::{Insert, Isolation, MemberCount, Settings};

const HEAD: &str = "secret: long-enough\nadmin_token: long-enough\nshards: [mysql://a]\n";

fn refused(settings: &str) -> String {
    parse("hotchat.yaml", &format!("{HEAD}{settings}"))
        .unwrap_err()
        .to_string()
}

#[test]
fn every_field_has_a_default() {
    let config = parse("x", HEAD).unwrap();
    assert_eq!(config.settings, Settings::default());
    assert_eq!(config.settings.member_count, MemberCount::Aggregate);
    assert_eq!(config.max_connections.get(), 20_000);
}

#[test]
fn yaml_and_json_are_both_read() {
    let yaml = "settings:\n  insert: select_not_exists\n  isolation: repeatable_read\n  \
                member_count: {aggregate_slots: {slots: 4}}\n  requests: {wait: 1.5s}\n";
    let settings = parse("x", &format!("{HEAD}{yaml}")).unwrap().settings;
    assert_eq!(settings.insert, Insert::SelectNotExists);
    assert_eq!(settings.isolation, Isolation::RepeatableRead);
    assert_eq!(settings.requests.wait.get().as_millis(), 1500);
    let json = serde_json::json!({
        "secret": "long-enough", "admin_token": "long-enough", "shards": ["mysql://a"], "settings": settings,
    });
    assert_eq!(parse("x", &json.to_string()).unwrap().settings, settings);
}

#[test]
fn a_mistake_is_told_with_place_key_and_what_is_allowed() {
    let table = [
        ("settings:\n  insrt: values\n", "hotchat.yaml:5:3: settings", "insert"),
        (
            "settings:\n  insert: value\n",
            "hotchat.yaml:5:11: settings.insert",
            "select_not_exists",
        ),
        (
            "settings:\n  autoinc_lock_mode: 3\n",
            "hotchat.yaml:5:22: settings.autoinc_lock_mode",
            "expected 0 to 2",
        ),
        (
            "settings:\n  pool: {size: 0}\n",
            "settings.pool.size",
            "expected 1 to 1000",
        ),
        ("settings:\n  drain: 5\n", "settings.drain", "500ms"),
        (
            "settings:\n  storage_timeout: 2h\n",
            "settings.storage_timeout",
            "expected 10ms to 10m",
        ),
        (
            "max_connections: 0\n",
            "hotchat.yaml:4:18: max_connections",
            "expected 1 to 1000000",
        ),
    ];
    for (text, place, allowed) in table {
        let message = refused(text);
        assert!(
            message.contains(place) && message.contains(allowed),
            "{text}: {message}"
        );
    }
    let message = parse("x", "secret: short\nadmin_token: long-enough\nshards: [a]")
        .unwrap_err()
        .to_string();
    assert!(message.contains("at least 8 bytes"), "{message}");
    let message = parse("x", "secret: long-enough\nadmin_token: long-enough\nshards: []")
        .unwrap_err()
        .to_string();
    assert!(message.contains("1 to 64 shards"), "{message}");
}

#[test]
fn the_checked_in_schema_is_what_the_settings_say() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/settings.schema.json");
    let checked_in = std::fs::read_to_string(file).unwrap();
    assert_eq!(
        checked_in.trim_end(),
        schema(),
        "renew it: cargo run -p hotchat -- --schema > {file}"
    );
}
