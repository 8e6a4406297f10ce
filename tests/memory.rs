//! No server can make heimdall's memory grow, whatever it sends and however much.

use std::fs;
use std::thread::{self, JoinHandle};
use std::time::Duration;

#[cfg(feature = "tls")]
use crate::support::forge::hostile::chains;
#[cfg(feature = "tls")]
use crate::support::forge::judges::{Presenter, write};
use crate::support::heimdall::{BINARY, Heimdall, Outcome};
#[cfg(feature = "tls")]
use crate::support::pki::Pki;
use crate::support::scripted::{Connection, Scripted, backend};
use crate::support::terminal::Terminal;

/// What heimdall may take at the very most, in kB.
const LIMIT: u64 = 16 * 1024;

/// Runs it to its end; its outcome, and the most memory that it was seen to have in use, in kB (man 5 proc, `VmHWM`).
///
/// All that it may ask for is limited too (man 2 getrlimit, `RLIMIT_DATA`): a growth that no look has seen ends it.
fn measure(conninfo: &str, options: &[&str], program: &[&str]) -> (Outcome, u64) {
    let running = Heimdall::program("sh")
        .args(["-c", &limited(), "sh", BINARY, "--name", "memory", "--database"])
        .arg(format!("{conninfo} user=ann"))
        .args(options)
        .args(program)
        .spawn();
    let watcher = watcher(running.pid());
    match (running.wait(), watcher.join().unwrap()) {
        // It was over before anyone looked.
        (_, 0) => measure(conninfo, options, program),
        measured => measured,
    }
}

/// A script of sh that becomes its arguments.
fn limited() -> String {
    format!("ulimit -d {LIMIT}; exec \"$@\"")
}

/// Looks at a process until its end.
fn watcher(pid: i32) -> JoinHandle<u64> {
    let status = format!("/proc/{pid}/status");
    thread::spawn(move || {
        let mut most = 0;
        while let Ok(status) = fs::read_to_string(&status) {
            // A process that has ended has no such line.
            let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { break };
            most = most.max(line.trim().trim_end_matches(" kB").parse().unwrap());
            thread::sleep(Duration::from_millis(1));
        }
        most
    })
}

/// A script that never ends by itself.
type Script = fn(&mut Connection);

/// A login without any question, and what comes before the answer to a query.
fn log_in(connection: &mut Connection) {
    connection.startup();
    connection.send(&backend::logged_in());
    connection.expect(b'Q');
}

/// A row of the answer who holds the lock.
fn holder(application: &str, client: &str, since: &str) -> Vec<u8> {
    let texts = [Some(application), Some(client), Some(since)];
    backend::data_row(&[&["1", "2", "2", "f", "t", "7"].map(Some)[..], &texts].concat())
}

/// Begins the answer to `--list`.
fn list(connection: &mut Connection) {
    connection.send(&[backend::row(&["42", "f"].map(Some)), backend::command_complete("SELECT 1")].concat());
}

fn rows_without_end(connection: &mut Connection, row: &[u8]) {
    connection.send(&backend::row_description(&["column"; 9]));
    connection.send_until_closed(&row.repeat(1 + 100_000 / row.len()));
}

/// Answers three times with as many rows, all that is accepted, of texts that are as long; each list is another. Who comes
/// again is not understood.
fn lists(connection: &mut Connection, count: usize, length: usize) {
    if connection.flights() > 0 {
        connection.startup();
        return connection.send(&backend::data_row(&[]));
    }
    log_in(connection);
    let text = "\u{fffd}".repeat(length);
    for round in 1..=3 {
        list(connection);
        connection.send(&backend::row_description(&["column"; 9]));
        connection.send(&holder(&format!("{text}{round}"), &text, &text).repeat(count));
        connection.send(&[backend::command_complete("SELECT"), backend::ready_for_query(b'I')].concat());
        if round < 3 {
            connection.expect(b'Q');
        }
    }
}

