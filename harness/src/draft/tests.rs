//! Whole drafts: what is written of realistic sources, and that `bmt check` takes all that is ever written.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::workload::{self, Overrides, Workload};

const HAR: &str = r#"{"log": {"version": "1.2", "creator": {"name": "WebInspector"}, "entries": [
  {"startedDateTime": "2026-01-02T10:00:00.000Z", "_resourceType": "document",
   "request": {"method": "GET", "url": "https://shop.example/items/17?ref=mail&page=1", "headers": [
      {"name": "Accept", "value": "text/html"}, {"name": "Cookie", "value": "sid=s3cr3t-cookie"},
      {"name": "User-Agent", "value": "Mozilla/5.0"}, {"name": ":authority", "value": "shop.example"}]},
   "response": {"status": 200, "content": {"mimeType": "text/html"}}},
  {"request": {"method": "GET", "url": "https://shop.example/items/23?ref=mail&page=2", "headers": []},
   "response": {"status": 304, "content": {"mimeType": "text/html"}}},
  {"request": {"method": "GET", "url": "https://shop.example/static/app.js", "headers": []},
   "response": {"status": 200, "content": {"mimeType": "application/javascript"}}},
  {"request": {"method": "GET", "url": "https://tracker.example/p?x=1", "headers": []}, "response": {"status": 204}},
  {"request": {"method": "POST", "url": "https://shop.example/api/orders", "headers": [
      {"name": "Content-Type", "value": "application/json"}, {"name": "Authorization", "value": "Bearer s3cr3t-token"},
      {"name": "Accept", "value": "application/json"}],
    "postData": {"mimeType": "application/json",
      "text": "{\"item\": 17, \"note\": \"{{gift}}\", \"card\": {\"pin\": \"s3cr3t-pin\"}}"}},
   "response": {"status": 201, "content": {"mimeType": "application/json"}}}
]}}"#;

/// A shop's log of an hour and ten minutes: 60 requests a minute, 300 in one of them.
fn log() -> String {
    let mut log = String::new();
    for second in 0..4200 {
        let (minute, of_minute) = (second / 60, second % 60);
        let time = format!(
            "[01/May/2026:{:02}:{:02}:{of_minute:02} +0900]",
            20 + minute / 60,
            minute % 60
        );
        let repeated = if minute == 61 { 5 } else { 1 };
        for times in 0..repeated {
            let number = second * 5 + times;
            let (request, status) = match number % 10 {
                0 => ("POST /orders HTTP/1.1".to_owned(), 201),
                1 => ("GET /static/logo.png HTTP/1.1".to_owned(), 200),
                2 | 3 => (format!("GET /search?q=word{}&token=s3cr3t HTTP/1.1", number % 3), 200),
                4 if second == 8 => ("GET /login HTTP/1.1".to_owned(), 302),
                _ => (
                    format!("GET /items/{} HTTP/1.1", number % 40 + 1),
                    if second % 50 == 1 { 404 } else { 200 },
                ),
            };
            let _ = writeln!(
                log,
                "10.0.0.1 - - {time} \"{request}\" {status} 512 \"-\" \"curl/8.5.0\""
            );
        }
    }
    log.push_str("10.0.0.2 - - [01/May/2026:21:10:00 +0900] \"\\x16\\x03\" 400 0 \"-\" \"-\"\n");
    log
}

const OPENAPI: &str = "
openapi: 3.0.3
info: {title: Pets, version: '1'}
servers: [{url: 'http://pets.example:8080/v1'}]
security: [{login: []}]
paths:
  /pets:
    get:
      operationId: listPets
      security: []
      parameters:
        - {name: status, in: query, required: true, schema: {type: string, enum: [available, sold]}}
        - {name: limit, in: query, schema: {type: integer}}
      responses: {200: {description: ok}, default: {description: error}}
    post:
      operationId: createPet
      requestBody:
        content:
          application/json: {schema: {$ref: '#/components/schemas/Pet'}}
      responses: {'201': {description: made}, '200': {description: there}}
  /pets/{petId}:
    parameters:
      - {name: petId, in: path, required: true, schema: {type: integer, minimum: 1, maximum: 500}}
    get: {responses: {'200': {description: ok}}}
    delete: {operationId: deletePet, responses: {'204': {description: gone}}}
    put:
      requestBody: {content: {multipart/form-data: {}}}
      responses: {'200': {description: ok}}
