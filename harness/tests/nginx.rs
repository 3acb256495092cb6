//! nginx, which writes down every request that it gets, over HTTP/1.1 and HTTP/2, plain and encrypted, and behind a
//! Unix socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use serde_json::Value as Json;
use support::{alone, run_without_target};

const SITES: usize = 5;

/// An nginx of our own, with a site for each way of being reached.
struct Nginx {
    child: Child,
    folder: tempfile::TempDir,
    ports: [u16; SITES],
}

/// A request as nginx saw it.
struct Seen {
    connection: u64,
    /// 0 of the Unix socket.
    port: u16,
    protocol: String,
    path: String,
    status: String,
    is_resumed: bool,
}

impl Nginx {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_certificates(folder.path());
        // A port that is free now may be taken before nginx listens on it.
        for _ in 0..10 {
            let listeners = [(); SITES].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
            let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
            std::fs::write(folder.path().join("nginx.conf"), configuration(folder.path(), ports)).unwrap();
            let mut child = nginx(folder.path());
            if is_up(&mut child, ports[0]) {
                return Self { child, folder, ports };
            }
        }
        panic!("nginx does not start:\n{}", read(&folder.path().join("error.log")));
    }

    fn url(&self, site: usize) -> String {
        if site == UNIX {
            return format!("unix://{}", socket(self.folder.path()));
        }
        let scheme = if matches!(site, TLS | H2 | ASKS) {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://127.0.0.1:{}", self.ports[site])
    }

    /// Stops it, so that its log is whole.
    fn seen(mut self) -> (Vec<Seen>, [u16; SITES]) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::QUIT).unwrap();
        self.child.wait().unwrap();
        let log = read(&self.folder.path().join("access.log"));
        (log.lines().map(seen).collect(), self.ports)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its worker outlives it where it is killed, and not where it is told to end.
        if matches!(self.child.try_wait(), Ok(None)) {
            let pid = rustix::process::Pid::from_child(&self.child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

fn seen(line: &str) -> Seen {
    let [connection, port, protocol, path, status, reused] = line.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{line}");
    };
    Seen {
        connection: connection.parse().unwrap(),
        port: if port.is_empty() { 0 } else { port.parse().unwrap() },
        protocol: protocol.to_owned(),
        path: path.split('?').next().unwrap().to_owned(),
        status: status.to_owned(),
        is_resumed: reused == "r",
    }
}

const PLAIN: usize = 0;
const TLS: usize = 1;
const H2: usize = 2;
const H2_PLAIN: usize = 3;
/// Asks for a client certificate.
const ASKS: usize = 4;
/// Has no port.
const UNIX: usize = SITES;

fn socket(folder: &Path) -> String {
    format!("{}/nginx.sock", folder.display())
}

fn configuration(folder: &Path, ports: [u16; SITES]) -> String {
    let (folder, socket) = (folder.display(), socket(folder));
    let [plain, tls, h2, h2_plain, asks] = ports;
    format!(
        "daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
        events {{ worker_connections 1024; }}
        http {{
            log_format seen '$connection $server_port $server_protocol $request_uri $status $ssl_session_reused';
            access_log {folder}/access.log seen;
            client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
            uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
            ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
            server {{
                listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl; listen 127.0.0.1:{h2} ssl http2;
                listen 127.0.0.1:{h2_plain} http2; listen unix:{socket};
                location /items {{ return 200 '{{\"price\":3}}'; }}
                location /orders {{ return 201; }}
                location / {{ return 404; }}
            }}
            server {{
                listen 127.0.0.1:{asks} ssl;
                ssl_verify_client on; ssl_client_certificate {folder}/ca.pem;
                location / {{ return 200 'it is you'; }}
            }}
        }}"
    )
}

fn nginx(folder: &Path) -> Child {
    // It lives in /usr/sbin, which is not on everybody's PATH.
    let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap());
    let mut command = Command::new("nginx");
    command
        .env("PATH", path)
        .arg("-c")
        .arg(folder.join("nginx.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("nginx is installed by ci/setup")
}

fn is_up(child: &mut Child, port: u16) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// An authority, and certificates that it issues to the server and to a client.
fn write_certificates(folder: &Path) {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for (name, usage) in [
        ("server", ExtendedKeyUsagePurpose::ServerAuth),
        ("client", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

fn client<'a>(run: &'a Json, variant: &str) -> &'a Json {
    let cells = run["cells"].as_array().unwrap();
    let cell = cells.iter().find(|cell| cell["variant"] == variant);
    &cell.unwrap_or_else(|| panic!("no {variant}"))["phases"][0]
}

#[test]
fn every_request_and_every_connection_is_what_nginx_saw() {
    let _alone = alone();
    let nginx = Nginx::start();
    let sites = [
        ("plain", PLAIN, "1.1"),
        ("tls", TLS, "1.1"),
        ("h2", H2, "2"),
        ("h2 plain", H2_PLAIN, "2"),
        ("unix", UNIX, "1.1"),
    ];
    let variants =
        sites.map(|(name, site, http)| format!("{{name: {name}, url: \"{}\", http: {http}}}", nginx.url(site)));
    let workload = format!(
        r#"
name: counted
question: Does every request arrive, and on how many connections?
target: {{url: "{}", tls: {{ca: ca.pem}}}}
generator: {{connections: 4, streams: 20}}
profile: {{kind: constant, target: 1200/s, hold: 3s}}
data: {{id: {{range: 1..9}}}}
traffic:
  browse: {{request: {{get: "/items?id={{{{id}}}}"}}, share: 0.7, check: {{body: {{json: /price, above: 0}}}}}}
  order: {{request: {{post: /orders, json: {{item: "{{{{id}}}}"}}}}, share: 0.2, check: {{status: 201}}}}
  gone: {{request: {{get: /gone}}, share: 0.1, check: {{status: 404}}}}
variants: [{}]
"#,
        nginx.url(PLAIN),
        variants.join(", ")
    );
    let (run, code) = run_without_target(nginx.folder.path(), &workload, &[]);
    assert_eq!(code, 0, "{}", run["reasons"]);
    let (seen, ports) = nginx.seen();
    for (variant, site, http) in sites {
        let port = ports.get(site).copied().unwrap_or_default();
        let seen: Vec<&Seen> = seen.iter().filter(|seen| seen.port == port).collect();
        let mut counted: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for seen in &seen {
            let protocol = if http == "2" { "HTTP/2.0" } else { "HTTP/1.1" };
            assert_eq!(seen.protocol, protocol, "{variant}");
            *counted.entry((&seen.path, &seen.status)).or_default() += 1;
        }
        let phase = client(&run, variant);
        let sent = |operation: &str| phase["operations"][operation]["outcomes"]["ok"].as_u64().unwrap();
        let expected = BTreeMap::from([
            (("/items", "200"), sent("browse")),
            (("/orders", "201"), sent("order")),
            (("/gone", "404"), sent("gone")),
        ]);
        assert_eq!(counted, expected, "{variant}");
        // nginx ends a connection after 1000 requests, so there are more than were open at once.
        let connections: BTreeSet<u64> = seen.iter().map(|seen| seen.connection).collect();
        let opened = phase["connections"]["client"]["opened"].as_u64().unwrap();
        assert_eq!(opened, connections.len() as u64, "{variant}");
        assert!(opened >= 3, "{variant}: {opened} for {} requests", seen.len());
        let parts = &phase["connections"]["client"];
        assert_eq!(
            parts["tls_us"]["count"].as_u64().is_some(),
            matches!(site, TLS | H2),
            "{variant}: {parts}"
        );
        assert_eq!(
            parts["upgrade_us"]["count"].as_u64().is_some(),
            http == "2",
            "{variant}: {parts}"
        );
    }
}

/// A workload of a cell in which a connection is opened for nearly every request.
fn reopening(url: &str, tls: &str) -> String {
    format!(
        "name: reopening\nquestion: How do connections begin?\ntarget: {{url: \"{url}\", tls: {tls}}}\n\
         generator: {{connections: 4, idle: 20ms}}\nprofile: {{kind: constant, target: 10/s, hold: 3s}}\narrivals: uniform\n\
         traffic: {{get: {{request: {{get: /items}}, share: 1}}}}\nvariants: [{{name: only}}]\n"
    )
}

#[test]
fn a_session_is_resumed_only_where_that_is_wanted() {
    let _alone = alone();
    for (tls, resumes) in [("{ca: ca.pem}", false), ("{ca: ca.pem, resumption: true}", true)] {
        let nginx = Nginx::start();
        let (run, code) = run_without_target(nginx.folder.path(), &reopening(&nginx.url(TLS), tls), &[]);
        assert_eq!(code, 0, "{}", run["reasons"]);
        let (seen, _) = nginx.seen();
        let resumed = seen.iter().filter(|seen| seen.is_resumed).map(|seen| seen.connection);
        let resumed = resumed.collect::<BTreeSet<u64>>().len() as u64;
        let connections = &client(&run, "only")["connections"]["client"];
        assert!(connections["opened"].as_u64().unwrap() > 20, "{connections}");
        assert_eq!(connections["resumed"].as_u64().unwrap_or(0), resumed, "as nginx says");
        assert_eq!(resumed > 15, resumes, "{resumed} with {tls}");
    }
}

#[test]
fn a_client_shows_its_certificate_and_one_without_is_turned_away() {
    let _alone = alone();
    let nginx = Nginx::start();
    for (tls, outcome) in [
        ("{ca: ca.pem, cert: client.pem, key: client.key}", "ok"),
        ("{ca: ca.pem}", "client_error"),
    ] {
        let (run, _) = run_without_target(nginx.folder.path(), &reopening(&nginx.url(ASKS), tls), &[]);
        let outcomes = &client(&run, "only")["operations"]["get"]["outcomes"];
        assert!(outcomes[outcome].as_u64().unwrap_or(0) > 20, "{tls}: {outcomes}");
        assert_eq!(outcomes.as_object().unwrap().len(), 1, "{tls}: {outcomes}");
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_told_before_the_load_and_trusted_only_on_request() {
    let _alone = alone();
    let nginx = Nginx::start();
    let (run, code) = run_without_target(
        nginx.folder.path(),
        &reopening(&nginx.url(TLS), "{ca: client.pem}"),
        &[],
    );
    assert_eq!(code, 121);
    let reasons = run["reasons"].to_string();
    assert!(
        reasons.contains("UnknownIssuer") && reasons.contains("target.tls.ca"),
        "{reasons}"
    );
    let workload = reopening(&nginx.url(TLS), "{insecure: true}");
    let (run, code) = run_without_target(nginx.folder.path(), &workload, &[]);
    assert_eq!(code, 0, "{}", run["reasons"]);
    let warnings = run["warnings"].to_string();
    assert!(warnings.contains("not verified"), "{warnings}");
}
