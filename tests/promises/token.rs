//! The fencing token grows from holder to holder, whatever happens to the server in between.

use crate::support::did_not_run;
use crate::support::heimdall::{Heimdall, Running};
use crate::support::pgbouncer::{PgBouncer, PoolMode};
use crate::support::postgres::{Cluster, ClusterOptions, Stop, later_version};

/// A role whose commits don't wait for the disk would lose the last ones.
#[test]
fn promise_15_the_token_grows_across_crashes_right_after_it_was_drawn() {
    let cluster = Cluster::start(&ClusterOptions::default());
    cluster.sql(
        "alter role postgres set synchronous_commit = off;
        alter role postgres set default_transaction_read_only = on",
    );
    let mut last = 0;
    for crash in 1..=20 {
        last = grows_across_a_crash(&cluster, "postgres", last);
        if crash == 10 {
            cluster.sql(
                "set default_transaction_read_only = off;
                alter system set wal_level = minimal;
                alter system set max_wal_senders = 0",
            );
        }
    }
    assert_eq!(cluster.sql("show wal_level"), "minimal");
}

#[test]
fn promise_15_the_token_grows_when_a_standby_is_promoted_that_has_lost_transactions() {
    let primary = Cluster::start(&ClusterOptions::default());
    let standby = primary.start_standby();
    let replicated = drawn(&primary);
    let position = primary.sql("select pg_current_wal_flush_lsn()");
    standby.wait_for(&format!("select pg_last_wal_replay_lsn() >= '{position}'"), "t");
    // From now on it receives nothing.
    standby.sql("alter system set primary_conninfo = ''; select pg_reload_conf()");
    standby.wait_for("select count(*) from pg_stat_wal_receiver", "0");
    primary.sql("select txid_current() \\g /dev/null\nselect txid_current() \\g /dev/null");
    let lost = drawn(&primary);
    primary.stop(Stop::Immediate);
    standby.sql("select pg_promote()");
    let token = drawn(&standby);
    assert!(replicated < lost && lost < token, "{replicated}, {lost}, {token}");
    assert!(xid(token) < xid(lost), "nothing was lost");
}

#[test]
fn promise_15_the_token_grows_across_pg_upgrade() {
    let Some(later) = later_version() else {
        return did_not_run("pg_upgrade", "there is no later version, with all of its programs, beside ours");
    };
    let old = Cluster::start(&ClusterOptions::default());
    // A timeline that the upgrade sets back.
    let standby = old.start_standby();
    standby.sql("select pg_promote()");
    let before = drawn(&standby);
    standby.stop(Stop::Fast);
    let new = standby.start_upgraded(later);
    let after = drawn(&new);
    assert!(before < after && old.version() < new.version(), "{before}, {after}");
    let timeline = |token: u64| (token >> 44) & 0xfff;
    assert_eq!((timeline(before), timeline(after)), (2, 1));
}

#[test]
fn promise_15_the_token_grows_after_a_recovery_to_a_point_in_time() {
    let cluster = Cluster::start(&ClusterOptions::default());
    let kept = drawn(&cluster);
    let restored = cluster.start_restored();
    cluster.sql("select txid_current() \\g /dev/null\nselect txid_current() \\g /dev/null");
    let lost = drawn(&cluster);
    let token = drawn(&restored);
    assert!(kept < lost && lost < token, "{kept}, {lost}, {token}");
    assert!(xid(token) < xid(lost), "nothing was lost");
}

#[test]
fn promise_15_the_token_falls_back_to_the_functions_that_the_server_lets_our_role_call() {
    let cluster = Cluster::start(&ClusterOptions::default());
    cluster.sql("create role ann login");
    // What is revoked, and what is missing then.
    let cases = [
        (message(&cluster), ""),
        (SYSTEM, "system identifier"),
        ("pg_walfile_name(pg_lsn)", "timeline, system identifier"),
        ("lo_create(oid)", "flush, timeline, system identifier"),
    ];
    let mut last = 0;
    for (function, lacks) in cases {
        cluster.sql(&format!("revoke execute on function {function} from public"));
        if lacks.contains("timeline") {
            last = xid(last);
        }
        let holder = holder(&cluster, "ann");
        let line = holder.wait_for_stdout_line("");
        let acquired = holder.wait_for_stderr_line("acquired");
        if lacks.is_empty() {
            assert!(!acquired.contains("token_lacks"), "{acquired}");
        } else {
            assert!(acquired.contains(&format!("\"token_lacks\":\"{lacks}\"")), "{acquired}");
            assert!(acquired.contains(&format!("(made without: {lacks})")), "{acquired}");
        }
        let (token, identifier) = line.split_once(':').unwrap();
        assert_eq!(identifier.is_empty(), lacks.contains("system identifier"), "{identifier}");
        let token: u64 = token.parse().unwrap();
        assert!(token > last, "{function}: {token} after {last}");
        last = token;
        drop(holder);
        cluster.wait_for(LOCKS, "0");
        if !lacks.contains("flush") {
            last = grows_across_a_crash(&cluster, "ann", last);
        }
    }
}

