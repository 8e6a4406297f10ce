//! A program whose lock or time is over is stopped, with its children, whatever it does against that.

use super::{FAMILY, assert_stopped, ours, pid_behind, pids, terminate_backend};
use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::database;

#[test]
fn promise_2_a_lost_lock_stops_the_program_and_its_children() {
    let running =
        Heimdall::new().database(&ours()).args(["--name", "terminated", "sh", "-c", FAMILY]).spawn();
    let family = pids(&running.wait_for_stdout_line(" "));
    terminate_backend("terminated");
    let outcome = running.wait();
    assert_stopped(&family);
    assert_eq!(outcome.code, Some(74));
    assert!(
        outcome.stderr.starts_with("heimdall: lost the lock heimdall/terminated at ")
            && outcome.stderr.contains("s: the server ended the session: FATAL:"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("[57P01]"), "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with("the job has been stopped\n"), "{}", outcome.stderr);
}

#[test]
fn promise_2_timeout_stops_the_program_and_its_children() {
    let running = Heimdall::new()
        .url(&database())
        .args(["--name", "timeout", "--timeout", "3s", "sh", "-c", FAMILY])
        .spawn();
    let family = pids(&running.wait_for_stdout_line(" "));
    let outcome = running.wait();
    assert_stopped(&family);
    assert_eq!(outcome.code, Some(124));
    assert!(outcome.stderr.contains("--timeout ran out"), "{}", outcome.stderr);
    // The lock was given back.
    let next =
        Heimdall::new().url(&database()).args(["--name", "no timeout", "--timeout", "0", "true"]).run();
    assert_eq!(next.code, Some(0));
}

#[test]
fn promise_2_who_ignores_sigterm_is_killed_after_kill_after() {
    let script = format!("trap '' TERM; {FAMILY}");
    let running = Heimdall::new()
        .database(&ours())
        .args(["--name", "stubborn", "--kill-after", "100ms", "bash", "-c", &script])
        .spawn();
    let family = pids(&running.wait_for_stdout_line(" "));
    terminate_backend("stubborn");
    let outcome = running.wait();
    assert_stopped(&family);
    assert_eq!(outcome.code, Some(74));
    assert!(outcome.stderr.contains("killed the program"), "{}", outcome.stderr);
}

#[test]
fn promise_2_children_that_outlive_their_parent_are_stopped() {
    // The leader ends at SIGTERM; its child does not.
    let script = "(trap '' TERM; echo $BASHPID; while :; do sleep 0.05; done) & wait";
    let running = Heimdall::new()
        .database(&ours())
        .args(["--name", "orphan", "--kill-after", "200ms", "bash", "-c", script])
        .spawn();
    let orphan = pids(&running.wait_for_stdout_line(""));
    terminate_backend("orphan");
    assert_eq!(running.wait().code, Some(74));
    assert_stopped(&orphan);
}

#[test]
fn promise_2_a_stopped_program_hears_sigterm_too() {
    let running = Heimdall::new()
        .database(&ours())
        .args(["--name", "asleep", "sh", "-c", "echo $$; kill -STOP $$; sleep 300"])
        .spawn();
    let program = pids(&running.wait_for_stdout_line(""));
    terminate_backend("asleep");
    let outcome = running.wait();
    assert_stopped(&program);
    assert_eq!(outcome.code, Some(74));
    assert!(!outcome.stderr.contains("killed the program"), "{}", outcome.stderr);
}

#[test]
fn promise_2_a_program_that_has_closed_all_its_descriptors_is_stopped() {
    let script = "echo $$; for fd in /proc/$$/fd/*; do eval \"exec ${fd##*/}>&-\"; done; sleep 300";
    let running =
        Heimdall::new().database(&ours()).args(["--name", "closes all", "bash", "-c", script]).spawn();
    let program = pids(&running.wait_for_stdout_line(""));
    terminate_backend("closes all");
    assert_eq!(running.wait().code, Some(74));
    assert_stopped(&program);
}

#[test]
fn what_such_a_process_starts_later_and_leaves_is_not_stopped_but_an_orphan_of_the_job_is() {
    let flag = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("late-{}", std::process::id()));
    let script = "(while [ ! -e \"$FLAG\" ]; do sleep 0.02; done; sleep 300 >/dev/null 2>&1 & echo stranger $!) & exec \"$0\" \"$@\"";
    let job = "(setsid sh -c 'echo orphan $$; exec sleep 300' &); \
               env -i PATH=\"$PATH\" setsid -f sh -c 'echo cleaned $$; exec sleep 300'; \
               echo mine $$; touch \"$FLAG\"; sleep 300";
    let running = Heimdall::program("sh")
        .args(["-c", script, BINARY])
        .env("FLAG", &flag)
        .database(&ours())
        .args(["--name", "late stranger", "--kill-after", "100ms", "sh", "-c", job])
        .spawn();
    let [mine, orphan, cleaned, stranger] =
        ["mine", "orphan", "cleaned", "stranger"].map(|word| pid_behind(&running, word));
    std::fs::remove_file(&flag).unwrap();
    terminate_backend("late stranger");
    assert_eq!(running.wait().code, Some(74));
    assert_stopped(&[mine, orphan, cleaned]);
    super::kill(stranger);
}

#[test]
fn what_a_shell_started_before_it_became_heimdall_is_not_stopped() {
    let script = "sleep 300 >/dev/null 2>&1 & echo stranger $!; exec \"$0\" \"$@\"";
    let running = Heimdall::program("sh")
        .args(["-c", script, BINARY])
        .database(&ours())
        .args([
            "--name",
            "stranger",
            "--kill-after",
            "100ms",
            "sh",
            "-c",
            "echo mine $$; trap '' TERM; sleep 300",
        ])
        .spawn();
    let (stranger, mine) = (pid_behind(&running, "stranger"), pid_behind(&running, "mine"));
    terminate_backend("stranger");
    assert_eq!(running.wait().code, Some(74));
    assert_stopped(&[mine]);
    super::kill(stranger);
}
