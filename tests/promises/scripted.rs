//! A server that talks while the program runs: what is no loss, and what no flood can keep heimdall from.

use std::sync::mpsc;
use std::time::Duration;

use super::loss::holding;
use super::{assert_gone, assert_silent_for_half, kill, pid_behind, pids};
use crate::support::heimdall::Heimdall;
use crate::support::lateness::Lateness;
use crate::support::scripted::backend;

#[test]
fn notices_and_changed_parameters_are_no_loss() {
    let server = holding(|connection| {
        let mut talk = backend::notice_response(&[(b'S', "NOTICE"), (b'M', "tea is ready")]);
        talk.extend(backend::parameter_status("TimeZone", "UTC"));
        // NotificationResponse
        talk.extend(backend::message(b'A', b"\0\0\0\x2achannel\0payload\0"));
        talk = talk.repeat(3);
        talk.extend(backend::notice_response(&[(b'S', "NOTICE"), (b'M', "tea is over")]));
        connection.send(&talk);
        connection.serve_lock();
    });
    let mut running = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["-v", "--name", "talk", "sh", "-c", "cat; exit 5"])
        .pipe_stdin()
        .spawn();
    running.wait_for_stderr_line("the server says: NOTICE: tea is over");
    running.close_stdin();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(5), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.matches("tea is ready").count(), 3, "{}", outcome.stderr);
}

#[test]
fn promise_4_a_heartbeat_that_is_answered_by_an_error_is_answered() {
    let (answered, is_answered) = mpsc::channel();
    let server = holding(move |connection| {
        connection.expect(b'Q');
        let canceled = [(b'S', "ERROR"), (b'C', "57014"), (b'M', "canceling statement due to user request")];
        let mut answer = backend::error_response(&canceled);
        answer.extend(backend::ready_for_query(b'I'));
        connection.send(&answer);
        // The next one.
        connection.answer_holder();
        answered.send(()).unwrap();
        connection.serve_lock();
    });
    let mut running = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "canceled", "--lease", "6s", "sh", "-c", "cat; exit 5"])
        .pipe_stdin()
        .spawn();
    is_answered.recv().unwrap();
    running.close_stdin();
    assert_eq!(running.wait().code, Some(5));
}

/// Says a lot and answers nothing.
fn flood() -> crate::support::scripted::Scripted {
    holding(|connection| {
        let notice = backend::notice_response(&[(b'S', "NOTICE"), (b'M', "blah")]);
        connection.send_until_closed(&notice.repeat(100));
    })
}

const LISTENER: &str = "trap 'echo got' USR1; echo $$; while :; do sleep 0.05; done";

#[test]
fn promise_4_a_flood_is_no_answer_and_keeps_nobody_from_signals() {
    let (server, lateness) = (flood(), Lateness::measure());
    let running = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "flood", "--lease", "6s", "bash", "-c", LISTENER])
        .spawn();
    let program = pids(&running.wait_for_stdout_line(""));
    running.signal(10);
    running.wait_for_stdout_line("got");
    let outcome = running.wait();
    assert_gone(&program);
    assert_eq!(outcome.code, Some(74));
    assert_silent_for_half(Duration::from_secs(6), &outcome.stderr, &lateness);
}

#[test]
fn a_flood_keeps_nobody_from_timeout() {
    let server = flood();
    let running = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "flood", "--timeout", "300ms", "sleep", "300"])
        .run();
    assert_eq!(running.code, Some(124), "{}", running.stderr);
    assert!(running.stderr.contains("was not confirmed"), "{}", running.stderr);
}

#[test]
fn a_lock_that_is_lost_after_the_programs_end_is_not_given_back() {
    let (ended, has_ended) = mpsc::channel();
    let server = holding(move |connection| {
        connection.drain();
        ended.send(()).unwrap();
    });
    let running = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "lost", "--lease=2s", "--min-hold=60s"])
        .args(["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo daemon $!"])
        .spawn();
    let daemon = pid_behind(&running, "daemon");
    let outcome = running.wait();
    assert_eq!((outcome.code, outcome.stderr.lines().count()), (Some(0), 1), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("lost the lock heimdall/lost "), "{}", outcome.stderr);
    // Nor kept by what the program has left behind, where the server only seemed to be gone.
    has_ended.recv().unwrap();
    kill(daemon);
}

#[test]
fn a_release_that_is_not_answered_ends_the_connection_also_for_what_the_program_left_behind() {
    let (ended, has_ended) = mpsc::channel();
    let server = holding(move |connection| {
        connection.drain();
        ended.send(()).unwrap();
    });
    let running = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "unanswered", "sh", "-c", "sleep 300 >/dev/null 2>&1 & echo daemon $!; exit 5"])
        .spawn();
    let daemon = pid_behind(&running, "daemon");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(5));
    assert!(outcome.stderr.contains("was not confirmed"), "{}", outcome.stderr);
    has_ended.recv().unwrap();
    kill(daemon);
}
