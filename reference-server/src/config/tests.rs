//! The configuration file: defaults, errors, and the checked-in schema.

use super::load::{parse, schema};
use super::{Insert, Isolation, MemberCount, PushThrottle, Settings, TrailingPush};

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
fn an_unusable_join_throttle_is_rejected_with_a_remedy() {
    let table = [
        (
            "settings:\n  join_throttle: redis\n",
            "hotchat.yaml:5:18: settings.join_throttle",
            "the file has no `redis`; add `redis: redis://host:port/`",
        ),
        (
            "redis: redis://a/\nsettings:\n  join_throttle: {local_shared: {processes: 4}}\n  join_limit: {joins: 3}\n",
            "settings.join_throttle",
            "4 processes cannot share 3 joins",
        ),
        (
            "settings:\n  join_throttle: {local_shared: {}}\n",
            "settings.join_throttle",
            "missing field `processes`",
        ),
        (
            "settings:\n  join_limit: {window: 50ms}\n",
            "settings.join_limit.window",
            "expected 100ms to 10m",
        ),
    ];
    for (text, place, part) in table {
        let message = refused(text);
        assert!(message.contains(place) && message.contains(part), "{text}: {message}");
    }
}

#[test]
fn a_blind_or_misled_breaker_is_rejected_with_a_remedy() {
    let table = [
        (
            "settings:\n  requests: {deadline: 1062ms}\n  breaker: {scope: shard, slow_call: 1s}\n",
            "hotchat.yaml:6:38: settings.breaker.slow_call",
            "with a `requests.deadline` of 1062ms the breaker would detect nothing",
            "lower `breaker.slow_call`, or raise `requests.deadline`",
        ),
        (
            "settings:\n  breaker: {scope: global, slow_call: 300ms}\n  bulkhead: {scope: shard, wait: 300ms}\n",
            "hotchat.yaml:6:34: settings.bulkhead.wait",
            "a wait of up to 300ms for the bulkhead",
            "lower `bulkhead.wait` below `breaker.slow_call`",
        ),
    ];
    for (text, place, why, what_to_do) in table {
        let message = refused(text);
        let told = [place, why, what_to_do].iter().all(|part| message.contains(part));
        assert!(told, "{text}: {message}");
    }
    for accepted in [
        "settings:\n  requests: {deadline: 1063ms}\n  breaker: {scope: shard, slow_call: 1s}\n",
        "settings:\n  requests: {deadline: 500ms}\n  breaker: {scope: none, slow_call: 1s}\n  bulkhead: {scope: shard, wait: 2s}\n",
        "settings:\n  breaker: {scope: shard, slow_call: 1s}\n  bulkhead: {scope: none, wait: 2s}\n",
        "settings:\n  breaker: {scope: shard, slow_call: 1s}\n  bulkhead: {scope: shard, wait: 999ms}\n",
    ] {
        assert!(parse("x", &format!("{HEAD}{accepted}")).is_ok(), "{accepted}");
    }
}

#[test]
fn an_admission_policy_that_cannot_work_is_rejected_with_a_remedy() {
    let table = [
        (
            "policy: {codel: {target: 200ms}}",
            "hotchat.yaml:6:30: settings.requests.policy.codel.target",
            "200ms under overload is more than the 100ms without one",
        ),
        (
            "policy: {gradient: {min: 20}}, in_progress: 10",
            "settings.requests.policy.gradient.min",
            "expected at most the 10 of `requests.in_progress`",
        ),
        (
            "policy: {dagor: {queue_delay: 500ms}}",
            "settings.requests.policy.dagor.queue_delay",
            "cannot be seen with a `requests.wait` of 500ms",
        ),
        (
            "policy: {gradient: {tolerance: 0.5}}",
            "settings.requests.policy.gradient.tolerance",
            "expected 1 to 10",
        ),
        (
            "policy: {gradient: {backoff: 1}}",
            "settings.requests.policy.gradient.backoff",
            "expected 0.01 to 0.99",
        ),
        (
            "policy: {dagor: {up: 0}}",
            "settings.requests.policy.dagor.up",
            "expected 0.01 to 1",
        ),
        ("policy: lifo", "settings.requests.policy", "bounded_fifo"),
    ];
    for (requests, place, part) in table {
        let message = refused(&format!("settings:\n  requests: {{\n    {requests}}}\n"));
        assert!(
            message.contains(place) && message.contains(part),
            "{requests}: {message}"
        );
    }
    for accepted in [
        "policy: bounded_fifo",
        "policy: {codel: {target: 100ms}}, wait: 1s",
        "policy: {gradient: {min: 10}}, in_progress: 10",
        "policy: {dagor: {queue_delay: 500ms}}, waiting: 0",
    ] {
        let text = format!("{HEAD}settings:\n  requests: {{{accepted}}}\n");
        assert!(parse("x", &text).is_ok(), "{accepted}");
    }
}

#[test]
fn at_most_ten_milliseconds_are_burnt() {
    let message = refused("settings:\n  burn_cpu: 11ms\n");
    let (place, part) = (
        "hotchat.yaml:5:13: settings.burn_cpu",
        "11ms is out of range, expected 0s to 10ms",
    );
    assert!(message.contains(place) && message.contains(part), "{message}");
    assert!(parse("x", &format!("{HEAD}settings:\n  burn_cpu: 10ms\n")).is_ok());
}

