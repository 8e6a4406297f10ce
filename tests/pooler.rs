//! A pooler between heimdall and the server: the lock would belong to a session that others share.

mod errors;
mod load;

use heimdall::lock::Key;

use crate::support::heimdall::Heimdall;
use crate::support::pgbouncer::{PgBouncer, PoolMode};
use crate::support::postgres::shared;
use crate::support::scripted::{Connection, Scripted, backend};

const MODES: [PoolMode; 3] = [PoolMode::Session, PoolMode::Transaction, PoolMode::Statement];

#[test]
fn promise_8_a_pooler_is_refused_whatever_it_pools() {
    for mode in MODES {
        let pooler = PgBouncer::start(shared(), mode);
        let outcome =
            Heimdall::new().database(&pooler.conninfo()).args(["--name", "pooled", "echo", "ran"]).run();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(76), ""), "{mode:?}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{mode:?}: {}", outcome.stderr);
        // One of statements refuses by itself.
        let words =
            if mode == PoolMode::Statement { "statement pooling mode" } else { "pooler answers for it" };
        assert!(outcome.stderr.contains(words), "{mode:?}: {}", outcome.stderr);
        shared().wait_for_holders(Key::named("heimdall", "pooled"), 0);
    }
}

#[test]
fn a_client_that_may_be_pooled_reaches_the_server_through_it() {
    for mode in MODES {
        let pooler = PgBouncer::start(shared(), mode);
        let output = shared().psql(&pooler.conninfo()).args(["-c", "select 6 * 7"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n", "{mode:?}: {output:?}");
    }
}

fn allowed(pooler: &PgBouncer, name: &str) -> Heimdall {
    Heimdall::new().database(&pooler.conninfo()).args(["--allow-pooler", "--name", name])
}

#[test]
fn a_pooler_of_whole_sessions_can_be_allowed() {
    let pooler = PgBouncer::start(shared(), PoolMode::Session);
    let key = Key::named("heimdall", "whole sessions");
    let mut holder = allowed(&pooler, "whole sessions").args(["--lease", "6s"]).hold();
    let backend = holder.backend.clone();
    assert_eq!(shared().holder(key).unwrap().to_string(), backend);

    let busy = allowed(&pooler, "whole sessions").arg("true").run();
    assert_eq!(busy.code, Some(75), "{}", busy.stderr);
    assert!(busy.stderr.contains(&format!("(server process {backend}, ")), "{}", busy.stderr);
    let list = allowed(&pooler, "whole sessions").arg("--list").run();
    assert!(list.stdout.contains(&format!("  {backend}  ")), "{list:?}");
    let waiter = allowed(&pooler, "whole sessions").args(["--wait", "echo", "had its turn"]).spawn();
    waiter.wait_for_stderr_line("waiting for the lock");

    // A sign of life or two, through the pooler.
    shared().wait_for(
        &format!("select count(*) from pg_stat_activity where pid = {backend} and query like 'COMMIT; BEGIN%set_config%'"),
        "1",
    );
    holder.close_stdin();
    let outcome = holder.wait();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(waiter.wait().stdout, "had its turn\n");
    shared().wait_for_holders(key, 0);
}

#[test]
fn a_pooler_of_transactions_keeps_the_holders_session_for_it() {
    // One session, which others wait for: they get it when the lock is free, and not before.
    let pooler = PgBouncer::start_with(shared(), PoolMode::Transaction, "default_pool_size = 2");
    let key = Key::named("heimdall", "kept");
    let mut holder = allowed(&pooler, "kept").args(["--lease", "6s"]).hold();
    let backend = holder.backend.clone();
    let pids: Vec<String> = (0..20).map(|_| query(&pooler, "select pg_backend_pid()")).collect();
    assert!(!pids.contains(&backend), "{backend} in {pids:?}");
    // Signs of life, each in a transaction of its own.
    let begun = format!("select xact_start from pg_stat_activity where pid = {backend}");
    let first = shared().sql(&begun);
    shared()
        .wait_for(&format!("select xact_start > '{first}' from pg_stat_activity where pid = {backend}"), "t");
    let activity = format!(
        "select state, backend_xid is null, backend_xmin is null from pg_stat_activity where pid = {backend}"
    );
    shared().wait_for(&activity, "idle in transaction|t|t");
    assert_eq!(allowed(&pooler, "kept").arg("true").run().code, Some(75));
    holder.close_stdin();
    let outcome = holder.wait();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    shared().wait_for_holders(key, 0);
    // It was given back as it was.
    shared().wait_for(&activity, "idle|t|t");
}

#[test]
fn a_holder_that_is_killed_leaves_no_lock_in_the_pool() {
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        let pooler = PgBouncer::start_with(shared(), mode, "server_reset_query =");
        let holder = allowed(&pooler, "killed").arg("--close").hold();
        holder.signal(9);
        shared().wait_for_holders(Key::named("heimdall", "killed"), 0);
    }
}

#[test]
fn a_session_that_has_the_lock_already_for_another_client_is_refused() {
    let pooler = PgBouncer::start_with(shared(), PoolMode::Transaction, "default_pool_size = 1");
    let key = Key::named("heimdall", "reentrant");
    // A client that forgets that others use its session after it.
    assert_eq!(query(&pooler, &format!("select pg_advisory_lock({key})")), "");
    let backend = shared().holder(key).unwrap();
    let refused = allowed(&pooler, "reentrant").args(["echo", "ran"]).run();
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(76), ""), "{}", refused.stderr);
    let words = format!(
        "by server process {backend}, which has the lock already, taken by another client of the pooler"
    );
    assert!(refused.stderr.contains(&words), "{}", refused.stderr);
    // The client's lock is still its own, once.
    assert_eq!(query(&pooler, &format!("select pg_advisory_unlock({key})")), "t");
    assert_eq!(query(&pooler, &format!("select pg_advisory_unlock({key})")), "f");
    assert_eq!(allowed(&pooler, "reentrant").arg("true").run().code, Some(0));
}

