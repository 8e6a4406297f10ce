//! Peers that answer a request for TLS as no server should: each ends in one clear line, in time, with the
//! right code, and nothing that they said is printed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::clients::is_decent;
use crate::support::heimdall::{Heimdall, Outcome};
use crate::support::lateness::Lateness;
use crate::support::scripted::{Connection, Scripted, backend};

/// The code of `SSLRequest` (PostgreSQL documentation, "Message Formats").
const SSL_REQUEST: u32 = 80_877_103;

/// In everything that a peer says and nobody should read.
const MARK: &str = "zzyzx";

fn connect(server: &Scripted, rest: &str) -> Outcome {
    Heimdall::new()
        .database(&format!("{} user=ann {rest}", server.tcp()))
        .args(["--name", "tls_peers", "echo", "ran"])
        .run()
}

fn assert_fails(server: &Scripted, rest: &str, code: i32, words: &str) {
    // At once, and not at a deadline that is later than we wait for the end.
    let outcome = connect(server, &format!("connect_timeout=100 {rest}"));
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""), "{rest}: {}", outcome.stderr);
    assert!(is_decent(&outcome.stderr, 1), "{rest}: {:?}", outcome.stderr);
    assert!(outcome.stderr.contains(words), "{rest}: {words} in {}", outcome.stderr);
    assert!(!outcome.stderr.to_lowercase().contains(MARK), "{rest}: {}", outcome.stderr);
    assert!(outcome.stderr.contains("at \"127.0.0.1\", port"), "{rest}: {}", outcome.stderr);
}

/// Answers every `SSLRequest` with these bytes, and then is silent until the client goes.
fn answering(answer: &'static [u8]) -> Scripted {
    Scripted::start(move |connection: &mut Connection| {
        assert_eq!(connection.startup().code, SSL_REQUEST);
        connection.send(answer);
        connection.drain();
    })
}

/// Lets a client in that has not encrypted anything, with the lock and its release.
fn serve_plain(connection: &mut Connection) {
    let ready = || {
        let mut ready = backend::command_complete("SELECT 1");
        ready.extend(backend::ready_for_query(b'I'));
        ready
    };
    let mut login = backend::authentication_ok();
    login.extend(backend::backend_key_data(42, &[1, 2, 3, 4]));
    login.extend(backend::ready_for_query(b'I'));
    connection.send(&login);
    connection.expect(b'Q');
    let mut lock = backend::row(&backend::granted("42"));
    lock.extend(ready());
    connection.send(&lock);
    connection.drain();
}

#[test]
fn a_no_is_followed_by_plain_text_on_the_same_connection() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let server = Scripted::start(move |connection: &mut Connection| {
        counter.fetch_add(1, Ordering::SeqCst);
        assert_eq!(connection.startup().code, SSL_REQUEST);
        connection.send(b"N");
        let startup = connection.startup();
        assert_eq!(startup.code, 0x3_0000);
        assert!(startup.parameters().contains(&("user".to_owned(), "ann".to_owned())), "{startup:?}");
        serve_plain(connection);
    });
    let outcome = connect(&server, "sslmode=prefer");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ran\n"), "{}", outcome.stderr);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_no_is_not_enough_for_who_insists() {
    for rest in ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full"] {
        // Files are read first.
        let rest = match rest {
            "sslmode=require" => rest.to_owned(),
            _ => format!(
                "{rest} sslrootcert={}",
                crate::support::postgres::tls().pki.path("root.crt").display()
            ),
        };
        assert_fails(&answering(b"N"), &rest, 76, "server does not support SSL, but SSL was required");
    }
}

#[test]
fn plain_text_behind_a_no_is_refused() {
    // It might be meant to be taken for an answer to what is yet to be said.
    for answer in [&b"NR\0\0\0\x08\0\0\0\0"[..], b"NN", b"Nzzyzx"] {
        for rest in ["sslmode=prefer", "sslmode=require"] {
            assert_refuses_to_go_on(answer, rest);
        }
    }
}

