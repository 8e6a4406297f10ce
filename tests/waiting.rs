//! `--wait`: who finds the lock held elsewhere gets it later, or goes away when told to.

mod failing;
mod interruptions;
mod line;
mod server;
mod terminal;

use std::io::Write;
use std::process::{Child, Stdio};

use heimdall::lock::Key;

use crate::support::heimdall::{Heimdall, Running};
use crate::support::postgres::{Directory, shared};

/// On the shared server, also where `DATABASE_URL` is set: these tests look at the server's side.
fn heimdall(name: &str) -> Heimdall {
    Heimdall::new().database(&format!("{} user=trust_user dbname=app", shared().tcp())).args([
        "--namespace",
        "waiting",
        "--name",
        name,
    ])
}

/// Has found the lock held, and waits.
fn wait_for_turn(name: &str, options: &[&str]) -> Running {
    let waiter = heimdall(name).args(options).args(["echo", "had its turn"]).spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    waiter
}

/// There is a line when waiting begins, and one when it is over; all lines.
fn assert_had_its_turn(waiter: Running) -> String {
    let outcome = waiter.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "had its turn\n"), "{}", outcome.stderr);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let begin = "heimdall: waiting for the lock waiting/";
    assert!(lines.first().is_some_and(|line| line.starts_with(begin)), "{lines:?}");
    let end = lines.last().unwrap();
    assert!(end.starts_with("heimdall: acquired the lock waiting/") && end.contains(", after "), "{lines:?}");
    outcome.stderr
}

#[test]
fn who_waits_gets_the_lock_when_the_holder_ends() {
    for option in ["--wait", "-w", "--wait=5m", "-w=5m"] {
        let holder = heimdall("turn").hold();
        let waiter = wait_for_turn("turn", &[option]);
        holder.finish();
        assert_eq!(assert_had_its_turn(waiter).lines().count(), 2, "{option}");
    }
}

#[test]
fn quietly_who_waits_says_nothing() {
    let holder = heimdall("quiet").hold();
    let waiter =
        heimdall("quiet").args(["-q", "--wait", "echo", "mine"]).env("PGAPPNAME", "quiet waiter").spawn();
    shared().wait_for("select count(*) from pg_stat_activity where application_name = 'quiet waiter'", "1");
    holder.finish();
    let outcome = waiter.wait();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("mine\n", ""));
}

#[test]
fn a_wait_that_is_too_short_ends_as_a_busy_lock_does() {
    let _holder = heimdall("short").hold();
    for (options, code) in [(&["--wait=3s"][..], 75), (&["--wait=3s", "-E", "9"], 9)] {
        let outcome = heimdall("short").args(options).args(["echo", "ran"]).run();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""), "{}", outcome.stderr);
        let lines: Vec<&str> = outcome.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].contains("is still held elsewhere after 3.0s: by process "), "{lines:?}");
    }
}

#[test]
fn to_wait_for_no_time_is_to_try_once() {
    let _holder = heimdall("no time").hold();
    let outcome = heimdall("no time").args(["--wait=0", "echo", "ran"]).run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(75), ""));
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("is held elsewhere: by process "), "{}", outcome.stderr);
}

#[test]
fn twenty_who_wait_all_get_their_turn_one_at_a_time() {
    let folder = Directory::new();
    let job =
        format!("mkdir {0}/held && sleep 0.02 && rmdir {0}/held && echo alone", folder.path().display());
    let holder = heimdall("twenty").hold();
    let waiters: Vec<Running> =
        (0..20).map(|_| heimdall("twenty").args(["--wait=50s", "sh", "-c", &job]).spawn()).collect();
    for waiter in &waiters {
        waiter.wait_for_stderr_line("waiting for the lock");
    }
    holder.finish();
    for waiter in waiters {
        let outcome = waiter.wait();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "alone\n"), "{}", outcome.stderr);
    }
}

#[test]
fn a_psql_session_with_the_lock_is_waited_for() {
    let mut psql = psql_holds("psql");
    let waiter = wait_for_turn("psql", &["--wait"]);
    drop(psql.stdin.take());
    assert!(psql.wait().unwrap().success());
    assert_had_its_turn(waiter);
}

/// A psql that holds the lock until its standard input is closed.
fn psql_holds(name: &str) -> Child {
    let key = Key::named("waiting", name);
    let mut psql = shared()
        .psql(&format!("{} user=postgres dbname=app", shared().socket()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let stdin = psql.stdin.as_mut().unwrap();
    stdin.write_all(format!("select pg_advisory_lock({key});\n").as_bytes()).unwrap();
    shared().wait_for_holders(key, 1);
    psql
}
