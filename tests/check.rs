//! `--check`: what it reports of real servers, and that its exit code is that of a run.

use std::collections::BTreeSet;

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::pgbouncer::{PgBouncer, PoolMode};
use crate::support::postgres::{Cluster, ClusterOptions, PASSWORD, shared};

fn check(conninfo: &str, options: &[&str]) -> Outcome {
    Heimdall::new().url(conninfo).arg("--check").args(options).run()
}

/// Asserts that the report has these lines, each by its title and words of its text.
fn assert_reported(outcome: &Outcome, lines: &[(&str, &str)]) {
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{}", outcome.stdout);
    for (title, words) in lines {
        let line = outcome.stdout.lines().find(|line| line.starts_with(&format!("{title:<12}")));
        assert!(line.is_some_and(|line| line.contains(words)), "{title}: {words} in {}", outcome.stdout);
    }
}

#[test]
fn a_server_that_is_good_for_locking_is_reported_line_by_line() {
    let version = shared().sql("show server_version");
    let conninfo = format!("{} user=scram_user password='{PASSWORD}' dbname=app", shared().tcp());
    let outcome = check(&conninfo, &["--lease", "20s"]);
    assert_reported(
        &outcome,
        &[
            ("server", &format!("PostgreSQL {version}, at \"127.0.0.1\"")),
            ("primary", "yes"),
            ("encryption", "none: anyone on the network path can read and change everything"),
            ("verified", "nothing: "),
            ("login", "scram_user, SCRAM-SHA-256, database app"),
            ("pooler", "none"),
            ("round trip", "s"),
            ("lease", "20s, on both sides"),
            ("settings", "synchronous_commit=off; heimdall overrides them for its own session"),
            ("token", ", of cluster "),
            ("lock", "taken and freed"),
        ],
    );
    assert!(!outcome.stdout.contains(PASSWORD));
    // What keeps the longest lease is in force as well.
    let longest = check(&conninfo, &["--lease", "24d"]);
    assert_reported(&longest, &[("lease", "24days, on both sides")]);
    assert!(!longest.stdout.contains("idle_session_timeout"), "{}", longest.stdout);
    let held = "select count(*) from pg_stat_activity where application_name = 'heimdall --check'";
    shared().wait_for(held, "0");
    let local = check(&format!("{} user=trust_user dbname=app", shared().socket()), &[]);
    assert_reported(
        &local,
        &[
            ("encryption", "Unix socket"),
            ("login", "trust_user, without a password"),
            ("lease", "1m, on this side"),
        ],
    );
}

#[test]
fn the_exit_code_is_that_of_a_run() {
    let pooler = PgBouncer::start(shared(), PoolMode::Session);
    let primary = Cluster::start(&ClusterOptions::default());
    primary.sql(
        "alter role postgres set lock_timeout = '1s'; \
         alter role postgres set default_transaction_isolation = 'serializable'",
    );
    let mut settings = "default_transaction_isolation=serializable, lock_timeout=1000ms";
    if primary.version() >= 14 {
        primary.sql("alter role postgres set idle_session_timeout = '5min'");
        settings =
            "default_transaction_isolation=serializable, idle_session_timeout=300000ms, lock_timeout=1000ms";
    }
    let standby = primary.start_standby();
    let wrong = format!("{} user=scram_user password=wrong dbname=app", shared().tcp());
    for (conninfo, code, words) in [
        (format!("{} user=postgres dbname=postgres", standby.tcp()), 76, "it is a standby"),
        (pooler.conninfo(), 76, "a connection pooler answers for it"),
        (wrong, 77, "password authentication failed"),
        ("host=127.0.0.1 port=1 user=ann".to_owned(), 69, "Connection refused"),
        ("host=h sslmode=no-verify".to_owned(), 78, "sslmode"),
    ] {
        let checked = check(&conninfo, &[]);
        let run = Heimdall::new().url(&conninfo).args(["--name", "as a run", "true"]).run();
        assert_eq!((checked.code, run.code), (Some(code), Some(code)), "{} {}", checked.stderr, run.stderr);
        assert_eq!((checked.stderr.as_str(), checked.stdout.as_str()), (run.stderr.as_str(), ""));
        assert!(checked.stderr.contains(words), "{}", checked.stderr);
    }
    let with_settings = check(&format!("{} user=postgres dbname=postgres", primary.tcp()), &[]);
    assert_reported(&with_settings, &[("settings", settings)]);
    let allowed = check(&pooler.conninfo(), &["--allow-pooler"]);
    assert_reported(
        &allowed,
        &[
            ("pooler", "yes, and allowed"),
            (
                "lease",
                "on both sides; the server's half of the lease is idle_in_transaction_session_timeout, since a pooler",
            ),
        ],
    );
}

#[test]
fn in_json_it_is_one_object_with_the_fields_that_are_documented() {
    let conninfo = format!("{} user=md5_user password='{PASSWORD}' dbname=app", shared().tcp());
    let outcome = check(&conninfo, &["--log-format=json"]);
    assert_eq!((outcome.code, outcome.stderr.as_str(), outcome.stdout.lines().count()), (Some(0), "", 1));
    let keys = shared().sql(&format!(
        "select string_agg(k, ' ') from json_object_keys($j${}$j$::json) as k",
        outcome.stdout
    ));
    let keys: BTreeSet<&str> = keys.split(' ').collect();
    let page = include_str!("../docs/events.md");
    let rows = page.lines().skip_while(|line| *line != "| field of a check | value |").skip(2);
    let rows = rows.take_while(|line| line.starts_with('|')).map(|line| line.split('`').nth(1).unwrap());
    let documented: BTreeSet<&str> = rows.collect();
    assert!(keys.is_subset(&documented), "{keys:?} {documented:?}");
    let absent: BTreeSet<&str> = documented.difference(&keys).copied().collect();
    assert_eq!(absent, ["encryption", "not_in_force", "token_lacks", "verified"].into());
    let value = |key: &str| shared().sql(&format!("select $j${}$j$::json ->> '{key}'", outcome.stdout));
    let kind = format!("select json_typeof($j${}$j$::json -> 'token')", outcome.stdout);
    assert_eq!(shared().sql(&kind), "string");
    assert_eq!([value("login"), value("primary"), value("lease_kept_by")], ["md5", "true", "both"]);
}

#[test]
fn with_a_lock_or_a_program_it_is_a_mistake() {
    for options in [&["--list"][..], &["--wait"], &["true"], &["--print-key"]] {
        let outcome = check("host=h", options);
        assert_eq!(outcome.code, Some(64), "{}", outcome.stderr);
    }
}