#[test]
fn plain_text_behind_a_yes_is_refused() {
    // CVE-2021-23222: it would be read as if it had been encrypted.
    for answer in [&b"SR\0\0\0\x08\0\0\0\0"[..], b"Szzyzx", b"SS", b"SN", b"S\x16\x03\x03\0\x02\x02\0"] {
        for rest in ["sslmode=prefer", "sslmode=require", "sslmode=require channel_binding=require"] {
            assert_refuses_to_go_on(answer, rest);
        }
    }
}

/// The client ends the connection, makes no other, and does not say a byte more.
fn assert_refuses_to_go_on(answer: &'static [u8], rest: &str) {
    let server = Scripted::start(move |connection: &mut Connection| {
        assert_eq!(connection.startup().code, SSL_REQUEST);
        connection.send(answer);
        connection.wait_for_end();
    });
    assert_fails(&server, rest, 76, "");
    assert_eq!(server.flights(), 1, "{}: {rest}", answer.escape_ascii());
}

#[test]
fn the_text_of_an_error_before_encryption_is_not_printed() {
    // CVE-2024-10977: anybody may have said it.
    let versions = [
        backend::error_response(&[
            (b'S', "FATAL"),
            (b'C', "28000"),
            (b'M', "zzyzx\x1b[2J: send your password to evil.test"),
        ]),
        b"Ezzyzx: unsupported frontend protocol\n\0".to_vec(),
        b"E".to_vec(),
        b"E\xff\xff\xff\xffzzyzx".to_vec(),
    ];
    for answer in versions {
        for rest in ["sslmode=prefer", "sslmode=require", "sslmode=allow"] {
            let answer = answer.clone();
            let server = Scripted::start(move |connection: &mut Connection| {
                // Whoever prefers plain text is told to encrypt first.
                if connection.startup().code == SSL_REQUEST {
                    connection.send(&answer);
                    connection.drain();
                } else {
                    let refusal = [(b'S', "FATAL"), (b'C', "28000"), (b'M', "no encryption")];
                    connection.send(&backend::error_response(&refusal));
                    connection.close();
                }
            });
            let outcome = connect(&server, &format!("connect_timeout=20 {rest}"));
            // An attempt in plain text before or after has a line of its own.
            assert_eq!(outcome.code, Some(69), "{rest}: {}", outcome.stderr);
            assert!(is_decent(&outcome.stderr, outcome.stderr.lines().count()), "{:?}", outcome.stderr);
            assert!((1..=2).contains(&outcome.stderr.lines().count()), "{}", outcome.stderr);
            assert!(!outcome.stderr.contains(MARK), "{}", outcome.stderr);
        }
    }
}

#[test]
fn a_server_that_answers_with_an_error_is_not_available_to_who_insists() {
    let server = answering(b"E\0\0\0\x20SFATAL\0C28000\0Mzzyzx evil\0\0\0");
    assert_fails(&server, "sslmode=require", 69, "");
}

#[test]
fn any_other_byte_is_no_answer() {
    for answer in [
        &b"X"[..],
        b"\0",
        b"s",
        b"n",
        b"Y",
        b"\x16",
        b"\xff",
        b"HTTP/1.1 400 Bad Request\r\nServer: zzyzx\r\n\r\n",
        b"-ERR zzyzx unknown command\r\n",
        b"\x15\x03\x01\0\x02\x02\x46",
        b"R\0\0\0\x08\0\0\0\0",
        b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0",
    ] {
        for rest in ["sslmode=prefer", "sslmode=require"] {
            assert_refuses_to_go_on(answer, rest);
        }
    }
}

