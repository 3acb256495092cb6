//! What a workload asks to have observed of a server that bmt did not start: its processes, series of its metrics, its
//! database. The figures agree with what the server did, and what is not there fails no run.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bmt_sandbox::{Redis, Sandbox, Shard, ShardOptions, Template};
use serde_json::Value as Json;
use sqlx::mysql::MySqlConnection;
use sqlx::{Connection as _, Executor as _, Row as _};
use support::{KEY, Server, run_directory, run_in};

/// A page of metrics at an address of its own; `None` is a server that accepts and does not answer.
fn page(of: impl Fn() -> Option<String> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 2048];
            let _ = stream.read(&mut request);
            match of() {
                Some(page) => {
                    let length = page.len();
                    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                    let _ = stream.write_all(format!("{head}{page}").as_bytes());
                }
                None => held.push(stream),
            }
        }
    });
    address
}

/// A server whose metrics follow from how many requests it had, and that works for each.
struct Shop {
    server: Server,
    metrics: SocketAddr,
}

/// What a request costs.
const WORK: Duration = Duration::from_millis(1);
/// Request at which the counter begins anew, as if its process had been started again.
const RESTART: u64 = 300;

impl Shop {
    fn start() -> Self {
        let requests: Arc<AtomicU64> = Arc::default();
        let counted = Arc::clone(&requests);
        let server = Server::start(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            let begun = Instant::now();
            while begun.elapsed() < WORK {
                std::hint::spin_loop();
            }
        });
        let metrics = page(move || Some(metrics(requests.load(Ordering::Relaxed))));
        Self { server, metrics }
    }
}

fn metrics(requests: u64) -> String {
    let hits = if requests < RESTART {
        1_000_000 + requests
    } else {
        requests - RESTART
    };
    let busy = if (100..400).contains(&requests) { 37 } else { 5 };
    // Nine of ten waited up to 100 ms, one up to 200 ms.
    let short = requests * 9 / 10;
    format!(
        "# TYPE cache_hits_total counter\ncache_hits_total{{cache=\"a\"}} {hits}\ncache_hits_total{{cache=\"b\"}} {requests}\n\
         # TYPE pool_busy gauge\npool_busy{{pool=\"db\",host=\"x\"}} {busy}\npool_busy{{pool=\"db\",host=\"y\"}} 3\npool_busy{{pool=\"web\"}} 99\n\
         # TYPE queue_wait_seconds histogram\nqueue_wait_seconds_bucket{{le=\"0.1\"}} {short}\nqueue_wait_seconds_bucket{{le=\"0.2\"}} {requests}\n\
         queue_wait_seconds_bucket{{le=\"+Inf\"}} {requests}\nqueue_wait_seconds_count {requests}\nqueue_wait_seconds_sum {short}\n"
    )
}

fn workload(observe: &str, gates: &str) -> String {
    format!(
        "name: observe\nquestion: What does it do meanwhile?\nprofile: {{kind: constant, target: 200/s, hold: 4s}}\narrivals: uniform\n\
         generator: {{connections: 50, timeout: 2s}}\ntraffic: {{get: {{request: {{get: /}}, share: 1}}}}\nvariants: [{{name: only}}]\n\
         {observe}{gates}"
    )
}

/// A run on a machine that others use may not be decided; it never ends in another way.
const ENDS: [i32; 3] = [0, 120, 122];

fn only_phase(run: &Json) -> &Json {
    &run["cells"][0]["phases"][0]
}

fn warnings(run: &Json) -> String {
    run["cells"][0]["warnings"].to_string()
}

fn close(figure: &Json, expected: f64, part: f64) {
    let figure = figure
        .as_f64()
        .unwrap_or_else(|| panic!("{figure} instead of {expected}"));
    assert!(
        (figure - expected).abs() <= expected * part,
        "{figure} instead of {expected}"
    );
}

