//! While the program runs: signals reach it, a lost lock and `--timeout` stop it, nothing is left.

use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

use crate::support::heimdall::Heimdall;
use crate::support::poll;
use crate::support::postgres::{Cluster, ClusterOptions, Stop, database, shared};
use crate::support::proxy::Proxy;

/// On the shared server, also where `DATABASE_URL` is set: these tests act on the server's side.
fn ours() -> String {
    format!("{} user=trust_user dbname=app", shared().tcp())
}

/// Prints its process id, and that of a child of its own, and stays.
const FAMILY: &str = "sleep 300 & echo $$ $!; wait";

fn pids(line: &str) -> Vec<Pid> {
    line.split(' ').map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect()
}

fn assert_gone(pids: &[Pid]) {
    for pid in pids {
        let gone = poll(Duration::from_secs(10), || test_kill_process(*pid).is_err().then_some(()));
        assert!(gone.is_some(), "process {pid:?} is left");
    }
}

#[test]
fn signals_reach_the_program_once_and_its_end_is_ours() {
    let script = "for s in HUP INT QUIT USR1 USR2 ALRM; do trap \"echo got $s\" $s; done; \
                  trap 'echo got TERM; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let running =
        Heimdall::new().database(&database()).args(["--name", "signals", "bash", "-c", script]).spawn();
    running.wait_for_stdout_line("ready");
    for (number, name) in
        [(1, "HUP"), (2, "INT"), (3, "QUIT"), (10, "USR1"), (12, "USR2"), (14, "ALRM"), (15, "TERM")]
    {
        running.signal(number);
        running.wait_for_stdout_line(&format!("got {name}"));
    }
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(9));
    assert_eq!(outcome.stdout, "ready\ngot HUP\ngot INT\ngot QUIT\ngot USR1\ngot USR2\ngot ALRM\ngot TERM\n");
}

#[test]
fn a_signal_that_kills_the_program_is_told_as_128_and_the_signal() {
    let running = Heimdall::new()
        .database(&database())
        .args(["--name", "killed", "sh", "-c", "echo ready; exec sleep 300"])
        .spawn();
    running.wait_for_stdout_line("ready");
    running.signal(15);
    assert_eq!(running.wait().code, Some(143));
}

#[test]
fn a_signal_ignored_by_the_caller_stays_ignored() {
    let running = std::process::Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_heimdall")])
        .args(["--database", &database(), "--name", "nohup", "grep", "SigIgn", "/proc/self/status"])
        .output()
        .unwrap();
    let line = String::from_utf8(running.stdout).unwrap();
    let set = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
    assert_eq!(set & 1, 1, "{line}");
}

#[test]
fn a_terminated_backend_stops_the_program_and_its_children() {
    let running =
        Heimdall::new().database(&ours()).args(["--name", "terminated", "sh", "-c", FAMILY]).spawn();
    let family = pids(&running.wait_for_stdout_line(" "));
    shared().sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'heimdall:heimdall/terminated'",
    );
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(74));
    assert!(
        outcome.stderr.starts_with("heimdall: lost the lock heimdall/terminated (key ")
            && outcome.stderr.contains(" s: the server ended the session: FATAL:"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("[57P01]"), "{}", outcome.stderr);
    assert_gone(&family);
}

#[test]
fn a_program_that_ignores_sigterm_is_killed() {
    let script = format!("trap '' TERM; {FAMILY}");
    let running = Heimdall::new()
        .database(&ours())
        .args(["--name", "stubborn", "--kill-after", "100ms", "bash", "-c", &script])
        .spawn();
    let family = pids(&running.wait_for_stdout_line(" "));
    shared().sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'heimdall:heimdall/stubborn'",
    );
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(74));
    assert!(
        outcome.stderr.contains("killed the program: it did not end after SIGTERM"),
        "{}",
        outcome.stderr
    );
    assert_gone(&family);
}

#[test]
fn children_that_outlive_their_parent_are_stopped_with_the_lock() {
    // The leader ends at SIGTERM; its child does not.
    let script = "(trap '' TERM; echo $BASHPID; while :; do sleep 0.05; done) & wait";
    let running = Heimdall::new()
        .database(&ours())
        .args(["--name", "orphan", "--kill-after", "200ms", "bash", "-c", script])
        .spawn();
    let orphan = pids(&running.wait_for_stdout_line(""));
    shared().sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'heimdall:heimdall/orphan'",
    );
    assert_eq!(running.wait().code, Some(74));
    assert_gone(&orphan);
}

