//! The line of a busy lock: who holds it, as far as the role may see, for one round trip more.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use heimdall::lock::Key;

use crate::support::heimdall::Heimdall;
use crate::support::holder::host;
use crate::support::postgres::{Cluster, ClusterOptions, shared};
use crate::support::scripted::{Connection, Scripted, backend};

fn heimdall(user: &str, name: &str) -> Heimdall {
    Heimdall::new().database(&format!("{} user={user} dbname=app", shared().tcp())).args([
        "--namespace",
        "holders",
        "--name",
        name,
    ])
}

fn busy(user: &str, name: &str) -> String {
    let outcome = heimdall(user, name).arg("true").run();
    assert_eq!(outcome.code, Some(75));
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    outcome.stderr
}

#[test]
fn a_busy_lock_names_its_holder_to_the_same_role_and_a_superuser() {
    let holder = heimdall("trust_user", "named").hold();
    let (backend, process) = (&holder.backend, holder.pid());
    let since = since(&holder.backend);
    let expected = format!(
        "heimdall: the lock holders/named is held elsewhere: by process {process} on {} (server process {backend}, \
         from 127.0.0.1, holder since {since})\n",
        host("heimdall:holders/named", process)
    );
    for user in ["trust_user", "postgres"] {
        assert_eq!(busy(user, "named"), expected, "{user}");
    }
    let verbose = heimdall("trust_user", "named").args(["-v", "true"]).run();
    let key = format!("the lock holders/named (key {}) is held elsewhere", Key::named("holders", "named"));
    assert!(verbose.stderr.contains(&key), "{}", verbose.stderr);
}

#[test]
fn since_is_when_the_lock_was_taken_and_not_when_the_session_began() {
    let first = heimdall("trust_user", "waited").hold();
    let second = heimdall("trust_user", "waited").arg("--wait");
    let waiter = second.args(["sh", "-c", "echo $HEIMDALL_BACKEND_PID; exec cat"]).pipe_stdin().spawn();
    waiter.wait_for_stderr_line("waiting");
    // Two moments that differ in a text of whole seconds.
    thread::sleep(Duration::from_millis(1100));
    first.finish();
    let backend = waiter.wait_for_stdout_line("");
    let taken = since(&backend);
    let line = busy("trust_user", "waited");
    assert!(line.ends_with(&format!(", holder since {taken})\n")), "{line}");
    let began = shared()
        .sql(&format!("select backend_start < '{taken}' from pg_stat_activity where pid = {backend}"));
    assert_eq!(began, "t");
}

/// When the session's heimdall has taken the lock, once that is told.
fn since(backend: &str) -> String {
    let stamp = format!(
        "from pg_stat_activity, substring(application_name from ' @([0-9]{{10}})') as seconds where pid = {backend}"
    );
    shared().wait_for(&format!("select seconds is not null {stamp}"), "t");
    shared().sql(&format!(
        "select to_char(to_timestamp(seconds::int8) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') {stamp}"
    ))
}

#[test]
fn what_a_role_may_not_see_is_left_out() {
    let holder = heimdall("postgres", "masked").hold();
    let since = since(&holder.backend);
    let expected = format!(
        "heimdall: the lock holders/masked is held elsewhere: by process {} on {} (server process {}, holder since {since})\n",
        holder.pid(),
        host("heimdall:holders/masked", holder.pid()),
        holder.backend
    );
    assert_eq!(busy("trust_user", "masked"), expected);
    let named = heimdall("postgres", "set").env("PGAPPNAME", "my job").hold();
    let expected = format!(
        "heimdall: the lock holders/set is held elsewhere: by server process {} (my job)\n",
        named.backend
    );
    assert_eq!(busy("trust_user", "set"), expected);
}

#[test]
fn of_several_holders_one_is_named_and_the_others_are_counted() {
    let _holders = [(); 3].map(|()| heimdall("trust_user", "several").arg("--shared").hold());
    let line = busy("trust_user", "several");
    assert!(line.ends_with("; and by 2 more\n"), "{line}");
}

#[test]
fn a_prepared_transaction_may_hold_it_too() {
    let cluster = Cluster::start(&ClusterOptions {
        configuration: "max_prepared_transactions = 1".to_owned(),
        hba: String::new(),
    });
    let key = Key::named("heimdall", "prepared");
    cluster.sql(&format!("begin; select pg_advisory_xact_lock({key}); prepare transaction 'holder'"));
    let outcome = Heimdall::new()
        .database(&format!("{} user=postgres dbname=postgres", cluster.tcp()))
        .args(["--name", "prepared", "true"])
        .run();
    assert_eq!(outcome.code, Some(75));
    assert!(outcome.stderr.ends_with("is held elsewhere: by a prepared transaction\n"), "{}", outcome.stderr);
}

#[test]
fn to_name_the_holder_takes_one_flight_and_none_where_nobody_is_told() {
    for (options, expected) in [(&[][..], 2), (&["-q"], 1), (&["-q", "--log-format=json"], 1)] {
        let (counted, count) = mpsc::channel();
        let server = Scripted::start(move |connection: &mut Connection| {
            connection.startup();
            connection.expect(b'Q');
            connection.send(&backend::answered(&[Some("42"), Some("f"), Some("0"), None]));
            let question = connection.message_after_commit();
            if question.0 == b'Q' {
                assert!(String::from_utf8_lossy(&question.1).contains("pg_locks"));
                let (key, pid) = (["1", "2", "2", "f", "t"].map(Some), ["77", "psql"].map(Some));
                connection.send(
                    &[
                        backend::row(&[&key[..], &pid, &[None, None]].concat()),
                        backend::command_complete("SELECT 1"),
                        backend::ready_for_query(b'I'),
                    ]
                    .concat(),
                );
                connection.expect(b'X');
            } else {
                assert_eq!(question.0, b'X');
            }
            counted.send(connection.flights()).unwrap();
        });
        let outcome = Heimdall::new()
            .database(&format!("{} user=ann", server.tcp()))
            .args(["--name", "flights"])
            .args(options)
            .arg("true")
            .run();
        assert_eq!(outcome.code, Some(75), "{}", outcome.stderr);
        let is_told = outcome.stderr.ends_with("is held elsewhere: by server process 77 (psql)\n");
        assert!(if options.is_empty() { is_told } else { outcome.stderr.is_empty() }, "{}", outcome.stderr);
        // A goodbye in the flight after that needs no answer.
        assert_eq!(count.recv().unwrap() - 1, expected, "{options:?}");
    }
}