#[test]
fn figures_agree_with_what_the_server_did() {
    let shop = Shop::start();
    let observe = format!(
        "observe:\n  process: {{port: {}}}\n  prometheus:\n    - url: http://{}/metrics\n      every: 200ms\n      series: {{busy: 'pool_busy{{pool=\"db\"}}', \
         hits: cache_hits_total, wait: queue_wait_seconds, none: no_such_thing}}\n",
        shop.server.address.port(),
        shop.metrics
    );
    let gates = "gates:\n  - {metric: series_max, series: busy, at_most: 40}\n  - {metric: series_rate, series: hits, at_least: 100/s}\n  \
        - {metric: series_p99, series: wait, at_most: 250ms}\n  - {metric: server_cpu_per_request, at_least: 100us}\n";
    let folder = tempfile::tempdir().unwrap();
    let (run, code) = run_in(folder.path(), &workload(&observe, gates), &shop.server.url(), &[]);
    assert!(ENDS.contains(&code), "{code}: {}", run["reasons"]);
    let phase = only_phase(&run);
    let ok = phase["operations"]["get"]["outcomes"]["ok"].as_f64().unwrap();
    assert!(ok > 700.0, "{phase}");
    let series = &phase["observed"]["series"];
    // Both caches were hit by each request; the one counter began anew.
    assert_eq!(series["hits"]["kind"], "counter");
    close(&series["hits"]["increase"], 2.0 * ok, 0.05);
    close(&series["hits"]["rate"], 2.0 * ok / 4.0, 0.05);
    assert_eq!(
        (&series["busy"]["kind"], series["busy"]["max"].as_f64()),
        (&Json::from("gauge"), Some(37.0))
    );
    assert_eq!(series["wait"]["kind"], "histogram");
    close(&series["wait"]["count"], ok, 0.05);
    close(&series["wait"]["p50"], 0.1 * 0.5 / 0.9, 0.05);
    close(&series["wait"]["p99"], 0.19, 0.02);
    assert_eq!(series["none"], Json::Null);
    assert!(
        warnings(&run).contains("matches no_such_thing, so the series `none` is unknown"),
        "{}",
        warnings(&run)
    );
    // The server is a thread of this test.
    let server = &phase["resources"]["server"];
    let spent_s = ok * WORK.as_secs_f64();
    let used_s = server["cpu_s"].as_f64().unwrap();
    assert!(
        (spent_s * 0.3..spent_s * 5.0 + 1.0).contains(&used_s),
        "{used_s} of {spent_s}"
    );
    assert!(server["rss_max_bytes"].as_u64().unwrap() > 1 << 20, "{server}");
    let sockets = &phase["observed"]["sockets_max"];
    assert!(
        sockets["listen"].as_u64() >= Some(2) && sockets["established"].as_u64() >= Some(1),
        "{sockets}"
    );
    let gates = run["gates"].as_array().unwrap();
    let actual = |gate: usize| gates[gate]["actual"].as_f64();
    if code == 0 {
        assert_eq!(actual(0), Some(37.0));
        assert!(actual(1) > Some(300.0) && actual(2) < Some(0.2), "{gates:?}");
        close(&gates[3]["actual"], used_s * 1e6 / ok, 0.05);
    }
    assert_eq!(gates[0]["name"], "busy series_max");
    let report = std::fs::read_to_string(run_directory(folder.path()).join("report.md")).unwrap();
    for shown in [
        "## Observed\n",
        "| only | constant | busy | – | 37 |",
        "## Observed processes",
        "listen ",
    ] {
        assert!(report.contains(shown), "{shown}: {report}");
    }
    assert!(!report.contains("AUTO-INC") && !report.contains("DB CPU"), "{report}");
}

