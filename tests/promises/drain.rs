//! `--drain`: what the program has left in the background is the job too, and keeps the lock.

use super::{assert_stopped, ours, pid_behind, terminate_backend};
use crate::support::heimdall::{Heimdall, Running};

/// Its program has ended, with code 3, and has left a process that ends when told to, and one in a session of its own.
fn drained(name: &str, options: &[&str]) -> Running {
    let script =
        "setsid sh -c 'echo daemon $$; exec sleep 300' & (echo left $BASHPID; exec sleep 300) & exit 3";
    let running = Heimdall::new()
        .database(&ours())
        .args(["-v", "--name", name, "--drain"])
        .args(options)
        .args(["bash", "-c", script])
        .spawn();
    running.wait_for_stderr_line("holding the lock until what the program has left has ended");
    running
}

fn is_held(name: &str) -> bool {
    let next = Heimdall::new().database(&ours()).args(["--name", name, "true"]).run();
    assert!(matches!(next.code, Some(0 | 75)), "{next:?}");
    next.code == Some(75)
}

#[test]
fn the_lock_is_held_until_the_whole_job_has_ended_and_the_exit_code_is_the_programs() {
    let running = drained("drains", &[]);
    let job = ["left", "daemon"].map(|word| pid_behind(&running, word));
    for process in job {
        assert!(is_held("drains"));
        super::kill(process);
    }
    assert_eq!(running.wait().code, Some(3));
    assert!(!is_held("drains"));
}

#[test]
fn without_it_the_lock_is_free_when_the_program_has_ended() {
    let script = "sleep 300 >/dev/null 2>&1 & echo left $!";
    let running = Heimdall::new().database(&ours()).args(["--name", "no drain", "sh", "-c", script]).spawn();
    let left = pid_behind(&running, "left");
    assert_eq!(running.wait().code, Some(0));
    assert!(!is_held("no drain"));
    super::kill(left);
}

#[test]
fn promise_2_what_drains_is_stopped_when_the_lock_is_lost() {
    let running = drained("loses drained", &[]);
    let job = ["left", "daemon"].map(|word| pid_behind(&running, word));
    terminate_backend("loses drained");
    assert_eq!(running.wait().code, Some(74));
    assert_stopped(&job);
}

#[test]
fn promise_2_timeout_stops_what_drains() {
    let running = drained("times out", &["--timeout=4s"]);
    let job = ["left", "daemon"].map(|word| pid_behind(&running, word));
    assert_eq!(running.wait().code, Some(124));
    assert_stopped(&job);
}

#[test]
fn promise_10_a_signal_reaches_what_drains_wherever_it_is() {
    let running = drained("signals drained", &[]);
    let job = ["left", "daemon"].map(|word| pid_behind(&running, word));
    running.signal(15);
    assert_eq!(running.wait().code, Some(3));
    assert_stopped(&job);
}
