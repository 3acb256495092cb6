use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

/// A process that is killed with the test.
struct Running(Child);

impl Running {
    fn start(script: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn watch(own: u32, target: Option<SocketAddr>) -> Watch {
    Watch {
        own,
        ..Watch::new(target.map(Endpoint::Ip).as_ref(), None)
    }
}

/// A busy loop, kept on one CPU.
fn busy() -> Running {
    let busy = Running::start("while :; do :; done");
    let pid = rustix::process::Pid::from_raw(i32::try_from(busy.pid()).unwrap());
    let allowed = rustix::thread::sched_getaffinity(pid).unwrap();
    let first = (0..rustix::thread::CpuSet::MAX_CPU)
        .find(|cpu| allowed.is_set(*cpu))
        .unwrap();
    let mut one = rustix::thread::CpuSet::new();
    one.set(first);
    rustix::thread::sched_setaffinity(pid, &one).unwrap();
    busy
}

/// Reads until `is_enough` of the first and the latest sample; a machine that is short of CPU may take its time.
fn watch_until(
    watch: &mut Watch,
    processes: &Processes,
    is_enough: impl Fn(&MachineSample, &MachineSample) -> bool,
) -> (MachineSample, MachineSample) {
    let begun = Instant::now();
    let first = watch.sample(0.0, processes).unwrap();
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let now = watch.sample(begun.elapsed().as_secs_f64(), processes).unwrap();
        if is_enough(&first, &now) {
            return (first, now);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{first:?} {now:?}");
    }
}

#[test]
fn a_neighbour_that_computes_is_in_the_machines_time_and_in_nobody_elses() {
    // Stands for bmt, so that what this process starts is a neighbour of it.
    let own = Running::start("exec sleep 100");
    let mut watch = watch(own.pid(), None);
    let _neighbour = busy();
    let begun = Instant::now();
    let first = watch.sample(0.0, &Processes::default()).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let then = watch.sample(1.5, &Processes::default()).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let foreign = (then.busy_s - first.busy_s) - (then.own_s - first.own_s);
    assert!(foreign / seconds >= 0.5, "{foreign} in {seconds} s");
    assert!(then.own_s - first.own_s < 0.3, "{then:?}");
    assert!(
        foreign / seconds <= f64::from(then.cpus) * 1.1,
        "{foreign} in {seconds} s"
    );
    assert_eq!(then.target, TargetCpu::Elsewhere);
}

#[test]
fn what_a_child_of_the_target_uses_is_the_targets() {
    let own = Running::start("exec sleep 100");
    // The target itself only waits; the child that computes ends with it.
    let target = Running::start("(while kill -0 $$ 2>/dev/null; do :; done) & wait");
    let processes = Processes::default().with("server", target.pid());
    let used = |sample: &MachineSample| match sample.target {
        TargetCpu::UsedS(used_s) => used_s,
        TargetCpu::Elsewhere | TargetCpu::Unknown => panic!("{sample:?}"),
    };
    let mut watch = watch(own.pid(), None);
    let (first, then) = watch_until(&mut watch, &processes, |first, now| used(now) - used(first) > 0.3);
    let machine = then.busy_s - first.busy_s;
    // Two clocks, one of them sampled: the whole is not less than its part by more than their resolution.
    assert!(machine > 0.1, "the machine was busy too: {machine}");
    assert!(then.own_s - first.own_s < 0.3, "{then:?}");
}

#[test]
fn what_bmt_starts_is_its_own() {
    let own = Running::start("(while kill -0 $$ 2>/dev/null; do :; done) & wait");
    let mut watch = watch(own.pid(), None);
    watch_until(&mut watch, &Processes::default(), |first, now| {
        now.own_s - first.own_s > 0.3
    });
}

#[test]
fn a_target_is_elsewhere_or_here_and_unknown_or_known_by_who_listens() {
    let own = Running::start("exec sleep 100");
    let target = |address: &str| {
        let mut watch = watch(own.pid(), Some(address.parse().unwrap()));
        watch.sample(0.0, &Processes::default()).unwrap().target
    };
    assert_eq!(target("192.0.2.1:80"), TargetCpu::Elsewhere);
    assert_eq!(target("127.0.0.1:1"), TargetCpu::Unknown, "nobody listens there");
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let known = target(&socket.local_addr().unwrap().to_string());
    assert_eq!(known, TargetCpu::UsedS(0.0), "this process listens there");
}
