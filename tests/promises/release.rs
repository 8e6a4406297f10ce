//! A lock that was given back is free: for the next contender, and whatever the program leaves behind.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::loss::holding;
use super::{holders, kill, ours, pid_behind, wait_for_no_holder};
use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::{database, shared};

#[test]
fn promise_6_release_is_confirmed_so_the_next_heimdall_finds_the_lock_free() {
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do \"$0\" \"$@\" true || exit; done; echo all";
    let outcome =
        Heimdall::program("sh").args(["-c", script, BINARY, "--name", "own shadow"]).url(&database()).run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "all\n"), "{}", outcome.stderr);
}

#[test]
fn promise_6_heimdall_does_not_end_before_the_server_has_answered() {
    let (answers, answered) = mpsc::channel();
    let server = holding(move |connection| {
        assert!(String::from_utf8(connection.expect(b'Q')).unwrap().contains("pg_advisory_unlock("));
        // Time enough to end, for one that does not wait.
        thread::sleep(Duration::from_millis(300));
        answers.send(Instant::now()).unwrap();
        connection.answer(Some("t"));
        connection.drain();
    });
    let database = format!("{} user=ann", server.tcp());
    let outcome = Heimdall::new().database(&database).args(["-v", "--name", "slow", "true"]).run();
    let ended = Instant::now();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("released the lock heimdall/slow"), "{}", outcome.stderr);
    assert!(ended > answered.recv().unwrap());
}

#[test]
fn promise_3_a_daemon_that_the_program_leaves_behind_holds_nothing() {
    let script = "setsid sh -c 'echo daemon $$; exec sleep 300 >/dev/null 2>&1' & exit 3";
    let running = Heimdall::new().database(&ours()).args(["--name", "daemon", "sh", "-c", script]).spawn();
    let daemon = pid_behind(&running, "daemon");
    assert_eq!(running.wait().code, Some(3));
    wait_for_no_holder(shared(), "daemon");
    kill(daemon);
}

#[test]
fn min_hold_gives_the_lock_back_not_earlier() {
    let start = Instant::now();
    let outcome = Heimdall::new()
        .database(&ours())
        .args(["-v", "--name", "held on", "--min-hold", "700ms", "true"])
        .run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(start.elapsed() >= Duration::from_millis(700), "{:?}", start.elapsed());
    assert!(outcome.stderr.contains("released the lock"), "{}", outcome.stderr);
    assert_eq!(shared().sql(&holders("held on")), "0");
}

#[test]
fn min_hold_keeps_the_lock_until_a_signal_ends_it_and_the_programs_code_stands() {
    let running = Heimdall::new()
        .database(&ours())
        .args(["--name", "held short", "--min-hold", "300s", "sh", "-c", "echo $$; exit 5"])
        .spawn();
    super::assert_gone(&super::pids(&running.wait_for_stdout_line("")));
    assert_eq!(shared().sql(&holders("held short")), "1");
    running.signal(15);
    assert_eq!(running.wait().code, Some(5));
    wait_for_no_holder(shared(), "held short");
}

#[test]
fn a_lock_lost_when_the_program_has_ended_did_not_run_without_it() {
    let running = Heimdall::new()
        .database(&ours())
        .args(["--name", "held no more", "--min-hold", "300s", "sh", "-c", "echo $$; exit 5"])
        .spawn();
    super::assert_gone(&super::pids(&running.wait_for_stdout_line("")));
    super::terminate_backend("held no more");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(5));
    assert!(outcome.stderr.contains("lost the lock heimdall/held no more "), "{}", outcome.stderr);
}
