//! `--shared` and `--slots`: several holders at once, and never more than that.

use std::ops::RangeInclusive;
use std::process::{Child, Stdio};

use heimdall::lock::Key;

use crate::support::did_not_run;
use crate::support::heimdall::{Heimdall, Running};
use crate::support::holder::Holder;
use crate::support::namespaces::Namespaces;
use crate::support::postgres::{Cluster, ClusterOptions, Directory, shared};

/// On the shared server, also where `DATABASE_URL` is set: these tests look at the server's side.
fn heimdall(name: &str, options: &[&str]) -> Heimdall {
    Heimdall::new()
        .database(&format!("{} user=trust_user dbname=app", shared().tcp()))
        .args(["--namespace", "sharing", "--name", name])
        .args(options)
}

fn code(name: &str, options: &[&str]) -> Option<i32> {
    heimdall(name, options).arg("true").run().code
}

fn assert_slot(holder: &Holder, name: &str, number: u16) {
    let expected = (number.to_string(), Key::slot("sharing", name, number).to_string());
    assert_eq!((&holder.slot, &holder.key), (&expected.0, &expected.1));
}

#[test]
fn shared_holders_are_together_and_exclude_an_exclusive_one() {
    let first = heimdall("read", &["--shared"]).hold();
    assert_slot(&first, "read", 1);
    let second = heimdall("read", &["--shared"]).hold();
    assert_eq!(code("read", &[]), Some(75));
    let writer = heimdall("read", &["--wait", "echo", "wrote"]).spawn();
    writer.wait_for_stderr_line("waiting for the lock");
    first.finish();
    // One reader is left, and a third may come.
    assert_eq!(code("read", &["--shared"]), Some(0));
    assert_eq!(code("read", &[]), Some(75));
    second.finish();
    assert_eq!(writer.wait().stdout, "wrote\n");
}

#[test]
fn an_exclusive_holder_excludes_shared_ones_which_may_wait() {
    let writer = heimdall("write", &[]).hold();
    assert_eq!(code("write", &["--shared"]), Some(75));
    let reader = heimdall("write", &["--shared", "--wait", "echo", "read"]).spawn();
    reader.wait_for_stderr_line("waiting for the lock");
    writer.finish();
    assert_eq!(reader.wait().stdout, "read\n");
}

#[test]
fn a_shared_lock_of_a_raw_key_is_given_back_too() {
    let database = format!("{} user=trust_user dbname=app", shared().tcp());
    let keyed = |options: &[&str]| {
        Heimdall::new().database(&database).args(["--key", "6,600"]).args(options).arg("true").run()
    };
    for options in [&["--shared"][..], &[], &["--shared"]] {
        let outcome = keyed(options);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{options:?}");
    }
}

#[test]
fn each_slot_has_its_number_and_key_and_the_next_free_one_is_taken() {
    let three = ["--slots", "3"];
    let first = heimdall("three", &three).hold();
    assert_slot(&first, "three", 1);
    let second = heimdall("three", &three).hold();
    assert_slot(&second, "three", 2);
    let third = heimdall("three", &three).hold();
    assert_slot(&third, "three", 3);
    assert_eq!(code("three", &three), Some(75));
    assert_eq!(code("three", &["--slots=4"]), Some(0));
    second.finish();
    let again = heimdall("three", &three).hold();
    assert_slot(&again, "three", 2);
    first.finish();
}

#[test]
fn the_first_slot_is_the_plain_lock() {
    let plain = heimdall("plain", &[]).hold();
    assert_eq!(code("plain", &["--slots", "1"]), Some(75));
    let second = heimdall("plain", &["--slots", "2"]).hold();
    assert_slot(&second, "plain", 2);
    assert_eq!(code("plain", &["--slots", "2"]), Some(75));
    plain.finish();
    let first = heimdall("plain", &["--slots", "2"]).hold();
    assert_slot(&first, "plain", 1);
    assert_eq!(code("plain", &[]), Some(75));
    second.finish();
}

