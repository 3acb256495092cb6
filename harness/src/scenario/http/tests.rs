use serde_json::json;

use super::*;
use crate::scenario::Scenarios;
use crate::template::{
    BodyCheck, Capture, CaptureFrom, Escape, HeaderCheck, HeaderMust, Must, Pick, Rows, Source, Table, Template,
    compile_json,
};

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
        host: 0,
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
        to: Arc::new([Origin::new("h:80", "/base")]),
        entries: entries.into_iter().map(|ask| ask.map(Entry::Single)).collect(),
        headers: Arc::new([]),
        sources: Arc::new(sources()),
        seed: 1,
    }
}

fn written(plan: &HttpPlan, arrival: &Arrival) -> String {
    let [preview] = &plan.preview(arrival)[..] else {
        panic!("a single request");
    };
    String::from_utf8(preview.bytes.clone()).unwrap()
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
        ..Check::default()
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
            ..Check::default()
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

#[test]
fn a_header_that_is_not_as_it_has_to_be_makes_a_success_wrong() {
    let check = |must| Check {
        headers: vec![HeaderCheck {
            name: "content-type".to_owned(),
            must,
        }],
        ..Check::default()
    };
    let answer = Answer {
        status: 200,
        head: b"Content-Type: text/html; charset=utf-8\r\n",
        body: b"",
    };
    for (must, outcome) in [
        (HeaderMust::Exist, Outcome::Ok),
        (HeaderMust::Contain("text/html".to_owned()), Outcome::Ok),
        (HeaderMust::Equal("text/html".to_owned()), Outcome::WrongAnswer),
    ] {
        assert_eq!(judged(&check(must.clone()), Outcome::Ok, &answer), outcome);
        let bare = judged(&check(must), Outcome::Ok, &Answer { head: b"", ..answer });
        assert_eq!(bare, Outcome::WrongAnswer);
    }
}

/// A user logs in, thinks, and orders with what they were given.
fn session(keeps_cookies: bool) -> SessionEntry {
    let knows_token = sources().knowing(vec![Some("token".to_owned())], vec![]);
    let mut order = ask(Method::Post, "/shop/orders/{{users.name}}");
    let bearer = Template::compile("Bearer {{token}}", &knows_token, Escape::Plain).unwrap();
    order.request.headers = vec![("authorization".to_owned(), bearer)];
    let body = compile_json(&json!({"t": "{{token}}", "id": "{{id}}"}), &knows_token).unwrap();
    order.request.body = Some(Body::Template(body));
    let step = |name: &str, think, ask, captures| Step {
        name: name.to_owned(),
        think,
        ask,
        captures,
    };
    let capture = Capture {
        slot: 0,
        from: CaptureFrom::Json("/token".to_owned()),
        is_for_header: true,
    };
    let login = ask(Method::Get, "/shop/login?name={{users.name}}");
    SessionEntry {
        session: Session {
            steps: vec![
                step("login", Duration::ZERO, login, vec![capture]),
                step("order", Duration::from_millis(200), order, vec![]),
            ],
            captured: vec!["token".to_owned()],
            keeps_cookies,
        },
        first_series: 2,
    }
}

fn session_plan(keeps_cookies: bool) -> HttpPlan {
    HttpPlan {
        entries: [Some(Entry::Session(session(keeps_cookies)))].into(),
        ..plan(vec![])
    }
}

fn recorder() -> Recorder {
    let phases = crate::record::PhaseBounds::new([(Duration::ZERO, Duration::from_secs(10))]);
    Recorder::new(0, 4, 0, phases)
}

/// Sends a step and has it answered, and returns its request and how it ended.
fn step(part: &mut dyn Scenario, arrival: Arrival, answer: &Answer<'_>, recorder: &mut Recorder) -> (String, Outcome) {
    let call = Call::of(arrival);
    part.due(&call, recorder);
    let mut request = Request::new();
    part.begin(&call, &mut request);
    let done_ns = arrival.intended_ns + 1_000;
    let outcome = part.answered(&call, Outcome::of_status(answer.status), answer, done_ns, recorder);
    let sample = Sample {
        due: call.due,
        sent_ns: arrival.intended_ns,
        done_ns,
        outcome,
        own_ns: 0,
    };
    part.measured(&call, &sample, recorder);
    (String::from_utf8(request.bytes().to_vec()).unwrap(), outcome)
}

#[test]
fn a_session_sends_what_it_was_given_and_all_its_steps_are_of_one_user() {
    for (keeps_cookies, cookie) in [(true, "cookie: sid=7\r\n"), (false, "")] {
        let (mut part, mut recorder) = (session_plan(keeps_cookies).part(0, 1), recorder());
        let login = Answer {
            status: 200,
            head: b"set-cookie: sid=7; Path=/base/shop\r\nset-cookie: other=1; Path=/x\r\n",
            body: br#"{"token":"t1"}"#,
        };
        let (request, outcome) = step(&mut *part, arrival(0, 4), &login, &mut recorder);
        assert_eq!(request, "GET /base/shop/login?name=ann HTTP/1.1\r\nhost: h:80\r\n\r\n");
        assert_eq!(outcome, Outcome::Ok);
        assert_eq!(part.next_ns(), Some(7 + 1_000 + 200_000_000), "answered, then thought");
        let Todo::Admit(next) = part.take_due(0, &mut recorder) else {
            panic!("the next step is due");
        };
        assert_eq!((next.flow, next.ordinal, next.item), (0, 4, 1));
        assert_eq!(part.place(&next).series, 3);
        let (request, outcome) = step(&mut *part, next, &Answer { status: 201, ..login }, &mut recorder);
        assert_eq!(
            request,
            format!(
                "POST /base/shop/orders/ann HTTP/1.1\r\nhost: h:80\r\nauthorization: Bearer t1\r\n{cookie}\
                 content-length: 17\r\n\r\n{{\"t\":\"t1\",\"id\":8}}"
            )
        );
        assert_eq!((outcome, part.next_ns()), (Outcome::Ok, None));
    }
}

#[test]
fn an_answer_without_what_is_captured_from_it_is_wrong_and_ends_the_session() {
    for body in ["{}", r#"{"token":"t\n1"}"#, "<html>"] {
        let (mut part, mut recorder) = (session_plan(true).part(0, 1), recorder());
        let answer = Answer {
            status: 200,
            head: b"",
            body: body.as_bytes(),
        };
        let (_, outcome) = step(&mut *part, arrival(0, 0), &answer, &mut recorder);
        assert_eq!((outcome, part.next_ns()), (Outcome::WrongAnswer, None), "{body}");
    }
}

#[test]
fn people_see_the_names_of_what_is_captured() {
    let previews = session_plan(true).preview(&arrival(0, 1));
    let order = String::from_utf8(previews[1].bytes.clone()).unwrap();
    assert_eq!(previews[1].step.as_deref(), Some("order"));
    assert!(order.contains("authorization: Bearer <token>\r\n"), "{order}");
    assert!(order.ends_with("{\"t\":<token>,\"id\":8}"), "{order}");
}
