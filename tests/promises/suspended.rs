//! A host that was suspended, and wakes up when the lock may be another's.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use heimdall::lock::Key;
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, kill_process};

use super::{Stopped, ours, pid_behind};
use crate::support::heimdall::{BINARY, Heimdall, Outcome, Running};
use crate::support::lateness::Lateness;
use crate::support::namespaces::Namespaces;
use crate::support::poll;
use crate::support::postgres::ClusterOptions;
use crate::support::processes::family;
use crate::support::scripted::{Connection, Scripted, backend};
use crate::support::stream::Stream;

/// Tells all the time what time it is, as a sign that it runs, until standard input ends; nor does it end at SIGTERM.
const JOB: &str = r#"
    trap "" TERM
    echo program $$
    while read -r -t 0.01; [ $? -gt 128 ]; do echo $EPOCHREALTIME; done
    exit 5
"#;

/// What a suspended host does with heimdall and its job.
fn suspend(running: &Running) -> [Stopped; 2] {
    let job = pid_behind(running, "program");
    [Pid::from_raw(running.pid()).unwrap(), job].map(Stopped::stop)
}

#[test]
fn promise_13_a_job_that_wakes_up_when_its_lock_is_free_does_nothing_beside_the_next() {
    let Some(hosts) = Namespaces::for_test("a suspended host") else { return };
    let cluster = hosts.start_cluster(&ClusterOptions::default());
    let running = hosts
        .heimdall()
        .database(&format!("{} user=postgres dbname=postgres", hosts.tcp(&cluster)))
        .args(["--key", "13", "--lease", "4s", "bash", "-c", JOB])
        .pipe_stdin()
        .spawn();
    // The first sign that it runs.
    running.wait_for_stdout_line(".");
    // A heartbeat, after what is set for the session.
    cluster.wait_for(
        "select count(*) from pg_stat_activity where query like '%heimdall: a sign of life%' and state = 'idle'",
        "1",
    );
    let stopped = suspend(&running);
    hosts.pull_the_cable();
    cluster.wait_for_holders(Key::Single(13), 0);
    let lateness = Lateness::measure();
    let woken = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    drop(stopped);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(74), "{}", outcome.stderr);
    let last =
        outcome.stdout.lines().filter_map(|line| line.parse().ok()).next_back().map(Duration::from_secs_f64);
    let (ran, bound) = (last.unwrap().saturating_sub(woken), lateness.allow(Duration::from_millis(300)));
    assert!(ran < bound, "{ran:?}, not {bound:?}: {}", outcome.stderr);
    assert!(outcome.stderr.contains("suspended the program until the server answers"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("killed the program: the server may have freed"), "{}", outcome.stderr);
}

#[test]
fn promise_13_a_job_that_wakes_up_late_goes_on_once_the_server_says_that_the_lock_is_still_its() {
    let mut running = Heimdall::new()
        .database(&ours())
        .args(["--name", "wakes up", "--lease", "8s", "bash", "-c", JOB])
        .pipe_stdin()
        .spawn();
    let stopped = suspend(&running);
    // More than three quarters of a lease.
    thread::sleep(Duration::from_millis(6500));
    drop(stopped);
    running.wait_for_stderr_line("is still ours; the program goes on");
    running.close_stdin();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(5), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("which was last heard of "), "{}", outcome.stderr);
}

#[test]
fn promise_13_away_from_a_terminal_too_the_job_is_stopped_with_heimdall() {
    // Who handles the first signal does not stop by it, and what it waits for does.
    let script = "trap 'n=$((n+1)); echo goes on $n' CONT; trap : TSTP; trap 'echo hears' USR1; setsid sh -c 'echo child $$; exec sleep 300' & \
                  echo program $$; while :; do sleep 0.02; done";
    let running = Heimdall::new().database(&ours()).args(["--name", "stopped", "bash", "-c", script]).spawn();
    let job = ["program", "child"].map(|word| pid_behind(&running, word));
    let heimdall = Pid::from_raw(running.pid()).unwrap();
    for (signal, count) in [(Signal::TSTP, 1), (Signal::TTIN, 2), (Signal::TTOU, 3)] {
        kill_process(heimdall, signal).unwrap();
        poll(Duration::from_secs(30), || is_stopped(heimdall).then_some(())).expect("it stops");
        // It does not wait long for them.
        poll(Duration::from_secs(5), || job.into_iter().all(is_stopped).then_some(())).expect("they stop");
        kill_process(heimdall, Signal::CONT).unwrap();
        running.wait_for_stdout_line(&format!("goes on {count}"));
        poll(Duration::from_secs(30), || (!is_stopped(job[1])).then_some(())).expect("it goes on");
    }
    running.signal(10);
    running.wait_for_stdout_line("hears");
    running.signal(15);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.matches("goes on").count(), 3);
}

