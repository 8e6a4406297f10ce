//! `--restart`: the program is started again, under the same lock or another.

use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::{heimdall, lose};
use crate::support::heimdall::{Heimdall, Running};
use crate::support::processes::is_alive;
use crate::support::scripted::{Connection, Scripted, backend};

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGABRT: i32 = 6;
const SIGUSR1: i32 = 10;
const SIGTERM: i32 = 15;

/// Says how often it was started again and its token, and stays.
const STAYS: &str = "echo start $HEIMDALL_RESTARTS $HEIMDALL_FENCING_TOKEN; exec sleep 300";

/// Says the same, and fails.
const FAILS: &str = "echo start $HEIMDALL_RESTARTS $HEIMDALL_FENCING_TOKEN; exit 3";

fn sh(heimdall: Heimdall, options: &[&str], script: &str) -> Running {
    heimdall.args(options).args(["sh", "-c", script]).spawn()
}

/// The token that the program was told at this start.
fn token(running: &Running, restarts: u32) -> i64 {
    let line = running.wait_for_stdout_line(&format!("start {restarts} "));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn assert_held(name: &str) {
    assert_eq!(heimdall(name).arg("true").run().code, Some(75));
}

fn assert_free(name: &str) {
    assert_eq!(heimdall(name).args(["--wait=10s", "true"]).run().code, Some(0));
}

#[test]
fn a_program_that_fails_is_started_again_under_the_lock_that_is_still_held() {
    let name = "fails";
    let running = sh(heimdall(name), &["--restart=on-failure", "--restart-limit=3"], FAILS);
    let first = token(&running, 0);
    let line = "starting the program again in 4s, under the same lock: the program ended with exit code 3";
    running.wait_for_stderr_line(line);
    assert_held(name);
    assert_eq!(token(&running, 3), first);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(3));
    assert!(
        outcome.stderr.ends_with("the program is not started again: --restart-limit is 3\n"),
        "{}",
        outcome.stderr
    );
    assert_free(name);
}

#[test]
fn after_a_loss_it_waits_for_the_lock_again_and_for_the_rest_of_a_lease_and_draws_another_token() {
    let name = "loses";
    let running = sh(heimdall(name), &["--restart=lost", "--lease=6s"], STAYS);
    let first = token(&running, 0);
    let lost = Instant::now();
    lose(name);
    running.wait_for_stderr_line("going back to waiting for the lock daemon/loses");
    assert!(token(&running, 1) > first);
    let pause = lost.elapsed();
    assert!(pause >= Duration::from_secs(5), "{pause:?}");
    running.signal(SIGTERM);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(143));
    assert!(!outcome.stderr.contains("error"), "{}", outcome.stderr);
    assert_free(name);
}

#[test]
fn a_program_that_meets_the_end_of_the_server_before_heimdall_does_is_started_again_after_a_loss() {
    let mut is_first = true;
    let server = Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        connection.send(&backend::answered(&backend::granted("42")));
        if !std::mem::replace(&mut is_first, false) {
            return connection.serve_lock();
        }
        // What keeps the session; then the lock is given back.
        assert!(connection.answer_holder());
        while !String::from_utf8(connection.expect(b'Q')).unwrap().contains("pg_advisory_unlock(") {}
        connection.close();
    });
    let conninfo = format!("{} user=ann", server.tcp());
    let heimdall = Heimdall::new().database(&conninfo).args(["--name", "meets the end"]);
    let running = sh(heimdall, &["--restart=lost", "--lease=3s"], "exit $((2 - 2 * HEIMDALL_RESTARTS))");
    running.wait_for_stderr_line("lost the lock");
    running.wait_for_stderr_line("going back to waiting for the lock");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[test]
fn a_lock_that_is_lost_after_the_programs_end_is_waited_for_by_the_rule_of_a_failover_too() {
    for (name, options) in [("ended kept", &["--restart"][..]), ("ended yields", &["--restart", "--yield"])] {
        // What it leaves has inherited that it ignores the signal.
        let script = "[ $HEIMDALL_RESTARTS = 0 ] || exec sleep 300; trap '' TERM; sleep 30 & exit 3";
        let running = sh(heimdall(name), &[options, &["--lease=60s", "--kill-after=5s"]].concat(), script);
        running.wait_for_stderr_line("nothing that it has left may go on");
        lose(name);
        running.wait_for_stderr_line("going back to waiting for the lock");
        running.wait_for_stderr_line("the server has broken a session");
        running.signal(SIGTERM);
        running.wait();
    }
}

