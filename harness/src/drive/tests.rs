//! The generator against small servers whose every step is known.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::arrival::Arrivals;
use crate::arrival::{Backoff, Flow, PhaseKind, Profile, Schedule};
use crate::clock::{Clock, Stop};
use crate::record::{ClientConnections, Merged, Outcome, Series, UnsentCause};
use crate::scenario::chat::{Chat, ChatPlan, Post, RequestPlan, Sends, Signer, message};
use crate::scenario::http::HttpPlan;
use crate::scenario::{ScenarioPlan, SeriesTable};
use crate::template::{Ask, Check, Method, RequestTemplate, Template};
use crate::transport::{Dial, Origin, Sources};

mod lowering;

const MS: Duration = Duration::from_millis(1);

/// What a server does with a request.
enum Act {
    Answer(&'static str, &'static str),
    /// The connection is closed without an answer.
    Close,
    /// Nothing, ever.
    Hang,
}

/// Serves each connection on a thread of its own; `act` says what a request gets, by its number on the connection, from
/// 0.
fn server(idle: Option<Duration>, act: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let act = Arc::new(act);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let act = Arc::clone(&act);
            std::thread::spawn(move || serve(stream, idle, &*act));
        }
    });
    address
}

fn serve(mut stream: TcpStream, idle: Option<Duration>, act: &dyn Fn(usize, &str) -> Act) {
    stream.set_nodelay(true).unwrap();
    for number in 0.. {
        // Only a connection that has served something can be idle for too long.
        stream.set_read_timeout(idle.filter(|_| number > 0)).unwrap();
        let Some(request) = request(&mut stream) else { return };
        match act(number, &request) {
            Act::Answer(status, body) => {
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            Act::Close => return,
            Act::Hang => std::thread::sleep(Duration::from_secs(30)),
        }
    }
}

/// One whole request; `None` when the client is gone or idle for too long.
fn request(stream: &mut TcpStream) -> Option<String> {
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        match stream.read(&mut piece) {
            Ok(read @ 1..) => text.push_str(std::str::from_utf8(&piece[..read]).unwrap()),
            _ => return None,
        }
    }
}

/// A scenario whose only traffic entry asks the server at an address for something.
type Asks = fn(SocketAddr) -> Arc<dyn ScenarioPlan>;

fn get(address: SocketAddr) -> Arc<dyn ScenarioPlan> {
    let request = RequestTemplate {
        method: Method::Get,
        path: Template::text("/"),
        headers: vec![],
        body: None,
    };
    let check = Check::default();
    Arc::new(HttpPlan {
        to: Arc::new([Origin::new(&address.to_string(), "")]),
        entries: [Some(Ask { request, check }.into())].into(),
        headers: Arc::new([]),
        sources: Arc::default(),
        seed: 1,
    })
}

fn sending(address: SocketAddr, keeps_acknowledged: bool) -> Arc<dyn ScenarioPlan> {
    let chat = Chat {
        id: 7,
        placement: None,
        shard: None,
    };
    let send = Sends::Send(Post {
        chats: vec![chat],
        members: 3,
        is_followed: false,
    });
    let to = Origin::new(&address.to_string(), "");
    Arc::new(ChatPlan {
        requests: Arc::new(RequestPlan::new(to, vec![Some(send)], Signer::new("secret", 9))),
        follow: None,
        keeps_acknowledged,
    })
}

fn send(address: SocketAddr) -> Arc<dyn ScenarioPlan> {
    sending(address, false)
}

/// Acknowledged messages are kept.
fn send_and_keep(address: SocketAddr) -> Arc<dyn ScenarioPlan> {
    sending(address, true)
}

