//! Raised threads: what the kernel says of them, and that a busy generator does not starve an injected fault's thread.
//!
//! Without the right to real time (root, `CAP_SYS_NICE`, or `RLIMIT_RTPRIO` of at least 2) these tests print a line and
//! pass.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bmt_sandbox::Proxy;
use bmt_sandbox::priority::{Priority, Rank, raise};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// One test at a time, so that the load of one is not the noise of another.
static ALONE: Mutex<()> = Mutex::new(());

/// How long the load runs at most: others use the machine too.
const LOAD: Duration = Duration::from_millis(1500);

/// `(nice, rt_priority, policy)` of a thread, from its `stat` file.
fn scheduling(stat: &str) -> (i32, i32, i32) {
    let fields = stat.rsplit_once(')').unwrap().1;
    let field = |number: usize| fields.split_whitespace().nth(number - 3).unwrap().parse().unwrap();
    (field(19), field(40), field(41))
}

fn here() -> (i32, i32, i32) {
    scheduling(&std::fs::read_to_string("/proc/thread-self/stat").unwrap())
}

/// Whether this process may do what is tested, found out with the system's own tool.
fn permitted() -> bool {
    let permitted = Command::new("chrt")
        .args(["--rr", "2", "true"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !permitted {
        eprintln!("SKIPPED, NOTHING WAS TESTED: this process may not use real-time priorities");
    }
    permitted
}

fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(work).join().unwrap()
}

#[test]
fn the_generator_gets_the_lowest_real_time_priority_and_injectors_the_one_above() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !permitted() {
        return;
    }
    for (rank, priority) in [(Rank::Generator, 1), (Rank::Injector, 2)] {
        let (obtained, (_, rt_priority, policy)) = on_a_thread(move || (raise(rank), here()));
        assert_eq!((rt_priority, policy), (priority, libc::SCHED_RR), "{rank:?}");
        assert_eq!(obtained, Priority::RealTime);
    }
    assert_eq!(
        Priority::current(),
        Priority::Ordinary,
        "other threads stay as they are"
    );
}

#[test]
fn what_a_raised_thread_starts_is_ordinary() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !permitted() {
        return;
    }
    let (thread, child) = on_a_thread(|| {
        assert_eq!(raise(Rank::Generator), Priority::RealTime);
        let child = Command::new("cat").arg("/proc/self/stat").output().unwrap();
        (on_a_thread(here), String::from_utf8(child.stdout).unwrap())
    });
    assert_eq!(thread, (0, 0, libc::SCHED_OTHER));
    assert_eq!(scheduling(&child), (0, 0, libc::SCHED_OTHER));
}

#[test]
fn a_thread_that_may_not_be_raised_says_so() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let own = std::env::current_exe().unwrap();
    let mut unprivileged = Command::new("prlimit");
    unprivileged.args(["--rtprio=0:0", "--nice=0:0"]);
    if rustix::process::geteuid().is_root() {
        unprivileged.args(["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]);
    }
    let output = unprivileged
        .arg(own)
        .args(["--exact", "raised_by_a_child", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("obtained Ordinary, policy 0"), "{text}");
}

/// What [`a_thread_that_may_not_be_raised_says_so`] runs.
#[test]
#[ignore = "run by another test, without its rights"]
fn raised_by_a_child() {
    let (obtained, (_, _, policy)) = on_a_thread(|| (raise(Rank::Generator), here()));
    eprintln!("obtained {obtained:?}, policy {policy}");
}

/// Keeps every CPU of this process busy at the generator's priority, for [`LOAD`] at most.
fn busy_generator() -> Vec<JoinHandle<()>> {
    let allowed = sched_getaffinity(None).unwrap();
    let until = Instant::now() + LOAD;
    (0..CpuSet::MAX_CPU)
        .filter(|cpu| allowed.is_set(*cpu))
        .map(|cpu| {
            std::thread::spawn(move || {
                let mut only = CpuSet::new();
                only.set(cpu);
                sched_setaffinity(None, &only).unwrap();
                assert_eq!(raise(Rank::Generator), Priority::RealTime);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
            })
        })
        .collect()
}

/// Answers every byte with itself, on a thread that the load does not starve; ends with its connection.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        raise(Rank::Injector);
        let (mut client, _) = listener.accept().unwrap();
        client.set_nodelay(true).unwrap();
        let mut byte = [0];
        while client.read_exact(&mut byte).is_ok() && client.write_all(&byte).is_ok() {}
    });
    address
}

#[test]
fn a_busy_generator_does_not_starve_the_proxy() {
    const ECHOES: u32 = 20;
    const APART: Duration = Duration::from_millis(45);
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !permitted() {
        return;
    }
    let proxy = Proxy::start(echo_server()).unwrap();
    let port = proxy.port();
    let mut took = on_a_thread(move || {
        assert_eq!(raise(Rank::Injector), Priority::RealTime);
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut echo = || {
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
        };
        echo(); // the connection is up
        let load = busy_generator();
        let begun = Instant::now() + APART;
        // From the moment at which each is due, or one long wait would hide the others.
        let took: Vec<Duration> = (0..ECHOES)
            .map(|number| begun + APART * number)
            .map(|due| {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                echo();
                due.elapsed()
            })
            .collect();
        for busy in load {
            busy.join().unwrap();
        }
        took
    });
    took.sort_unstable();
    let median = took[took.len() / 2];
    eprintln!(
        "echoes through the proxy: median {median:?}, slowest {:?}",
        took[took.len() - 1]
    );
    // Ordinary threads get what the kernel leaves them: some milliseconds in each second.
    assert!(median < Duration::from_millis(50), "{took:?}");
}

/// `(nice, rt_priority, policy)` of this process's thread of that name, once there is one.
fn thread_called(name: &str) -> (i32, i32, i32) {
    for _ in 0..1000 {
        for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
            let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
            if read("comm").trim_end() == name {
                return scheduling(&read("stat"));
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no thread is called {name}");
}

#[test]
fn the_proxy_is_raised_before_it_takes_connections() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if !permitted() {
        return;
    }
    let _proxy = Proxy::start(([127, 0, 0, 1], 1).into()).unwrap();
    assert_eq!(thread_called("bmt-proxy").1, 2);
}
