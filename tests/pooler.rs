//! A pooler between heimdall and the server: the lock would belong to a session that others share.

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