#[test]
fn who_yields_lets_others_take_the_lock_and_waits_for_it_like_them() {
    let name = "yields";
    let script =
        "echo start $HEIMDALL_RESTARTS $HEIMDALL_FENCING_TOKEN; [ $HEIMDALL_RESTARTS = 0 ] || exec sleep 300";
    let yields = || sh(heimdall(name), &["-v", "--restart", "--yield"], script);
    let running = yields();
    let first = token(&running, 0);
    let line = running.wait_for_stderr_line("going back to waiting for the lock");
    assert!(line.ends_with(": the program ended with exit code 0"), "{line}");
    let other = heimdall(name).arg("--wait").hold();
    running.wait_for_stderr_line("heimdall: waiting for the lock");
    other.finish();
    assert!(token(&running, 1) > first);
    running.signal(SIGTERM);
    assert_eq!(running.wait().code, Some(143));
    // What ends heimdall while it waits at first does so later too.
    let running = yields();
    running.wait_for_stderr_line("going back to waiting for the lock");
    let other = heimdall(name).arg("--wait").hold();
    running.wait_for_stderr_line("heimdall: waiting for the lock");
    running.signal(SIGTERM);
    assert_eq!(running.wait().signal, Some(SIGTERM));
    other.finish();
}

#[test]
fn what_asks_heimdall_to_end_ends_it_all() {
    let name = "asked";
    // Whatever the program makes of it.
    for signal in [SIGTERM, SIGINT] {
        let running = sh(
            heimdall(name),
            &["--restart"],
            "trap 'exit 5' TERM INT; echo up; while :; do sleep 0.02; done",
        );
        running.wait_for_stdout_line("up");
        running.signal(signal);
        let outcome = running.wait();
        assert_eq!(outcome.code, Some(5), "{signal}");
        assert!(!outcome.stderr.contains("heimdall: "), "{}", outcome.stderr);
    }
    // A service manager's watchdog sends SIGABRT.
    for signal in [SIGHUP, SIGABRT] {
        let running = sh(heimdall(name), &["--restart"], "ulimit -c 0; echo up; exec sleep 300");
        running.wait_for_stdout_line("up");
        running.signal(signal);
        assert_eq!(running.wait().code, Some(128 + signal));
    }
    // Between two programs.
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        // Killed, it leaves it to the server to free the lock.
        let running = sh(heimdall(name), &["--restart", "--wait"], FAILS);
        running.wait_for_stderr_line("starting the program again in 2s");
        running.signal(signal);
        let outcome = running.wait();
        assert_eq!((outcome.signal, outcome.stdout.lines().count()), (Some(signal), 2));
    }
    assert_free(name);
}

#[test]
fn a_signal_that_means_something_else_ends_nothing() {
    let script =
        "trap 'echo hears; exit 3' HUP; echo start $HEIMDALL_RESTARTS 0; while :; do sleep 0.02; done";
    let running = sh(heimdall("reloads"), &["--restart=on-failure"], script);
    token(&running, 0);
    running.signal(SIGHUP);
    running.wait_for_stderr_line("starting the program again");
    running.signal(SIGUSR1);
    token(&running, 1);
    running.signal(SIGINT);
    assert_eq!(running.wait().code, Some(130));
}

#[test]
fn what_a_program_leaves_is_stopped_before_it_is_started_again() {
    let script = "echo start $HEIMDALL_RESTARTS 0; setsid sleep 300 & echo left $!; exit 3";
    // Under the same lock there is nothing to hold it for meanwhile.
    let running = sh(heimdall("leaves"), &["--restart", "--min-hold=5min"], script);
    let left = running.wait_for_stdout_line("left ");
    let left = Pid::from_raw(left.split(' ').nth(1).unwrap().parse().unwrap()).unwrap();
    running.wait_for_stderr_line("sent SIGTERM to the program: it has ended, and with --restart nothing");
    running.wait_for_stderr_line("starting the program again");
    assert!(!is_alive(left));
    running.signal(SIGTERM);
    assert_eq!(running.wait().signal, Some(SIGTERM));
}

#[test]
fn a_program_that_is_not_found_at_first_is_not_looked_for_again() {
    let outcome = heimdall("absent").args(["--restart", "no-such-program"]).run();
    assert_eq!(outcome.code, Some(127));
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
}

#[test]
fn without_it_the_program_is_told_of_no_restarts() {
    let script = "echo ${HEIMDALL_RESTARTS-none}";
    let outcome = heimdall("once").env("HEIMDALL_RESTARTS", "7").args(["sh", "-c", script]).run();
    assert_eq!(outcome.stdout, "none\n");
}