#[test]
fn a_mistake_is_reported_with_place_key_and_allowed_values() {
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
            "settings:\n  hot_chat: {release: 0}\n",
            "hotchat.yaml:5:23: settings.hot_chat.release",
            "0 is out of range, expected 0.01 to 1",
        ),
        (
            "settings:\n  push_throttle: {fixed: {drop: .nan}}\n",
            "settings.push_throttle.fixed.drop",
            "expected 0 to 1",
        ),
        (
            "settings:\n  push_throttle:\n    fixed: {drop: 0.9}\n",
            "hotchat.yaml:6:5: settings.push_throttle",
            "add `redis: redis://host:port/`",
        ),
        (
            "settings:\n  push_throttle: half\n",
            "settings.push_throttle",
            "expected one of none, fixed",
        ),
        (
            "settings:\n  push_overrides: {never: [3, 4, 3]}\n",
            "settings.push_overrides.never",
            "value 2 (counted from 0) is a duplicate",
        ),
        (
            "settings:\n  labels: {apps: [other]}\n",
            "settings.labels.apps",
            "is reserved for unlisted values",
        ),
        ("redis: http://x\n", "hotchat.yaml:4:8: redis", "redis://host:port/"),
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
}

#[test]
fn labels_are_bounded_together() {
    let countries: Vec<String> = (0..200).map(|at| format!("c{at}")).collect();
    let message = refused(&format!(
        "settings: {{labels: {{apps: [a, b], countries: {countries:?}}}}}\n"
    ));
    assert!(
        message.contains("hotchat.yaml:4:20: settings.labels: 603 combinations"),
        "{message}"
    );
    let message = refused(&format!("settings: {{labels: {{apps: {:?}}}}}\n", &countries[..21]));
    assert!(
        message.contains("21 values are too many, expected at most 20"),
        "{message}"
    );
}

#[test]
fn secrets_and_shards_are_validated_on_reading() {
    let message = parse("x", "secret: short\nadmin_token: long-enough\nshards: [a]")
        .unwrap_err()
        .to_string();
    assert!(message.contains("at least 8 bytes"), "{message}");
    let message = parse("x", "secret: long-enough\nadmin_token: long-enough\nshards: []")
        .unwrap_err()
        .to_string();
    assert!(message.contains("1 to 64 shards"), "{message}");
    for (key, wrong) in [
        ("shards", "mysql://u:hidden@h/d"),
        ("redis", "http://u:hidden@h/"),
        ("secret", "[hidden]"),
    ] {
        let text = HEAD
            .lines()
            .filter(|line| !line.starts_with(key))
            .collect::<Vec<_>>()
            .join("\n");
        let message = parse("x", &format!("{text}\n{key}: {wrong}\n"))
            .unwrap_err()
            .to_string();
        assert!(message.contains(key) && !message.contains("hidden"), "{message}");
    }
}

#[test]
fn a_push_throttle_is_accepted_with_redis() {
    let text = "redis: redis://127.0.0.1:6379/\nsettings: {push_throttle: {fixed: {drop: 1}}, trailing_push: none}\n";
    let config = parse("x", &format!("{HEAD}{text}")).unwrap();
    let PushThrottle::Fixed(fixed) = config.settings.push_throttle else {
        panic!("{:?}", config.settings.push_throttle)
    };
    assert!((fixed.drop.get() - 1.0).abs() < f64::EPSILON);
    assert_eq!(config.settings.trailing_push, TrailingPush::None);
    let written = serde_json::to_value(&config.settings).unwrap();
    assert_eq!(
        written["push_throttle"],
        serde_json::json!({ "fixed": { "drop": 1.0 } })
    );
    assert!(!format!("{config:?}").contains("6379"), "a URL may hold a password");
}

#[test]
fn the_checked_in_schema_matches_the_settings() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/settings.schema.json");
    let checked_in = std::fs::read_to_string(file).unwrap();
    assert_eq!(
        checked_in.trim_end(),
        schema(),
        "regenerate it: cargo run -p hotchat -- --schema > {file}"
    );
}

#[test]
fn unusable_notifications_are_rejected_with_a_remedy() {
    let table = [
        (
            "{gateway: {}}",
            "hotchat.yaml:5:21: settings.notify.gateway",
            "expected the form http://host:port",
        ),
        (
            "{gateway: {url: 127.0.0.1:9}}",
            "settings.notify.gateway.url",
            "http://host:port",
        ),
        (
            "{gateway: {url: 'https://a:9'}}",
            "settings.notify.gateway.url",
            "needs `trust: FILE`",
        ),
        (
            "{gateway: {url: 'http://a:9', trust: a.pem}}",
            "settings.notify.gateway.trust",
            "leave `trust` out",
        ),
        (
            "{gateway: {url: 'http://a:9', connections: {max: 2}}}",
            "settings.notify.gateway.connections",
            "cannot be divided between three roles",
        ),
        (
            "{gateway: {url: 'http://a:9', request_timeout: 1s, breaker: {scope: queue, slow_call: 1s}}}",
            "settings.notify.gateway.breaker.slow_call",
            "raise `request_timeout`",
        ),
        (
            "{gateway: {url: 'http://a:9', conections: unbounded}}",
            "settings.notify.gateway",
            "protocol, connections",
        ),
        ("{gatway: {}}", "settings.notify", "gateway"),
    ];
    for (notify, place, part) in table {
        let message = refused(&format!("settings:\n  notify: {notify}\n"));
        assert!(message.contains(place) && message.contains(part), "{notify}: {message}");
    }
    for accepted in [
        "none",
        "{gateway: {url: 'http://a:9'}}",
        "{gateway: {url: 'http://a:9', queues: shared, connections: {max: 1}}}",
        "{gateway: {url: 'http://a:9', connections: unbounded, audience: {message: {first: 3}, reaction: none}}}",
        "{gateway: {url: 'https://a:9', trust: a.pem, protocol: h2}}",
    ] {
        let text = format!("{HEAD}settings:\n  notify: {accepted}\n");
        assert!(parse("x", &text).is_ok(), "{accepted}");
    }
}
