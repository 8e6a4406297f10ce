//! What the settings of a role may do to a lock: nothing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::support::did_not_run;
use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::pgbouncer::{PgBouncer, PoolMode};
use crate::support::postgres::shared;
use crate::support::scripted::{Connection, Scripted, backend};

/// A database of the shared server in which a role lives that has these settings.
fn settle(role: &str, settings: &[&str]) -> String {
    let cluster = shared();
    cluster.sql(&format!("create database {role}; alter database {role} owner to trust_user;"));
    for setting in settings {
        cluster.sql(&format!("alter database {role} set {setting}"));
    }
    format!("{} user=trust_user dbname={role}", cluster.tcp())
}

#[test]
fn promise_9_nothing_that_shadows_a_name_of_pg_catalog_ever_runs() {
    let database = settle("shadowed", &[]);
    let admin = format!("{} user=postgres dbname=shadowed", shared().socket());
    let psql = |conninfo: &str, sql: &str| {
        let output = shared().psql(conninfo).args(["-c", sql]).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    };
    psql(&admin, include_str!("roles/shadow.sql"));
    psql(&admin, "alter database shadowed set search_path = shadow, pg_catalog");
    let ran = || -> Vec<String> {
        let log = shared().log();
        let shadows = log.lines().filter_map(|line| line.split_once("LOG:  shadow: "));
        shadows.map(|(_, name)| name.to_owned()).collect()
    };
    // What would run.
    psql(&database, "select 1 > 0, pg_backend_pid(), '1'::oid, (select count(*) > 0 from pg_locks)");
    let expected = [">(bigint,integer)", ">(integer,integer)", "oid", "pg_backend_pid", "pg_locks"];
    let caught = ran();
    assert_eq!(caught.iter().map(String::as_str).collect::<BTreeSet<_>>(), expected.into());

    let heimdall = |options: &[&str]| Heimdall::new().database(&database).args(options);
    for options in [
        &["--name", "shadowed"][..],
        &["--name", "shadowed", "--shared"],
        &["--name", "shadowed", "--slots", "3"],
        &["--key", "-9223372036854775808"],
        &["--key", "7", "--shared"],
    ] {
        let holder =
            heimdall(options).args(["--lease", "6s", "sh", "-c", "echo holding; cat"]).pipe_stdin().spawn();
        holder.wait_for_stdout_line("holding");
        if !options.contains(&"--shared") && !options.contains(&"--slots") {
            assert_eq!(heimdall(options).arg("true").run().code, Some(75));
            assert_eq!(heimdall(options).args(["--wait=3s", "true"]).run().code, Some(75));
        }
        assert_eq!(heimdall(options).args(["--list"]).run().code, Some(0));
        assert_eq!(heimdall(&["--list"]).run().code, Some(0));
        let printed = Heimdall::new().args(options).arg("--print-key").run().stdout;
        let find = printed.lines().find(|line| line.starts_with("SELECT ")).unwrap();
        psql(&database, find);
        // Some signs of life, and the question who asks.
        assert_eq!(heimdall(options).arg("--stop").run().code, Some(0));
        assert_eq!(holder.wait().code, Some(143));
    }
    let succeeds = |heimdall: Heimdall, options: &[&str]| {
        let outcome = heimdall.args(options).run();
        assert_eq!(outcome.code, Some(0), "{options:?}: {}", outcome.stderr);
        outcome.stderr
    };
    let fresh = ["--name", "shadowed", "--settle", "--lease", "6s", "true"];
    let pooler = PgBouncer::start(shared(), PoolMode::Transaction);
    let through = || {
        let heimdall = Heimdall::new().database(&pooler.conninfo_of("shadowed"));
        heimdall.args(["--name", "shadowed", "--allow-pooler"])
    };
    for options in [&["--check"][..], &fresh] {
        succeeds(heimdall(&[]), options);
    }
    let holder = through().args(["--lease", "6s"]).hold();
    let begun = format!("select xact_start from pg_stat_activity where pid = {}", holder.backend);
    let first = shared().sql(&begun);
    assert_eq!(through().arg("true").run().code, Some(75));
    assert_eq!(through().args(["--wait=1s", "true"]).run().code, Some(75));
    succeeds(through(), &["--list"]);
    // A sign of life, in a transaction of its own.
    shared().wait_for(&begun.replace("xact_start", &format!("xact_start > '{first}'")), "t");
    holder.finish();
    succeeds(through(), &fresh[2..]);
    succeeds(Heimdall::new().database(&pooler.conninfo_of("shadowed")), &["--check", "--allow-pooler"]);
    // What lets a role draw no whole token is found out by a statement of its own.
    psql(&admin, "revoke execute on function pg_catalog.pg_control_system() from public");
    for heimdall in [heimdall(&["--name", "shadowed"]), through()] {
        let said = succeeds(heimdall, &["--verbose", "true"]);
        assert!(said.contains("(made without: system identifier)"), "{said}");
    }
    assert_eq!(ran(), caught);
}