#[test]
fn a_peer_that_speaks_first_is_no_server() {
    for greeting in [&b"SSH-2.0-zzyzx\r\n"[..], b"220 zzyzx ESMTP\r\n", b"N220 zzyzx\r\n"] {
        for rest in ["sslmode=prefer", "sslmode=require"] {
            let server = Scripted::start(move |connection: &mut Connection| {
                connection.send(greeting);
                connection.drain();
            });
            assert_fails(&server, rest, 76, "");
        }
    }
}

#[test]
fn silence_costs_no_more_than_connect_timeout() {
    for answer in [&b""[..], b"S"] {
        for rest in ["sslmode=prefer", "sslmode=require"] {
            let server = answering(answer);
            let (lateness, start) = (Lateness::measure(), Instant::now());
            // libpq's shortest is 2 seconds.
            let outcome = connect(&server, &format!("connect_timeout=2 {rest}"));
            assert_eq!(outcome.code, Some(69), "{rest}: {}", outcome.stderr);
            assert!(is_decent(&outcome.stderr, 1), "{:?}", outcome.stderr);
            assert!(outcome.stderr.contains("timeout expired"), "{}", outcome.stderr);
            let elapsed = start.elapsed();
            assert!(elapsed < lateness.allow(Duration::from_secs(4)), "{rest}: {elapsed:?}");
        }
    }
}

/// Answers `S`, waits for the `ClientHello`, says this, and is done or waits for the client to go.
fn handshaking(answer: &'static [u8], closes: bool) -> Scripted {
    Scripted::start(move |connection: &mut Connection| {
        // Plain text where TLS has failed would be a way around it.
        assert_eq!(connection.startup().code, SSL_REQUEST, "a StartupMessage in clear text");
        connection.send(b"S");
        connection.expect_client_hello();
        connection.send(answer);
        if closes {
            connection.close();
        } else {
            connection.drain();
        }
    })
}