/// Evenly spaced arrivals from one worker.
fn plan(address: SocketAddr, asks: Asks, rate: f64, hold: Duration) -> Plan {
    let profile = Profile::default().then("constant", PhaseKind::Step, hold, rate);
    let flow = Flow {
        share: 1.0,
        rate: 0.0,
        items: 1,
        zipf: 0.0,
    };
    Plan {
        dials: vec![Dial::plain(Sources::new(address, vec![], 100))],
        scenarios: vec![asks(address)],
        owners: [0].into(),
        series: SeriesTable::len(1),
        schedule: Schedule::new(&profile, &[flow], Arrivals::Uniform, 1),
        profile: Arc::new(profile),
        shards: 0,
        limits: Limits {
            connections: 50,
            streams: 10,
            waiting: 1_000,
            timeout: 5_000 * MS,
            idle: 30_000 * MS,
        },
        workers: 1,
        retries: None,
        capped: None,
    }
}

fn begin(plan: &Plan, stop: &Stop) -> Receiver<Message> {
    let (sink, messages) = sync_channel(1024);
    start(plan, Clock::starting_in(50 * MS), stop, &sink).unwrap();
    messages
}

/// What the only series came to, and the connections.
fn outcome(messages: Receiver<Message>) -> (Series, ClientConnections, Merged) {
    let mut merged = Merged::new(1, SeriesTable::len(1));
    for message in messages {
        if let Message::Interval(interval) = message {
            assert!(merged.take(&interval));
        }
    }
    let phase = &merged.phases[0];
    let series = phase.series[0].clone();
    let ended: u64 = Outcome::ALL.iter().map(|outcome| series.count(*outcome)).sum();
    assert_eq!(
        ended + series.unsent() + series.cut_off,
        series.scheduled,
        "every arrival has one end"
    );
    (series, phase.connections(), merged)
}

fn run(plan: &Plan) -> (Series, ClientConnections) {
    let (series, connections, _) = outcome(begin(plan, &Stop::default()));
    (series, connections)
}

fn unsent(series: &Series) -> Vec<UnsentCause> {
    series.unsent.keys().copied().collect()
}

/// How the requests of a series ended.
fn counts(series: &Series) -> BTreeMap<Outcome, u64> {
    let counts = Outcome::ALL.map(|outcome| (outcome, series.count(outcome)));
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn each_second_is_reported_when_it_is_over_and_adds_up() {
    let address = server(None, |_, _| Act::Answer("200 OK", "ok"));
    let messages = begin(&plan(address, get, 100.0, 3_000 * MS), &Stop::default());
    let begun = Instant::now();
    let first = messages.recv().unwrap();
    assert!(begun.elapsed() < 2_500 * MS, "before the end: {:?}", begun.elapsed());
    let Message::Interval(first) = first else {
        panic!("nothing is done yet")
    };
    assert_eq!((first.worker, first.second, first.phase), (0, 0, 0));
    let (mut scheduled, mut answered, mut wall_ns) = (0, 0, 0);
    let mut take = |interval: &crate::record::Interval| {
        scheduled += interval.series[0].scheduled;
        answered += interval.series[0].count(Outcome::Ok);
        wall_ns += interval.used.wall_ns;
        let times = interval.series[0].times(Outcome::Ok);
        assert!(times.is_none_or(|times| times.net.max_us() <= times.response.max_us()));
    };
    take(&first);
    let mut is_done = false;
    for message in messages {
        match message {
            Message::Interval(interval) => take(&interval),
            Message::Until { .. } => {}
            Message::Done => is_done = true,
        }
    }
    assert_eq!((scheduled, answered, is_done), (300, 300, true));
    assert_eq!(wall_ns, 3_000_000_000, "up to the end and no further");
}

/// The server closes whatever is idle for 20 ms; some requests find that out on their way.
#[test]
fn a_connection_that_the_server_closed_while_idle_is_replaced() {
    let address = server(Some(20 * MS), |_, _| Act::Answer("200 OK", "ok"));
    let mut often = plan(address, get, 40.0, 2_000 * MS);
    let flow = Flow {
        share: 1.0,
        rate: 0.0,
        items: 1,
        zipf: 0.0,
    };
    often.schedule = Schedule::new(&often.profile, &[flow], Arrivals::Poisson, 1);
    for plan in [often, plan(address, send, 2.0, 2_000 * MS)] {
        let (series, connections) = run(&plan);
        assert_eq!(counts(&series), [(Outcome::Ok, series.scheduled)].into());
        assert!(connections.opened > 2, "{}", connections.opened);
    }
}

/// As a request and the end of its connection cross on the way: seen from here, the request is read and the connection
/// closed.
#[test]
fn a_request_that_crosses_the_end_of_its_connection_is_sent_again_if_it_writes_nothing() {
    let act = |number, _: &str| match number {
        0 => Act::Answer("200 OK", "ok"),
        _ => Act::Close,
    };
    let (series, connections) = run(&plan(server(None, act), get, 20.0, 1_000 * MS));
    assert_eq!(
        (series.count(Outcome::Ok), series.scheduled),
        (20, 20),
        "{:?}",
        counts(&series)
    );
    assert_eq!((connections.replaced, connections.opened), (19, 20));
    let times = series.times(Outcome::Ok).unwrap();
    assert_eq!(times.response.count(), 20, "an arrival that was sent twice is one");

    let (series, connections) = run(&plan(server(None, act), send, 20.0, 1_000 * MS));
    assert_eq!(
        (series.count(Outcome::Ok), series.count(Outcome::ConnectError)),
        (10, 10)
    );
    assert_eq!(connections.replaced, 0, "the message may have been stored");
}

#[test]
fn a_new_connection_that_breaks_is_the_targets_failure() {
    let (series, connections) = run(&plan(server(None, |_, _| Act::Close), get, 20.0, 500 * MS));
    assert_eq!(series.count(Outcome::ConnectError), 10);
    assert_eq!(connections.replaced, 0);
}

#[test]
fn a_port_that_refuses_is_the_targets_failure() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (series, connections) = run(&plan(closed, get, 20.0, 500 * MS));
    assert_eq!(series.count(Outcome::ConnectError), 10, "{:?}", counts(&series));
    assert!(connections.failed >= 10);
}

