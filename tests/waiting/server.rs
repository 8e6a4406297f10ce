//! A server that can't be used yet is waited for as a held lock is; what another attempt would meet again ends the wait.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::heimdall::{BINARY, Heimdall, Running};
use crate::support::names::Names;
use crate::support::pgbouncer::{PgBouncer, PoolMode};
use crate::support::postgres::{Cluster, ClusterOptions, Directory, Stop, shared};
use crate::support::scripted::{Connection, Scripted, backend};
use crate::support::terminal::Terminal;

fn waits(database: &str, name: &str) -> Running {
    Heimdall::new().database(database).args(["--name", name, "--wait", "echo", "had its turn"]).spawn()
}

/// It told each of these reasons, once and in this order, before it had its turn.
fn assert_had_its_turn_after(waiter: Running, reasons: &[&str]) {
    let outcome = waiter.wait();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "had its turn\n"), "{}", outcome.stderr);
    // What a server may say for a moment at the end of its recovery.
    let mut lines = outcome.stderr.lines().filter(|line| !line.contains("Hot standby mode is disabled"));
    for reason in reasons {
        let line = lines.next().unwrap();
        assert!(line.starts_with("heimdall: waiting for the server: ") && line.contains(reason), "{line}");
    }
    let last = lines.next().unwrap();
    assert!(last.contains("acquired the lock") && last.contains(", after "), "{}", outcome.stderr);
    assert_eq!(lines.next(), None, "{}", outcome.stderr);
}

#[test]
fn promise_7_who_comes_before_the_server_waits_for_it_and_while_it_starts_up() {
    let folder = Directory::new();
    let gate = folder.path().join("gate");
    let recovery = format!(
        "hot_standby = off\nrestore_command = 'until test -e {}; do sleep 0.02; done; false'",
        gate.display()
    );
    let cluster = Cluster::start(&ClusterOptions { configuration: recovery, ..ClusterOptions::default() });
    cluster.stop(Stop::Fast);
    let waiter = waits(&format!("{} user=postgres dbname=postgres", cluster.tcp()), "first of all");
    waiter.wait_for_stderr_line("Connection refused");
    // Until the gate is open it recovers what is in its archive.
    let signal = cluster.socket_dir().join("data/recovery.signal");
    fs::write(&signal, "").unwrap();
    cluster.give_away(&signal);
    thread::scope(|scope| {
        scope.spawn(|| cluster.start_again());
        waiter.wait_for_stderr_line("the database system is starting up");
        fs::write(&gate, "").unwrap();
    });
    assert_had_its_turn_after(waiter, &["Connection refused", "the database system is starting up"]);
}

#[test]
fn a_server_with_too_many_clients_is_waited_for() {
    let configuration = "max_connections = 5\nsuperuser_reserved_connections = 3".to_owned();
    let cluster = Cluster::start(&ClusterOptions { configuration, ..ClusterOptions::default() });
    cluster.sql("create role app login");
    let database = format!("{} user=app dbname=postgres", cluster.tcp());
    let [first, _second] =
        ["a", "b"].map(|name| Heimdall::new().database(&database).args(["--name", name, "--wait"]).hold());
    let waiter = waits(&database, "crowded");
    waiter.wait_for_stderr_line("[53300]");
    first.finish();
    assert_had_its_turn_after(waiter, &["[53300]"]);
}

#[test]
fn a_pooler_without_room_is_waited_for() {
    let allowed = |pooler: &PgBouncer, name: &str, options: &[&str]| {
        Heimdall::new().database(&pooler.conninfo()).args(["--allow-pooler", "--name", name]).args(options)
    };
    for settings in ["max_client_conn = 1", "default_pool_size = 1\nquery_wait_timeout = 1"] {
        let pooler = PgBouncer::start_with(shared(), PoolMode::Session, settings);
        // The one who has looked whether the pooler is ready may still have the place.
        let holder = allowed(&pooler, "has the place", &["--wait"]).hold();
        let word = settings.rsplit('\n').next().unwrap().split(' ').next().unwrap();
        let outcome = allowed(&pooler, "no place", &["true"]).run();
        assert_eq!(outcome.code, Some(69), "{}", outcome.stderr);
        let waiter = allowed(&pooler, "no place", &["--wait", "echo", "had its turn"]).spawn();
        waiter.wait_for_stderr_line(word);
        holder.finish();
        assert_had_its_turn_after(waiter, &[word]);
    }
}

#[test]
fn a_name_that_does_not_resolve_yet_is_waited_for() {
    let Some(names) = Names::new("a name that does not resolve yet") else { return };
    let database = format!("host=db.test port={} user=trust_user dbname=app", shared().port());
    let waiter = names
        .heimdall()
        .database(&database)
        .args(["--name", "nameless", "--wait", "echo", "had its turn"])
        .spawn();
    waiter.wait_for_stderr_line("could not translate host name to address");
    names.lead("127.0.0.1 db.test\n");
    assert_had_its_turn_after(waiter, &["could not translate host name to address"]);
}

