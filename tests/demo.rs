//! The demonstration of a failover: what it shows, and that it would tell of two daemons at once.

use std::process::Command;

use crate::support::heimdall::BINARY;
use crate::support::postgres::Directory;
use crate::support::{did_not_run, write_program};

#[test]
fn the_demo_of_a_failover_shows_who_ran_and_that_no_two_did() {
    let Some(shown) = demo_failover("the demo of a failover", BINARY) else { return };
    assert_eq!(shown.code, Some(0), "{}{}", shown.stdout, shown.stderr);
    for text in [
        "\n    web1 ###",
        "web1  kill -9 of heimdall and of the daemon\n",
        "web2  the daemon runs, with token ",
    ] {
        assert!(shown.stdout.contains(text), "{text}: {}", shown.stdout);
    }
    assert!(shown.stdout.ends_with("\n2 runs of the daemon, and never two at once\n"), "{}", shown.stdout);
}

#[test]
fn the_demo_of_a_failover_fails_where_two_daemons_run_at_once() {
    let directory = Directory::new();
    // One whose lock is another on each host.
    let broken = directory.path().join("heimdall");
    let script = format!(
        "#!/bin/sh\nstatus=$2\nshift 6\nexec '{BINARY}' --status-file $status --name $(hostname) \"$@\"\n"
    );
    write_program(&broken, &script);
    let Some(shown) = demo_failover("the demo of two daemons at once", broken.to_str().unwrap()) else {
        return;
    };
    assert_eq!(shown.code, Some(1), "{}", shown.stdout);
    assert!(shown.stderr.contains("demo-failover: a daemon began beside another: "), "{}", shown.stderr);
}

struct Shown {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs it with one fault and a lease that a late machine, too, has time enough in; where this system has no network
/// namespaces, says that a test of this name did not run.
fn demo_failover(name: &str, heimdall: &str) -> Option<Shown> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/demo-failover");
    let output = Command::new(script).args([heimdall, "6s", "kill-both"]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let shown =
        Shown { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
    let lack = ["need Linux", " is missing; ", "does not let"];
    if shown.stdout.is_empty() && lack.iter().any(|lack| shown.stderr.contains(lack)) {
        did_not_run(name, shown.stderr.trim_end());
        return None;
    }
    Some(shown)
}
