//! heimdall as process 1 of a container, which has more to do than others.

use std::process::Command;

use crate::support::did_not_run;
use crate::support::heimdall::{BINARY, Heimdall, Running};
use crate::support::ports;
use crate::support::postgres::database;
use crate::support::processes::family;

/// heimdall as process 1 of a PID namespace, where this machine lets us make one.
fn init(test: &str, more: &[&str]) -> Option<Heimdall> {
    let words = [&["--pid", "--fork", "--kill-child"], more].concat();
    let has_worked = |output: std::process::Output| output.status.success();
    if !Command::new("unshare").args(&words).arg("true").output().is_ok_and(has_worked) {
        did_not_run(test, "this system does not let us make PID namespaces");
        return None;
    }
    Some(Heimdall::program("unshare").args(words).arg(BINARY))
}

const OWN_PROC: &[&str] = &["--mount-proc"];

#[test]
fn promise_10_as_process_1_heimdall_reaps_orphans() {
    let Some(heimdall) = init("reaping orphans", OWN_PROC) else { return };
    // Each of the inner shells loses its parent, and one that is not reaped stays a zombie.
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do (sh -c 'exit' &); done; echo parent $PPID; \
                  while grep -q '^State:.Z' /proc/[0-9]*/status; do sleep 0.05; done; exit 7";
    let outcome = heimdall.url(&database()).args(["--name", "init", "sh", "-c", script]).run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(7), "parent 1\n"), "{}", outcome.stderr);
}

#[test]
fn promise_10_as_process_1_heimdall_reaps_orphans_while_it_waits_too() {
    let _holder = Heimdall::new().url(&database()).args(["--name", "init waits"]).hold();
    let Some(heimdall) = init("reaping orphans while waiting", OWN_PROC) else { return };
    let waiter = heimdall.url(&database()).args(["--name", "init waits", "--wait", "true"]).spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    assert_reaps(&waiter);
    let Some(heimdall) = init("reaping orphans without a server", OWN_PROC) else { return };
    // Nothing listens there any more.
    let port = ports::free();
    let nowhere = format!("host=127.0.0.1 port={port} user=ann sslmode=disable");
    let waiter = heimdall.database(&nowhere).args(["--name", "init waits", "--wait", "true"]).spawn();
    waiter.wait_for_stderr_line("waiting for the server");
    assert_reaps(&waiter);
    let Some(heimdall) = init("reaping orphans while a server is silent", OWN_PROC) else { return };
    let silent = ports::listen();
    let nowhere = format!("host=127.0.0.1 port={} user=ann", silent.local_addr().unwrap().port());
    let waiter = heimdall.database(&nowhere).args(["--name", "init waits", "--wait", "true"]).spawn();
    let _connection = silent.accept().unwrap();
    assert_reaps(&waiter);
}

/// What a probe of a container leaves to process 1 is gone soon.
fn assert_reaps(waiter: &Running) {
    let heimdall = family(waiter.pid())[1].as_raw_nonzero().to_string();
    let probe = "for i in 1 2 3 4 5 6 7 8 9 10; do (sh -c 'exit' &); done; \
                 while grep -q '^State:.Z' /proc/[0-9]*/status; do sleep 0.05; done";
    let status = Command::new("timeout")
        .args(["20", "nsenter", "--target", &heimdall, "--pid", "--mount", "sh", "-c", probe])
        .status();
    assert!(status.unwrap().success(), "zombies are left");
}

#[test]
fn promise_10_as_process_1_heimdall_passes_on_what_supervisors_send() {
    let Some(heimdall) = init("signals of supervisors", OWN_PROC) else { return };
    // SIGABRT, SIGPWR, and what systemd sends to a container: SIGRTMIN+3.
    let script = "exec {pause}<> <(:); for s in 6 30 37; do trap \"echo got $s\" $s; done; echo ready; \
                  trap 'exit 7' TERM; while :; do read -t 0.05 -u $pause; done";
    let running = heimdall.url(&database()).args(["--name", "supervised", "bash", "-c", script]).spawn();
    running.wait_for_stdout_line("ready");
    let heimdall = family(running.pid())[1].as_raw_nonzero();
    for number in [6, 30, 37, 15] {
        let kill = Command::new("bash").args(["-c", &format!("kill -{number} {heimdall}")]).status();
        assert!(kill.unwrap().success());
        if number != 15 {
            running.wait_for_stdout_line(&format!("got {number}"));
        }
    }
    let outcome = running.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(7), "ready\ngot 6\ngot 30\ngot 37\n"));
}

#[test]
fn as_process_1_heimdall_is_ended_by_a_signal_while_it_connects() {
    for (number, signal) in [(15, "TERM"), (37, "RTMIN+3"), (6, "ABRT")] {
        is_ended_while_connecting(number, signal, &["true"]);
    }
    for action in ["--stop", "--list", "--check"] {
        is_ended_while_connecting(15, "TERM", &[action]);
    }
}

fn is_ended_while_connecting(number: i32, signal: &str, action: &[&str]) {
    let Some(heimdall) = init("process 1 while connecting", OWN_PROC) else { return };
    let silent = ports::listen();
    let conninfo = format!("host=127.0.0.1 port={} user=ann", silent.local_addr().unwrap().port());
    let running = heimdall.database(&conninfo).args(["--name", "init"]).args(action).spawn();
    let _connection = silent.accept().unwrap();
    let heimdall = family(running.pid()).last().unwrap().as_raw_nonzero();
    let kill = Command::new("bash").args(["-c", &format!("kill -{number} {heimdall}")]).status();
    assert!(kill.unwrap().success());
    assert_eq!(running.wait().code, Some(128 + number), "{signal} {action:?}");
}

#[test]
fn promise_2_as_process_1_heimdall_stops_what_the_process_table_does_not_show() {
    // Without --mount-proc it is the table of the namespace outside.
    for more in [OWN_PROC, &[]] {
        let Some(heimdall) = init("a foreign process table", more) else { return };
        let script = "setsid sh -c 'trap \"\" TERM; exec sleep 300' & sleep 300";
        let outcome = heimdall
            .url(&database())
            .args(["--name", "blind init", "--timeout", "3s", "--kill-after", "100ms", "sh", "-c", script])
            .run();
        assert_eq!(outcome.code, Some(124), "{}", outcome.stderr);
        // The end of process 1 would kill it too, but heimdall says that it has done so while it lives.
        assert!(outcome.stderr.contains("killed the program: "), "{}", outcome.stderr);
    }
}

#[test]
fn as_process_1_heimdall_passes_on_signals_to_what_drains_and_the_process_table_does_not_show() {
    let Some(heimdall) = init("signals where nothing is seen", &[]) else { return };
    let script = "(trap 'echo heard; exit' USR1; echo ready; while :; do sleep 0.05; done) & exit 3";
    let running = heimdall
        .url(&database())
        .args(["-v", "--name", "blind drain", "--drain", "bash", "-c", script])
        .spawn();
    running.wait_for_stdout_line("ready");
    running.wait_for_stderr_line("holding the lock until what the program has left has ended");
    let heimdall = family(running.pid())[1].as_raw_nonzero();
    let kill = Command::new("bash").args(["-c", &format!("kill -USR1 {heimdall}")]).status();
    assert!(kill.unwrap().success());
    running.wait_for_stdout_line("heard");
    assert_eq!(running.wait().code, Some(3));
}