/// As on Aurora, whose functions are there, may be called, and then fail.
#[test]
fn promise_15_a_function_that_fails_leaves_no_lock_behind() {
    let cluster = Cluster::start(&ClusterOptions::default());
    cluster.sql("create database app; create role trust_user login");
    cluster.sql(
        "\\c app
        alter function pg_catalog.pg_walfile_name(pg_lsn) rename to walfile_name_of_old;
        create function pg_catalog.pg_walfile_name(pg_lsn) returns text language plpgsql
            as $$begin raise 'not supported here'; end$$",
    );
    let pooler = PgBouncer::start(&cluster, PoolMode::Transaction);
    let direct = format!("{} user=trust_user dbname=app", cluster.tcp());
    for (database, options) in [(direct, &[][..]), (pooler.conninfo(), &["--allow-pooler"])] {
        let mut last: u64 = 0;
        for _ in 0..2 {
            let script = format!("echo $HEIMDALL_FENCING_TOKEN; psql -XAtc \"{LOCKS}\" \"$0\"");
            let locks_from = format!("{} user=postgres dbname=app", cluster.socket());
            let outcome = Heimdall::new()
                .database(&database)
                .args(options)
                .args(["--name", "token", "-v", "sh", "-c", &script, &locks_from])
                .run();
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            let (token, locks) = outcome.stdout.trim().split_once('\n').unwrap();
            let token = token.parse().unwrap();
            assert!(last < token, "{token} after {last}");
            last = token;
            assert_eq!(locks, "1");
            assert!(
                outcome.stderr.contains("(made without: flush, timeline, system identifier)"),
                "{}",
                outcome.stderr
            );
            assert_eq!(cluster.sql(LOCKS), "0");
        }
    }
}

#[test]
fn promise_15_a_function_that_fails_now_and_then_makes_no_lesser_token() {
    let cluster = Cluster::start(&ClusterOptions::default());
    cluster.sql(
        "create sequence calls;
        alter function pg_catalog.pg_walfile_name(pg_lsn) rename to walfile_name_of_old;
        create function pg_catalog.pg_walfile_name(pg_lsn) returns text language plpgsql as $$begin
            if nextval('calls') % 3 <> 0 then raise 'calculated CRC checksum does not match' using errcode = 'XX000'; end if;
            return walfile_name_of_old($1); end$$",
    );
    let (first, second) = (drawn(&cluster), drawn(&cluster));
    assert!(first < second, "{second} after {first}");
    assert_eq!(cluster.sql("select last_value from calls"), "6");
    assert_eq!(second >> 44, (u64::from(cluster.version()) << 12) + 1);
}

#[test]
fn promise_15_a_missing_function_is_as_good_as_a_refused_one() {
    let cluster = Cluster::start(&ClusterOptions::default());
    cluster.sql(&format!(
        "alter function {} rename to emit; alter function {SYSTEM} rename to control",
        message(&cluster)
    ));
    let (first, second) = (drawn(&cluster), drawn(&cluster));
    assert!(first < second, "{second} after {first}");
    assert_eq!(second >> 44, (u64::from(cluster.version()) << 12) + 1);
}

fn message(cluster: &Cluster) -> &'static str {
    match cluster.version() {
        ..17 => "pg_logical_emit_message(boolean, text, text)",
        _ => "pg_logical_emit_message(boolean, text, text, boolean)",
    }
}

const SYSTEM: &str = "pg_control_system()";

const LOCKS: &str = "select count(*) from pg_locks where locktype = 'advisory'";

/// Holds the lock, and prints token and system identifier.
fn holder(cluster: &Cluster, role: &str) -> Running {
    let script = "echo $HEIMDALL_FENCING_TOKEN:$HEIMDALL_SYSTEM_IDENTIFIER; exec sleep 60";
    Heimdall::new()
        .database(&format!("{} user={role} dbname=postgres", cluster.tcp()))
        .args(["--name", "token", "--log-format", "json", "sh", "-c", script])
        .spawn()
}

/// Draws a token, which has to be greater than the last, has the server crash at once, and returns the token.
fn grows_across_a_crash(cluster: &Cluster, role: &str, last: u64) -> u64 {
    let holder = holder(cluster, role);
    let line = holder.wait_for_stdout_line("");
    cluster.stop(Stop::Immediate);
    let token: u64 = line.split(':').next().unwrap().parse().unwrap();
    assert!(token > last, "{token} after {last}");
    assert_eq!(holder.wait().code, Some(74));
    cluster.start_again();
    token
}

fn drawn(cluster: &Cluster) -> u64 {
    let outcome = Heimdall::new()
        .database(&format!("{} user=postgres dbname=postgres", cluster.tcp()))
        .args(["--name", "token", "sh", "-c", "echo $HEIMDALL_FENCING_TOKEN"])
        .run();
    outcome.stdout.trim().parse().unwrap_or_else(|_| panic!("{}", outcome.stderr))
}

/// The lowest bits.
fn xid(token: u64) -> u64 {
    token & ((1 << 44) - 1)
}