#[test]
fn a_cut_connection_is_noticed_at_once() {
    let proxy = Proxy::start(([127, 0, 0, 1], shared().port()).into(), Duration::ZERO);
    let running = Heimdall::new()
        .database(&format!("{} user=trust_user dbname=app", proxy.tcp()))
        .args(["--name", "cut", "sh", "-c", FAMILY])
        .spawn();
    let family = pids(&running.wait_for_stdout_line(" "));
    proxy.cut();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(74));
    assert!(outcome.stderr.contains("lost the lock heimdall/cut "), "{}", outcome.stderr);
    assert_gone(&family);
}

#[test]
fn a_server_that_stops_takes_the_program_along() {
    for stop in [Stop::Fast, Stop::Immediate] {
        let cluster = Cluster::start(&ClusterOptions::default());
        let running = Heimdall::new()
            .database(&format!("{} user=postgres dbname=postgres", cluster.tcp()))
            .args(["--name", "stopped server", "sh", "-c", FAMILY])
            .spawn();
        let family = pids(&running.wait_for_stdout_line(" "));
        cluster.stop(stop);
        assert_eq!(running.wait().code, Some(74), "{stop:?}");
        assert_gone(&family);
    }
}

#[test]
fn timeout_stops_the_program_and_all_its_children() {
    let running = Heimdall::new()
        .database(&database())
        .args(["--name", "timeout", "--timeout", "300ms", "sh", "-c", FAMILY])
        .spawn();
    let family = pids(&running.wait_for_stdout_line(" "));
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(124));
    assert!(outcome.stderr.contains("--timeout ran out"), "{}", outcome.stderr);
    assert_gone(&family);
    // The lock was given back.
    let next =
        Heimdall::new().database(&database()).args(["--name", "timeout", "--timeout", "0", "true"]).run();
    assert_eq!(next.code, Some(0));
}

/// Where `kill -9` strikes heimdall, and its program runs on: who holds the lock now.
fn locks_of_killed(name: &str, options: &[&str], conninfo: &str) -> (Vec<Pid>, String) {
    let running = Heimdall::new()
        .database(conninfo)
        .args(["--name", name])
        .args(options)
        .args(["sh", "-c", FAMILY])
        .spawn();
    let family = pids(&running.wait_for_stdout_line(" "));
    let (_, key, _) = heimdall::lock::Key::named("heimdall", name).in_pg_locks();
    running.signal(9);
    assert_eq!(running.wait().signal, Some(9));
    (family, format!("select count(*) from pg_locks where locktype = 'advisory' and objid = {key}"))
}

fn kill(pid: Pid) {
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn assert_the_lock_outlives_heimdall(name: &str, conninfo: &str, cluster: &Cluster) {
    let (family, locks) = locks_of_killed(name, &[], conninfo);
    // The program is gone, its child is not.
    kill(family[0]);
    let refused = Heimdall::new().database(conninfo).args(["--name", name, "true"]).run();
    assert_eq!(refused.code, Some(75), "{}", refused.stderr);
    assert_eq!(cluster.sql(&locks), "1");
    kill(family[1]);
    cluster.wait_for(&locks, "0");
}

#[test]
fn promise_3_the_lock_outlives_a_killed_heimdall_and_not_the_job() {
    assert_the_lock_outlives_heimdall("killed -9", &ours(), shared());
}

#[cfg(feature = "tls")]
#[test]
fn promise_3_holds_over_tls() {
    let serving = crate::support::postgres::tls().serve("good");
    let cluster = &serving.tls.cluster;
    let conninfo = format!("{} user=trust_user dbname=app sslmode=require", cluster.tcp());
    assert_the_lock_outlives_heimdall("killed -9 tls", &conninfo, cluster);
}

#[test]
fn with_close_the_lock_goes_with_heimdall() {
    let (family, locks) = locks_of_killed("killed --close", &["--close"], &ours());
    shared().wait_for(&locks, "0");
    family.into_iter().for_each(kill);
}
