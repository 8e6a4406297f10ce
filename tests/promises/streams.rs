//! A standard error that takes nothing keeps nobody from stopping the program.

use std::io::{self, PipeReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::io::ioctl_fionread;
use rustix::process::Pid;

use super::{assert_stopped, ours, terminate_backend};
use crate::support::heimdall::BINARY;
use crate::support::poll;
use crate::support::stream::Stream;

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
    let mut filled = 0;
    // More comes until it is full: two looks that find the same.
    poll(Duration::from_secs(30), || {
        let before = std::mem::replace(&mut filled, ioctl_fionread(&reader).unwrap());
        (filled == before && filled > 4096).then_some(())
    })
    .expect("a full pipe");
    assert_ends_with_the_lock("full pipe", child, program);
}
