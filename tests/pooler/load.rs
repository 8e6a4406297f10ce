//! Many clients at one pooler: none holds beside another, and nothing of heimdall stays in its sessions.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Child, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{MODES, allowed};
use crate::support::heimdall::{Heimdall, Outcome, Running};
use crate::support::pgbouncer::{PgBouncer, PoolMode};
use crate::support::poll;
use crate::support::postgres::{Cluster, ClusterOptions, Directory};

/// With little room, and with what is done between two clients of a session: nothing, or all that PostgreSQL can do.
const RESETS: [&str; 2] = ["", "server_reset_query = DISCARD ALL\nserver_reset_query_always = 1"];

/// A pooler with four sessions, and who keeps them busy meanwhile.
struct Load {
    pooler: PgBouncer,
    clients: Vec<(Child, JoinHandle<()>)>,
}

impl Load {
    fn on(cluster: &Cluster, mode: PoolMode, reset: &str) -> Self {
        let reset = if reset.is_empty() { "server_reset_query =" } else { reset };
        // One after the other, so that who looks at the sessions sees all of them.
        let settings = format!("default_pool_size = 4\nserver_round_robin = 1\n{reset}");
        let pooler = PgBouncer::start_with(cluster, mode, &settings);
        let (count, work) = match mode {
            // A client keeps its session: there would be none left.
            PoolMode::Session => (0, ""),
            PoolMode::Transaction => (12, "begin; select pg_sleep(0.002); commit;\n"),
            PoolMode::Statement => (12, "select pg_sleep(0.002);\n"),
        };
        let clients = (0..count)
            .map(|_| {
                let mut psql = cluster.psql(&pooler.conninfo());
                let mut psql =
                    psql.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
                let mut stdin = psql.stdin.take().unwrap();
                // Until it is killed.
                let write = thread::spawn(move || while stdin.write_all(work.as_bytes()).is_ok() {});
                (psql, write)
            })
            .collect();
        Self { pooler, clients }
    }

    /// Has so many contend at once for a lock; how each ended.
    fn contend(&self, count: usize, contender: impl Fn(&PgBouncer) -> Heimdall) -> Vec<Outcome> {
        let contenders: Vec<Running> = (0..count).map(|_| contender(&self.pooler).spawn()).collect();
        contenders.into_iter().map(Running::wait).collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for (mut psql, write) in self.clients.drain(..) {
            let _ = psql.kill();
            let _ = psql.wait();
            let _ = write.join();
        }
    }
}

/// No lock, whoever may have it, and no setting of ours, in none of the pooler's sessions.
fn assert_nothing_is_left(cluster: &Cluster, load: &Load, case: &str) {
    // That of a session which the pooler has just ended is gone soon.
    cluster.wait_for("select count(*) from pg_locks where locktype = 'advisory'", "0");
    // Left out is what a pooler sets itself for each of its clients, and what each transaction begins with anew.
    let statement = "select pg_backend_pid(), current_setting('statement_timeout'), \
        (select string_agg(name, ' ') from pg_settings where source = 'session' and name not in \
        ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings') and name not like 'transaction\\_%')";
    let mut console = cluster.console();
    let mut seen = BTreeSet::new();
    let all_were_seen = poll(Duration::from_secs(60), || {
        let output = cluster.psql(&load.pooler.conninfo()).args(["-c", statement]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let (pid, settings) = told.split_once('|').unwrap_or_else(|| panic!("{case}: {output:?}"));
        assert_eq!(settings, "1h|\n", "{case}");
        seen.insert(pid.to_owned());
        let sessions = console.sql("select pid from pg_stat_activity where usename = 'trust_user'");
        sessions.lines().all(|pid| seen.contains(pid)).then_some(())
    });
    assert!(all_were_seen.is_some(), "{case}: only {seen:?}");
}

fn cluster() -> Cluster {
    let cluster = Cluster::start(&ClusterOptions {
        configuration: "max_connections = 50".to_owned(),
        ..Default::default()
    });
    cluster.sql(
        "create role trust_user login; create database app; alter database app set statement_timeout = '1h'",
    );
    cluster
}

#[test]
fn promise_8_a_refused_heimdall_leaves_nothing_behind() {
    let cluster = cluster();
    for (mode, reset) in MODES.into_iter().flat_map(|mode| RESETS.map(|reset| (mode, reset))) {
        let load = Load::on(&cluster, mode, reset);
        let outcomes = load.contend(60, |pooler| {
            Heimdall::new().database(&pooler.conninfo()).args(["--name", "refused", "echo", "ran"])
        });
        for outcome in outcomes {
            assert_eq!(
                (outcome.code, outcome.stdout.as_str()),
                (Some(76), ""),
                "{mode:?}: {}",
                outcome.stderr
            );
        }
        assert_nothing_is_left(&cluster, &load, &format!("{mode:?} {reset:?}"));
    }
}

#[test]
fn promise_8_through_an_allowed_pooler_no_two_hold_and_nothing_is_left_behind() {
    let cluster = cluster();
    let folder = Directory::new();
    // Two at once would fail to make the directory.
    let job = format!("mkdir {0}/held && sleep 0.02 && rmdir {0}/held", folder.path().display());
    for (mode, reset) in MODES.into_iter().flat_map(|mode| RESETS.map(|reset| (mode, reset))) {
        let load = Load::on(&cluster, mode, reset);
        let outcomes = load.contend(60, |pooler| allowed(pooler, "load").args(["-q", "sh", "-c", &job]));
        let codes: Vec<Option<i32>> = outcomes.iter().map(|outcome| outcome.code).collect();
        let case = format!("{mode:?} {reset:?}: {codes:?}");
        let is_refused = mode == PoolMode::Statement;
        let expected = if is_refused { [76, 76] } else { [0, 75] };
        assert!(codes.iter().all(|code| code.is_some_and(|code| expected.contains(&code))), "{case}");
        assert!(codes.contains(&Some(expected[0])), "{case}");
        assert_nothing_is_left(&cluster, &load, &case);
    }
}