/// Holds these slots of a name, in this database, until its standard input ends.
fn hold_slots(cluster: &Cluster, dbname: &str, name: &str, slots: RangeInclusive<u16>) -> Child {
    let last = Key::slot("sharing", name, *slots.end());
    let keys = slots.map(|number| Key::slot("sharing", name, number));
    let sql = keys.fold(String::new(), |sql, key| sql + &format!("select pg_advisory_lock({key});"));
    let mut psql = cluster.psql(&format!("{} user=postgres dbname={dbname}", cluster.socket()));
    psql.args(["-c", &sql, "-c", "\\! cat"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let psql = psql.spawn().unwrap();
    cluster.wait_for_holders(last, 1);
    psql
}

fn let_go(mut holder: Child) {
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
}

#[test]
fn a_thousand_slots_are_tried_in_one_statement() {
    let others = hold_slots(shared(), "app", "many", 1..=999);
    let last = heimdall("many", &["--slots", "1000"]).hold();
    assert_slot(&last, "many", 1000);
    let outcome = heimdall("many", &["--slots", "1000", "true"]).run();
    assert_eq!(outcome.code, Some(75), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("and by 1 more"), "{}", outcome.stderr);
    let_go(others);
    last.finish();
}

#[cfg(feature = "tls")]
#[test]
fn a_thousand_slots_are_waited_for_listed_and_stopped_through_tls() {
    let server = crate::support::postgres::tls().server("good");
    let conninfo = format!("{} user=tls_user dbname=app sslmode=require", server.cluster.tcp());
    let heimdall = |options: &[&str]| {
        let lock = ["--namespace", "sharing", "--name", "encrypted"];
        Heimdall::new().database(&conninfo).args(lock).args(options)
    };
    let others = hold_slots(server.cluster, "app", "encrypted", 1..=1000);
    let waiter = heimdall(&["--slots", "1000", "--wait", "echo", "ran"]).spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    let list = heimdall(&["--list"]).run();
    let further = "heimdall: further slots of the lock sharing/encrypted are held: give --slots 1000\n";
    assert_eq!((list.code, list.stderr.as_str()), (Some(0), further));
    let_go(others);
    let outcome = waiter.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ran\n"), "{}", outcome.stderr);
    let holder = heimdall(&["--slots", "1000"]).hold();
    let stop = heimdall(&["--stop"]).run();
    assert_eq!(stop.code, Some(0), "{}", stop.stderr);
    assert_eq!(holder.wait().code, Some(143));
}

#[test]
fn an_attempt_that_the_system_does_not_take_at_once_is_made_again_in_the_same_session() {
    let name = "an attempt that is sent in pieces";
    let Some(hosts) = Namespaces::for_test(name) else { return };
    for (mut shell, buffers) in [(hosts.on_client("sh"), "tcp_wmem"), (hosts.on_server("sh"), "tcp_rmem")] {
        let little = format!("echo 4096 16384 32768 >/proc/sys/net/ipv4/{buffers}");
        let output = shell.args(["-c", &little]).output().unwrap();
        if !output.status.success() {
            return did_not_run(name, String::from_utf8_lossy(&output.stderr).trim_end());
        }
    }
    let cluster = hosts.start_cluster(&ClusterOptions::default());
    let others = hold_slots(&cluster, "postgres", "pieces", 1..=1000);
    let waiter = hosts
        .heimdall()
        .database(&format!("{} user=postgres dbname=postgres", hosts.tcp(&cluster)))
        .args(["--namespace", "sharing", "--name", "pieces", "--slots", "1000", "--wait", "echo", "ran"])
        .spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    let_go(others);
    let outcome = waiter.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ran\n"), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
}

#[test]
fn no_more_than_its_slots_ever_hold_a_lock() {
    let folder = Directory::new();
    let place = folder.path().display();
    let job =
        format!("cd {place} && mkdir $HEIMDALL_SLOT && ls | wc -l && sleep 0.05 && rmdir $HEIMDALL_SLOT");
    let contenders: Vec<Running> = (0..12)
        .map(|_| heimdall("load", &["--slots", "3", "--wait=50s", "sh", "-c", &job]).spawn())
        .collect();
    for contender in contenders {
        let outcome = contender.wait();
        // Two in one slot would fail to make its directory.
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let holders: u32 = outcome.stdout.trim().parse().unwrap();
        assert!((1..=3).contains(&holders), "{holders}");
    }
}

#[test]
fn names_are_as_long_as_you_like() {
    let long = "n".repeat(70);
    let holder = heimdall(&format!("{long}1"), &[]).hold();
    assert_slot(&holder, &format!("{long}1"), 1);
    assert_eq!(code(&format!("{long}2"), &[]), Some(0));
    let outcome = heimdall(&format!("{long}1"), &["true"]).run();
    assert_eq!(outcome.code, Some(75));
    let shown = format!("heimdall:sharing/{}", "n".repeat(63 - "heimdall:sharing/".len()));
    assert!(outcome.stderr.contains(&format!("({shown}, from ")), "{}", outcome.stderr);
    holder.finish();
}
