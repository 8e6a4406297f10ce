//! `--shared` and `--slots`: several holders at once, and never more than that.

use heimdall::lock::Key;

use crate::support::heimdall::{Heimdall, Running};
use crate::support::holder::Holder;
use crate::support::postgres::{Directory, shared};

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

#[test]
fn a_thousand_slots_are_tried_in_one_statement() {
    let database = format!("{} user=trust_user dbname=app", shared().tcp());
    let keys = |from: u16| -> String {
        let keys = (from..=999).map(|number| Key::slot("sharing", "many", number));
        keys.fold(String::new(), |sql, key| sql + &format!("select pg_advisory_lock({key});"))
    };
    let mut psql = shared().psql(&database);
    psql.args(["-c", &keys(1), "-c", "select 'holding'", "-c", "\\! cat"]);
    psql.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut psql = psql.spawn().unwrap();
    shared().wait_for_holders(Key::slot("sharing", "many", 999), 1);
    let last = heimdall("many", &["--slots", "1000"]).hold();
    assert_slot(&last, "many", 1000);
    let outcome = heimdall("many", &["--slots", "1000", "true"]).run();
    assert_eq!(outcome.code, Some(75), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("and by 1 more"), "{}", outcome.stderr);
    drop(psql.stdin.take());
    assert!(psql.wait().unwrap().success());
    last.finish();
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
