//! `--signal`: what stops the program, instead of SIGTERM.

use super::{heimdall, lose};

const SCRIPT: &str =
    "trap 'echo got INT; exit 3' INT; trap 'echo got TERM' TERM; echo up; while :; do sleep 0.02; done";

#[test]
fn when_its_time_is_over_the_program_gets_the_signal_that_was_asked_for() {
    for signal in ["INT", "SIGINT", "2"] {
        let options = ["--signal", signal, "--timeout", "2s", "sh", "-c", SCRIPT];
        let outcome = heimdall("signal timeout").args(options).run();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(124), "up\ngot INT\n"), "{signal}");
        assert_eq!(outcome.stderr, "heimdall: sent SIGINT to the program: --timeout ran out\n");
    }
}

#[test]
fn when_the_lock_is_lost_too_and_sigkill_follows() {
    let script = "trap 'echo got INT' INT; echo up; while :; do sleep 0.02; done";
    let options = ["-s", "int", "--kill-after", "2s", "sh", "-c", script];
    let running = heimdall("signal lost").args(options).spawn();
    running.wait_for_stdout_line("up");
    lose("signal lost");
    let outcome = running.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(74), "up\ngot INT\n"));
    assert!(outcome.stderr.contains("killed the program: it did not end after SIGINT"), "{}", outcome.stderr);
}
