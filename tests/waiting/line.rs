//! Those who wait stand in a line: one heir tries the lock often, and the others wait until they are the heir.

use std::time::Duration;

use heimdall::conninfo::{Config, Environment};
use heimdall::internals::line::Line;
use heimdall::lock::{self, Contender, Key, LockRequest, Mode, Outcome};
use heimdall::net::{ConnectOptions, Deadline};

use super::heimdall;
use crate::support::heimdall::{Heimdall, Running};
use crate::support::postgres::shared;
use crate::support::{did_not_run, poll};

fn request(name: &str) -> LockRequest {
    LockRequest::one(Key::named("waiting", name), Mode::Exclusive)
}

/// Waits, and tells the process on the server; its program ends with its standard input.
fn waits(name: &str, application: &str, options: &[&str]) -> (Running, i32) {
    let waiter = heimdall(name)
        .args(["--wait"])
        .args(options)
        .args(["sh", "-c", "echo mine; exec cat"])
        .env("PGAPPNAME", application)
        .pipe_stdin()
        .spawn();
    waiter.wait_for_stderr_line("waiting for the lock");
    (waiter, backend(application))
}

fn backend(application: &str) -> i32 {
    shared()
        .sql(&format!("select pid from pg_stat_activity where application_name = '{application}'"))
        .parse()
        .unwrap()
}

/// Waits until this session is the heir.
fn wait_for_heir(request: &LockRequest, backend: i32) {
    let heir = || shared().holder(Line::of(request).heir).filter(|heir| *heir == backend);
    poll(Duration::from_secs(30), heir).unwrap_or_else(|| panic!("{backend} is not the heir"));
}

#[test]
fn promise_7_the_heir_comes_next_and_leaves_the_line_to_those_who_came_later() {
    let (request, name) = (request("succession"), "succession");
    let line = Line::of(&request);
    let holder = heimdall(name).hold();
    let (mut first, first_backend) = waits(name, "the first to wait", &[]);
    wait_for_heir(&request, first_backend);
    let later = ["the second to wait", "the third to wait"].map(|application| waits(name, application, &[]));
    shared().wait_for_holders(line.waiters(Mode::Exclusive), 3);
    holder.finish();
    first.wait_for_stdout_line("mine");
    shared().wait_for_holders(line.waiters(Mode::Exclusive), 2);
    shared().wait_for_holders(line.heir, 1);
    let heir = shared().holder(line.heir).unwrap();
    let [mut next, mut last]: [Running; 2] = if later[0].1 == heir {
        later.map(|(waiter, _)| waiter)
    } else {
        let [second, third] = later;
        [third.0, second.0]
    };
    first.close_stdin();
    next.wait_for_stdout_line("mine");
    next.close_stdin();
    last.wait_for_stdout_line("mine");
    last.close_stdin();
    for waiter in [first, next, last] {
        assert_eq!(waiter.wait().code, Some(0));
    }
    shared().wait_for_holders(line.heir, 0);
    shared().wait_for_holders(line.waiters(Mode::Exclusive), 0);
}

#[test]
fn promise_6_who_is_granted_the_lock_has_given_up_its_place_in_the_line() {
    let (request, name) = (request("granted"), "granted");
    let holder = heimdall(name).hold();
    let (mut heir, backend) = waits(name, "an heir that is granted the lock", &[]);
    wait_for_heir(&request, backend);
    holder.finish();
    heir.wait_for_stdout_line("mine");
    let held = format!("select objsubid from pg_locks where pid = {backend} and locktype = 'advisory'");
    // That of two numbers is the lock's.
    assert_eq!(shared().sql(&held), "2");
    heir.close_stdin();
    assert_eq!(heir.wait().code, Some(0));
}