/// Holds a lock on a server that answers the question for settings as `answer` does, until that says it was the last time.
/// How often they were asked for, and what heimdall has said.
fn settings_answered(
    mut answer: impl FnMut(&mut Connection, &str) -> bool + Send + 'static,
) -> (usize, String) {
    let (done, is_done) = mpsc::channel();
    let server = Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        connection.send(&backend::answered(&backend::granted("42")));
        let mut question = connection.message();
        let mut count = 0;
        loop {
            let sql = String::from_utf8(question.1).unwrap();
            assert!(sql.contains("set_config"), "{sql}");
            count += 1;
            if answer(connection, &sql) {
                break;
            }
            question = connection.message();
        }
        // A sign of life.
        let ping = String::from_utf8(connection.expect(b'Q')).unwrap();
        assert!(ping.contains("a sign of life"), "{ping}");
        connection.send(&[backend::empty_query_response(), backend::ready_for_query(b'I')].concat());
        done.send(count).unwrap();
        connection.serve_lock();
    });
    let mut running = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "settings", "--lease", "6s", "cat"])
        .pipe_stdin()
        .spawn();
    let count = is_done.recv_timeout(Duration::from_secs(30)).unwrap();
    running.close_stdin();
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    (count, outcome.stderr)
}

/// The error of a statement, and not of the session.
fn cancel(connection: &mut Connection) {
    let fields = [(b'S', "ERROR"), (b'C', "57014"), (b'M', "canceling statement due to statement timeout")];
    connection.send(&[backend::error_response(&fields), backend::ready_for_query(b'I')].concat());
}

#[test]
fn promise_9_settings_that_fail_are_asked_for_again_until_they_hold() {
    for (failures, expected) in [
        (0, ""),
        (4, ""),
        (
            7,
            "heimdall: the session's settings are not in force as they should be: \
             ERROR: canceling statement due to statement timeout [57014]\n",
        ),
    ] {
        let mut left = failures;
        let (count, said) = settings_answered(move |connection, sql| {
            let is_last = left == 0;
            if is_last {
                connection.answer_settings(sql);
            } else {
                left -= 1;
                cancel(connection);
            }
            is_last
        });
        assert_eq!((count, said.as_str()), (failures + 1, expected));
    }
}