/// What a server says that never stops, and heimdall's options, exit code and words for it.
const HOSTILE: [(&str, Script, &[&str], i32, &str); 14] = [
    (
        "notices instead of a login",
        |connection| {
            connection.startup();
            connection.send(&backend::authentication_ok());
            let long = "x".repeat(60_000);
            connection.send_until_closed(&backend::notice_response(&[(b'S', "NOTICE"), (b'M', &long)]));
        },
        &["-v"],
        69,
        "timeout expired during login",
    ),
    (
        "parameters instead of a login",
        |connection| {
            connection.startup();
            connection.send(&backend::authentication_ok());
            connection.send_until_closed(&backend::parameter_status("server_version", &"x".repeat(60_000)));
        },
        &[],
        69,
        "timeout expired during login",
    ),
    (
        "a message that is never whole",
        |connection| {
            log_in(connection);
            connection.send_until_closed(&[b'D', 0, 0, 0xff, 0xff]);
        },
        &[],
        76,
        "malformed",
    ),
    (
        "rows in answer to the attempt to lock",
        |connection| {
            log_in(connection);
            rows_without_end(connection, &backend::data_row(&backend::granted("42")));
        },
        &[],
        76,
        "the server's answer is longer than the 4194304 bytes that are accepted",
    ),
    (
        "rows with many columns",
        |connection| {
            log_in(connection);
            let row = [Some("42"), Some("f"), Some("0"), None, None];
            rows_without_end(
                connection,
                &backend::data_row(&row.into_iter().chain([None; 16_000]).collect::<Vec<_>>()),
            );
        },
        &[],
        76,
        "the server's answer is longer",
    ),
    (
        "holders of a busy lock, with all that there is room for",
        |connection| {
            connection.startup();
            connection.expect(b'Q');
            connection.send(&backend::answered(&[Some("42"), Some("f"), Some("0"), None]));
            connection.message_after_commit();
            rows_without_end(
                connection,
                &holder(&"\u{fffd}".repeat(4_000), "10.0.0.1", "2026-01-31T02:00:01Z"),
            );
        },
        &[],
        75,
        "is held elsewhere",
    ),
    (
        "long rows of a list",
        |connection| {
            log_in(connection);
            list(connection);
            rows_without_end(connection, &holder(&"x".repeat(4_000), &"x".repeat(4_000), &"x".repeat(4_000)));
        },
        &["--list"],
        76,
        "the server's answer is longer",
    ),
    (
        "short rows of a list",
        |connection| {
            log_in(connection);
            list(connection);
            rows_without_end(connection, &holder("", "", ""));
        },
        &["--list"],
        76,
        "the server's answer is longer",
    ),
    (
        "a list of all that is accepted",
        |connection| {
            log_in(connection);
            let row = holder(&"\u{fffd}".repeat(200), &"\u{fffd}".repeat(200), &"\u{fffd}".repeat(200));
            list(connection);
            connection.send(&backend::row_description(&["column"; 9]));
            // As it is counted: the text, and what a row takes besides.
            connection.send(&row.repeat(2_000));
            let end = [backend::command_complete("SELECT"), backend::ready_for_query(b'I')].concat();
            connection.send(&end);
            connection.expect(b'Q');
            connection.send(&end);
            connection.drain();
        },
        &["--list"],
        0,
        "",
    ),
    (
        "a list of many that are short",
        |connection| {
            log_in(connection);
            list(connection);
            connection.send(&backend::row_description(&["column"; 9]));
            let wide = holder(&"x".repeat(200), &"x".repeat(200), &"x".repeat(200));
            connection.send(&[wide, holder("heimdall:a/b", "local", "").repeat(25_000)].concat());
            let end = [backend::command_complete("SELECT"), backend::ready_for_query(b'I')].concat();
            connection.send(&end);
            connection.expect(b'Q');
            connection.send(&end);
            connection.drain();
        },
        &["--list"],
        0,
        "",
    ),
    (
        "lists that change",
        |connection| lists(connection, 3_800, 100),
        &["--list", "--watch=100ms"],
        76,
        "this is no PostgreSQL server",
    ),
    (
        "lists that change, in JSON",
        |connection| lists(connection, 3_800, 100),
        &["--list", "--watch=100ms", "--log-format=json"],
        76,
        "this is no PostgreSQL server",
    ),
    (
        "notices while the program runs",
        |connection| {
            log_in(connection);
            connection.send(
                &[
                    backend::row(&backend::granted("42")),
                    backend::command_complete("SELECT 1"),
                    backend::ready_for_query(b'T'),
                ]
                .concat(),
            );
            let long = "x".repeat(60_000);
            connection.send_until_closed(&backend::notice_response(&[(b'S', "NOTICE"), (b'M', &long)]));
        },
        &["-v", "--lease", "6s"],
        74,
        "the server has been silent for",
    ),
    (
        "rows while the program runs",
        |connection| {
            log_in(connection);
            connection.send(
                &[
                    backend::row(&backend::granted("42")),
                    backend::command_complete("SELECT 1"),
                    backend::ready_for_query(b'T'),
                ]
                .concat(),
            );
            connection.expect(b'Q');
            rows_without_end(connection, &backend::data_row(&["42"; 1_000].map(Some)));
        },
        &["--lease", "6s"],
        74,
        "the server has been silent for",
    ),
];