components:
  securitySchemes: {login: {type: http, scheme: bearer}}
  schemas:
    Pet:
      type: object
      required: [name, parent, tags]
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string}
        parent: {nullable: true, example: null}
        tags: {type: array, items: {$ref: '#/components/schemas/Tag'}}
    Tag: {type: string, format: uuid}
";

fn made<'a>(source: &'a str, command: &'a str, file: Option<&'a str>) -> Made<'a> {
    Made {
        name: "mine",
        source,
        command,
        file,
    }
}

/// Drafts to a file in a folder of its own, and has it judged there.
fn judged(found: &Found) -> (Drafted, Workload) {
    let folder = tempfile::tempdir().unwrap();
    let drafted = write(found, &made("a source", "bmt init", Some("mine.yaml")));
    for (name, content) in &drafted.files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let file = folder.path().join("mine.yaml");
    let accepted = workload::parse(file.to_str().unwrap(), &drafted.text, &Overrides::default());
    let workload = accepted.unwrap_or_else(|mistakes| panic!("{mistakes}\n{}", drafted.text));
    let printed = write(found, &made("a source", "bmt init", None));
    assert_eq!(printed.files, []);
    let printed = workload::parse("mine.yaml", &printed.text, &Overrides::default());
    printed.unwrap_or_else(|mistakes| panic!("printed: {mistakes}\n{}", drafted.text));
    (drafted, workload)
}

#[test]
fn a_recording_becomes_a_workload_without_its_secrets() {
    let found = from_har(HAR.as_bytes()).unwrap();
    let drafted = write(&found, &made("shop.har", "bmt init --har shop.har", None));
    insta::assert_snapshot!(drafted.text);
    let (drafted, workload) = judged(&found);
    assert!(!drafted.text.contains("s3cr3t"), "{}", drafted.text);
    assert_eq!(workload.traffic.len(), 2);
    assert_eq!(
        drafted.files,
        [("mine-item_id.csv".to_owned(), b"value\n\"17\"\n\"23\"\n".to_vec())]
    );
}

#[test]
fn a_log_becomes_a_workload_with_its_rates_and_values() {
    let found = from_access_log(log().as_bytes()).unwrap();
    let drafted = write(
        &found,
        &made(
            "access.log",
            "bmt init --access-log access.log --out mine.yaml",
            Some("mine.yaml"),
        ),
    );
    insta::assert_snapshot!(drafted.text);
    let files = drafted.files.iter();
    let files: Vec<(&str, &str)> = files
        .map(|(name, content)| (name.as_str(), std::str::from_utf8(content).unwrap()))
        .collect();
    let [("mine-item_id.csv", items), ("mine-q.csv", words)] = &files[..] else {
        panic!("{files:?}");
    };
    assert!(
        items.starts_with("value\n\"16\"\n\"26\"\n"),
        "the most frequent first: {items}"
    );
    assert_eq!(items.lines().count(), 25);
    assert_eq!(*words, "value\n\"word0\"\n\"word1\"\n\"word2\"\n");
    let (_, workload) = judged(&found);
    let highest = workload
        .profile
        .phases()
        .iter()
        .map(|phase| phase.rate)
        .fold(0.0, f64::max);
    // 300 requests in the busiest minute, a tenth of them for a static file.
    assert_eq!(highest, 4.5);
}

#[test]
fn a_log_of_json_says_the_same_as_one_of_lines() {
    let mut json = String::new();
    let combined = log();
    for line in combined.lines() {
        let Some((before, rest)) = line.split_once("] \"") else {
            continue;
        };
        let (time, rest) = (before.rsplit_once('[').unwrap().1, rest.split_once('"').unwrap());
        let status = rest.1.split_whitespace().next().unwrap();
        let request = serde_json::Value::from(rest.0);
        let _ = writeln!(
            json,
            "{{\"time_local\": \"{time}\", \"request\": {request}, \"status\": \"{status}\"}}"
        );
    }
    assert_eq!(from_access_log(json.as_bytes()), from_access_log(combined.as_bytes()));
}

