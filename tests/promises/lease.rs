//! A server that is not heard of is given up in time, and one that is heard of keeps the lock.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};

use super::loss::holding;
use super::{Stopped, assert_silent_for_half, ours, pid_behind};
use crate::support::heimdall::Heimdall;
use crate::support::lateness::Lateness;
use crate::support::poll;
use crate::support::postgres::shared;
use crate::support::proxy::Proxy;

/// A child in a session of its own; nobody ends at SIGTERM.
const STUBBORN: &str = r#"
    trap "" TERM
    setsid sh -c 'echo child $$; exec sleep 300' &
    echo program $$ $HEIMDALL_BACKEND_PID
    exec sleep 300
"#;

#[test]
fn promise_4_by_three_quarters_of_a_lease_after_the_last_answer_the_job_is_dead() {
    let proxy = Proxy::start(([127, 0, 0, 1], shared().port()).into(), Duration::ZERO);
    let running = Heimdall::new()
        .database(&format!("{} user=trust_user dbname=app", proxy.tcp()))
        // Long, since the job is killed a twentieth of it before it has to be dead.
        .args(["--name", "partition", "--lease", "12s", "sh", "-c", STUBBORN])
        .spawn();
    let job = ["program", "child"].map(|word| pid_behind(&running, word));
    let lateness = Lateness::measure();
    // A heartbeat's answer, behind that to the first statement.
    let start = Instant::now();
    let is_beaten = || proxy.last_answer().filter(|last| *last > start + Duration::from_millis(500));
    poll(Duration::from_secs(30), is_beaten).expect("a heartbeat");
    proxy.freeze();
    let answered = proxy.last_answer().unwrap();
    let is_dead = || job.iter().all(|pid| test_kill_process(*pid).is_err()).then(Instant::now);
    let dead = poll(Duration::from_secs(30), is_dead).expect("a dead job");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(74));
    assert_silent_for_half(Duration::from_secs(12), &outcome.stderr, &lateness);
    let (took, bound) = (dead - answered, lateness.allow(Duration::from_secs(9)));
    assert!(took < bound, "{took:?}, not {bound:?}");
}

#[test]
fn promise_4_a_server_that_stands_still_is_given_up() {
    let running = Heimdall::new()
        .database(&ours())
        .args(["--name", "still", "--lease", "6s", "sh", "-c", "echo $HEIMDALL_BACKEND_PID; sleep 300"])
        .spawn();
    let backend = super::pids(&running.wait_for_stdout_line(""))[0];
    // A question that is not answered at all would be known earlier.
    let kept = "select count(*) from pg_stat_activity where state = 'idle' and query like '%heimdall: a sign of life%' \
                and application_name like 'heimdall:heimdall/still%'";
    shared().wait_for(kept, "1");
    let lateness = Lateness::measure();
    let _stopped = Stopped::stop(backend);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(74));
    assert_silent_for_half(Duration::from_secs(6), &outcome.stderr, &lateness);
}

#[test]
fn an_answer_that_came_while_heimdall_stood_still_is_in_time() {
    let (asked, is_asked) = mpsc::channel();
    let (stands, does_stand) = mpsc::channel();
    let server = holding(move |connection| {
        connection.expect(b'Q');
        asked.send(()).unwrap();
        does_stand.recv().unwrap();
        connection.answer(Some("42"));
        // More than the third of a lease that an answer may take, and less than the half that is borne.
        thread::sleep(Duration::from_millis(4200));
        asked.send(()).unwrap();
        connection.answer_holder();
        asked.send(()).unwrap();
        connection.serve_lock();
    });
    let mut running = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "stood still", "--lease", "12s", "sh", "-c", "cat; exit 5"])
        .pipe_stdin()
        .spawn();
    is_asked.recv().unwrap();
    let heimdall = Stopped::stop(Pid::from_raw(running.pid()).unwrap());
    stands.send(()).unwrap();
    is_asked.recv().unwrap();
    drop(heimdall);
    is_asked.recv().unwrap();
    running.close_stdin();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(5), "{}", outcome.stderr);
}

#[test]
fn promise_9_settings_that_would_end_the_session_are_switched_off() {
    let cluster = shared();
    cluster.sql("create database impatient; alter database impatient set statement_timeout = '300ms'");
    if cluster.version() >= 14 {
        cluster.sql("alter database impatient set idle_session_timeout = '300ms'");
    }
    if cluster.version() >= 17 {
        cluster.sql("alter database impatient set transaction_timeout = '300ms'");
    }
    let mut running = Heimdall::new()
        .database(&format!("{} user=trust_user dbname=impatient", cluster.tcp()))
        .args(["--name", "patient", "sh", "-c", "echo $HEIMDALL_BACKEND_PID; cat; exit 5"])
        .pipe_stdin()
        .spawn();
    let backend = running.wait_for_stdout_line("");
    // By the server's clock; a session that it has ended is not found.
    cluster.wait_for(
        &format!("select now() - state_change > '900ms' from pg_stat_activity where pid = {backend}"),
        "t",
    );
    running.close_stdin();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(5), "{}", outcome.stderr);
}
