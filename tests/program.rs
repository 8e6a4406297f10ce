//! What the program sees of heimdall, and what the caller sees of the program.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::postgres::database;
use crate::support::{this_test, write_program};

fn run(program: &[&str]) -> Outcome {
    Heimdall::new()
        .url(&database())
        .args(["--namespace", &this_test(), "--name", program[0]])
        .args(program)
        .run()
}

#[test]
fn output_and_exit_code_come_through() {
    let outcome = run(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (Some(7), "out\n", "err\n"));
}

#[test]
fn a_program_killed_by_a_signal_is_128_and_the_signal() {
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("INT", 130)] {
        assert_eq!(run(&["sh", "-c", &format!("kill -{signal} $$")]).code, Some(code), "{signal}");
    }
}

#[test]
fn a_program_that_is_not_found_is_127_and_one_that_cannot_be_executed_is_126() {
    let missing = run(&["no-such-program"]);
    assert_eq!(missing.code, Some(127));
    assert_eq!(missing.stderr, "heimdall: cannot run \"no-such-program\": No such file or directory\n");
    let plain = run(&["/etc/passwd"]);
    assert_eq!(plain.code, Some(126));
    assert!(
        plain.stderr.contains("cannot run \"/etc/passwd\": Permission denied; it is not executable"),
        "{}",
        plain.stderr
    );
    // Both have given the lock back.
    assert_eq!(run(&["no-such-program"]).code, Some(127));
}

#[test]
fn options_behind_the_program_are_the_programs() {
    for separator in [&["--"][..], &[]] {
        let outcome = Heimdall::new()
            .url(&database())
            .args(["--name", "options behind"])
            .args(separator)
            .args(["echo", "-q", "--name", "--", "--help"])
            .run();
        assert_eq!(outcome.stdout, "-q --name -- --help\n");
    }
}

#[test]
fn the_program_is_told_of_its_lock() {
    let outcome = Heimdall::new()
        .env("DATABASE_URL", database())
        .env("HEIMDALL_SLOT", "left from outside")
        .args(["--namespace", "joker", "--name", "seen", "sh", "-c", "env | grep ^HEIMDALL_ | sort"])
        .run();
    let names: Vec<_> = outcome.stdout.lines().map(|line| line.split('=').next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "HEIMDALL_BACKEND_PID",
            "HEIMDALL_FENCING_TOKEN",
            "HEIMDALL_KEY",
            "HEIMDALL_NAME",
            "HEIMDALL_NAMESPACE",
            "HEIMDALL_SLOT",
            "HEIMDALL_SYSTEM_IDENTIFIER"
        ]
    );
    for line in
        ["HEIMDALL_NAMESPACE=joker\n", "HEIMDALL_NAME=seen\n", "HEIMDALL_SLOT=1\n", "HEIMDALL_KEY=856429646,"]
    {
        assert!(outcome.stdout.contains(line), "{line} in {}", outcome.stdout);
    }
}

#[test]
fn a_raw_key_has_no_name_to_tell() {
    let outcome = Heimdall::new()
        .url(&database())
        .env("HEIMDALL_NAME", "left from outside")
        .args(["--key", "-9223372036854775808", "sh", "-c", "echo ${HEIMDALL_NAME-none} $HEIMDALL_KEY"])
        .run();
    assert_eq!(outcome.stdout, "none -9223372036854775808\n");
}

#[test]
fn streams_are_live_and_not_ours() {
    let mut running = Heimdall::new()
        .url(&database())
        .args(["--name", "live", "sh", "-c", "while read line; do echo got $line; done"])
        .pipe_stdin()
        .spawn();
    for word in ["one", "two"] {
        running.write(&format!("{word}\n"));
        running.wait_for_stdout_line(&format!("got {word}"));
    }
    running.close_stdin();
    assert_eq!(running.wait().code, Some(0));
}

#[test]
fn bytes_pass_unchanged() {
    let blob: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut child = Command::new(env!("CARGO_BIN_EXE_heimdall"))
        .args(["--database", &database(), "--name", "bytes", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = blob.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == blob, "{} bytes came back", output.stdout.len());
}

#[test]
fn a_closed_standard_error_keeps_nobody_from_working() {
    let status = Command::new("sh")
        .args(["-c", "exec \"$0\" \"$@\" 2>&-", env!("CARGO_BIN_EXE_heimdall")])
        .args(["--database", &database(), "--debug", "--name", "closed stderr", "sh", "-c", "exit 3"])
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3));
}

#[test]
fn a_full_standard_output_is_told() {
    let output = Command::new("sh")
        .args(["-c", "exec \"$0\" --help > /dev/full", env!("CARGO_BIN_EXE_heimdall")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to standard output"));
}

#[test]
fn a_script_that_does_not_say_what_it_is_for_is_the_shells() {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("scripts without a first line");
    std::fs::create_dir_all(&directory).unwrap();
    let script = directory.join("a-script");
    write_program(&script, "echo $# $1\n");
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    for program in [script.to_str().unwrap(), "a-script"] {
        let outcome = Heimdall::new()
            .url(&database())
            .env("PATH", &path)
            .args(["--name", "script", program, "one", "two"])
            .run();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "2 one\n"), "{}", outcome.stderr);
    }
}
