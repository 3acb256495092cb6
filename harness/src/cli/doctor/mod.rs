//! `bmt doctor`: what this machine can and cannot do, before a run finds out.
//!
//! What can be tried is tried, and its effect read back; settings are read only to say why something did not work.

mod cgroup;
mod cpus;
mod finding;
mod priority;

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use self::finding::Finding;
use crate::cli::exit::Exit;
use crate::cli::output::print;
use crate::provision::server_binary;

pub(super) fn doctor() -> anyhow::Result<Exit> {
    let findings = [
        mariadb(),
        installer(),
        redis(),
        server(),
        cpus::cores(),
        files(),
        ports(),
        firewall(),
        disk(),
        priority::priority(),
        cpus::run_queue_delay(),
        slow_disk(),
    ];
    let mut text = String::new();
    for finding in &findings {
        let mark = if finding.remedy.is_some() { "!!" } else { "ok" };
        let _ = writeln!(text, "{mark}  {:<18} {}", finding.what, finding.found);
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(text, "    {:<18} {remedy}", "");
        }
    }
    print(&text)?;
    let needed = ["mariadbd", "mariadb-install-db", "redis-server", "hotchat"];
    let missing = findings
        .iter()
        .any(|finding| needed.contains(&finding.what) && finding.remedy.is_some());
    Ok(if missing { Exit::TargetLost } else { Exit::Done })
}

fn binary(what: &'static str, names: &[&str], package: &str) -> Finding {
    match bmt_sandbox::find_binary(names, &[], package) {
        Ok(path) => Finding {
            what,
            found: path.display().to_string(),
            remedy: None,
        },
        Err(error) => Finding {
            what,
            found: "missing".to_owned(),
            remedy: Some(error.to_string()),
        },
    }
}

fn mariadb() -> Finding {
    let mut finding = binary("mariadbd", &["mariadbd", "mysqld"], "mariadb-server");
    if finding.remedy.is_none()
        && let Ok(output) = Command::new(&finding.found).arg("--version").output()
    {
        let version = String::from_utf8_lossy(&output.stdout);
        let _ = write!(
            finding.found,
            ", {}",
            version.split("Ver ").last().unwrap_or_default().trim()
        );
    }
    finding
}

fn installer() -> Finding {
    let names = ["mariadb-install-db", "mysql_install_db"];
    binary("mariadb-install-db", &names, "mariadb-server")
}

fn redis() -> Finding {
    binary("redis-server", &["redis-server", "valkey-server"], "redis-server")
}

fn server() -> Finding {
    match server_binary() {
        Ok(path) => Finding {
            what: "hotchat",
            found: path.display().to_string(),
            remedy: None,
        },
        Err(error) => Finding {
            what: "hotchat",
            found: "missing".to_owned(),
            remedy: Some(error.to_string()),
        },
    }
}

fn files() -> Finding {
    // `bmt run` raises the soft limit by itself.
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let needed = 16_384;
    Finding {
        what: "open files",
        found: files.map_or("unlimited".to_owned(), |files| files.to_string()),
        remedy: files.filter(|files| *files < needed).map(|_| {
            format!(
                "runs with thousands of members need {needed}: raise the hard limit (`ulimit -Hn {needed}` as root)"
            )
        }),
    }
}

/// Docker and many firewalls have the kernel track connections, those over the loopback interface too.
fn firewall() -> Finding {
    let tracks = tracks_loopback().unwrap_or(false);
    let found = if tracks {
        "connections are tracked, which costs time for every packet, also on the loopback interface"
    } else {
        "connections are not tracked"
    };
    let remedy = "for a run on this machine alone, use a network namespace without rules: \
                  unshare --net sh -c 'ip link set lo up && exec bmt run …' (as root)";
    Finding {
        what: "firewall",
        found: found.to_owned(),
        remedy: tracks.then(|| remedy.to_owned()),
    }
}

/// Whether connections over the loopback interface appear among the tracked ones; `None` where nothing is tracked at
/// all.
fn tracks_loopback() -> Option<bool> {
    let tracked = || -> Option<u64> {
        let count = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").ok()?;
        count.trim().parse().ok()
    };
    let listener = TcpListener::bind("127.0.0.1:0").ok()?;
    let before = tracked()?;
    let open: Vec<TcpStream> = (0..16)
        .filter_map(|_| TcpStream::connect(listener.local_addr().ok()?).ok())
        .collect();
    Some(tracked()? >= before + open.len() as u64)
}

fn disk() -> Finding {
    let dir = std::env::temp_dir();
    let free = rustix::fs::statvfs(&dir).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    let gib = free as f64 / f64::from(1 << 30);
    Finding {
        what: "temporary disk",
        found: format!("{gib:.1} GiB free in {}", dir.display()),
        remedy: (gib < 2.0)
            .then(|| "each shard takes some hundred MiB: free some space, or point TMPDIR at a larger disk".to_owned()),
    }
}

/// Whether a shard's flushes can be held up, for workloads with a `slow_disk`.
fn slow_disk() -> Finding {
    let refused = bmt_sandbox::can_delay_flushes().err();
    let found = if refused.is_some() {
        "`slow_disk` cannot be injected"
    } else {
        "flushes of a database can be delayed"
    };
    Finding {
        what: "slow disk",
        found: found.to_owned(),
        remedy: refused,
    }
}

fn ports() -> Finding {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let bounds: Vec<u32> = range
        .split_whitespace()
        .filter_map(|bound| bound.parse().ok())
        .collect();
    let count = match bounds[..] {
        [first, last] => last.saturating_sub(first) + 1,
        _ => 0,
    };
    let needed = 10_000;
    Finding {
        what: "local ports",
        found: format!("{count} for outgoing connections"),
        remedy: (count < needed).then(|| "connections that open and close quickly may run out of them: sysctl net.ipv4.ip_local_port_range='16384 65535'".to_owned()),
    }
}
