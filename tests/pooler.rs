//! A pooler between heimdall and the server: the lock would belong to a session that others share.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use heimdall::lock::Key;

use crate::support::heimdall::Heimdall;
use crate::support::pgbouncer::{PgBouncer, PoolMode};
use crate::support::postgres::shared;

#[test]
fn promise_8_a_pooler_is_refused_whatever_it_pools() {
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        let pooler = PgBouncer::start(shared(), mode);
        let outcome =
            Heimdall::new().database(&pooler.conninfo()).args(["--name", "pooled", "echo", "ran"]).run();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(76), ""), "{mode:?}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{mode:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("pooler"), "{mode:?}: {}", outcome.stderr);
        shared().wait_for_holders(Key::named("heimdall", "pooled"), 0);
    }
}

#[test]
fn a_client_that_may_be_pooled_reaches_the_server_through_it() {
    for mode in [PoolMode::Session, PoolMode::Transaction] {
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
    let mut holder = allowed(&pooler, "whole sessions").args(["--lease", "2s"]).hold();
    let backend = holder.backend.clone();
    assert_eq!(shared().holder(key).unwrap().to_string(), backend);

    let busy = allowed(&pooler, "whole sessions").arg("true").run();
    assert_eq!(busy.code, Some(75), "{}", busy.stderr);
    assert!(busy.stderr.contains(&format!(": by backend {backend}, ")), "{}", busy.stderr);
    let list = allowed(&pooler, "whole sessions").arg("--list").run();
    assert!(list.stdout.contains(&format!("  {backend}  ")), "{list:?}");
    let waiter = allowed(&pooler, "whole sessions").args(["--wait", "echo", "had its turn"]).spawn();
    waiter.wait_for_stderr_line("waiting for the lock");

    // A sign of life or two, through the pooler.
    shared().wait_for(
        &format!("select count(*) from pg_stat_activity where pid = {backend} and query = 'SELECT pg_catalog.pg_backend_pid()'"),
        "1",
    );
    holder.close_stdin();
    let outcome = holder.wait();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(waiter.wait().stdout, "had its turn\n");
    shared().wait_for_holders(key, 0);
}

#[test]
fn a_pooler_that_swaps_sessions_loses_the_lock_and_is_found_out() {
    let pooler = PgBouncer::start(shared(), PoolMode::Transaction);
    let holder = allowed(&pooler, "swapped").args(["--lease", "2s"]).hold();
    let backend = holder.backend.clone();
    // A client whose transaction takes the session with the lock, so that heimdall is given another one.
    let mut client = shared().psql(&pooler.conninfo());
    // At first there is no transaction to end, which psql warns of.
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = client.spawn().unwrap();
    let mut answers = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut taken = String::new();
    while taken != backend {
        let statements = b"commit;\nbegin;\nselect pg_backend_pid();\n";
        client.stdin.as_mut().unwrap().write_all(statements).unwrap();
        taken = answers.next().unwrap().unwrap();
    }
    let outcome = holder.wait();
    assert_eq!(outcome.code, Some(74), "{}", outcome.stderr);
    let words = format!("a connection pooler has put another session in the place of backend {backend}");
    assert!(outcome.stderr.contains(&words), "{}", outcome.stderr);
    drop(client.stdin.take());
    client.wait().unwrap();
}
