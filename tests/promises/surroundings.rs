//! What the program inherits: the caller's descriptors and the connection, and nothing else of heimdall's.

use std::collections::BTreeSet;

use super::{kill, ours, pid_behind};
use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::database;

/// Prints the number and the kind of each descriptor, by commands of the shell that open none.
const LIST: &str = r"
    fd=0
    while [ $fd -lt 1000 ]; do
        if [ -S /proc/$$/fd/$fd ]; then echo $fd socket
        elif [ /proc/$$/fd/$fd -ef /etc/passwd ]; then echo $fd passwd
        elif [ -e /proc/$$/fd/$fd ]; then echo $fd; fi
        fd=$((fd + 1))
    done
";

/// Descriptors of a program whose caller has opened `/etc/passwd` as 9, with heimdall in between or without.
fn descriptors(heimdall: &[&str]) -> BTreeSet<String> {
    let outcome = Heimdall::program("sh")
        .args(["-c", "exec 9</etc/passwd; exec \"$@\"", "sh"])
        .args(heimdall)
        .args(["sh", "-c", LIST])
        .env("DATABASE_URL", database())
        .run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    outcome.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn the_program_has_its_callers_descriptors_and_the_connection() {
    let alone = descriptors(&[]);
    assert!(alone.contains("9 passwd"), "{alone:?}");
    let closed = descriptors(&[BINARY, "--name", "descriptors closed", "--close"]);
    assert_eq!(closed, alone);
    let inherited = descriptors(&[BINARY, "--name", "descriptors"]);
    let more: Vec<_> = inherited.difference(&alone).collect();
    assert!(
        inherited.is_superset(&alone) && more.len() == 1 && more[0].ends_with(" socket"),
        "{inherited:?}"
    );
}

#[test]
fn a_process_substitution_reaches_the_program() {
    let script = "\"$0\" --name substitution cat <(echo substituted)";
    let outcome =
        Heimdall::program("bash").args(["-c", script, BINARY]).env("DATABASE_URL", database()).run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "substituted\n"), "{}", outcome.stderr);
}

#[test]
fn variables_of_socket_activation_pass_unchanged() {
    let outcome = Heimdall::new()
        .url(&database())
        .env("LISTEN_FDS", "2")
        .env("LISTEN_PID", "12345")
        .env("LISTEN_FDNAMES", "a:b")
        .args(["--name", "activation", "sh", "-c", "echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES"])
        .run();
    assert_eq!(outcome.stdout, "2 12345 a:b\n");
}

#[test]
fn without_descriptors_there_is_a_line_and_no_hang() {
    let mut codes = BTreeSet::new();
    for limit in 4..16 {
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        let outcome = Heimdall::program("sh")
            .args(["-c", &script, BINARY])
            .url(&database())
            .args(["--name", &format!("descriptors {limit}"), "--timeout", "20s", "true"])
            .run();
        if outcome.stderr.contains("error while loading shared libraries") {
            // The system could not start heimdall.
            continue;
        }
        assert!(matches!(outcome.code, Some(0 | 69 | 126 | 127)), "{limit}: {outcome:?}");
        // What looks names up does not tell why it could not.
        let is_told = ["Too many open files", "could not translate host name"]
            .iter()
            .any(|text| outcome.stderr.contains(text));
        assert_eq!(is_told, outcome.code != Some(0), "{limit}: {outcome:?}");
        codes.extend(outcome.code);
    }
    assert!(codes.contains(&0) && codes.len() > 1, "{codes:?}");
}

#[test]
fn promise_3_a_script_that_uses_low_descriptors_keeps_its_lock() {
    let script = "for fd in 3 4 5 6 7 8 9; do eval \"echo nonsense >&$fd\"; eval \"exec $fd>/dev/null\"; done; \
                  echo program $$; exec sleep 300";
    let running =
        Heimdall::new().database(&ours()).args(["--name", "low descriptors", "sh", "-c", script]).spawn();
    let program = pid_behind(&running, "program");
    running.signal(9);
    assert_eq!(running.wait().signal, Some(9));
    let next = Heimdall::new().database(&ours()).args(["--name", "low descriptors", "true"]).run();
    assert_eq!(next.code, Some(75), "{}", next.stderr);
    kill(program);
}

#[test]
fn a_file_that_may_not_grow_ends_neither_heimdall_nor_the_supervision() {
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).display();
    let limited = |script: &str| {
        let script = format!("ulimit -f 0; exec \"$0\" \"$@\" {script}'{directory}/may-not-grow'");
        Heimdall::program("sh").args(["-c", &script, BINARY]).url(&database())
    };
    let told = limited(">").args(["--name", "full", "--print-key"]).run();
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    assert!(told.stderr.contains("cannot write to standard output: File too large"), "{}", told.stderr);
    let untold = limited("2>").args(["-v", "--name", "full", "sh", "-c", "exit 3"]).run();
    assert_eq!(untold.code, Some(3));
}
