//! What happens to who waits, and to the server meanwhile.

use std::time::{Duration, Instant};

use super::{heimdall, wait_for_turn};
use crate::support::heimdall::Heimdall;
use crate::support::lateness::Lateness;
use crate::support::postgres::{Cluster, ClusterOptions, Stop, shared};
use crate::support::proxy::Proxy;
use crate::support::scripted::{Connection, Scripted, backend};

#[test]
fn a_session_that_was_ended_while_it_waited_is_made_anew() {
    let holder = heimdall("terminated").hold();
    let waiter = heimdall("terminated")
        .args(["--wait", "--lease=9s", "echo", "had its turn"])
        .env("PGAPPNAME", "waits to be terminated")
        .spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    let sessions = "from pg_stat_activity where application_name = 'waits to be terminated'";
    let first = shared().sql(&format!("select pid {sessions}"));
    assert_eq!(shared().sql(&format!("select pg_terminate_backend({first})")), "t");
    waiter.wait_for_stderr_line("waiting for the server");
    shared().wait_for(
        &format!("select count(*) {sessions} and pid <> {first} and query <> '' and state = 'idle'"),
        "1",
    );
    holder.finish();
    let outcome = waiter.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "had its turn\n"), "{}", outcome.stderr);
    // What was waited for: the lock, the server, the lock again; and what the last holder may still be busy with.
    let said = [
        "waiting for the lock",
        "waiting for the server",
        "waiting for the lock",
        "acquired",
        "holding the lock",
    ];
    for (line, beginning) in outcome.stderr.lines().zip(said) {
        // The second wait for the lock is "still waiting" where it comes late.
        let line = line.replace("heimdall: still ", "heimdall: ");
        assert!(line.starts_with(&format!("heimdall: {beginning}")), "{}", outcome.stderr);
    }
    assert_eq!(outcome.stderr.lines().count(), said.len());
}

#[test]
fn who_waits_knows_of_a_silent_server_after_a_third_of_a_lease() {
    let holder = heimdall("silence").hold();
    let proxy = Proxy::start(([127, 0, 0, 1], shared().port()).into(), Duration::ZERO);
    let waiter = Heimdall::new()
        .database(&format!("{} user=trust_user dbname=app", proxy.tcp()))
        .args(["--namespace=waiting", "--name=silence", "--wait", "--lease=2s", "echo", "had its turn"])
        .spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    let (lateness, start) = (Lateness::measure(), Instant::now());
    proxy.freeze();
    let line = waiter.wait_for_stderr_line("waiting for the server");
    assert!(line.contains("timeout expired"), "{line}");
    // A pause of an heir's is shorter than a second.
    let elapsed = start.elapsed();
    assert!(elapsed < lateness.allow(Duration::from_secs(3)), "{elapsed:?}");
    proxy.mend();
    holder.finish();
    assert_eq!(waiter.wait().stdout, "had its turn\n");
}

#[test]
fn a_server_that_was_restarted_is_found_again() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let database = format!("{} user=postgres dbname=postgres", cluster.tcp());
    let named =
        |options: &[&str]| Heimdall::new().database(&database).args(["--name", "restart"]).args(options);
    let holder = named(&[]).hold();
    let waiter = named(&["--wait", "--lease=9s", "echo", "had its turn"]).spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    cluster.stop(Stop::Fast);
    waiter.wait_for_stderr_line("waiting for the server");
    assert_eq!(holder.wait().code, Some(74));
    cluster.start_again();
    let outcome = waiter.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "had its turn\n"), "{}", outcome.stderr);
}

#[test]
fn a_server_that_stays_away_is_not_waited_for_longer() {
    // It answers once, and never again.
    let mut has_answered = false;
    let server = Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        if !has_answered {
            connection.send(&backend::answered(&[Some("42"), Some("f"), Some("0"), None]));
        }
        has_answered = true;
        connection.drain();
    });
    let outcome = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["-q", "--name", "silent", "--wait=2s", "echo", "ran"])
        .run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(69), ""), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
}

#[test]
fn a_signal_ends_the_wait_at_once_and_leaves_nothing() {
    let _holder = heimdall("signalled").hold();
    for signal in [1, 2, 15] {
        let waiter = wait_for_turn("signalled", &["--wait"]);
        waiter.signal(signal);
        let outcome = waiter.wait();
        assert_eq!((outcome.signal, outcome.stdout.as_str()), (Some(signal), ""));
        let sessions =
            "select count(*) from pg_stat_activity where application_name like 'heimdall:waiting/signalled%'";
        shared().wait_for(sessions, "1");
    }
}

#[test]
fn an_ignored_hangup_is_ignored_while_waiting_too() {
    let holder = heimdall("nohup").hold();
    let database = format!("{} user=trust_user dbname=app", shared().tcp());
    let waiter = Heimdall::program("nohup")
        .args([crate::support::heimdall::BINARY, "--database", &database, "--namespace", "waiting"])
        .args(["--name", "nohup", "--wait", "echo", "had its turn"])
        .spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    waiter.signal(1);
    holder.finish();
    assert_eq!(waiter.wait().code, Some(0));
}

#[test]
fn who_may_not_see_the_locks_waits_all_the_same() {
    shared().sql("create database blind");
    let blind = |user: &str| format!("{} user={user} dbname=blind", shared().socket());
    let revoke = ["-c", "revoke select on pg_catalog.pg_locks from public"];
    let output = shared().psql(&blind("postgres")).args(revoke).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let named = |options: &[&str]| {
        Heimdall::new().database(&blind("trust_user")).args(["--name", "blind"]).args(options)
    };
    let holder = named(&[]).hold();
    let busy = named(&["true"]).run();
    assert_eq!(busy.code, Some(75));
    assert!(busy.stderr.ends_with("is held elsewhere\n"), "{}", busy.stderr);
    let waiter = named(&["--wait", "echo", "had its turn"]).spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    holder.finish();
    let outcome = waiter.wait();
    assert_eq!(outcome.code, Some(0));
    assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
    let list = named(&["--list"]).run();
    assert_eq!(list.code, Some(77), "{}", list.stderr);
    assert!(list.stderr.contains("permission denied"), "{}", list.stderr);
}