#[test]
fn promise_9_a_statement_timeout_does_not_keep_the_settings_from_being_in_force() {
    settle("hasty", &["statement_timeout = '50ms'"]);
    if shared().version() >= 14 {
        shared().sql("alter database hasty set idle_session_timeout = '3s'");
    }
    let server = ([127, 0, 0, 1], shared().port()).into();
    for (failures, expected) in [
        (4, ""),
        (
            6,
            "heimdall: the session's settings are not in force as they should be: \
             ERROR: canceling statement due to statement timeout [57014]\n",
        ),
    ] {
        let mut left = failures;
        // What takes a moment on a busy server does so before the time-out is switched off.
        let slow = Scripted::start(move |connection: &mut Connection| {
            connection.speak_for(server, |sql| {
                match sql.split_once("SET LOCAL statement_timeout = 0; SELECT") {
                    Some((before, after)) if left > 0 && after.contains("set_config('statement_timeout'") => {
                        left -= 1;
                        let before = before.replace("SET statement_timeout = 0; ", "");
                        format!("{before}SELECT pg_sleep(10); SELECT{after}")
                    }
                    _ => sql.to_owned(),
                }
            });
        });
        let place = format!("{} user=trust_user dbname=hasty", slow.tcp());
        let outcome =
            Heimdall::new().database(&place).args(["--name", "hasty", "--lease", "6s", "sleep", "4"]).run();
        assert_eq!((outcome.code, said(&outcome).as_str()), (Some(0), expected));
    }
}

/// What it has said, but for what it says of a server before version 14 behind a proxy, for which it takes a script.
fn said(outcome: &Outcome) -> String {
    let lines =
        outcome.stderr.lines().filter(|line| !line.contains("the server's half of the lease is missing"));
    lines.fold(String::new(), |lines, line| lines + line + "\n")
}

#[test]
fn promise_9_a_role_whose_idle_sessions_are_ended_waits_in_one_session() {
    if shared().version() < 14 {
        return did_not_run(
            "a waiter whose idle session is ended",
            "PostgreSQL has no such time-out before version 14",
        );
    }
    let place = settle("impatient_in_line", &["idle_session_timeout = '200ms'"]);
    let heimdall = || Heimdall::new().database(&place).args(["--name", "in line"]);
    let holder = heimdall().hold();
    let waits = |application: &str| {
        let waiter = heimdall().args(["--wait", "true"]).env("PGAPPNAME", application).spawn();
        waiter.wait_for_stderr_line("waiting for the lock");
        waiter
    };
    // One of them is the heir, and the other one seldom asks.
    let waiters = ["waits in line", "waits in line, too"].map(waits);
    let idle = "select count(*) > 0 from pg_stat_activity \
                where application_name like 'waits in line%' and clock_timestamp() - state_change > '700ms'";
    shared().wait_for(idle, "t");
    holder.finish();
    for waiter in waiters {
        let outcome = waiter.wait();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("waiting for the server"), "{}", outcome.stderr);
    }
}

#[test]
fn promise_9_the_shortest_statement_timeout_is_switched_off_however_often_it_strikes() {
    settle("shortest", &["statement_timeout = '1ms'"]);
    let server = ([127, 0, 0, 1], shared().port()).into();
    for round in 1..=3 {
        // A sign of life takes longer than that, and leaves a lock where it was not cut short.
        let slow = Scripted::start(move |connection: &mut Connection| {
            let longer = format!(
                "do $$ begin perform pg_sleep(0.05); perform pg_advisory_lock({MARK} + {round}); end $$\0"
            );
            connection.speak_for(server, |sql| {
                if sql.contains("a sign of life") { longer.clone() } else { sql.to_owned() }
            });
        });
        let mut running = Heimdall::new()
            .database(&format!("{} user=trust_user dbname=shortest", slow.tcp()))
            // On a busy host it strikes the attempt too, again and again.
            .args(["--name", "shortest", "--lease", "6s", "--wait", "cat"])
            .pipe_stdin()
            .spawn();
        shared().wait_for(&format!("select count(*) from pg_locks where objid = {MARK} + {round}"), "1");
        running.close_stdin();
        let outcome = running.wait();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("settings"), "{}", outcome.stderr);
    }
}

