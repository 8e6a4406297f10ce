//! Peers that are not what they should be: each ends in one clear line, in time, with the right code.

use std::io::{Read, Write};
use std::iter;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use heimdall::internals::sql::acquire;

use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::lateness::Lateness;
use crate::support::ports;
use crate::support::scripted::{Connection, Scripted, backend};

fn connect(conninfo: &str) -> Outcome {
    Heimdall::new().url(conninfo).args(["--name", "peers", "echo", "ran"]).run()
}

fn assert_fails(conninfo: &str, code: i32, words: &[&str]) {
    let outcome = connect(conninfo);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""), "{conninfo}: {}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    for word in words {
        assert!(outcome.stderr.contains(word), "{word} in {}", outcome.stderr);
    }
    let fit = |c: char| c == '\n' || !c.is_control();
    assert!(outcome.stderr.chars().all(fit), "{:?}", outcome.stderr);
}

/// A listener that says `greeting` to whoever comes, and keeps the connection open.
fn greeter(greeting: &'static [u8]) -> u16 {
    let listener = ports::listen();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(greeting);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    port
}

#[test]
fn a_refused_connection_names_host_address_and_port() {
    let free = ports::free();
    assert_fails(
        &format!("host=localhost hostaddr=127.0.0.1 port={free} user=ann"),
        69,
        &[
            "connection to server at \"localhost\" (127.0.0.1)",
            &format!("port {free} failed: Connection refused"),
        ],
    );
}

#[test]
fn a_name_that_does_not_resolve_is_told() {
    assert_fails(
        "host=no-such-host.invalid user=ann connect_timeout=20",
        69,
        &["at \"no-such-host.invalid\", port 5432 failed: could not translate host name to address:"],
    );
}

#[test]
fn a_missing_socket_is_told_with_its_path() {
    assert_fails(
        "host=/nonexistent port=5433 user=ann",
        69,
        &["on socket \"/nonexistent/.s.PGSQL.5433\" failed:"],
    );
}

#[test]
fn a_socket_path_has_room_for_107_bytes() {
    let file = "/.s.PGSQL.5432";
    for (first, length, code) in
        [('/', 107, 69), ('/', 108, 78), ('/', 200, 78), ('@', 107, 69), ('@', 108, 78)]
    {
        let host = format!("{first}{}", "x".repeat(length - file.len() - 1));
        let told = if code == 69 {
            format!("\"{host}{file}\" failed: ")
        } else {
            format!("Unix-domain socket path \"{host}{file}\" is too long (maximum 107 bytes)")
        };
        assert_fails(&format!("host={host} user=ann"), code, &[&told]);
    }
}

#[test]
fn a_reset_is_told_with_what_it_has_interrupted() {
    for (sslmode, phase) in [("prefer", "the negotiation of TLS"), ("disable", "login")] {
        let server = Scripted::start(|connection: &mut Connection| {
            connection.startup();
            connection.end_in_reset();
        });
        let told = format!("failed: the server reset the connection during {phase}\n");
        assert_fails(&format!("{} user=ann sslmode={sslmode}", server.tcp()), 69, &[&told]);
    }
}

#[test]
fn an_address_with_a_scope_that_is_not_there_is_no_host_name() {
    let told = "could not parse network address \"::1%nodev\" (hostaddr): ";
    assert_fails("hostaddr=::1%nodev user=ann", 69, &[told]);
}

#[test]
fn a_silent_server_costs_no_more_than_connect_timeout() {
    let port = greeter(b"");
    let (lateness, start) = (Lateness::measure(), Instant::now());
    assert_fails(
        &format!("host=127.0.0.1 port={port} user=ann connect_timeout=2"),
        69,
        &[&format!("at \"127.0.0.1\", port {port} failed: timeout expired")],
    );
    let elapsed = start.elapsed();
    assert!(
        elapsed >= Duration::from_secs(2) && elapsed < lateness.allow(Duration::from_secs(4)),
        "{elapsed:?}"
    );
}

#[test]
fn a_server_that_never_stops_talking_costs_no_more_than_connect_timeout() {
    let server = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.send(&backend::authentication_ok());
        let notice = backend::notice_response(&[(b'S', "NOTICE"), (b'M', "blah")]).repeat(100);
        connection.send_until_closed(&notice);
    });
    assert_fails(&format!("{} user=ann connect_timeout=2", server.tcp()), 69, &["timeout expired"]);
}

