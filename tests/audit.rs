//! What the server's own log says that we have sent.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use heimdall::internals::bell::bell;
use heimdall::internals::line::Line;
use heimdall::internals::sql::{Mark, Owner, Settings, Statement, Turn};
use heimdall::lock::{Key, LockRequest, Mode, ServersHalf, Sources};

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

    assert_eq!(run(&["--name", "b", "--shared", "--close"], &["true"]), Some(0));
    assert_eq!(run(&["--name", "b", "--slots", "2", "--close"], &["true"]), Some(0));
    // A lock that somebody else has: who it is, and to wait for it, and who else there is.
    let mut holder = hold(&cluster, "select pg_advisory_lock(8)");
    for options in [&["--key", "8", "true"][..], &["--key", "8", "-q", "--wait=5s", "true"], &["--list"]] {
        let outcome = Heimdall::new().database(&database).args(options).run();
        assert!(matches!(outcome.code, Some(0 | 75)), "{}", outcome.stderr);
    }
    holder.kill().unwrap();
    holder.wait().unwrap();

    let log = cluster.log();
    let mut statements: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("[heimdall")?.1.split_once("LOG:  statement: "))
        .map(|(_, sql)| sql)
        .collect();
    let version = cluster.version();
    let lease = Duration::from_secs(60);
    let heeds = Mark::Heeds.text();
    let keep = Statement::Keep(Settings::of_session(version, Some(lease), &ServersHalf::Tcp, 0));
    let keep = || (heeds, keep.clone());
    let plain = |statement| ("", statement);
    let sources = Sources::ALL;
    let attempt = |request: LockRequest, turn| Statement::Acquire {
        request: request.with_lease(lease),
        owner: Owner::Unknown,
        turn,
        sources,
    };
    let acquire = |request| vec![plain(attempt(request, Turn::Any)), keep()];
    let try_in_vain = |request| vec![plain(attempt(request, Turn::Any)), plain(Statement::Commit)];
    let release = |key, mode| plain(Statement::Release { key, mode, owner: Owner::Us });
    let whole = |request: LockRequest| {
        let (key, mode) = (request.key(1).unwrap(), request.mode());
        [acquire(request), vec![release(key, mode)]].concat()
    };
    let one = |key| LockRequest::one(key, Mode::Exclusive);
    let named = Key::named("audit", "a");
    let mut expected = [whole(one(named)), whole(one(named)), acquire(one(named))].concat();
    expected.push(release(named, Mode::Exclusive));
    expected.extend(whole(one(Key::Single(-3))));
    expected.extend(whole(LockRequest::one(Key::named("audit", "b"), Mode::Shared)));
    expected.extend(whole(LockRequest::slots("audit", "b", 2)));
    let key = Key::Single(8);
    expected.extend(try_in_vain(one(key)));
    expected.push(plain(Statement::Holders(vec![key])));
    expected.push(plain(attempt(one(key), Turn::First)));
    expected.push(plain(Statement::Keep(Settings::of_waiter(version, Some(lease), &ServersHalf::Tcp))));
    let take_turn = |turn| {
        (heeds, Statement::Acquire { request: one(key).with_lease(lease), owner: Owner::Us, turn, sources })
    };
    expected.push(take_turn(Turn::Enter));
    expected.push(take_turn(Turn::Heir));
    expected.push(plain(Statement::List(None)));
    // How often it was tried while it was waited for is chance.
    statements.dedup();
    let statements: Vec<String> = statements.into_iter().map(without_token).collect();
    let expected: Vec<String> =
        expected.iter().map(|(mark, statement)| mark.to_string() + statement.query().sql()).collect();
    assert_eq!(statements, expected);
    stop(&cluster, &database);
}

/// What a holder and who has it stop say to each other by way of the server.
fn stop(cluster: &Cluster, database: &str) {
    let heimdall = || Heimdall::new().database(database).args(["--key", "5", "--lease=6s"]);
    // Slow enough for the holder to say that it is about to stop.
    let slow = "trap 'sleep 1; exit' TERM; echo $HEIMDALL_BACKEND_PID; while :; do sleep 0.05; done";
    let holder = heimdall().args(["sh", "-c", slow]).spawn();
    let backend = holder.wait_for_stdout_line("");
    assert_eq!(heimdall().arg("--stop").run().code, Some(0));
    holder.wait();
    let said = |by: &str| -> Vec<String> {
        let log = cluster.log();
        let lines = log.lines().filter_map(|line| line.strip_prefix(by)?.split_once("LOG:  statement: "));
        let mut statements: Vec<String> = lines.map(|(_, sql)| without_token(sql)).collect();
        statements.dedup();
        statements
    };
    let key = Key::Single(5);
    let bell = bell(key, backend.parse().unwrap());
    let (heeds, stops) = (Some(Mark::Heeds), Some(Mark::Stops));
    let settings =
        Settings::of_session(cluster.version(), Some(Duration::from_secs(6)), &ServersHalf::Tcp, 0);
    let release = Statement::Release { key, mode: Mode::Exclusive, owner: Owner::Us };
    let expected = [
        (Statement::Keep(settings), heeds),
        (Statement::Ping(Some(bell)), heeds),
        (Statement::Askers(bell), heeds),
        (Statement::Ping(None), stops),
        (release, None),
    ];
    let expected = expected.map(|(statement, mark)| statement.marked(mark).sql().to_owned());
    assert_eq!(said("[heimdall:5 ")[1..], expected);
    let looks = Statement::Stoppable(vec![key]);
    let line = Line::of(&LockRequest::one(key, Mode::Exclusive));
    let keys = vec![key, line.heir, line.waiters(Mode::Exclusive), line.waiters(Mode::Shared)];
    let expected = [Statement::List(Some(keys)), looks.clone(), Statement::Ring(vec![bell]), looks];
    assert_eq!(said("[heimdall --stop "), expected.map(|statement| statement.query().sql().to_owned()));
}

/// The statement with 0 in place of the token that the session's name is to tell.
fn without_token(sql: &str) -> String {
    let Some((before, rest)) = sql.split_once("THEN '#") else { return sql.to_owned() };
    let (token, after) = rest.split_once('\'').unwrap();
    assert!((12..=13).contains(&token.len()), "{sql}");
    format!("{before}THEN '#0'{after}")
}

/// A psql that has done this, and stays.
fn hold(cluster: &Cluster, statement: &str) -> Child {
    let database = format!("{} user=postgres dbname=postgres", cluster.socket());
    let mut psql = cluster.psql(&database);
    psql.args(["-c", statement, "-c", "\\! echo done; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut psql = psql.spawn().unwrap();
    let said =
        BufReader::new(psql.stdout.as_mut().unwrap()).lines().map(Result::unwrap).find(|line| line == "done");
    assert!(said.is_some());
    psql
}
