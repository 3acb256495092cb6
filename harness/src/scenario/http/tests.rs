use serde_json::json;

use super::*;
use crate::scenario::Scenarios;
use crate::template::{BodyCheck, Escape, Must, Pick, RequestTemplate, Rows, Source, Table, Template, compile_json};

fn sources() -> Sources {
    let users = Table::from_csv(b"name,token\nann,a b\nbob,c\n").unwrap();
    Sources::new(
        vec![
            Source::new("id", Rows::Range("7..9".parse().unwrap()), Pick::InTurn),
            Source::new("users", Rows::Table(users), Pick::InTurn),
        ],
        vec![],
    )
}

fn template(text: &str, escape: Escape) -> Template {
    Template::compile(text, &sources(), escape).unwrap()
}

fn arrival(flow: usize, ordinal: u64) -> Arrival {
    Arrival {
        intended_ns: 7,
        flow,
        ordinal,
        item: 0,
    }
}

fn ask(method: Method, path: &str) -> Ask {
    Ask {
        request: RequestTemplate {
            method,
            path: template(path, Escape::Url),
            headers: vec![],
            body: None,
        },
        check: Check::default(),
    }
}

fn plan(entries: Vec<Option<Ask>>) -> HttpPlan {
    HttpPlan {
        to: Origin::new("h:80", "/base"),
        entries: entries.into(),
        headers: Arc::new([]),
        sources: Arc::new(sources()),
        seed: 1,
    }
}

fn written(plan: &HttpPlan, arrival: &Arrival) -> String {
    String::from_utf8(plan.preview(arrival)).unwrap()
}

#[test]
fn a_request_goes_out_with_the_values_of_its_arrival() {
    let mut order = ask(Method::Post, "/orders/{{users.name}}?n={{id}}");
    order.request.headers = vec![
        (
            "authorization".to_owned(),
            template("Bearer {{users.token}}", Escape::Plain),
        ),
        ("content-type".to_owned(), template("application/json", Escape::Plain)),
    ];
    let body = compile_json(&json!({"item": "{{id}}", "for": "{{users.token}}"}), &sources()).unwrap();
    order.request.body = Some(Body::Template(body));
    let plan = plan(vec![None, Some(order)]);
    assert_eq!(
        written(&plan, &arrival(1, 3)),
        "POST /base/orders/bob?n=7 HTTP/1.1\r\nhost: h:80\r\nauthorization: Bearer c\r\ncontent-type: application/json\r\n\
         content-length: 20\r\n\r\n{\"item\":7,\"for\":\"c\"}"
    );
}

#[test]
fn what_may_have_a_body_and_has_none_says_so() {
    let entries = [Method::Get, Method::Head, Method::Post, Method::Delete].map(|method| Some(ask(method, "/x")));
    let plan = plan(entries.into());
    for (flow, line, has_length) in [
        (0, "GET", false),
        (1, "HEAD", false),
        (2, "POST", true),
        (3, "DELETE", false),
    ] {
        let request = written(&plan, &arrival(flow, 0));
        assert!(
            request.starts_with(&format!("{line} /base/x HTTP/1.1\r\n")),
            "{request}"
        );
        assert_eq!(request.contains("content-length: 0\r\n"), has_length, "{request}");
    }
    let shared: Arc<dyn ScenarioPlan> = Arc::new(plan);
    let mut scenarios = Scenarios::new(&[shared], [0; 4].into(), 0, 1);
    let mut request = Request::new();
    for (flow, is_head, is_repeatable) in [(0, false, true), (1, true, true), (2, false, false), (3, false, false)] {
        let wanted = scenarios.begin(&Call::of(arrival(flow, 0)), &mut request);
        assert_eq!((wanted.is_head, wanted.is_repeatable), (is_head, is_repeatable));
        assert!(!wanted.reads_answer);
        assert_eq!(scenarios.place(&arrival(flow, 0)).series, 2 * flow);
    }
}

#[test]
fn a_check_makes_a_success_wrong_and_a_failure_right_and_leaves_rejections_alone() {
    let check = Check {
        status: vec![200, 404],
        body: vec![BodyCheck::Json {
            pointer: "/price".to_owned(),
            must: Must::BeAbove(0.0),
        }],
    };
    for (outcome, status, body, judged_as) in [
        (Outcome::Ok, 200, r#"{"price":1}"#, Outcome::Ok),
        (Outcome::Ok, 200, r#"{"price":0}"#, Outcome::WrongAnswer),
        (Outcome::Ok, 201, r#"{"price":1}"#, Outcome::WrongAnswer),
        (Outcome::ClientError, 404, r#"{"price":1}"#, Outcome::Ok),
        (Outcome::ClientError, 404, "", Outcome::WrongAnswer),
        (Outcome::ClientError, 400, r#"{"price":1}"#, Outcome::ClientError),
        (Outcome::Throttled, 429, r#"{"price":1}"#, Outcome::Throttled),
        (Outcome::Timeout, 0, "", Outcome::Timeout),
    ] {
        let answer = Answer {
            status,
            head: b"",
            body: body.as_bytes(),
        };
        assert_eq!(judged(&check, outcome, &answer), judged_as, "{status} {body}");
        let asked = Check {
            status: vec![429],
            body: vec![],
        };
        assert_eq!(
            judged(&asked, outcome, &answer) == Outcome::Ok,
            status == 429,
            "{status}"
        );
        let unchecked = judged(&Check::default(), outcome, &answer);
        assert_eq!(unchecked, outcome, "{status} {body}");
    }
}
