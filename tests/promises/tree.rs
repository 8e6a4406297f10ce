//! Descendants that have left the program's process group are the program too.

use rustix::process::Pid;

use super::{assert_stopped, ours, pid_behind, terminate_backend};
use crate::support::did_not_run;
use crate::support::heimdall::{Heimdall, Running};
use crate::support::processes::with_environment;

/// One that ignores SIGTERM in a session of its own, one whose parent has ended at once, one behind a chain
/// of sessions whose middle is gone, and the program.
const LEAVERS: &str = r#"
    setsid sh -c 'trap "" TERM; echo stubborn $$; exec sleep 300' &
    (setsid sh -c 'echo orphan $$; exec sleep 300' &)
    setsid sh -c 'setsid sh -c "echo chained \$\$; exec sleep 300" & exit' &
    echo program $$
    wait
    exec sleep 300
"#;

fn leavers(running: &Running) -> Vec<Pid> {
    ["stubborn", "orphan", "chained", "program"].map(|word| pid_behind(running, word)).to_vec()
}

#[test]
fn promise_2_descendants_that_left_the_group_are_stopped_when_the_lock_is_lost() {
    let running = Heimdall::new()
        .database(&ours())
        .args(["--name", "leavers", "--kill-after", "300ms", "sh", "-c", LEAVERS])
        .spawn();
    let all = leavers(&running);
    terminate_backend("leavers");
    let outcome = running.wait();
    assert_stopped(&all);
    assert_eq!(outcome.code, Some(74), "{}", outcome.stderr);
}

#[test]
fn promise_2_descendants_that_left_the_group_are_stopped_by_timeout() {
    let running = Heimdall::new()
        .database(&ours())
        .args(["--name", "late leavers", "--timeout", "4s", "--kill-after", "200ms", "sh", "-c", LEAVERS])
        .spawn();
    let all = leavers(&running);
    let outcome = running.wait();
    assert_stopped(&all);
    assert_eq!(outcome.code, Some(124), "{}", outcome.stderr);
}

#[test]
fn promise_2_one_that_leaves_while_the_program_ends_is_stopped() {
    let script = r#"
        trap 'for i in 1 2 3 4 5; do setsid sh -c "trap \"\" TERM; exec sleep 300" & done; exit' TERM
        echo ready
        while :; do sleep 0.05; done
    "#;
    let mark = format!("LEAVES_LATE={}", std::process::id());
    let running = Heimdall::new()
        .database(&ours())
        .env("LEAVES_LATE", std::process::id().to_string())
        .args(["--name", "leaves late", "--kill-after", "500ms", "bash", "-c", script])
        .spawn();
    running.wait_for_stdout_line("ready");
    terminate_backend("leaves late");
    assert_eq!(running.wait().code, Some(74));
    assert_eq!(with_environment(&mark), []);
}

#[test]
fn promise_2_a_child_that_has_become_another_user_is_stopped_by_root() {
    if !rustix::process::geteuid().is_root() {
        return did_not_run("a child of another user", "only root can make one");
    }
    let script = "setpriv --reuid=65534 --regid=65534 --clear-groups \
                  setsid sh -c 'trap \"\" TERM; echo other $$; exec sleep 300' & wait; exec sleep 300";
    let running = Heimdall::new()
        .database(&ours())
        .args(["--name", "other user", "--kill-after", "100ms", "sh", "-c", script])
        .spawn();
    let other = pid_behind(&running, "other");
    terminate_backend("other user");
    assert_eq!(running.wait().code, Some(74));
    assert_stopped(&[other]);
}