#[test]
fn a_document_becomes_an_entry_for_each_operation() {
    let found = from_openapi(OPENAPI).unwrap();
    let drafted = write(
        &found,
        &made(
            "pets.yaml",
            "bmt init --openapi pets.yaml --out mine.yaml",
            Some("mine.yaml"),
        ),
    );
    insta::assert_snapshot!(drafted.text);
    let (drafted, workload) = judged(&found);
    assert_eq!(drafted.files.len(), 1);
    assert_eq!(workload.traffic.len(), 5);
}

#[test]
fn commands_of_curl_become_requests() {
    let commands = [
        "curl http://127.0.0.1:8080/items/17",
        "$ curl -sSL -XPUT 'localhost:8080/a b?x={1}' -d 'a=1&b=two+words' -u ann:s3cr3t",
        "curl 'http://h/api/orders' \\\n  -H 'content-type: application/json' -H 'X-Tenant: eu' \\\n  -H 'authorization: Bearer s3cr3t' \\\n  --data-raw $'{\"name\":\"it\\'s\",\"password\":\"s3cr3t\"}' --compressed -k",
        "curl -G http://h/search --data-urlencode 'q=a b' -d api_key=s3cr3t -b 'sid=s3cr3t'",
        "curl -I -A tester -e http://h/ http://u:s3cr3t@h/",
        "curl --json '{\"a\":' --json '[1]}' http://h/j",
        "curl -d @body.json -X PATCH http://h/f",
        "curl -H 'content-type: text/xml' -d '<a>{{b}}</a>' http://h/x",
    ];
    let mut all = String::new();
    for command in commands {
        let found = from_curl(command).unwrap_or_else(|error| panic!("{command}: {error}"));
        let (drafted, _) = judged(&found);
        let (_, traffic) = drafted.text.split_once("\ntraffic:\n").unwrap();
        let (traffic, _) = traffic.split_once("\nvariants:").unwrap();
        let _ = writeln!(all, "{traffic}");
        assert!(!drafted.text.contains("s3cr3t"), "{}", drafted.text);
    }
    insta::assert_snapshot!(all);
}

