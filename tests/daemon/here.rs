//! `--is-held-here`: a probe that a status file answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use heimdall::lock::Key;

use super::heimdall;
use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::{poll, this_test};

/// Where this test's heimdall keeps its status.
fn status_file() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("here").join(this_test().replace("::", "-"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder.join("status.json")
}

/// Asks in an environment without any server.
fn ask(file: &Path) -> Outcome {
    Heimdall::new().without("PATH").without("HOME").arg("--is-held-here").arg("--status-file").arg(file).run()
}

#[track_caller]
fn assert_no(file: &Path, why: &str) {
    let outcome = ask(file);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
    let expected =
        format!("heimdall: the lock is not held here: {why} (status file \"{}\")\n", file.display());
    assert_eq!(outcome.stderr, expected);
}

fn wait_for_state(file: &Path, state: &str) {
    let state = format!("{{\"state\":\"{state}\"");
    let reached = || fs::read_to_string(file).ok().filter(|text| text.starts_with(&state)).map(drop);
    let text = || fs::read_to_string(file).unwrap_or_default();
    assert!(poll(Duration::from_secs(30), reached).is_some(), "{state}: {}", text());
}

#[test]
fn the_answer_is_yes_while_the_program_runs_under_the_lock_and_no_otherwise() {
    let file = status_file();
    let name = "held here";
    assert_no(&file, "no heimdall has begun yet");
    let other = heimdall(name).hold();
    let script = "echo up; exec cat";
    let standby = heimdall(name).arg("--wait").arg("--status-file").arg(&file).args(["sh", "-c", script]);
    let mut standby = standby.pipe_stdin().spawn();
    wait_for_state(&file, "waiting");
    assert_no(&file, "its state is \"waiting\"");
    other.finish();
    standby.wait_for_stdout_line("up");
    wait_for_state(&file, "running");
    let yes = ask(&file);
    assert_eq!((yes.code, yes.stdout.as_str(), yes.stderr.as_str()), (Some(0), "", ""));
    standby.close_stdin();
    assert_eq!(standby.wait().code, Some(0));
    wait_for_state(&file, "ended");
    assert_no(&file, "the heimdall that was here is gone");
}

#[test]
fn where_a_lock_is_named_the_file_of_another_is_a_no() {
    let file = status_file();
    let name = r#"named","key":"8"#;
    let slots = || heimdall(name).arg("--slots=2");
    let _first = slots().hold();
    let _second = slots().arg("--status-file").arg(&file).hold();
    wait_for_state(&file, "running");
    let ask =
        |lock: &[&str]| Heimdall::new().args(["--is-held-here", "--status-file"]).arg(&file).args(lock).run();
    let second = format!("--key={}", Key::named("daemon", &format!("{name}#2")));
    for lock in [&["--namespace=daemon", "--name", name][..], &[&second]] {
        let yes = ask(lock);
        assert_eq!((yes.code, yes.stderr.as_str()), (Some(0), ""), "{lock:?}");
    }
    for lock in [&["--name", name][..], &["--namespace=daemon", "--name=other"], &["--key=8"]] {
        let no = ask(lock);
        assert_eq!(no.code, Some(1), "{lock:?}");
        let why = "heimdall: the lock is not held here: that is the status of another lock (status file";
        assert!(no.stderr.starts_with(why), "{}", no.stderr);
    }
}

#[test]
fn a_file_tells_of_the_heimdall_that_keeps_it_until_that_has_ended() {
    let file = status_file();
    let kept = |name: &str| heimdall(name).arg("--status-file").arg(&file);
    let script = ["sh", "-c", "echo up; exec cat"];
    let mut holder = kept("kept here").args(script).pipe_stdin().spawn();
    holder.wait_for_stdout_line("up");
    wait_for_state(&file, "running");
    let process = |pid| format!("\"process\":{pid},");
    let other = kept("kept here").arg("true").run();
    assert_eq!(other.code, Some(75));
    let told =
        format!("heimdall: cannot write the status file {file:?}: someone has it locked: another heimdall ");
    assert_eq!(other.stderr.matches(&told).count(), 1, "{}", other.stderr);
    let waiter = kept("kept here").arg("--wait").args(script).pipe_stdin().spawn();
    waiter.wait_for_stderr_line("someone has it locked");
    assert_eq!(ask(&file).code, Some(0));
    assert!(fs::read_to_string(&file).unwrap().contains(&process(holder.pid())));

    holder.close_stdin();
    assert_eq!(holder.wait().code, Some(0));
    waiter.wait_for_stdout_line("up");
    let has_it = || (ask(&file).code == Some(0)).then_some(());
    assert!(poll(Duration::from_secs(30), has_it).is_some(), "{:?}", ask(&file));
    assert!(fs::read_to_string(&file).unwrap().contains(&process(waiter.pid())));
}

#[test]
fn a_heimdall_that_was_killed_leaves_a_file_that_deceives_no_one() {
    let file = status_file();
    let holder = heimdall("killed here")
        .arg("--status-file")
        .arg(&file)
        .args(["sh", "-c", "echo up; exec sleep 300"])
        .spawn();
    holder.wait_for_stdout_line("up");
    wait_for_state(&file, "running");
    assert_eq!(ask(&file).code, Some(0));
    holder.signal(9);
    let gone = poll(Duration::from_secs(30), || (ask(&file).code == Some(1)).then_some(()));
    assert!(gone.is_some(), "{:?}", ask(&file));
    // The program runs on, and has kept nothing open that heimdall had.
    wait_for_state(&file, "running");
    assert_no(&file, "the heimdall that was here is gone");
}

#[test]
fn who_settles_holds_the_lock_and_runs_nothing_yet() {
    let file = status_file();
    let settling = heimdall("settles here").args(["--settle", "--lease=24d", "--status-file"]).arg(&file);
    let settling = settling.args(["echo", "ran"]).spawn();
    settling.wait_for_stderr_line("starting the program in");
    wait_for_state(&file, "settling");
    assert!(fs::read_to_string(&file).unwrap().contains("\"held\":true"));
    assert_no(&file, "its state is \"settling\"");
    settling.signal(15);
    assert_eq!(settling.wait().stdout, "");
}

#[test]
fn what_is_no_status_file_is_a_mistake_or_a_no() {
    let file = status_file();
    fs::create_dir(&file).unwrap();
    let folder = ask(&file);
    assert_eq!(folder.code, Some(78), "{}", folder.stderr);
    assert_eq!(folder.stderr.lines().count(), 1, "{}", folder.stderr);
    fs::remove_dir(&file).unwrap();
    // To open it would wait for who writes.
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let fifo = ask(&file);
    assert_eq!(fifo.code, Some(78));
    assert!(fifo.stderr.contains("it is no regular file"), "{}", fifo.stderr);
    fs::remove_file(&file).unwrap();

    fs::write(&file, "{\"state\":\"running\"").unwrap();
    assert_no(&file, "the heimdall that was here is gone");
    fs::write(&file, "root:x:0:0\n").unwrap();
    assert_no(&file, "that is no status file");
    fs::write(&file, "{\"state\":\"running\"").unwrap();
    let kept = fs::File::open(&file).unwrap();
    rustix::fs::flock(&kept, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert_eq!(ask(&file).code, Some(0));
    fs::write(&file, "\u{1b}]0;no\u{7}").unwrap();
    assert_no(&file, "that is no status file");

    let missing = Heimdall::new().arg("--is-held-here").run();
    assert_eq!(missing.code, Some(64));
    assert!(missing.stderr.contains("--status-file FILE"), "{}", missing.stderr);
    let quiet = Heimdall::new().args(["-q", "--is-held-here", "--status-file=/nonexistent/file"]).run();
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(1), ""));
}
