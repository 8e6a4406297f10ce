//! What the settings of a role may do to a lock: nothing.

use std::collections::BTreeSet;

use crate::support::heimdall::Heimdall;
use crate::support::postgres::shared;

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
fn nothing_that_shadows_a_name_of_pg_catalog_ever_runs() {
    let database = settle("shadowed", &[]);
    let admin = format!("{} user=postgres dbname=shadowed", shared().socket());
    let psql = |conninfo: &str, sql: &str| {
        let output = shared().psql(conninfo).args(["-c", sql]).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    };
    psql(&admin, include_str!("roles/shadow.sql"));
    psql(&admin, "alter database shadowed set search_path = shadow, pg_catalog");
    let ran = || -> BTreeSet<String> {
        let log = shared().log();
        let shadows = log.lines().filter_map(|line| line.split_once("LOG:  shadow: "));
        shadows.map(|(_, name)| name.to_owned()).collect()
    };
    // What would run.
    psql(&database, "select 1 > 0, pg_backend_pid(), '1'::oid, (select count(*) > 0 from pg_locks)");
    let expected = [">(bigint,integer)", ">(integer,integer)", "oid", "pg_backend_pid", "pg_locks"];
    let caught = ran();
    assert_eq!(caught, expected.map(str::to_owned).into());

    let heimdall = |options: &[&str]| Heimdall::new().database(&database).args(options);
    for options in [
        &["--name", "shadowed"][..],
        &["--name", "shadowed", "--shared"],
        &["--name", "shadowed", "--slots", "3"],
        &["--key", "-9223372036854775808"],
        &["--key", "7", "--shared"],
    ] {
        let mut holder =
            heimdall(options).args(["--lease", "2s", "sh", "-c", "echo holding; cat"]).pipe_stdin().spawn();
        holder.wait_for_stdout_line("holding");
        if !options.contains(&"--shared") && !options.contains(&"--slots") {
            assert_eq!(heimdall(options).arg("true").run().code, Some(75));
            assert_eq!(heimdall(options).args(["--wait=100ms", "true"]).run().code, Some(75));
        }
        assert_eq!(heimdall(options).args(["--list"]).run().code, Some(0));
        assert_eq!(heimdall(&["--list"]).run().code, Some(0));
        let printed = Heimdall::new().args(options).arg("--print-key").run().stdout;
        let find = printed.lines().find(|line| line.starts_with("SELECT *")).unwrap();
        psql(&database, find);
        // Some signs of life.
        holder.close_stdin();
        assert_eq!(holder.wait().code, Some(0));
    }
    assert_eq!(ran(), caught);
}