/// A server that closes some connections, leaves the next unanswered, and then says that the lock is held elsewhere.
fn unsteady(closed: usize) -> Scripted {
    let mut count = 0;
    Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        if count > closed {
            connection.send(&backend::answered(&[Some("42"), Some("f"), Some("0"), None, Some("off")]));
        }
        if count >= closed {
            connection.drain();
        }
        count += 1;
    })
}

#[test]
fn each_reason_is_told_once_and_the_last_one_decides_the_exit_code() {
    let server = unsteady(3);
    let outcome = Heimdall::new()
        .database(&format!("{} user=ann connect_timeout=2", server.tcp()))
        .args(["--name", "unsteady", "--wait=6s", "true"])
        .run();
    assert_eq!(outcome.code, Some(75), "{}", outcome.stderr);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    let expected = [
        "the server closed the connection during login",
        "timeout expired",
        "waiting for the lock",
        "still held elsewhere",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    assert!(lines.iter().zip(expected).all(|(line, words)| line.contains(words)), "{lines:?}");
}

#[test]
fn a_server_that_stays_away_is_waited_for_until_the_limit() {
    // Nothing listens there any more.
    let port = Scripted::start(|_: &mut Connection| {}).address().port();
    let database = format!("host=127.0.0.1 port={port} user=ann sslmode=disable");
    let start = Instant::now();
    let outcome =
        Heimdall::new().database(&database).args(["--name", "away", "--wait=700ms", "echo", "ran"]).run();
    assert!(start.elapsed() >= Duration::from_millis(700));
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(69), ""), "{}", outcome.stderr);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains("waiting for the server: ") && lines[1].contains("Connection refused"),
        "{lines:?}"
    );
    let once = Heimdall::new().database(&database).args(["--name", "away", "true"]).run();
    assert_eq!((once.code, once.stderr.lines().count()), (Some(69), 1), "{}", once.stderr);
}

#[test]
fn a_server_that_is_silent_from_the_start_is_waited_for_no_longer_than_the_limit() {
    let server = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.drain();
    });
    let start = Instant::now();
    let outcome = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "silent", "--wait=300ms", "true"])
        .run();
    assert_eq!(outcome.code, Some(69), "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with("timeout expired during login\n"), "{}", outcome.stderr);
    // Without a limit it would be 30 seconds.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn what_another_attempt_would_meet_again_ends_the_wait_at_once() {
    let standby = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.send(&backend::answered(&[Some("42"), Some("t"), Some("0"), None, Some("on")]));
        connection.drain();
    });
    let alone = format!("{} user=ann", standby.tcp());
    let real = shared().tcp();
    for (database, code, words) in [
        (format!("{real} user=scram_user dbname=app password=wrong"), 77, "password authentication failed"),
        (format!("{real} user=trust_user dbname=nowhere"), 78, "does not exist"),
        (format!("{real} user=trust_user dbname=app sslmode=require"), 76, "SSL"),
        (format!("{real} user=trust_user dbname=app sslmode=disable options=-cnonsense=1"), 78, "nonsense"),
        (alone.clone(), 76, "it is a standby"),
        (format!("{alone} target_session_attrs=read-write"), 69, "session is"),
    ] {
        let outcome = Heimdall::new().url(&database).args(["--name", "lasting", "--wait", "true"]).run();
        assert_eq!(outcome.code, Some(code), "{database}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    }
}

#[test]
fn several_standbys_are_waited_for_until_one_is_promoted() {
    let mut is_primary = false;
    let standbys = Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        let standby = if is_primary { "f" } else { "t" };
        connection.send(&backend::answered(&[Some("42"), Some(standby), Some("0"), None, Some("off")]));
        is_primary = connection.flights() > 8;
        connection.drain();
    });
    let port = standbys.address().port();
    let database = format!("host=127.0.0.1,127.0.0.1 port={port},{port} user=ann sslmode=disable");
    let waiter = Heimdall::new().database(&database).args(["--name", "promoted", "--wait", "true"]).spawn();
    waiter.wait_for_stderr_line("waiting for the server: ");
    waiter.wait_for_stderr_line("waiting for the lock ");
}

#[test]
fn a_signal_ends_the_wait_for_a_server_and_the_terminal_line_tells_the_reason() {
    let port = Scripted::start(|_: &mut Connection| {}).address().port();
    let database = format!("host=127.0.0.1 port={port} user=ann sslmode=disable");
    let waiter = waits(&database, "signalled");
    waiter.wait_for_stderr_line("waiting for the server");
    waiter.signal(15);
    assert_eq!(waiter.wait().signal, Some(15));
    let script =
        format!("stty columns 250; exec '{BINARY}' --database '{database}' --name drawn --wait true");
    let mut terminal = Terminal::start(&["sh", "-c", &script], &[]);
    let mut seconds = 0;
    // Not each second is drawn.
    while seconds == 0 {
        terminal.wait_for("\r\x1b[Kheimdall: ");
        seconds = terminal.wait_for("s waiting for the server: connection to server at ").parse().unwrap();
        terminal.wait_for("failed: Connection refused");
    }
    terminal.press(crate::support::terminal::INTERRUPT);
    assert_eq!(terminal.wait(), 130);
    assert!(!terminal.all().trim_end().contains('\n'), "{:?}", terminal.all());
}
