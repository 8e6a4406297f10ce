//! What the server's own log says that we have sent.

use std::time::Duration;

use heimdall::lock::sql::Statement;
use heimdall::lock::{Key, Mode, Wanted};

use crate::support::heimdall::Heimdall;
use crate::support::postgres::{Cluster, ClusterOptions};

#[test]
fn nothing_reaches_the_server_but_the_statements_of_sql_rs() {
    let cluster = Cluster::start(&ClusterOptions {
        configuration: "log_statement = all\nlog_line_prefix = '%q[%a] '".to_owned(),
        hba: String::new(),
    });
    let database = format!("{} user=postgres dbname=postgres", cluster.tcp());
    let run = |options: &[&str], program: &[&str]| {
        Heimdall::new()
            .database(&database)
            .args(["--namespace", "audit"])
            .args(options)
            .args(program)
            .run()
            .code
    };
    assert_eq!(run(&["--name", "a"], &["true"]), Some(0));
    assert_eq!(run(&["--name", "a", "--timeout", "100ms"], &["sleep", "60"]), Some(124));
    assert_eq!(run(&["--name", "a"], &["no-such-program"]), Some(127));
    let raw = Heimdall::new().database(&database).args(["--key", "-3", "true"]).run();
    assert_eq!(raw.code, Some(0));

    let log = cluster.log();
    let statements: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("[heimdall:")?.1.split_once("LOG:  statement: "))
        .map(|(_, sql)| sql)
        .collect();
    let version = cluster.version();
    let lease = Some(Duration::from_secs(60));
    let acquire = |key| Statement::Acquire(Wanted::one(key, Mode::Exclusive));
    let release = |key| Statement::Release(key, Mode::Exclusive);
    let whole = |key| vec![acquire(key), Statement::Keep { lease, version }, release(key)];
    let named = Key::named("audit", "a");
    let mut expected = [whole(named), whole(named)].concat();
    expected.extend([acquire(named), release(named)]);
    expected.extend(whole(Key::Single(-3)));
    let expected: Vec<String> = expected.iter().map(heimdall::proto::Statement::sql).collect();
    assert_eq!(statements, expected);
}