#[test]
fn a_handshake_that_goes_wrong_is_told_and_not_gone_around() {
    for (answer, closes) in [
        // Nothing at all, and half a ServerHello.
        (&b""[..], true),
        (b"\x16", true),
        (b"\x16\x03\x03\0\x7a\x02\0\0\x76\x03\x03zzyzx", true),
        // A server or a proxy that goes on in clear text.
        (b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I", false),
        (b"ESFATAL\0C28000\0Mzzyzx\0\0", false),
        (b"HTTP/1.1 400 Bad Request\r\nServer: zzyzx\r\n\r\n<html>zzyzx</html>", false),
        (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", false),
        // Alerts: handshake_failure, protocol_version, unrecognized_name, internal_error, close_notify.
        (b"\x15\x03\x03\0\x02\x02\x28", true),
        (b"\x15\x03\x03\0\x02\x02\x46", true),
        (b"\x15\x03\x03\0\x02\x02\x70", true),
        (b"\x15\x03\x03\0\x02\x02\x50", true),
        (b"\x15\x03\x03\0\x02\x01\0", true),
        // A record longer than any may be, an empty handshake message, data before its time, SSL 2.
        (b"\x16\x03\x03\xff\xffzzyzx", false),
        (b"\x16\x03\x03\0\x04\x02\0\0\0", false),
        (b"\x17\x03\x03\0\x05zzyzx", false),
        (b"\x80\x2e\x04\0\x01\0\x02zzyzx", false),
    ] {
        for rest in ["sslmode=prefer", "sslmode=require"] {
            let server = handshaking(answer, closes);
            let outcome = connect(&server, &format!("connect_timeout=100 {rest}"));
            let what = format!("{rest} {}: {}", answer.escape_ascii(), outcome.stderr);
            // A peer that hangs up may come back; one that talks nonsense won't get better.
            let is_alert = answer.starts_with(b"\x15") && !answer.ends_with(CLOSE_NOTIFY);
            let hung_up = closes && !is_alert;
            let fits = matches!(outcome.code, Some(76)) || (hung_up && outcome.code == Some(69));
            assert!(fits && outcome.stdout.is_empty(), "{:?} {what}", outcome.code);
            assert!(is_decent(&outcome.stderr, 1) && !outcome.stderr.contains(MARK), "{what}");
        }
    }
}

#[test]
fn a_warning_is_said_once_however_often_heimdall_connects() {
    let server = handshaking(b"", true);
    let rest = format!("host=127.0.0.1,127.0.0.1 port={} sslmode=require", server.address().port());
    let outcome = connect(&server, &format!("{rest} connect_timeout=100 sslrootcert=/nonexistent/root.crt"));
    assert_eq!(outcome.code, Some(69), "{}", outcome.stderr);
    for (words, count) in [("is not verified", 1), ("connection to server", 2)] {
        assert_eq!(outcome.stderr.matches(words).count(), count, "{}", outcome.stderr);
    }
}

/// A goodbye: level warning, description 0 (RFC 8446 §6.1).
const CLOSE_NOTIFY: &[u8] = b"\x01\0";

#[test]
fn records_without_end_are_cut_short() {
    // Warnings, keys' changes, and a certificate of 16 MB that never comes to its end.
    for record in [
        &b"\x15\x03\x03\0\x02\x01\x5a"[..],
        b"\x14\x03\x03\0\x01\x01",
        b"\x16\x03\x03\0\x04\x0b\xff\xff\xff",
        b"\x16\x03\x03\0\0",
    ] {
        let server = Scripted::start(move |connection: &mut Connection| {
            connection.startup();
            connection.send(b"S");
            connection.expect_client_hello();
            connection.send_until_closed(&record.repeat(100));
        });
        let outcome = connect(&server, "connect_timeout=3 sslmode=require");
        let what = format!("{}: {}", record.escape_ascii(), outcome.stderr);
        assert!(matches!(outcome.code, Some(69 | 76)), "{:?} {what}", outcome.code);
        assert!(is_decent(&outcome.stderr, 1), "{what}");
    }
}

#[test]
fn a_client_hello_names_the_host_and_the_protocol() {
    for (rest, name) in [
        ("host=db.example.test hostaddr=127.0.0.1", Some("db.example.test")),
        ("host=DB.example.test hostaddr=127.0.0.1", Some("db.example.test")),
        ("host=db.example.test hostaddr=127.0.0.1 sslsni=0", None),
        ("host=127.0.0.1", None),
        ("host=127.0.0.1 hostaddr=127.0.0.1", None),
        ("hostaddr=127.0.0.1", None),
        ("host=-x.example.test hostaddr=127.0.0.1", None),
    ] {
        let hello = hello(&format!("user=ann sslmode=require connect_timeout=20 {rest}"));
        let contains =
            |text: &str| hello.windows(text.len()).any(|bytes| bytes.eq_ignore_ascii_case(text.as_bytes()));
        assert!(contains("\x0apostgresql"), "{rest}: ALPN in {}", hello.escape_ascii());
        match name {
            Some(name) => assert!(contains(name), "{rest}: SNI in {}", hello.escape_ascii()),
            // What is no name of a host may or may not be said; an address never is.
            None if rest.contains("-x") => {}
            None => assert!(!contains("example.test") && !contains("127.0.0.1"), "{}", hello.escape_ascii()),
        }
    }
}

/// The first record of a client that is told to encrypt.
fn hello(conninfo: &str) -> Vec<u8> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let server = Scripted::start(move |connection: &mut Connection| {
        connection.startup();
        connection.send(b"S");
        sender.send(connection.expect_client_hello()).unwrap();
        connection.close();
    });
    let outcome = Heimdall::new()
        .database(&format!("port={} {conninfo}", server.address().port()))
        .args(["--name", "tls_peers", "true"])
        .run();
    assert!(matches!(outcome.code, Some(69 | 76)), "{conninfo}: {}", outcome.stderr);
    receiver.recv().unwrap()
}
