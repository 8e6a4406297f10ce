//! Statements that fail while the lock is waited for: what the user sees, and that nothing is left on the server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use heimdall::internals::line::Line;
use heimdall::lock::{Key, LockRequest, Mode};

use crate::support::did_not_run;
use crate::support::heimdall::{Heimdall, Running};
use crate::support::postgres::shared;
use crate::support::scripted::{Connection, Scripted};

/// A database of its own, in which functions can be refused to roles.
struct Place(&'static str);

impl Place {
    fn new(database: &'static str) -> Self {
        shared().sql(&format!("create database {database}"));
        Self(database)
    }

    fn sql(&self, sql: &str) {
        let admin = format!("{} user=postgres dbname={}", shared().socket(), self.0);
        let output = shared().psql(&admin).args(["-c", sql]).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn heimdall(&self, user: &str) -> Heimdall {
        let database = format!("{} user={user} dbname={}", shared().tcp(), self.0);
        Heimdall::new().database(&database).args(["--namespace", "waiting", "--name", self.0])
    }

    fn waits(&self) -> Running {
        let waiter = self
            .heimdall("trust_user")
            .args(["--wait=30s", "-v", "--lease=6s", "sh", "-c", PROGRAM])
            .pipe_stdin()
            .spawn();
        waiter.wait_for_stderr_line("waiting for the lock");
        waiter
    }

    fn line(&self) -> Line {
        Line::of(&LockRequest::one(Key::named("waiting", self.0), Mode::Exclusive))
    }

    /// Of all sessions, how many advisory locks there are.
    fn wait_for_locks(&self, count: u32) {
        let locks = format!(
            "select count(*) from pg_locks where locktype = 'advisory' \
             and database = (select oid from pg_database where datname = '{}')",
            self.0
        );
        shared().wait_for(&locks, &count.to_string());
    }
}

const PROGRAM: &str = "echo token $HEIMDALL_FENCING_TOKEN; exec cat";

/// The program's token is made of all that a token is made of: the version and the timeline are its upper bits.
fn assert_is_whole(token: &str) {
    let token: u64 = token.strip_prefix("token ").unwrap().parse().unwrap();
    assert_eq!(token >> 44, (u64::from(shared().version()) << 12) + 1);
}

#[test]
fn who_may_not_stand_in_line_is_told_which_function_is_refused_and_leaves_nothing_there() {
    for (database, function) in [
        // To enter the line, to become the heir, and as the heir.
        ("no_entering", "pg_try_advisory_lock_shared(bigint)"),
        ("no_becoming", "pg_try_advisory_lock(bigint)"),
        ("no_heir", "pg_advisory_unlock(bigint)"),
    ] {
        let place = Place::new(database);
        place.sql(&format!("revoke execute on function pg_catalog.{function} from public"));
        let holder = place.heimdall("postgres").hold();
        let outcome = place.waits().wait();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(77), ""), "{}", outcome.stderr);
        let name = function.split('(').next().unwrap();
        let words = format!(
            "could not try the lock on the server at \"127.0.0.1\", port {}: ERROR: permission denied for function {name} [42501]",
            shared().port()
        );
        assert!(outcome.stderr.contains(&words), "{}", outcome.stderr);
        place.wait_for_locks(1);
        holder.finish();
    }
}

#[test]
fn an_heir_that_is_refused_a_function_for_the_token_gets_the_lock_with_another_token() {
    let place = Place::new("heir_refused");
    let holder = place.heimdall("postgres").hold();
    let mut heir = place.waits();
    shared().wait_for_holders(place.line().heir, 1);
    place.sql("revoke execute on function pg_catalog.pg_walfile_name(pg_lsn) from public");
    holder.finish();
    let acquired = heir.wait_for_stderr_line("acquired the lock");
    assert!(acquired.contains("(made without: timeline)"), "{acquired}");
    heir.wait_for_stdout_line("token");
    // It has left the line.
    place.wait_for_locks(1);
    heir.close_stdin();
    assert_eq!(heir.wait().code, Some(0));
    place.wait_for_locks(0);
}

/// Speaks for clients to the shared server, which cancels the first so many of the statements that this text is part of.
fn canceling(text: &'static str, count: usize) -> Scripted {
    let (server, left) = (([127, 0, 0, 1], shared().port()).into(), Arc::new(AtomicUsize::new(count)));
    Scripted::start(move |connection: &mut Connection| {
        connection.speak_for(server, |sql| {
            let take = |left: usize| left.checked_sub(1);
            let is_canceled =
                sql.contains(text) && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
            if is_canceled { CANCELED.to_owned() } else { sql.to_owned() }
        });
    })
}

