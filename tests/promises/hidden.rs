//! What `/proc` hides (`hidepid`, man 5 proc) of the job is the job too.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::{ours, terminate_backend};
use crate::support::heimdall::{BINARY, Heimdall, Running};
use crate::support::processes::family;
use crate::support::{did_not_run, poll};

/// heimdall as an ordinary user where `/proc` shows it only what it may trace. When it has ended, it is told who is left.
///
/// `/mnt/unseen` waits for the end of standard input and is hidden, since it may be executed and not read; `/mnt/become` makes a
/// process another user's.
fn heimdall(test: &str, meanwhile: &str) -> Option<Heimdall> {
    let namespace = ["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"];
    let setup = "mount -t proc -o hidepid=2 proc /proc && mount -t tmpfs -o mode=755 none /mnt \
                 && cp \"$0\" /mnt/heimdall && install -m 711 \"$(command -v cat)\" /mnt/unseen \
                 && install -m 4755 \"$(command -v setpriv)\" /mnt/become || exit";
    let has_worked = |output: std::process::Output| output.status.success();
    if !Command::new("unshare").args(namespace).args([setup, BINARY]).output().is_ok_and(has_worked) {
        did_not_run(test, "this system does not let us make a /proc that hides processes");
        return None;
    }
    let script = format!(
        "{setup}; exec 3<&0; setpriv --reuid=65534 --regid=65534 --clear-groups /mnt/heimdall \"$@\" <&3 & \
         {meanwhile} wait $!; code=$?; grep -l unseen /proc/[0-9]*/comm; exit $code"
    );
    Some(Heimdall::program("unshare").args(namespace).args([&script, BINARY]).pipe_stdin().args([
        "--database",
        &ours(),
        "--name",
        test,
    ]))
}

/// Waits until so many processes of this name run.
fn wait_for(running: &Running, name: &str, count: usize) {
    let is_called = |pid: &rustix::process::Pid| {
        let path = format!("/proc/{}/comm", pid.as_raw_nonzero());
        fs::read_to_string(path).is_ok_and(|comm| comm.trim() == name)
    };
    let all = || family(running.pid()).iter().filter(|pid| is_called(pid)).count() == count;
    assert!(poll(Duration::from_secs(60), || all().then_some(())).is_some(), "no {count} of {name}");
}

#[test]
fn promise_2_who_is_hidden_is_asked_to_end_with_the_rest() {
    // One that has lost its parent, and one whose parent ends only after it.
    let script = "exec 4<&0; trap '' TERM; setsid -f env --default-signal=TERM /mnt/unseen; \
                  setsid env --default-signal=TERM /mnt/unseen <&4 & wait $!; echo ended";
    let Some(heimdall) = heimdall("hidden job", "") else { return };
    let running = heimdall.args(["--kill-after", "50s", "bash", "-c", script]).spawn();
    wait_for(&running, "unseen", 2);
    terminate_backend("hidden job");
    let outcome = running.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(74), "ended\n"), "{}", outcome.stderr);
}

#[test]
fn promise_2_who_is_hidden_and_cannot_be_killed_is_told_of() {
    // As on a kernel that does not list whose child a process is.
    let without_lists = "mount -t tmpfs none /proc/$!/task;";
    for (meanwhile, program, name, told) in [
        (
            "",
            "/mnt/become --reuid=1 --regid=1 --clear-groups cat",
            "cat",
            "belongs to another user and can't be killed",
        ),
        (
            without_lists,
            "/mnt/unseen",
            "unseen",
            "/proc can't be read or hides processes; waiting for what may be left",
        ),
    ] {
        let Some(heimdall) = heimdall("hidden leaver", meanwhile) else { return };
        let script = format!("setsid -f {program}; echo left; sleep 300");
        let mut running = heimdall.args(["--kill-after", "100ms", "sh", "-c", &script]).spawn();
        wait_for(&running, name, 1);
        terminate_backend("hidden leaver");
        running.wait_for_stderr_line(told);
        running.close_stdin();
        let outcome = running.wait();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(74), "left\n"), "{}", outcome.stderr);
    }
}
