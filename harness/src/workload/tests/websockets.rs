//! What is said of WebSocket connections that are not to be made out.

use std::time::Duration;

use super::*;

const LIVE: &str = "
name: live
question: Does it hold?
profile: {kind: constant, target: 0/s, hold: 4s, warm_up: 2s}
data: {id: {range: 1..1000}}
traffic:
  watch:
    websocket: '/live?room={{id}}'
    hold: 300
    connect: 200/s
    headers: {x-key: '{{uuid}}'}
    send: {every: 10s, text: 'ping {{uuid}}'}
    answer: {within: 2s, json: /seq}
variants: [{name: only}]
";

#[test]
fn a_websocket_is_what_was_written() {
    let workload = parse("w.yaml", LIVE, &Overrides::default()).unwrap();
    let websocket = workload.traffic[0].websocket().unwrap();
    assert_eq!(
        (websocket.hold, workload.online(), workload.members_online()),
        (300, 300, 0)
    );
    assert!((websocket.rate() - 30.0).abs() < 1e-9);
    let says = websocket.says.as_ref().unwrap();
    assert_eq!((says.every.as_secs(), says.within), (10, Duration::from_secs(2)));
    assert_eq!(says.answer.as_ref().unwrap().body.len(), 1);
    assert_eq!(workload.profile.end(), Duration::from_secs(6), "nothing has to settle");
    let plain = LIVE.replace("    answer: {within: 2s, json: /seq}\n", "    answer: {}\n");
    let workload = parse("w.yaml", &plain, &Overrides::default()).unwrap();
    let says = workload.traffic[0].websocket().unwrap().says.clone().unwrap();
    assert_eq!(says.within, workload.generator().timeout.0);
    assert!(says.answer.unwrap().body.is_empty(), "any message is one");
}

/// What is changed, into what, and what is told of it.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("hold: 300\n", "hold: 0\n", "traffic.watch.hold: 0 is out of range"),
    (
        "    hold: 300\n",
        "",
        "traffic.watch.hold: it is not said how many connections are held",
    ),
    (
        "connect: 200/s",
        "connect: 0/s",
        "traffic.watch.connect: at `0/s` no connection would ever be opened",
    ),
    (
        "connect: 200/s",
        "connect: 100/s",
        "traffic.watch.connect: opening them takes 3.0 s, and the warm-up ends after 2.0 s",
    ),
    (
        "every: 10s",
        "every: 0s",
        "traffic.watch.send.every: every `0s` is too often for one connection",
    ),
    (
        "text: 'ping {{uuid}}'",
        "text: a, json: b",
        "traffic.watch.send: there is a `text` as well as a `json`",
    ),
    (
        ", text: 'ping {{uuid}}'",
        "",
        "traffic.watch.send: it is not said what is sent",
    ),
    (
        "{{uuid}}'}\n    answer",
        "{{idd}}'}\n    answer",
        "traffic.watch.send.text: there is no value `idd`",
    ),
    (
        "    send: {every: 10s, text: 'ping {{uuid}}'}\n",
        "",
        "traffic.watch.answer: nothing is sent that it could be the answer to",
    ),
    (
        "within: 2s",
        "within: 20s",
        "traffic.watch.answer.within: `20s` is longer than anything is waited for",
    ),
    (
        "within: 2s",
        "within: 0s",
        "traffic.watch.answer.within: `0s` is no time at all",
    ),
    (
        "json: /seq",
        "json: seq",
        "traffic.watch.answer.json: `seq` is not a pointer into JSON",
    ),
    (
        "json: /seq",
        "json: /seq, contains: x",
        "traffic.watch.answer: it is not clear what the body has to be like",
    ),
    ("json: /seq", "jsno: /seq", "traffic.watch.answer.jsno"),
    (
        "hold: 300\n",
        "hold: 300\n    share: 1\n",
        "a WebSocket has no rate of its own",
    ),
    (
        "hold: 300\n",
        "hold: 300\n    rate: 1/s\n",
        "a WebSocket has no rate of its own",
    ),
    (
        "hold: 300\n",
        "hold: 300\n    retry: {}\n",
        "traffic.watch.retry: a WebSocket has no such thing",
    ),
    (
        "hold: 300\n",
        "hold: 300\n    check: {status: 200}\n",
        "traffic.watch.check: a WebSocket has no such thing",
    ),
    (
        "hold: 300\n",
        "hold: 300\n    cookies: true\n",
        "only sessions keep cookies",
    ),
    (
        "hold: 300\n",
        "hold: 300\n    request: {get: /}\n",
        "needs either `operation`, `request`, `steps` or `websocket`",
    ),
    (
        "websocket: '/live?room={{id}}'",
        "request: {get: /}\n    rate: 1/s",
        "traffic.watch.hold: only an entry with `websocket` has this",
    ),
    (
        "websocket: '/live?room={{id}}'",
        "request: {get: /}\n    rate: 1/s",
        "traffic.watch.headers: only an entry with `websocket` has this",
    ),
    (
        "'/live?room={{id}}'",
        "live",
        "traffic.watch.websocket: `live` is not a path",
    ),
    (
        "x-key:",
        "Upgrade:",
        "traffic.watch.headers.Upgrade: `Upgrade` is what bmt says itself",
    ),
    (
        "x-key:",
        "Sec-WebSocket-Key:",
        "traffic.watch.headers.Sec-WebSocket-Key: `Sec-WebSocket-Key` is what bmt says itself",
    ),
    (
        "range: 1..1000",
        "range: 1..299, pick: once",
        "data.id.pick: `watch` may send 300 requests in a cell, and there are 299 rows",
    ),
    (
        "hold: 300\n",
        "hold: 300\n    chats: x\n",
        "traffic.watch.chats: a plain request is not done to a chat",
    ),
    (
        "    send: {every: 10s, text: 'ping {{uuid}}'}\n    answer: {within: 2s, json: /seq}\n",
        "gates: [{metric: error_share, operation: watch, at_most: 1%}]\n",
        "gates.0.operation: `watch` sends nothing that could be judged",
    ),
    ("target: 0/s", "target: 10/s", "traffic: the shares add up to 0"),
];

#[test]
fn mistakes_about_websockets_are_told_with_their_place() {
    let mut missed = Vec::new();
    for (from, to, told) in MISTAKES {
        assert!(LIVE.contains(from), "{from}");
        let text = LIVE.replacen(from, to, 1);
        let mistakes = refused(&text, &[]);
        if !mistakes.contains(told) {
            missed.push(format!("{to}: {told}\n{mistakes}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    let once = LIVE
        .replace("range: 1..1000", "range: 1..1000, pick: once")
        .replace("ping {{uuid}}", "{{id}}");
    let told = refused(&once, &[]);
    assert!(
        told.contains("`watch` takes a row for each text that it sends"),
        "{told}"
    );
}

#[test]
fn nothing_is_offered_by_a_profile_only_where_nobody_takes_a_part_of_it() {
    let told = refused(
        &GOOD.replace("base: 100/s, target: 1000/s", "base: 0/s, target: 0/s"),
        &[],
    );
    assert!(told.contains("profile.target: `0/s` offers nothing"), "{told}");
}
