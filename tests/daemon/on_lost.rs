//! `--on-lost`: a command that runs when the lock is lost, beside the stopping of the job.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use super::{heimdall, lose};
use crate::support::processes::is_alive;

fn file(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("on lost {name} {}", std::process::id()));
    let _ = fs::remove_file(&file);
    file
}

#[test]
fn it_runs_while_the_program_is_being_stopped_and_knows_what_the_program_knows() {
    let flag = file("flag");
    // Ends at SIGTERM, but not before the command has done its work.
    let script = "trap 'until [ -e \"$FLAG\" ]; do sleep 0.02; done; exit' TERM; \
                  echo $HEIMDALL_NAME $HEIMDALL_FENCING_TOKEN; while :; do sleep 0.02; done";
    let command = "echo $HEIMDALL_NAME $HEIMDALL_FENCING_TOKEN; kill -0 $PPID && touch \"$FLAG\"";
    let options = ["--on-lost", command, "--kill-after", "30s", "sh", "-c", script];
    let running = heimdall("on-lost").env("FLAG", &flag).args(options).spawn();
    let told = running.wait_for_stdout_line("on-lost");
    lose("on-lost");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(74));
    assert_eq!(outcome.stdout, format!("{told}\n{told}\n"));
    assert!(!outcome.stderr.contains("killed"), "{}", outcome.stderr);
    fs::remove_file(flag).unwrap();
}

#[test]
fn it_has_a_quarter_of_the_lease_and_the_program_does_not_wait_for_it() {
    let command = "echo command $$; sleep 300 & echo child $!; wait";
    let options = [
        "--lease",
        "20s",
        "--on-lost",
        command,
        "sh",
        "-c",
        "trap 'echo gone; exit' TERM; echo up; sleep 300 & wait",
    ];
    let running = heimdall("on-lost hangs").args(options).spawn();
    running.wait_for_stdout_line("up");
    lose("on-lost hangs");
    let pids = ["command ", "child "].map(|word| {
        let line = running.wait_for_stdout_line(word);
        Pid::from_raw(line.strip_prefix(word).unwrap().parse().unwrap()).unwrap()
    });
    running.wait_for_stdout_line("gone");
    assert!(pids.iter().all(|pid| is_alive(*pid)), "it is killed before its time");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(74));
    let killed = "heimdall: killed the --on-lost command, which has run for 5.0s, a quarter of the lease\n";
    assert!(outcome.stderr.contains(killed), "{}", outcome.stderr);
    assert!(!is_alive(pids[0]));
}

#[test]
fn it_runs_at_no_other_end_and_its_failure_is_told_and_changes_nothing() {
    let never = heimdall("on-lost ends").args(["--on-lost", "echo lost", "sh", "-c", "exit 3"]).run();
    assert_eq!((never.code, never.stdout.as_str(), never.stderr.as_str()), (Some(3), "", ""));
    let stopped = ["--on-lost", "echo lost", "--timeout", "100ms", "sleep", "300"];
    assert_eq!(heimdall("on-lost ends").args(stopped).run().stdout, "");

    let running =
        heimdall("on-lost fails").args(["--on-lost", "exit 7", "sh", "-c", "echo up; sleep 300"]).spawn();
    running.wait_for_stdout_line("up");
    lose("on-lost fails");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(74));
    let told = "heimdall: the --on-lost command ended with exit code 7\n";
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
}