#[test]
fn promise_13_who_is_continued_before_the_job_has_stopped_goes_on() {
    // Does not stop, and ends when the time is over that it has for that.
    let script = "exec {pause}<> <(:); trap 'echo hears' TSTP; trap 'read -t 1 -u $pause; exit 7' CONT; echo ready; \
                  while :; do read -t 0.02 -u $pause; done";
    let running = Heimdall::new().database(&ours()).args(["--name", "not yet", "bash", "-c", script]).spawn();
    running.wait_for_stdout_line("ready");
    running.signal(20);
    running.wait_for_stdout_line("hears");
    running.signal(18);
    assert_eq!(running.wait().code, Some(7));
}

fn is_stopped(pid: Pid) -> bool {
    is_in_state(pid, 'T')
}

/// As `man 5 proc_pid_stat` has it.
fn is_in_state(pid: Pid, state: char) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    stat.contains(&format!(") {state} "))
}

#[test]
fn promise_13_who_reads_late_that_the_lock_is_granted_asks_again_before_the_program_starts() {
    let outcome = read_late(&[]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(69), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("lost before the program was started"), "{}", outcome.stderr);
}

#[test]
fn who_waits_goes_on_waiting_after_a_grant_that_came_to_nothing() {
    let outcome = read_late(&["--wait"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ran\n"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("lost before the program was started"), "{}", outcome.stderr);
}

#[test]
fn promise_13_who_is_stopped_once_the_lock_is_granted_asks_again_before_the_program_starts() {
    // The program may have started before this test could stop heimdall.
    let (outcome, stderr) =
        (0..10).find_map(|_| stopped_before_the_start()).expect("one that is stopped in time");
    assert_eq!(outcome.code, Some(69), "{stderr}");
    assert!(stderr.contains("lost before the program was started"), "{stderr}");
}

/// A heimdall that is stopped while it waits a moment for the reader of its standard error, as it does before its program starts,
/// and that goes on when its session has ended; `None` where the program had started before.
fn stopped_before_the_start() -> Option<(Outcome, String)> {
    let (read, is_read) = mpsc::channel();
    let (stands, does_stand) = mpsc::channel();
    let server = Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        connection.send(&backend::answered(&backend::granted("42")));
        // What keeps the session is asked once the grant was read.
        connection.expect(b'Q');
        read.send(()).unwrap();
        let _ = does_stand.recv();
        connection.close();
    });
    let (reader, mut writer) = io::pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    ioctl_fionbio(&writer, false).unwrap();
    let full = format!("/proc/{}/fd/{}", std::process::id(), writer.as_raw_fd());
    let running = Heimdall::program("sh")
        .args(["-c", r#"exec "$0" "$@" 2>"$FULL""#, BINARY])
        .env("FULL", full)
        .database(&format!("{} user=ann", server.tcp()))
        .args(["-v", "--name", "stopped early", "--lease", "3s", "sleep", "300"])
        .spawn();
    is_read.recv().unwrap();
    drop(writer);
    let heimdall = Pid::from_raw(running.pid()).unwrap();
    poll(Duration::from_secs(30), || is_in_state(heimdall, 'S').then_some(())).expect("it waits");
    let stopped = Stopped::stop(heimdall);
    poll(Duration::from_secs(30), || is_stopped(heimdall).then_some(())).expect("it stops");
    stands.send(()).unwrap();
    if family(running.pid()).len() > 1 {
        return None;
    }
    // More than a third of the lease.
    thread::sleep(Duration::from_millis(1100));
    drop(stopped);
    let stderr = Stream::collect(reader);
    let outcome = running.wait();
    let stderr = stderr.wait_for_end(Instant::now() + Duration::from_secs(5));
    Some((outcome, stderr.trim_start().to_owned()))
}

/// A heimdall that reads late that the lock is granted, from a server that is not there any more when it is asked again, and
/// then grants it once more.
fn read_late(options: &[&str]) -> Outcome {
    let (asked, is_asked) = mpsc::channel();
    let (stands, does_stand) = mpsc::channel();
    let mut is_first = true;
    let server = Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        let granted = backend::answered(&backend::granted("42"));
        if !std::mem::replace(&mut is_first, false) {
            connection.send(&granted);
            return connection.serve_lock();
        }
        asked.send(()).unwrap();
        does_stand.recv().unwrap();
        connection.send(&granted);
        // More than a third of the lease.
        thread::sleep(Duration::from_millis(1100));
        asked.send(()).unwrap();
        // What keeps the session is asked once the grant was read, and so its answer counts.
        assert!(connection.expect(b'Q').windows(8).any(|word| word == b"COMMIT; "));
        connection.close();
    });
    let running = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "reads late", "--lease", "3s"])
        .args(options)
        .args(["echo", "ran"])
        .spawn();
    is_asked.recv().unwrap();
    let heimdall = Stopped::stop(Pid::from_raw(running.pid()).unwrap());
    stands.send(()).unwrap();
    is_asked.recv().unwrap();
    drop(heimdall);
    running.wait()
}
