//! The number of a program that has ended may be given to another process.

use std::process::{self, Command};

use super::ours;
use crate::support::did_not_run;
use crate::support::heimdall::{BINARY, Heimdall, Outcome};

/// Runs a script of bash as process 1 of a PID namespace, where numbers are given out as it likes.
///
/// It has `heimdall` and `reuse NUMBER`, after which the next process that starts has that number (`man 5 proc_sys_kernel`).
fn with_numbers(test: &str, script: &str) -> Option<Outcome> {
    let namespace = ["--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c"];
    let probe = "echo 1000 >/proc/sys/kernel/ns_last_pid";
    let has_worked = |output: process::Output| output.status.success();
    if !Command::new("unshare").args(namespace).arg(probe).output().is_ok_and(has_worked) {
        did_not_run(test, "this system does not let us choose process ids");
        return None;
    }
    let prelude = "heimdall() { \"$0\" -d \"$CONNINFO\" --name \"$TEST\" \"$@\"; }; \
                   reuse() { echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid; }; export -f reuse; ";
    let script = format!("{prelude}{script}");
    Some(
        Heimdall::program("unshare")
            .args(namespace)
            .args([&script, BINARY])
            .env("CONNINFO", ours())
            .env("TEST", test)
            .run(),
    )
}

#[test]
fn a_group_that_has_got_the_number_of_the_programs_is_left_alone() {
    // The stranger leads a group of this number, and what is left of the job is in another one.
    let script = r#"
        leave='read < <(setsid sh -c "echo; exec sleep 300"); echo program $$'
        exec {lines}< <(heimdall -v --drain --lease 3s bash -c "$leave" 2>&1)
        while read -r -u $lines line; do
            case $line in
                program*) program=${line#program };;
                *"until what the program has left"*) break;;
            esac
        done
        reuse $program
        setsid sleep 300 &
        [ $! = $program ] && heimdall --stop && kill -0 $! && echo left alone
    "#;
    let Some(outcome) = with_numbers("reused group", script) else { return };
    assert_eq!(outcome.stdout, "left alone\n", "{}", outcome.stderr);
}

#[test]
fn the_exit_code_is_the_programs_and_not_that_of_an_orphan_with_its_number() {
    let leave = r"
        while kill -0 $1 2>/dev/null; do sleep 0.02; done
        reuse $1
        (sleep 0.1; exit 9) &
        echo $(($! - $1))
    ";
    let script = format!("heimdall --drain bash -c 'setsid bash -c \"$1\" - $$ & exit 3' - '{leave}'");
    let Some(outcome) = with_numbers("reused number", &script) else { return };
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(3), "0\n"), "{}", outcome.stderr);
}