#[test]
fn promise_7_who_comes_later_does_not_overtake_the_heir_and_takes_over_when_it_is_stopped() {
    if shared().version() < 14 {
        return did_not_run("an heir that is stopped", "the server has no idle_session_timeout");
    }
    let (request, name) = (request("stopped"), "stopped");
    let holder = heimdall(name).hold();
    let (heir, backend) = waits(name, "an heir that is stopped", &["--lease=4s"]);
    wait_for_heir(&request, backend);
    heir.signal(19);
    holder.finish();
    // The lock is free, and the heir there for four seconds more.
    let late = heimdall(name).args(["-q", "--wait=2s", "true"]).run();
    assert_eq!(late.code, Some(75), "{}", late.stderr);
    let next = heimdall(name).args(["--wait=12s", "echo", "mine"]).run();
    assert_eq!((next.code, next.stdout.as_str()), (Some(0), "mine\n"), "{}", next.stderr);
    heir.signal(18);
    let mut heir = heir;
    // It was idle when it was stopped, or waited for an answer.
    heir.wait_for_stderr_line("waiting for the server: ");
    heir.wait_for_stdout_line("mine");
    heir.close_stdin();
    assert_eq!(heir.wait().code, Some(0));
}

#[test]
fn promise_7_who_has_the_heirs_key_and_leaves_a_free_lock_alone_is_told_of_and_overtaken() {
    let (request, name) = (request("kept"), "kept");
    let conninfo = format!("{} user=trust_user dbname=app", shared().tcp());
    let key = Line::of(&request).heir.to_string();
    let stranger = Heimdall::new().database(&conninfo).args(["--key", &key]).hold();
    let heir = format!("server process {}", stranger.backend);
    let late = heimdall(name).args(["--log-format=json", "--wait=1s", "true"]).run();
    assert_eq!(late.code, Some(75), "{}", late.stderr);
    let ends = late.stderr.lines().find(|line| line.contains(r#""event":"busy""#)).unwrap();
    for told in [" is still kept for the heir after 1.", &heir, "\"heir_pid\":"] {
        assert!(ends.contains(told), "no {told} in {ends}");
    }
    let list = heimdall(name).arg("--list").run().stdout;
    let shown = list.lines().nth(1).unwrap_or_default();
    assert!(shown.starts_with(&key) && shown.contains(&stranger.backend), "{list}");

    let nothing = Environment { variable: &|_| None, effective_user: &|| None, effective_uid: 0 };
    let config = Config::resolve(&conninfo, &nothing).unwrap();
    let connect = ConnectOptions::new(&config);
    let busy = |outcome: Outcome| -> Contender {
        match outcome {
            Outcome::Busy(contender) => *contender,
            Outcome::Held(_) => panic!("the heir's key is another's"),
        }
    };
    let first = busy(lock::acquire_in_turn(&connect, &request, Deadline::after(None)).unwrap());
    let behind = busy(first.take_turn(false, None).unwrap());
    assert!(matches!(behind.take_turn(true, None).unwrap(), Outcome::Held(_)));
    stranger.finish();
}

#[test]
fn when_the_heir_is_gone_another_takes_its_place() {
    let (request, name) = (request("killed"), "killed");
    let holder = heimdall(name).hold();
    let (heir, backend) = waits(name, "an heir that is killed", &[]);
    wait_for_heir(&request, backend);
    let (mut other, backend) = waits(name, "a waiter behind it", &[]);
    heir.signal(9);
    wait_for_heir(&request, backend);
    holder.finish();
    other.wait_for_stdout_line("mine");
    other.close_stdin();
    assert_eq!(other.wait().code, Some(0));
}

#[test]
fn no_slot_stays_empty_while_someone_waits() {
    let slots = |options: &[&str]| heimdall("slots in line").args(["--slots", "2"]).args(options);
    let holders = [slots(&[]).hold(), slots(&[]).hold()];
    let mut waiters =
        [(); 3].map(|()| slots(&["--wait", "sh", "-c", "echo mine; exec cat"]).pipe_stdin().spawn());
    let line = Line::of(&LockRequest::slots("waiting", "slots in line", 2));
    shared().wait_for_holders(line.waiters(Mode::Exclusive), 3);
    for holder in holders {
        holder.finish();
    }
    // Two of them run at the same time.
    shared().wait_for_holders(line.waiters(Mode::Exclusive), 1);
    waiters.iter_mut().for_each(Running::close_stdin);
    for waiter in waiters {
        let outcome = waiter.wait();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "mine\n"), "{}", outcome.stderr);
    }
}

