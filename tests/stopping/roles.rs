//! Whom a holder heeds: its own role, roles that have that one's privileges, and superusers.

use heimdall::internals::bell::bell;
use heimdall::lock::Key;

use super::{Session, psql};
use crate::support::heimdall::Heimdall;
use crate::support::postgres::{Cluster, ClusterOptions};

/// A server of its own, that trusts roles with all kinds of privileges.
fn cluster() -> Cluster {
    let cluster = Cluster::start(&ClusterOptions {
        configuration: "log_statement = all\nlog_line_prefix = '%q[%p] '".to_owned(),
        hba: String::new(),
    });
    cluster.sql(
        "create role owner login; create role member login in role owner; create role stranger login;
        create role reader login in role pg_read_all_stats; create role killer login in role pg_signal_backend;
        create role apart login noinherit in role owner",
    );
    cluster
}

fn conninfo(cluster: &Cluster, user: &str) -> String {
    format!("{} user={user} dbname=postgres", cluster.tcp())
}

fn heimdall(cluster: &Cluster, user: &str, name: &str) -> Heimdall {
    Heimdall::new().database(&conninfo(cluster, user)).args(["--name", name])
}

#[test]
fn promise_16_who_may_end_the_holders_session_by_its_roles_rights_may_ask_and_no_one_else() {
    let cluster = cluster();
    let holder = heimdall(&cluster, "owner", "roles").arg("--lease=6s").hold();
    for user in ["stranger", "reader", "killer", "apart"] {
        let outcome = heimdall(&cluster, user, "roles").arg("--stop").run();
        assert_eq!(outcome.code, Some(77), "{user}: {}", outcome.stderr);
        let said = "only its role, owner, roles that have the privileges of that one, and superusers may have it stop\n";
        assert!(outcome.stderr.ends_with(said), "{}", outcome.stderr);
    }
    holder.finish();
    for user in ["owner", "member", "postgres"] {
        let holder = heimdall(&cluster, "owner", "roles").arg("--lease=6s").hold();
        let outcome = heimdall(&cluster, user, "roles").arg("--stop").env("PGAPPNAME", "deploy").run();
        assert_eq!(outcome.code, Some(0), "{user}: {}", outcome.stderr);
        let outcome = holder.wait();
        assert_eq!(outcome.code, Some(143), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!(", as role {user}\n")), "{}", outcome.stderr);
    }
    let holder = heimdall(&cluster, "postgres", "roles").arg("--lease=6s").hold();
    assert_eq!(heimdall(&cluster, "owner", "roles").arg("--stop").run().code, Some(77));
    holder.finish();
}

#[test]
fn promise_16_a_stranger_who_rings_is_not_heeded_and_costs_the_holder_one_question_a_ping() {
    let cluster = cluster();
    let holder = heimdall(&cluster, "owner", "rung").arg("--lease=6s").hold();
    let bell = bell(Key::named("heimdall", "rung"), holder.backend.parse().unwrap());
    let ring = |user: &str, how: &str| -> Session {
        // As the very session that asks, but for its role; and again and again.
        let name = "set application_name = 'heimdall --stop'";
        let rings = format!("{name}; select pg_advisory_lock{how}({bell}) from generate_series(1, 1000)");
        psql(&conninfo(&cluster, user), &rings)
    };
    let strangers = [ring("stranger", "_shared"), ring("reader", "_shared")];
    cluster.wait_for_holders(bell, 2);
    let count = |text: &str| -> usize {
        let from = format!("[{}] LOG:  statement: /* heimdall heeds --stop */ ", holder.backend);
        let log = cluster.log();
        log.lines().filter(|line| line.starts_with(&from) && line.contains(text)).count()
    };
    let questions = || count("pg_has_role");
    let pings = || count("a sign of life");
    crate::support::poll(std::time::Duration::from_secs(20), || (questions() >= 3).then_some(())).unwrap();
    let asked = questions();
    assert!(asked <= pings(), "{asked} questions, {} pings", pings());
    // The right one is heard beside them.
    assert!(!holder.has_printed("asked"));
    let outcome = heimdall(&cluster, "owner", "rung").arg("--stop").run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let outcome = holder.wait();
    assert!(outcome.stderr.contains(", as role owner\n"), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.matches("asked to stop").count(), 1, "{}", outcome.stderr);
    drop(strangers);
}

#[test]
fn a_question_that_the_server_can_not_answer_costs_the_holder_nothing() {
    let cluster = cluster();
    let mut holder = heimdall(&cluster, "owner", "stuck").arg("--lease=12s").hold();
    let mut console = cluster.console();
    console.sql("begin; lock table pg_catalog.pg_authid in access exclusive mode");
    let bell = bell(Key::named("heimdall", "stuck"), holder.backend.parse().unwrap());
    console.sql(&format!(
        "set local application_name = 'heimdall --stop'; select pg_advisory_xact_lock({bell})"
    ));
    // It has waited for the table more than once.
    let canceled = || cluster.log().matches("canceling statement due to statement timeout").count();
    crate::support::poll(std::time::Duration::from_secs(60), || (canceled() >= 3).then_some(())).unwrap();
    assert!(!holder.ends_within(std::time::Duration::ZERO));
    // First, since a rollback frees the table before the bell.
    holder.finish();
    console.sql("rollback");
}

#[test]
fn who_holds_the_lock_until_the_server_has_settled_frees_it_and_starts_nothing() {
    let cluster = cluster();
    let fresh = || heimdall(&cluster, "owner", "settling").args(["--settle", "--lease=12s"]);
    let running = fresh().args(["echo", "started"]).spawn();
    running.wait_for_stderr_line("holding the lock");
    let outcome = heimdall(&cluster, "owner", "settling").arg("--stop").run();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let outcome = running.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(143), ""));
}