#[test]
fn peers_of_other_protocols_are_recognised() {
    for greeting in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"220 mail ESMTP\r\n",
        b"\x15\x03\x01\0\x02\x02\x0a",
    ] {
        let port = greeter(greeting);
        assert_fails(
            &format!("host=127.0.0.1 port={port} user=ann connect_timeout=20"),
            76,
            &["this is no PostgreSQL server", &format!("port {port}")],
        );
        assert_fails(
            &format!("host=127.0.0.1 port={port} user=ann connect_timeout=20 sslmode=disable"),
            76,
            &["this is no PostgreSQL server: its answer begins with byte", &format!("port {port}")],
        );
    }
}

#[test]
fn endless_bytes_are_cut_short() {
    for (byte, sslmode, code) in [
        (b'R', "prefer", 76),
        // Nothing of what follows is read.
        (b'E', "prefer", 69),
        (b'E', "disable", 76),
        (b'v', "prefer", 76),
        (b'x', "prefer", 76),
    ] {
        let server =
            Scripted::start(move |connection: &mut Connection| connection.send_until_closed(&[byte; 4096]));
        assert_fails(&format!("{} user=ann connect_timeout=20 sslmode={sslmode}", server.tcp()), code, &[]);
    }
}

#[test]
fn a_server_that_hangs_up_is_told() {
    let server = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.close();
    });
    assert_fails(&format!("{} user=ann", server.tcp()), 69, &["the server closed the connection"]);
}

#[test]
fn a_server_that_is_starting_or_stopping_is_unavailable() {
    for (code, text) in
        [("57P03", "the database system is shutting down"), ("57P03", "the database system is starting up")]
    {
        let server = Scripted::start(move |connection: &mut Connection| {
            connection.startup();
            connection.send(&backend::error_response(&[(b'S', "FATAL"), (b'C', code), (b'M', text)]));
            connection.close();
        });
        assert_fails(&format!("{} user=ann", server.tcp()), 69, &[text, "[57P03]"]);
    }
}

/// What a server that can't start a process for the session sends, in the clear, whatever it was asked. So could anyone on the
/// way: that it comes leads to nothing but another attempt of the same kind.
#[test]
fn a_server_that_can_not_fork_is_unavailable_and_is_asked_the_same_again() {
    let text = "could not fork new process for connection: Cannot allocate memory";
    for (sslmode, words) in [
        ("disable", text),
        ("prefer", "an error in answer to SSLRequest, before encryption"),
        ("require", "an error in answer to SSLRequest, before encryption"),
    ] {
        let (sender, asked) = mpsc::channel();
        let server = Scripted::start(move |connection: &mut Connection| {
            let _ = sender.send(connection.startup().code);
            connection.send(format!("E{text}\n\0").as_bytes());
            connection.drain();
        });
        let conninfo = format!("{} user=ann sslmode={sslmode}", server.tcp());
        assert_fails(&conninfo, 69, &[words]);
        let waiter =
            Heimdall::new().url(&conninfo).args(["--name", "peers", "--wait", "echo", "ran"]).spawn();
        let next = || asked.recv_timeout(Duration::from_secs(60)).expect("another attempt");
        let codes: Vec<u32> = iter::repeat_with(next).take(4).collect();
        waiter.wait_for_stderr_line(words);
        waiter.signal(15);
        let outcome = waiter.wait();
        assert!(outcome.stdout.is_empty() && outcome.stderr.contains(words), "{}", outcome.stderr);
        assert!(codes.iter().all(|code| *code == codes[0]), "{sslmode}: {codes:?}");
        assert_eq!(codes[0] == SSL_REQUEST, sslmode != "disable");
    }
}

/// `SSLRequest`'s code.
const SSL_REQUEST: u32 = 80_877_103;

#[test]
fn promise_12_a_servers_text_cannot_drive_the_terminal() {
    let server = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.send(&backend::error_response(&[
            (b'S', "FATAL"),
            (b'C', "28000"),
            (b'M', "no\x1b]0;owned\x07\nheimdall: lock acquired\x1b[2J"),
        ]));
        connection.close();
    });
    assert_fails(
        &format!("{} user=ann", server.tcp()),
        77,
        &["FATAL: no]0;owned heimdall: lock acquired[2J"],
    );
}

/// Answers the login and the attempt to lock with this row.
fn answering(status: &'static [(&'static str, &'static str)], row: [Option<&'static str>; 9]) -> Scripted {
    Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        let mut answer = backend::authentication_ok();
        for (name, value) in status {
            answer.extend(backend::parameter_status(name, value));
        }
        answer.extend(backend::backend_key_data(42, &[1, 2, 3, 4]));
        answer.extend(backend::ready_for_query(b'I'));
        answer.extend(backend::row(&row));
        answer.extend(backend::command_complete("SELECT 1"));
        answer.extend(backend::ready_for_query(b'I'));
        connection.send(&answer);
        connection.drain();
    })
}

