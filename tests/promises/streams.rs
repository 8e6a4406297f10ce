//! A standard error that takes nothing keeps nobody from stopping the program.

use std::io::{self, PipeReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionread;
use rustix::process::{Pid, test_kill_process};

use super::{assert_stopped, ours, terminate_backend};
use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::lateness::Lateness;
use crate::support::stream::Stream;
use crate::support::{did_not_run, poll};

/// Starts a job with this standard error, whose program has first done as `script` says.
fn start(name: &str, script: &str, stderr: impl Into<Stdio>) -> (Child, Pid) {
    let mut child = Command::new(BINARY)
        .args(["-v", "--database", &ours(), "--name", name])
        .args(["sh", "-c", &format!("{script}\necho program $$; exec sleep 300")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let line = Stream::collect(child.stdout.take().unwrap()).wait_for_line("program ").expect("a program");
    let pid = Pid::from_raw(line.split(' ').nth(1).unwrap().parse().unwrap()).unwrap();
    (child, pid)
}

fn assert_ends_with_the_lock(name: &str, mut child: Child, program: Pid) {
    terminate_backend(name);
    let status = poll(Duration::from_secs(30), || child.try_wait().unwrap());
    let _ = child.kill();
    assert_eq!(status.expect("heimdall ends").code(), Some(74), "{name}");
    assert_stopped(&[program]);
}

fn wait_until_full(pipe: &PipeReader) {
    let mut filled = 0;
    // More comes until it is full: two looks that find the same.
    let is_full = || {
        let before = std::mem::replace(&mut filled, ioctl_fionread(pipe).unwrap());
        (filled == before && filled > 4096).then_some(())
    };
    poll(Duration::from_secs(30), is_full).expect("a full pipe");
}

#[test]
fn promise_2_a_full_disk_behind_standard_error_changes_nothing() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (child, program) = start("full disk", "", full);
    assert_ends_with_the_lock("full disk", child, program);
}

#[test]
fn promise_2_a_closed_pipe_behind_standard_error_changes_nothing() {
    let (reader, writer) = io::pipe().unwrap();
    drop::<PipeReader>(reader);
    let (child, program) = start("closed pipe", "", writer);
    assert_ends_with_the_lock("closed pipe", child, program);
}

#[test]
fn promise_2_a_reader_of_standard_error_who_has_stopped_reading_changes_nothing() {
    let (reader, writer) = io::pipe().unwrap();
    let (child, program) = start("full pipe", "cat /dev/zero >&2 &", writer);
    wait_until_full(&reader);
    let (lateness, start) = (Lateness::measure(), Instant::now());
    assert_ends_with_the_lock("full pipe", child, program);
    // It waits for the reader once, for five seconds.
    assert!(start.elapsed() < lateness.allow(Duration::from_secs(8)), "{:?}", start.elapsed());
}

#[test]
fn what_is_said_last_is_written_once_a_full_pipe_is_read() {
    let (mut reader, writer) = io::pipe().unwrap();
    let (mut child, program) = start("full at the end", "cat /dev/zero >&2 &", writer);
    wait_until_full(&reader);
    terminate_backend("full at the end");
    poll(Duration::from_secs(30), || test_kill_process(program).is_err().then_some(()))
        .expect("a dead program");
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(74));
    let all = String::from_utf8_lossy(&all);
    assert!(all.ends_with("heimdall: the lock was lost while the job ran; the job has been stopped\n"));
}

#[test]
fn without_threads_heimdall_says_what_it_has_to_say() {
    if !rustix::process::geteuid().is_root() {
        return did_not_run("without threads", "only root can become a user with no other process");
    }
    let outcome = Heimdall::program("setpriv")
        .args(["--reuid=54321", "--regid=54321", "--clear-groups"])
        // bash, since dash has no such limit.
        .args(["bash", "-c", "ulimit -u 1; exec \"$0\" \"$@\"", BINARY, "--slots=0", "--name=x", "true"])
        .run();
    assert_eq!(outcome.code, Some(64));
    let line =
        "heimdall: invalid value '0' for '--slots <N>': 0 is not in 1..=1000 (try 'heimdall --help')\n";
    assert_eq!(outcome.stderr, line);
}