#[test]
fn a_page_that_hangs_or_vanishes_and_a_process_that_is_not_there_fail_no_run() {
    let shop = Shop::start();
    let hangs = page(|| None);
    let is_over = Arc::new(AtomicBool::new(false));
    let (over, begun) = (Arc::clone(&is_over), Instant::now());
    let stops = page(move || {
        let is_late = begun.elapsed() > Duration::from_secs(20) || over.load(Ordering::Relaxed);
        over.store(true, Ordering::Relaxed);
        (!is_late).then(|| "a_total 5\nb 7\n".to_owned())
    });
    // A port that is free now.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let observe = format!(
        "observe:\n  process: {{port: {}}}\n  prometheus:\n    - {{url: \"http://{hangs}/\", series: {{hangs: a}}}}\n    \
         - {{url: \"http://{gone}/\", series: {{gone: a}}}}\n    - {{url: \"http://{stops}/\", series: {{stops: a_total, seen: b}}}}\n",
        gone.port()
    );
    let folder = tempfile::tempdir().unwrap();
    let (run, code) = run_in(folder.path(), &workload(&observe, ""), &shop.server.url(), &[]);
    assert!(ENDS.contains(&code), "{code}: {}", run["reasons"]);
    let phase = only_phase(&run);
    let lag = &phase["operations"]["get"];
    assert!(lag["outcomes"]["ok"].as_u64() > Some(700), "{lag}");
    let series = &phase["observed"]["series"];
    for name in ["hangs", "gone", "stops"] {
        assert_eq!(series[name], Json::Null, "{name}: {series}");
    }
    assert_eq!(series["seen"]["max"].as_f64(), Some(7.0));
    assert_eq!(phase["resources"]["server"], Json::Null);
    let warnings = warnings(&run);
    for told in [
        format!("scrapes of http://{hangs}/ came to nothing: no answer within 1s"),
        format!("scrapes of http://{gone}/ came to nothing: nobody accepts a connection there"),
        format!("no process of this machine was found by its port {}", gone.port()),
    ] {
        assert!(warnings.contains(&told), "{told}: {warnings}");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// What the observer may be: a user who may see the transactions of others, and one who may not.
const USERS: [&str; 5] = [
    "CREATE USER IF NOT EXISTS seeing@'%' IDENTIFIED BY 'swordfish-7031'",
    "CREATE USER IF NOT EXISTS blind@'%' IDENTIFIED BY 'swordfish-7031'",
    // GRANT PROCESS, which the user of a shard may not say: 256 is the bit of that privilege.
    "UPDATE mysql.global_priv SET Priv = JSON_SET(Priv, '$.access', 256) WHERE User = 'seeing'",
    "FLUSH PRIVILEGES",
    "CREATE TABLE IF NOT EXISTS test_items (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
];

/// How long the second of two statements waits for the lock that the first one holds.
const WAITED_S: f64 = 1.4;

#[test]
fn a_database_of_somebody_else_is_seen_and_not_changed() {
    let _alone = support::alone();
    let runtime = runtime();
    let sandbox = Sandbox::new().unwrap();
    let options = ShardOptions {
        autoinc_lock_mode: 1,
        ..ShardOptions::default()
    };
    let shard = runtime.block_on(async {
        let template = Template::init(&sandbox).await.unwrap();
        Shard::start(&sandbox, &template, options).await.unwrap()
    });
    let url = shard.url();
    let is_counted = |url: &str| {
        let counted = async {
            let mut connection = MySqlConnection::connect(url).await.unwrap();
            let metric = "SELECT ENABLED FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_table_lock_waits'";
            connection.fetch_one(metric).await.unwrap().get::<i8, _>(0)
        };
        runtime.block_on(counted)
    };
    runtime.block_on(async {
        let mut connection = MySqlConnection::connect(&url).await.unwrap();
        for statement in USERS {
            connection.execute(statement).await.unwrap();
        }
    });
    let server = Server::start(|_| {});
    let port = shard.port();
    let address = |user: &str| format!("mysql://{user}:{{{{env.BMT_TEST_KEY}}}}@127.0.0.1:{port}/information_schema");
    let observe = |user: &str| format!("observe:\n  mysql: [\"{}\"]\n", address(user));

    let folder = tempfile::tempdir().unwrap();
    let inserting = url.clone();
    let waiting = std::thread::spawn(move || self::runtime().block_on(insert_one_after_the_other(inserting)));
    let (run, code) = run_in(folder.path(), &workload(&observe("seeing"), ""), &server.url(), &[]);
    waiting.join().unwrap();
    assert!(ENDS.contains(&code), "{code}: {}", run["reasons"]);
    let contention = &only_phase(&run)["contention"];
    let waited_s = contention["autoinc_wait_s"].as_f64().unwrap();
    assert!((WAITED_S * 0.5..WAITED_S * 1.5).contains(&waited_s), "{contention}");
    assert_eq!(contention["table_lock_waits"], Json::Null, "{contention}");
    for known in ["row_lock_waits", "deadlocks", "statements", "threads_connected_max"] {
        assert!(contention[known].is_u64(), "{known}: {contention}");
    }
    let warnings_of_seeing = warnings(&run);
    assert!(
        warnings_of_seeing.contains("lock_table_lock_waits is off on mysql://127.0.0.1"),
        "{warnings_of_seeing}"
    );
    assert_eq!(is_counted(&url), 0, "nothing was switched on");
    assert_no_secret(folder.path(), &["seeing:", KEY]);
    let report = std::fs::read_to_string(run_directory(folder.path()).join("report.md")).unwrap();
    assert!(report.contains("AUTO-INC") && !report.contains("DB CPU"), "{report}");

    for (user, told) in [
        ("blind", "lacks the privilege PROCESS"),
        ("nobody", "it refused the user or the database"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (run, code) = run_in(folder.path(), &workload(&observe(user), ""), &server.url(), &[]);
        assert!(ENDS.contains(&code), "{code}: {}", run["reasons"]);
        assert_eq!(only_phase(&run)["contention"], Json::Null);
        assert!(warnings(&run).contains(told), "{user}: {}", warnings(&run));
    }
}

/// In the middle of the run, two statements that want the AUTO-INC lock.
async fn insert_one_after_the_other(url: String) {
    let insert = |delay: Duration| {
        let url = url.clone();
        async move {
            let mut connection = MySqlConnection::connect(&url).await.unwrap();
            tokio::time::sleep(delay).await;
            // The lock is taken with the first row, half a second in, and held to the end.
            let rows = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4";
            let statement = format!("INSERT INTO test_items (v) SELECT SLEEP(0.5) FROM ({rows}) AS four");
            connection
                .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(statement)))
                .await
                .unwrap();
        }
    };
    let second = tokio::spawn(insert(Duration::from_millis(1100)));
    insert(Duration::from_secs(1)).await;
    second.await.unwrap();
}

