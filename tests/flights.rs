//! Round trips from nothing to the lock, counted on a scripted server (the TCP handshake is one more).

use std::sync::mpsc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::heimdall::Heimdall;
use crate::support::scripted::{Connection, Scripted, backend};

#[test]
fn without_a_password_the_lock_takes_one_flight() {
    let trust = |connection: &mut Connection| {
        connection.startup();
        connection.send(&backend::authentication_ok());
    };
    assert_eq!(flights(trust, ""), 1);
}

#[test]
fn with_a_password_or_md5_it_takes_two() {
    let md5 = |connection: &mut Connection| {
        connection.startup();
        connection.send(&backend::authentication_md5_password([1, 2, 3, 4]));
        connection.expect(b'p');
        connection.send(&backend::authentication_ok());
    };
    assert_eq!(flights(md5, "password=pencil"), 2);
    let cleartext = |connection: &mut Connection| {
        connection.startup();
        connection.send(&backend::authentication_cleartext_password());
        connection.expect(b'p');
        connection.send(&backend::authentication_ok());
    };
    assert_eq!(flights(cleartext, "password=pencil require_auth=password"), 2);
}

#[test]
fn with_scram_it_takes_three() {
    assert_eq!(flights(scram, "password=pencil"), 3);
}

#[test]
fn with_scram_required_it_takes_two() {
    assert_eq!(flights(scram, "password=pencil require_auth=scram-sha-256"), 2);
}

#[test]
fn where_a_pooler_may_be_in_between_nothing_is_said_early() {
    let trust = |connection: &mut Connection| {
        connection.startup();
        connection.send(&backend::authentication_ok());
    };
    assert_eq!(flights_with(trust, "", &["--allow-pooler"]), 2);
    assert_eq!(flights_with(scram, "password=pencil", &["--allow-pooler"]), 4);
    assert_eq!(flights_with(scram, "password=pencil require_auth=scram-sha-256", &["--allow-pooler"]), 4);
}

fn flights(login: impl FnMut(&mut Connection) + Send + 'static, more: &str) -> usize {
    flights_with(login, more, &[])
}

/// How many flights have come from the client when its attempt to lock is there.
fn flights_with(
    mut login: impl FnMut(&mut Connection) + Send + 'static,
    more: &str,
    options: &[&str],
) -> usize {
    let (counted, count) = mpsc::channel();
    let server = Scripted::start(move |connection: &mut Connection| {
        login(connection);
        let mut ready = backend::backend_key_data(42, &[1, 2, 3, 4]);
        ready.extend(backend::ready_for_query(b'I'));
        connection.send(&ready);
        connection.expect(b'Q');
        counted.send(connection.flights()).unwrap();
        let mut answer = backend::row(&backend::granted("42"));
        answer.extend(backend::command_complete("SELECT 1"));
        answer.extend(backend::ready_for_query(b'I'));
        connection.send(&answer);
        connection.serve_lock();
    });
    let outcome = Heimdall::new()
        .database(&format!("{} user=ann {more}", server.tcp()))
        .args(options)
        .args(["--name", "flights", "sh", "-c", "exit 9"])
        .run();
    assert_eq!(outcome.code, Some(9), "{}", outcome.stderr);
    count.recv().unwrap()
}

/// The server's side of SCRAM-SHA-256 for the password "pencil".
fn scram(connection: &mut Connection) {
    connection.startup();
    connection.send(&backend::authentication_sasl(&["SCRAM-SHA-256"]));
    let initial = String::from_utf8(connection.expect(b'p')).unwrap();
    let bare = &initial[initial.find("n=,r=").unwrap()..];
    let first = format!("r={}server,s=c2FsdA==,i=4096", &bare["n=,r=".len()..]);
    connection.send(&backend::authentication_sasl_continue(&first));
    let last = String::from_utf8(connection.expect(b'p')).unwrap();
    let without_proof = &last[..last.find(",p=").unwrap()];
    let message = format!("{bare},{first},{without_proof}");

    let mut block = mac(b"pencil", b"salt\0\0\0\x01");
    let mut salted = block.clone();
    for _ in 1..4096 {
        block = mac(b"pencil", &block);
        salted.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
    }
    let stored_key = Sha256::digest(mac(&salted, b"Client Key"));
    let proof = STANDARD.decode(&last[last.find(",p=").unwrap() + 3..]).unwrap();
    let client_key: Vec<u8> =
        mac(&stored_key, message.as_bytes()).iter().zip(&proof).map(|(a, b)| a ^ b).collect();
    assert_eq!(Sha256::digest(client_key), stored_key, "the client's proof");
    let signature = mac(&mac(&salted, b"Server Key"), message.as_bytes());
    let mut end = backend::authentication_sasl_final(&format!("v={}", STANDARD.encode(signature)));
    end.extend(backend::authentication_ok());
    connection.send(&end);
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(message).finalize().into_bytes().to_vec()
}