#[test]
fn readers_wait_behind_a_writer_that_is_the_heir_and_run_together_after_it() {
    let name = "read and written";
    let request = request(name);
    let line = Line::of(&request);
    let reader = heimdall(name).arg("--shared").hold();
    let (mut writer, backend) = waits(name, "a writer in line", &[]);
    wait_for_heir(&request, backend);
    let mut readers = [(); 2].map(|()| {
        heimdall(name).args(["--shared", "--wait", "sh", "-c", "echo read; exec cat"]).pipe_stdin().spawn()
    });
    shared().wait_for_holders(line.waiters(Mode::Shared), 2);
    reader.finish();
    writer.wait_for_stdout_line("mine");
    writer.close_stdin();
    assert_eq!(writer.wait().code, Some(0));
    for reader in &readers {
        reader.wait_for_stdout_line("read");
    }
    readers.iter_mut().for_each(Running::close_stdin);
    for reader in readers {
        assert_eq!(reader.wait().code, Some(0));
    }
}

#[test]
fn the_list_shows_the_heir_before_the_others_who_wait() {
    shared().sql("create database line");
    let conninfo = format!("{} user=trust_user dbname=line", shared().tcp());
    let named = |options: &[&str]| Heimdall::new().database(&conninfo).args(options);
    let wait = |options: &[&str], request: &LockRequest, count: u32| {
        let waiter = named(options).args(["--wait", "true"]).spawn();
        let line = Line::of(request);
        shared().wait_for_holders(line.waiters(request.mode()), count);
        shared().wait_for_holders(line.heir, 1);
        waiter
    };
    let slots = ["--namespace", "line", "--name", "slots", "--slots", "2"];
    let _holders = [named(&slots).hold(), named(&slots).hold()];
    let plain = ["--namespace", "line", "--name", "plain"];
    let _holder = named(&plain).hold();
    let request = LockRequest::slots("line", "slots", 2);
    let _slot_waiter = wait(&slots, &request, 1);
    let request = LockRequest::one(Key::named("line", "plain"), Mode::Exclusive);
    let _waiters = [wait(&plain, &request, 1), wait(&plain, &request, 2)];
    let reader = LockRequest::one(Key::named("line", "plain"), Mode::Shared);
    let _reader = wait(&[&plain[..], &["--shared"]].concat(), &reader, 1);

    let columns = |list: &str| -> Vec<String> {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut columns: Vec<String> = list.lines().skip(1).map(|line| words(line)[1..4].join(" ")).collect();
        // Those who wait, in the order in which they came, which may be within one second.
        columns
            .chunk_by_mut(|one, other| one.contains("waiting") && other.contains("waiting"))
            .for_each(<[_]>::sort);
        columns
    };
    let list = |options: &[&str]| {
        let outcome = named(options).arg("--list").run();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stdout
    };
    let of_plain = [
        "line/plain exclusive granted",
        "line/plain exclusive heir",
        "line/plain exclusive waiting",
        "line/plain shared waiting",
    ];
    let text = list(&plain);
    assert_eq!(columns(&text), of_plain, "{text}");
    let text = list(&[]);
    let mut all = columns(&text);
    let rest: Vec<String> = all.extract_if(.., |line| line.contains("slots")).collect();
    assert_eq!(all, of_plain, "{text}");
    let mut expected =
        vec!["line/slots exclusive granted", "line/slots exclusive heir", "line/slots#2 exclusive granted"];
    if rest[0] != expected[0] {
        expected.rotate_left(2);
    }
    assert_eq!(rest, expected, "{text}");
    let json = list(&["--log-format=json"]);
    assert_eq!(json.matches("\"granted\":false,\"heir\":true,").count(), 2, "{json}");
}