#[test]
fn promise_8_cockroachdb_is_refused() {
    const STATUS: [(&str, &str); 1] = [("crdb_version", "CockroachDB CCL v25.1")];
    let words = ["it is CockroachDB, whose advisory locks exclude no one"];
    let server = answering(&STATUS, backend::granted("42"));
    assert_fails(&format!("{} user=ann", server.tcp()), 76, &words);
    // It need not know all that the statement names.
    let server = Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        let [(name, value)] = STATUS;
        let login = [backend::authentication_ok(), backend::parameter_status(name, value)].concat();
        connection.send(&[login, backend::ready_for_query(b'I')].concat());
        let error = [(b'S', "ERROR"), (b'C', "42883"), (b'M', "unknown function")];
        connection.send(&[backend::error_response(&error), backend::ready_for_query(b'E')].concat());
        connection.drain();
    });
    assert_fails(&format!("{} user=ann", server.tcp()), 76, &words);
}

#[test]
fn promise_8_another_backend_than_the_greeting_said_is_a_pooler() {
    let other_backend = |connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        connection.send(&backend::answered(&backend::granted("43")));
    };
    // The lock is given back by the backend that has it.
    let server = Scripted::start(move |connection: &mut Connection| {
        other_backend(connection);
        connection.serve_lock();
    });
    let words = ["a connection pooler answers for it", "or allow the pooler; --allow-pooler allows it\n"];
    assert_fails(&format!("{} user=ann", server.tcp()), 76, &words);
    // It can't be reached any more.
    let server = Scripted::start(move |connection: &mut Connection| {
        other_backend(connection);
        connection.expect(b'Q');
        connection.close();
    });
    assert_fails(&format!("{} user=ann", server.tcp()), 76, &["stays with the pooler's server process 43"]);
}

#[test]
fn an_answer_that_makes_no_sense_is_a_violation() {
    for (column, value) in [
        (acquire::PID, None),
        (acquire::STANDBY, Some("maybe")),
        (acquire::SLOT, None),
        (acquire::SLOT, Some("2")),
        (acquire::XID, None),
        (acquire::XID, Some("-1")),
        (acquire::VERSION, Some("2000000")),
        (acquire::WAL_FILE, None),
        (acquire::WAL_FILE, Some("pg_wal")),
        (acquire::KEPT, Some("f")),
    ] {
        let mut row = backend::granted("42");
        row[column] = value;
        let server = answering(&[], row);
        assert_fails(&format!("{} user=ann", server.tcp()), 76, &["unexpected DataRow in answer to a query"]);
    }
}

#[test]
fn a_release_that_is_not_confirmed_is_told_and_the_programs_code_stands() {
    let server = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        let answer = backend::answered(&backend::granted("42"));
        connection.send(&answer);
        connection.answer_holder();
        connection.expect(b'Q');
        connection.close();
    });
    let outcome = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "peers", "sh", "-c", "exit 5"])
        .run();
    assert_eq!(outcome.code, Some(5));
    assert!(outcome.stderr.contains("the release of the lock was not confirmed"), "{}", outcome.stderr);
}

#[test]
fn a_protocol_violation_while_the_program_runs_loses_the_lock() {
    let server = Scripted::start(|connection: &mut Connection| {
        connection.startup();
        connection.expect(b'Q');
        let mut answer = backend::answered(&backend::granted("42"));
        answer.extend(backend::data_row(&[Some("surprise")]));
        connection.send(&answer);
        connection.drain();
    });
    let outcome = Heimdall::new()
        .database(&format!("{} user=ann", server.tcp()))
        .args(["--name", "peers", "sleep", "300"])
        .run();
    assert_eq!(outcome.code, Some(74), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("the server broke the protocol"), "{}", outcome.stderr);
}

#[test]
fn a_unix_socket_that_nobody_serves_is_told() {
    let directory = socket_directory("nobody");
    drop(UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap());
    assert_fails(&format!("host={} user=ann", directory.display()), 69, &["failed: Connection refused"]);
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn the_wrong_peer_on_a_unix_socket_is_told_nothing() {
    let directory = socket_directory("stranger");
    let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap();
    let heard = thread::spawn(move || {
        let mut heard = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut heard).map(|_| heard)
    });
    assert_fails(
        &format!("host={} user=ann password=sesame requirepeer=somebody", directory.display()),
        77,
        &["requirepeer specifies \"somebody\", but actual peer user name is \""],
    );
    assert_eq!(heard.join().unwrap().unwrap(), b"");
    std::fs::remove_dir_all(directory).unwrap();
}

fn socket_directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("heimdall-peers-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}