#[test]
fn no_server_makes_heimdall_take_more_than_16_mb() {
    for (what, script, options, code, words) in HOSTILE {
        let server = Scripted::start(script);
        let program: &[&str] = if options.contains(&"--list") { &[] } else { &["sleep", "300"] };
        let limit = if words.starts_with("timeout expired") { "connect_timeout=2" } else { "" };
        let (outcome, peak) = measure(&format!("{} {limit}", server.tcp()), options, program);
        assert_eq!(
            outcome.code,
            Some(code),
            "{what}: {}",
            outcome.stderr.chars().take(2_000).collect::<String>()
        );
        assert!(outcome.stderr.contains(words), "{what}: {}", outcome.stderr);
        assert!(peak > 1024 && peak < LIMIT, "{what}: {peak} kB");
    }
}

#[test]
fn no_list_that_is_drawn_again_and_again_takes_more_than_16_mb() {
    let server = Scripted::start(|connection| lists(connection, 8_000, 30));
    let database = format!("{} user=ann", server.tcp());
    let mut terminal = Terminal::start(
        &["sh", "-c", &limited(), "sh", BINARY, "--list", "--watch=100ms", "--database", &database],
        &[("TERM", "xterm")],
    );
    let watcher = watcher(terminal.pid());
    assert_eq!(terminal.wait(), 76, "{}", terminal.all());
    assert_eq!(terminal.all().matches("lines more").count(), 3, "{}", terminal.all());
    let peak = watcher.join().unwrap();
    assert!(peak > 1024 && peak < LIMIT, "{peak} kB");
}

#[cfg(feature = "tls")]
#[test]
fn no_peer_makes_the_beginning_of_tls_take_more_than_16_mb() {
    // A handshake message of 16 MB, and a record of 16 KB for each part of it (RFC 8446, 4 and 5.1).
    let endless = |kind: u8| [&[22, 3, 3, 0x40, 0, kind, 0xff, 0xff, 0xff][..], &[0; 0x4000 - 4]].concat();
    for kind in [2, 11] {
        let records = endless(kind);
        let server = Scripted::start(move |connection: &mut Connection| {
            connection.startup();
            connection.send(b"S");
            connection.send_until_closed(&records);
        });
        let (outcome, peak) =
            measure(&format!("{} sslmode=require connect_timeout=2", server.tcp()), &[], &["true"]);
        assert!(matches!(outcome.code, Some(69 | 76)), "{kind}: {}", outcome.stderr);
        assert!(peak > 1024 && peak < LIMIT, "{kind}: {peak} kB");
    }
}

#[cfg(feature = "tls")]
#[test]
fn no_certificates_make_heimdall_take_more_than_16_mb() {
    let pki = Pki::new("memory");
    let presenter = Presenter::start();
    let conninfo =
        format!("{} sslmode=verify-ca sslrootcert={}", presenter.tcp(), pki.path("roots.pem").display());
    for (what, chain) in chains() {
        presenter.present(&chain);
        write(&pki.path(""), &chain);
        let (outcome, peak) = measure(&conninfo, &[], &["true"]);
        assert!(matches!(outcome.code, Some(69 | 76)), "{what}: {}", outcome.stderr);
        assert!(peak > 1024 && peak < LIMIT, "{what}: {peak} kB");
    }
}