#[test]
fn promise_9_a_statement_timeout_does_not_strike_between_the_first_transaction_and_the_settings() {
    settle("between", &["statement_timeout = '100ms'"]);
    let server = ([127, 0, 0, 1], shared().port()).into();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let slow = Scripted::start(move |connection: &mut Connection| {
        connection.speak_for(server, |sql| {
            if !sql.contains("set_config('statement_timeout'") {
                return sql.to_owned();
            }
            count.fetch_add(1, Ordering::Relaxed);
            sql.replacen("COMMIT; ", "COMMIT; BEGIN; DO 'begin perform pg_sleep(0.2); end'; COMMIT; ", 1)
        });
    });
    let place = format!("{} user=trust_user dbname=between", slow.tcp());
    let outcome = Heimdall::new().database(&place).args(["--name", "between", "sleep", "1"]).run();
    assert_eq!((outcome.code, said(&outcome).as_str()), (Some(0), ""));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

/// A key that no one else locks.
const MARK: i32 = 900_000_000;

#[test]
fn promise_9_settings_that_the_server_does_not_take_are_reported() {
    let (count, said) = settings_answered(|connection, sql| {
        let sql = sql.replace("'tcp_keepalives_idle', '3'", "'tcp_keepalives_idle', '0'");
        connection
            .answer_settings(&sql.replace("'statement_timeout', '0'", "'statement_timeout', '1m\x1bs'"));
        true
    });
    assert_eq!(count, 1);
    let expected = "heimdall: the session's settings are not in force as they should be: \
                    statement_timeout is 1ms instead of 0, tcp_keepalives_idle is 0 instead of 3\n";
    assert_eq!(said, expected);
}

#[test]
fn settings_that_the_server_does_not_take_are_reported_also_before_the_program_starts() {
    let server = ([127, 0, 0, 1], shared().port()).into();
    let other = Scripted::start(move |connection: &mut Connection| {
        connection.speak_for(server, |sql| {
            let sql = sql.replace("pg_catalog.pg_postmaster_start_time()", "pg_catalog.clock_timestamp()");
            sql.replace("set_config('statement_timeout', '0'", "set_config('statement_timeout', '7min'")
        });
    });
    let outcome = Heimdall::new()
        .database(&format!("{} user=trust_user dbname=app", other.tcp()))
        .args(["--name", "settles", "--settle", "--lease", "6s", "true"])
        .run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("starting the program in"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("statement_timeout is 7min instead of 0"), "{}", outcome.stderr);
}

#[test]
fn promise_9_a_role_whose_transactions_wait_for_a_safe_snapshot_delays_nothing() {
    let database = settle(
        "waits_for_snapshots",
        &[
            "default_transaction_isolation = 'serializable'",
            "default_transaction_read_only = on",
            "default_transaction_deferrable = on",
            "statement_timeout = '30s'",
            "idle_in_transaction_session_timeout = '1ms'",
        ],
    );
    // For its end each statement of such a role would wait.
    let mut writer = shared().psql(&database);
    let begin = "begin isolation level serializable read write; create table written as select 1;";
    let mut writer = writer.args(["-c", begin, "-c", "\\! echo begun; cat"]);
    writer = writer.env("PGOPTIONS", "-c idle_in_transaction_session_timeout=0");
    let mut writer = writer.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "begun"));

    let heimdall = || Heimdall::new().database(&database).args(["--name", "deferrable"]);
    let holder = heimdall().args(["--lease", "6s"]).hold();
    let since = |column: &str| {
        format!(
            "select {column} from pg_stat_activity where pid = {} and query like '%heimdall: a sign of life%'",
            holder.backend
        )
    };
    shared().wait_for(&since("count(*)"), "1");
    let first = shared().sql(&since("query_start"));
    shared().wait_for(&since(&format!("query_start > '{first}'")), "t");
    assert_eq!(heimdall().arg("true").run().code, Some(75));
    assert_eq!(heimdall().arg("--list").run().stdout.lines().count(), 2);
    assert_eq!(heimdall().args(["--wait=3s", "true"]).run().code, Some(75));
    assert_eq!(heimdall().arg("--stop").run().code, Some(0));
    let outcome = holder.wait();
    assert!(outcome.stderr.starts_with("heimdall: asked to stop by "), "{}", outcome.stderr);
    drop(writer.stdin.take());
    writer.wait().unwrap();
}