/// The kernel accepts on behalf of the server what its backlog has room for, and no more.
#[test]
fn a_target_that_accepts_no_connection_is_told_apart() {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&listener, 0).unwrap();
    let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
    let _fills = TcpStream::connect(address).unwrap();
    let mut plan = plan(address, get, 20.0, 1_000 * MS);
    plan.limits.timeout = 500 * MS;
    let (series, _) = run(&plan);
    assert_eq!(series.count(Outcome::NotAccepted), 20, "{:?}", counts(&series));
}

#[test]
fn what_is_never_sent_says_why() {
    let mut plan = plan(server(None, |_, _| Act::Hang), get, 1_000.0, 1_000 * MS);
    plan.limits.connections = 1;
    plan.limits.waiting = 100;
    plan.limits.timeout = 300 * MS;
    let (series, _) = run(&plan);
    assert_eq!(
        unsent(&series),
        [UnsentCause::QueueFull, UnsentCause::NoConnection],
        "{:?}",
        counts(&series)
    );
    assert!(series.count(Outcome::Timeout) >= 2, "{:?}", counts(&series));

    plan.limits.timeout = 60_000 * MS;
    let stop = Stop::default();
    let messages = begin(&plan, &stop);
    std::thread::sleep(500 * MS);
    stop.ask();
    let begun = Instant::now();
    let (series, _, _) = outcome(messages);
    assert!(begun.elapsed() < 5_000 * MS, "a stop is prompt");
    assert_eq!(
        unsent(&series),
        [UnsentCause::QueueFull, UnsentCause::RunEnded],
        "{:?}",
        counts(&series)
    );
    assert_eq!((series.unsent[&UnsentCause::RunEnded], series.cut_off), (100, 1));
}