#[test]
fn what_cannot_be_read_is_told_with_what_is_expected() {
    let told = |error: DraftError| format!("{:?} {error}", error.line);
    let curl = |command: &str| told(from_curl(command).unwrap_err());
    let log = |text: &str| told(from_access_log(text.as_bytes()).unwrap_err());
    let all = [
        told(from_har(b"{\"log\":\n{}}").unwrap_err()),
        told(from_har(b"{\"log\": {\"entries\": []}}").unwrap_err()),
        log(""),
        log("\nhello\n"),
        log("h - - [x] \"GET /a.css HTTP/1.1\" 200 1\n"),
        told(from_access_log(&[0x1f, 0x8b, 8][..]).unwrap_err()),
        told(from_openapi("a: [\n").unwrap_err()),
        told(from_openapi("{\n\"a\"").unwrap_err()),
        told(from_openapi("swagger: '2.0'").unwrap_err()),
        told(from_openapi("openapi: 3.1.0").unwrap_err()),
        curl("wget http://h/"),
        curl("curl"),
        curl("curl --form a=b http://h/"),
        curl("curl -sZ http://h/"),
        curl("curl http://h/ -H"),
        curl("curl http://h/ http://i/"),
        curl("curl -X BREW http://h/"),
        curl("curl ftp://h/"),
        curl("curl http://h/a.css"),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn rare_kinds_are_summed_and_named() {
    let mut log = String::new();
    for kind in 0..16_u8 {
        let word = char::from(b'a' + kind);
        for _ in 0..=kind {
            let _ = writeln!(log, "h - - [01/May/2026:20:00:00 +0000] \"GET /{word} HTTP/1.1\" 200 1");
        }
    }
    let found = from_access_log(log.as_bytes()).unwrap();
    let note =
        "Left out: 7.4 % of the requests, of kinds rarer than these: GET /d (4), GET /c (3), GET /b (2), GET /a (1).";
    assert!(found.notes[0].starts_with(note), "{:?}", found.notes);
    assert_eq!(judged(&found).1.traffic.len(), 12);
}

fn address() -> impl Strategy<Value = String> {
    let part = prop_oneof!["[a-z]{1,5}", "[0-9]{1,4}", "\\PC{0,8}", "[{}%+\"#: ]{1,4}"];
    prop::collection::vec(part, 0..5).prop_map(|parts| format!("/{}", parts.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = (from_har(&bytes), from_access_log(&bytes[..]), from_openapi(&text), from_curl(&text));
        let _ = (from_openapi(&format!("openapi: 3.0.0\n{text}")), from_curl(&format!("curl {text}")));
    }

    #[test]
    fn every_draft_of_a_log_is_valid(addresses in prop::collection::vec((address(), 100..700_u16), 1..40)) {
        let mut log = String::new();
        for (at, (address, status)) in addresses.iter().enumerate() {
            let method = ["GET", "POST", "DELETE", "HEAD"][at % 4];
            let _ = writeln!(log, "h - - [01/May/2026:20:00:00 +0000] \"{method} {address}?a={at}&{address} HTTP/1.1\" {status} 1");
        }
        if let Ok(found) = from_access_log(log.as_bytes()) {
            judged(&found);
        }
    }

    #[test]
    fn every_draft_of_a_recording_is_valid(
        address in address(), header in "\\PC{0,12}", value in any::<String>(), body in any::<String>(), media in 0..5_usize,
    ) {
        let media = ["application/json", "application/x-www-form-urlencoded", "text/plain", "", "a/\u{1}b"][media];
        let json = serde_json::json!({"k{{": body, "list": [value, {header.clone(): null}]}).to_string();
        for text in [body, json] {
            let har = serde_json::json!({"log": {"entries": [{
                "request": {"method": "POST", "url": format!("http://h{address}"),
                    "headers": [{"name": header, "value": value}, {"name": "accept", "value": value}],
                    "postData": {"mimeType": media, "text": text}},
                "response": {"status": 200},
            }]}});
            if let Ok(found) = from_har(har.to_string().as_bytes()) {
                judged(&found);
            }
        }
    }

    #[test]
    fn every_draft_of_a_document_is_valid(
        path in address(), name in "\\PC{0,10}", kind in "(string|integer|boolean|array|)", text in any::<String>(),
        minimum in any::<i64>(), maximum in any::<f64>(),
    ) {
        let schema = serde_json::json!({"type": kind, "minimum": minimum, "maximum": maximum, "example": text.get(..1)});
        let parameters = serde_json::json!([
            {"name": name, "in": "path", "schema": schema},
            {"name": name, "in": "query", "required": true, "schema": {"type": kind, "enum": [text, minimum]}},
            {"name": name, "in": "header", "required": true, "example": text},
        ]);
        let content = serde_json::json!({"schema": {"properties": {name.clone(): {"const": text}}}});
        let operation = serde_json::json!({
            "operationId": name, "parameters": parameters, "security": [{name.clone(): []}],
            "requestBody": {"content": {format!("application/{name}+json"): content}},
        });
        let document = serde_json::json!({
            "openapi": "3.1.0", "servers": [{"url": format!("http://h{path}")}],
            "paths": {format!("/{path}/{{{name}}}"): {"post": operation, "get": operation}},
        });
        judged(&from_openapi(&document.to_string()).unwrap());
        let yaml = format!("openapi: 3.0.0\npaths: {{/a: {{get: {{operationId: {}}}}}}}", yaml::quoted(&name));
        judged(&from_openapi(&yaml).unwrap());
    }

    #[test]
    fn every_draft_of_a_command_is_valid(address in address(), header in any::<String>(), data in any::<String>()) {
        let word = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let command = format!("curl {} -H {} -d {} --compressed", word(&format!("http://h{address}")), word(&header), word(&data));
        if let Ok(found) = from_curl(&command) {
            judged(&found);
        }
        if let Ok(found) = from_curl(&format!("{command} -A {} -e {0} -G", word(&header))) {
            judged(&found);
        }
    }
}