#[test]
fn a_server_that_is_not_what_was_asked_for_gets_its_lock_back_through_the_pooler() {
    let pooler = PgBouncer::start_with(shared(), PoolMode::Transaction, "default_pool_size = 1");
    let backend = query(&pooler, "select pg_backend_pid()");
    for options in [&[][..], &["--allow-pooler"]] {
        let outcome = Heimdall::new()
            .database(&format!("{} target_session_attrs=read-only", pooler.conninfo()))
            .args(options)
            .args(["--name", "unsuitable", "echo", "ran"])
            .run();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(69), ""), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("failed: session is not read-only"), "{}", outcome.stderr);
        // By the session itself, which lives on.
        assert_eq!(shared().holder(Key::named("heimdall", "unsuitable")), None);
        assert_eq!(query(&pooler, "select pg_backend_pid()"), backend);
    }
}

#[test]
fn a_pooler_that_swaps_sessions_is_found_out() {
    // None that is known does so inside a transaction.
    for (pid, status) in [("44", b'T'), ("43", b'I')] {
        let server = Scripted::start(move |connection: &mut Connection| {
            connection.startup();
            connection.send(&backend::logged_in());
            connection.expect(b'Q');
            let row = backend::row(&backend::granted("43"));
            let complete = backend::command_complete("BEGIN");
            connection.send(&[row, complete, backend::ready_for_query(b'T')].concat());
            connection.expect(b'Q');
            let row = backend::row(&[Some(pid), Some("0")]);
            connection.send(
                &[row, backend::command_complete("SELECT 1"), backend::ready_for_query(status)].concat(),
            );
            connection.drain();
        });
        let outcome = Heimdall::new()
            .database(&format!("{} user=ann", server.tcp()))
            .args(["--allow-pooler", "--name", "swapped", "sleep", "300"])
            .run();
        assert_eq!(outcome.code, Some(74), "{}", outcome.stderr);
        let words = "a connection pooler has put another session in the place of server process 43";
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
}

#[test]
fn a_lock_that_was_granted_before_the_attempt_fails_is_given_back_to_the_pooler() {
    let server = Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        connection.send(&backend::logged_in());
        connection.expect(b'Q');
        // It was cancelled while the commit waited for the disk.
        let row = backend::row(&backend::granted("43"));
        let complete = ["SELECT 1", "COMMIT"].map(backend::command_complete).concat();
        let fields = [(b'S', "ERROR"), (b'C', "57014"), (b'M', "canceling statement due to user request")];
        let failed = [backend::error_response(&fields), backend::ready_for_query(b'I')].concat();
        connection.send(&[row, complete, failed].concat());
        let next = connection.expect(b'Q');
        let next = String::from_utf8_lossy(&next);
        assert!(next.contains("pg_catalog.pg_advisory_unlock("), "{next}");
        let row = backend::row(&[Some("t")]);
        connection
            .send(&[row, backend::command_complete("SELECT 1"), backend::ready_for_query(b'I')].concat());
        connection.drain();
    });
    let outcome = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--allow-pooler", "--name", "cancelled", "echo", "ran"])
        .run();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(69), ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("canceling statement due to user request"), "{}", outcome.stderr);
}

/// One statement of any client of the pooler.
fn query(pooler: &PgBouncer, sql: &str) -> String {
    let output = shared().psql(&pooler.conninfo()).args(["-c", sql]).output().unwrap();
    assert!(output.status.success(), "{sql}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