/// Part of what the heir tries.
const OF_HEIR: &str = "NOT pg_catalog.pg_advisory_unlock(";

const CANCELED: &str = "SET LOCAL statement_timeout = 1; SELECT pg_catalog.pg_sleep(10)\0";

#[test]
fn promise_15_a_canceled_attempt_is_made_again_for_a_whole_token_or_not_at_all() {
    for (count, code) in [(2, Some(0)), (3, Some(69))] {
        let server = canceling("pg_try_advisory_xact_lock", count);
        let outcome = Heimdall::new()
            .database(&format!("{} user=trust_user dbname=app", server.tcp()))
            .args([
                "--namespace",
                "waiting",
                "--name",
                "canceled",
                "sh",
                "-c",
                "echo token $HEIMDALL_FENCING_TOKEN",
            ])
            .run();
        assert_eq!(outcome.code, code, "{}", outcome.stderr);
        if code == Some(0) {
            assert_is_whole(outcome.stdout.trim_end());
        } else {
            let words = "ERROR: canceling statement due to statement timeout [57014]";
            assert!(outcome.stdout.is_empty() && outcome.stderr.contains(words), "{}", outcome.stderr);
        }
    }
}

#[test]
fn an_heir_that_has_to_enter_the_line_again_is_not_bound_as_the_heir_any_more() {
    if shared().version() < 14 {
        return did_not_run("an heir that enters the line again", "the server has no idle_session_timeout");
    }
    let real = ([127, 0, 0, 1], shared().port()).into();
    let (sender, statements) = mpsc::channel();
    let server = Scripted::start(move |connection: &mut Connection| {
        let mut is_over = false;
        connection.speak_for(real, |sql| {
            sender.send(sql.to_owned()).unwrap();
            let is_canceled = sql.contains(OF_HEIR) && !std::mem::replace(&mut is_over, true);
            if is_canceled { CANCELED.to_owned() } else { sql.to_owned() }
        });
    });
    let name = "heir again";
    let holder = super::heimdall(name).hold();
    let waiter = Heimdall::new()
        .database(&format!("{} user=trust_user dbname=app", server.tcp()))
        .args(["--namespace", "waiting", "--name", name, "--wait", "--lease=6s", "true"])
        .spawn();
    let next = |text: &str| {
        let is_sent = |sql: &String| sql.contains(text);
        let mut sent = std::iter::from_fn(|| statements.recv_timeout(Duration::from_secs(30)).ok());
        sent.find(is_sent).unwrap_or_else(|| panic!("no {text}"))
    };
    let kept = next("set_config('idle_session_timeout'");
    next(OF_HEIR);
    next("pg_advisory_unlock_all()");
    let set = statements.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(set.ends_with(kept.split_once("SELECT").unwrap().1), "{set}");
    next("pg_try_advisory_lock_shared(");
    holder.finish();
    assert_eq!(waiter.wait().code, Some(0));
}

#[test]
fn who_is_canceled_while_becoming_the_heir_tries_again_and_waits_on() {
    // What enters the line, what the heir does, and what leaves the line for another attempt.
    for (name, text, count, reason) in [
        ("cancel entering", "pg_try_advisory_lock_shared(", 2, None),
        ("cancel the heir", OF_HEIR, 2, None),
        (
            "cancel thrice",
            "pg_try_advisory_lock_shared(",
            3,
            Some("canceling statement due to statement timeout"),
        ),
    ] {
        let server = canceling(text, count);
        let holder = super::heimdall(name).hold();
        let mut waiter = Heimdall::new()
            .database(&format!("{} user=trust_user dbname=app", server.tcp()))
            .args(["--namespace", "waiting", "--name", name, "--wait", "--lease=6s", "sh", "-c", PROGRAM])
            .pipe_stdin()
            .spawn();
        if let Some(reason) = reason {
            waiter.wait_for_stderr_line(&format!("waiting for the server: could not try the lock on the server at \"127.0.0.1\", port {}: ERROR: {reason} [57014]", server.address().port()));
        }
        let line = Line::of(&LockRequest::one(Key::named("waiting", name), Mode::Exclusive));
        shared().wait_for_holders(line.heir, 1);
        holder.finish();
        assert_is_whole(&waiter.wait_for_stdout_line("token"));
        shared().wait_for_holders(line.heir, 0);
        shared().wait_for_holders(line.waiters(Mode::Exclusive), 0);
        waiter.close_stdin();
        let outcome = waiter.wait();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert_eq!(outcome.stderr.contains("waiting for the server"), reason.is_some(), "{}", outcome.stderr);
    }
}