/// Lowers the limit of open files in a process of its own: the limit is the whole process's.
#[test]
fn a_process_that_may_open_no_more_files_blames_itself() {
    const CHILD: &str = "BMT_TEST_FEW_FILES";
    if std::env::var_os(CHILD).is_none() {
        let name = "drive::tests::a_process_that_may_open_no_more_files_blames_itself";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&child.stderr)
        );
        return;
    }
    // A server in this process would need files as well.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = plan(listener.local_addr().unwrap(), get, 20.0, 500 * MS);
    let (sink, messages) = sync_channel(1024);
    start(&plan, Clock::starting_in(1_000 * MS), &Stop::default(), &sink).unwrap();
    drop(sink);
    // The last file that a worker opens before it connects is its timer.
    let is_timer = |file: &std::fs::DirEntry| {
        std::fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy().contains("timerfd"))
    };
    while !std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .any(|file| is_timer(&file))
    {
        std::thread::sleep(MS);
    }
    let limit = rustix::process::Rlimit {
        current: Some(3),
        maximum: Some(3),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let (series, connections, _) = outcome(messages);
    assert_eq!(series.unsent, BTreeMap::from([(UnsentCause::NoFile, 10)]));
    assert!(connections.failed >= 10);
}

/// No machine sends two million requests in a fifth of a second.
#[test]
fn a_schedule_that_cannot_be_finished_is_given_up_and_counted() {
    let mut plan = plan(
        server(None, |_, _| Act::Answer("200 OK", "ok")),
        get,
        5_000_000.0,
        200 * MS,
    );
    plan.limits.timeout = 100 * MS;
    let begun = Instant::now();
    let (series, _) = run(&plan);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(series.scheduled, 1_000_000);
    assert!(series.unsent[&UnsentCause::TooLate] > 100_000, "{:?}", counts(&series));
}

#[test]
fn a_retried_message_says_when_its_first_attempt_was_due() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let bodies = Arc::clone(&seen);
    let address = server(None, move |_, request| {
        let body = request.lines().last().unwrap().to_owned();
        let mut bodies = bodies.lock().unwrap();
        let is_first = !bodies.contains(&body);
        bodies.push(body);
        match is_first {
            true => Act::Answer("429 Too Many Requests", ""),
            false => Act::Answer("201 Created", r#"{"revision":1}"#),
        }
    });
    let mut plan = plan(address, send_and_keep, 20.0, 1_000 * MS);
    plan.retries = Some(Arc::new(RetryPlan {
        entries: vec![Some(Retry {
            backoff: Backoff {
                attempts: 3,
                initial: 50 * MS,
                multiplier: 1.0,
                max: 50 * MS,
                jitter: 0.0,
            },
            on: vec![Outcome::Throttled],
            conflict_is_done: false,
            until_ns: 5_000_000_000,
            budget: None,
        })],
        waiting: 100,
        seed: 1,
    }));
    let (series, _, merged) = outcome(begin(&plan, &Stop::default()));
    assert_eq!((series.count(Outcome::Ok), series.count(Outcome::Throttled)), (20, 20));
    let calls = series.logical_calls.unwrap();
    assert_eq!((calls.attempts, calls.attempts_max, calls.gave_up), (40, 2, 0));
    let bodies = seen.lock().unwrap();
    assert_eq!(bodies.len(), 40);
    for sent in &merged.acknowledged.sent {
        let said = bodies
            .iter()
            .filter(|body| body.contains(&format!("\"{}\"", message(sent.intended_ns))));
        assert_eq!(
            said.count(),
            2,
            "both attempts say the same, and it is what will be looked for"
        );
    }
}

#[test]
fn a_success_that_does_not_say_what_was_stored_is_a_wrong_answer() {
    let plan = plan(
        server(None, |_, _| Act::Answer("201 Created", "{}")),
        send_and_keep,
        20.0,
        500 * MS,
    );
    let (series, _, merged) = outcome(begin(&plan, &Stop::default()));
    assert_eq!(series.count(Outcome::WrongAnswer), 10, "{:?}", counts(&series));
    assert_eq!(merged.acknowledged.sent, []);
}