#[test]
fn a_redis_is_seen_by_what_it_says_of_itself() {
    let sandbox = Sandbox::new().unwrap();
    let redis = runtime().block_on(Redis::start(&sandbox)).unwrap();
    let port = redis.port();
    // Each request is one hit and one miss there.
    let server = Server::start(move |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream
            .write_all(b"SET known 1\r\nGET known\r\nGET unknown\r\n")
            .unwrap();
        let mut answers = [0; 17];
        stream.read_exact(&mut answers).unwrap();
        assert_eq!(&answers, b"+OK\r\n$1\r\n1\r\n$-1\r\n");
    });
    let observe = format!(
        "observe:\n  redis:\n    - {{url: \"redis://127.0.0.1:{port}\", every: 200ms, series: {{ops: total_commands_processed, hits: keyspace_hits, \
         memory: used_memory, keys: db0.keys, policy: maxmemory_policy}}}}\n    - {{url: \"redis://seeing:{{{{env.BMT_TEST_KEY}}}}@127.0.0.1:{port}\"}}\n"
    );
    let gates = "gates:\n  - {metric: series_rate, series: ops, at_most: 3000/s}\n  - {metric: series_max, series: keys, at_most: 1}\n";
    let folder = tempfile::tempdir().unwrap();
    let (run, code) = run_in(folder.path(), &workload(&observe, gates), &server.url(), &[]);
    assert!(ENDS.contains(&code), "{code}: {}", run["reasons"]);
    let phase = only_phase(&run);
    let ok = phase["operations"]["get"]["outcomes"]["ok"].as_f64().unwrap();
    assert!(ok > 700.0, "{phase}");
    let series = &phase["observed"]["series"];
    assert_eq!(series["hits"]["kind"], "counter");
    close(&series["hits"]["increase"], ok, 0.05);
    // Its own questions are some of them.
    close(&series["ops"]["increase"], 3.0 * ok, 0.1);
    assert_eq!(series["keys"]["max"].as_f64(), Some(1.0));
    assert!(series["memory"]["max"].as_f64() > Some(500_000.0), "{series}");
    assert_eq!(series["policy"], Json::Null);
    let warnings = warnings(&run);
    for told in [
        "has no number `maxmemory_policy`, so the series `policy` is unknown",
        "times: it refused the user or the password",
    ] {
        assert!(warnings.contains(told), "{told}: {warnings}");
    }
    assert_no_secret(folder.path(), &["seeing:", KEY]);
}

/// No file of the run, but for the workload itself, holds any of these.
fn assert_no_secret(folder: &Path, secrets: &[&str]) {
    let mut waiting = vec![run_directory(folder)];
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        files += 1;
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in {}", path.display());
        }
    }
    assert!(files > 3, "{files}");
}

/// Whoever asks for a page gets it whole.
#[test]
fn the_page_of_this_test_is_one() {
    let shop = Shop::start();
    let mut stream = TcpStream::connect(shop.metrics).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("queue_wait_seconds_sum 0\n"), "{answer}");
}
