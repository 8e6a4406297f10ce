//! A server that says what a test tells it to, for all that a real one would never do.

pub mod backend;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::ports;

/// A listening socket of 127.0.0.1 with a script for each connection.
///
/// A script that panics fails the test when the server is dropped.
pub struct Scripted {
    address: SocketAddr,
    flights: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

/// One client, as the script sees it.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// Whether we have written since the client was last heard.
    spoke: bool,
    flights: Arc<AtomicUsize>,
}

/// A packet without a tag: `StartupMessage`, `SSLRequest`, `CancelRequest`.
#[derive(Debug, PartialEq, Eq)]
pub struct StartupPacket {
    /// The protocol version, or a request code.
    pub code: u32,
    pub body: Vec<u8>,
}

impl Scripted {
    /// Runs `script` for each connection, one after the other.
    pub fn start(mut script: impl FnMut(&mut Connection) + Send + 'static) -> Self {
        let listener = ports::listen();
        let address = listener.local_addr().unwrap();
        let flights = Arc::new(AtomicUsize::new(0));
        let stopped = Arc::new(AtomicBool::new(false));
        let (counter, stop) = (Arc::clone(&flights), Arc::clone(&stopped));
        let accept = move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                script(&mut Connection::new(stream.unwrap(), Arc::clone(&counter)));
            }
        };
        Self { address, flights, stopped, listener: Some(thread::spawn(accept)) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `host=127.0.0.1 port=… sslmode=disable`: connection parameters still without user and database. Scripts
    /// that begin with `SSLRequest` say another `sslmode` behind that.
    pub fn tcp(&self) -> String {
        format!("host=127.0.0.1 port={} sslmode=disable", self.address.port())
    }

    /// How often clients have spoken in answer to us, the first time included: their round trips without
    /// that of the TCP handshake.
    pub fn flights(&self) -> usize {
        self.flights.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(Err(panic)) = self.listener.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

impl Connection {
    fn new(stream: TcpStream, flights: Arc<AtomicUsize>) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, received: Vec::new(), spoke: true, flights }
    }

    /// How often this client and those before it have spoken in answer to us.
    pub fn flights(&self) -> usize {
        self.flights.load(Ordering::SeqCst)
    }

    /// The next packet without a tag.
    pub fn startup(&mut self) -> StartupPacket {
        let body = self.body();
        let (code, body) = body.split_first_chunk().expect("a code");
        StartupPacket { code: u32::from_be_bytes(*code), body: body.to_vec() }
    }

    /// The next message: tag and body.
    pub fn message(&mut self) -> (u8, Vec<u8>) {
        let tag = self.take(1)[0];
        (tag, self.body())
    }

    /// The next message after the end of the transaction that the first attempt has left open, which is answered.
    pub fn message_after_commit(&mut self) -> (u8, Vec<u8>) {
        assert_eq!(self.expect(b'Q'), b"COMMIT\0");
        self.finish(Vec::new());
        self.message()
    }

    /// The body of the next message, which has to have this tag.
    pub fn expect(&mut self, tag: u8) -> Vec<u8> {
        let (got, body) = self.message();
        assert_eq!(got.escape_ascii().to_string(), tag.escape_ascii().to_string(), "{}", body.escape_ascii());
        body
    }

    /// The next TLS record, which has to be a handshake's first (RFC 8446 §5.1); its contents.
    pub fn expect_client_hello(&mut self) -> Vec<u8> {
        let header = self.take(5);
        assert_eq!(header[0], 22, "instead of a handshake: {}", header.escape_ascii());
        let hello = self.take(usize::from(u16::from_be_bytes([header[3], header[4]])));
        assert_eq!(hello[0], 1, "instead of a ClientHello: {}", hello.escape_ascii());
        hello
    }

    /// Writes bytes as they are; [`backend`] makes messages of them.
    pub fn send(&mut self, bytes: &[u8]) {
        if !self.spoke {
            self.hear_out();
            self.spoke = true;
        }
        self.stream.write_all(bytes).unwrap();
    }

    /// Answers what heimdall says once it knows whether the lock is ours, as backend 42, until it says goodbye.
    pub fn serve_lock(&mut self) {
        while self.answer_holder() {}
    }

    /// Answers the next thing of that kind; tells whether that was not a goodbye. The end of the transaction of the first
    /// attempt is answered on the way.
    pub fn answer_holder(&mut self) -> bool {
        let (tag, body) = self.message();
        let text = String::from_utf8(body).unwrap();
        match (tag, text.trim_end_matches('\0')) {
            (b'X', _) => return false,
            (b'Q', "COMMIT") => {
                self.finish(Vec::new());
                return self.answer_holder();
            }
            (b'Q', sql) if sql.contains("heimdall: a sign of life") => {
                self.send(&[backend::empty_query_response(), backend::ready_for_query(b'I')].concat());
            }
            (b'Q', sql) if sql.contains("pg_catalog.set_config(") => self.answer_settings(sql),
            (b'Q', sql) if sql.contains("pg_catalog.pg_advisory_unlock(") => self.answer(Some("t")),
            // Nobody that it knew of.
            (b'Q', sql) if sql.contains("SELECT l.classid") => self.finish(Vec::new()),
            (_, sql) => panic!("unexpected {}: {sql:?}", tag.escape_ascii()),
        }
        true
    }

    /// As a server that puts all settings into force; in a transaction where it has begun one.
    pub fn answer_settings(&mut self, sql: &str) {
        let words = sql.split("set_config('").skip(1);
        let values = words.map(|words| words.split('\'').nth(2).unwrap());
        let row: Vec<Option<&str>> = [Some("42")].into_iter().chain(values.map(Some)).collect();
        let status = if sql.contains("BEGIN") { b'T' } else { b'I' };
        self.send(
            &[backend::row(&row), backend::command_complete("SELECT 1"), backend::ready_for_query(status)]
                .concat(),
        );
    }

    /// Answers a statement with a row of one value.
    pub fn answer(&mut self, value: Option<&str>) {
        self.finish(backend::row(&[value]));
    }

    /// Ends the answer to a statement.
    fn finish(&mut self, mut answer: Vec<u8>) {
        answer.extend(backend::command_complete("SELECT 1"));
        answer.extend(backend::ready_for_query(b'I'));
        self.send(&answer);
    }

    /// Waits until the client closes the connection, having said nothing more.
    pub fn wait_for_end(&mut self) {
        while self.hear() > 0 {}
        assert!(self.received.is_empty(), "instead of an end: {}", self.received.escape_ascii());
    }

    /// Speaks for the client to a real server, which is asked what `rewrite` makes of each query, until the client says
    /// goodbye.
    pub fn speak_for(&mut self, server: SocketAddr, mut rewrite: impl FnMut(&str) -> String) {
        let packet = |tag: &[u8], body: &[u8]| {
            [tag, &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat()
        };
        let mut server = TcpStream::connect(server).unwrap();
        let (mut from, mut to) = (server.try_clone().unwrap(), self.stream.try_clone().unwrap());
        let answers = thread::spawn(move || io::copy(&mut from, &mut to));
        let startup = self.startup();
        server.write_all(&packet(&[], &[&startup.code.to_be_bytes()[..], &startup.body].concat())).unwrap();
        loop {
            let (tag, body) = self.message();
            let body = match tag {
                b'Q' => rewrite(str::from_utf8(&body).unwrap()).into_bytes(),
                _ => body,
            };
            server.write_all(&packet(&[tag], &body)).unwrap();
            if tag == b'X' {
                break;
            }
        }
        // The client may be gone by now.
        drop(answers.join().unwrap());
    }

    /// Waits until the client closes the connection, whatever it says before.
    pub fn drain(&mut self) {
        while self.hear() > 0 {
            self.received.clear();
        }
    }

    /// Says the same again and again, until the client has enough of it.
    pub fn send_until_closed(&mut self, bytes: &[u8]) {
        while self.stream.write_all(bytes).is_ok() {}
    }

    /// Closes the connection.
    pub fn close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Has the end of the script reset the connection (`man 7 socket`, `SO_LINGER`).
    pub fn end_in_reset(&mut self) {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }

    fn body(&mut self) -> Vec<u8> {
        let length = self.take(4).try_into().map(u32::from_be_bytes).unwrap();
        self.take(length.checked_sub(4).expect("a length of at least 4") as usize)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            assert!(self.hear() > 0, "the client left after {}", self.received.escape_ascii());
        }
        self.received.drain(..length).collect()
    }

    /// Reads once; 0 is the end.
    fn hear(&mut self) -> usize {
        self.read_within(Duration::from_secs(30)).expect("the client goes on within 30 seconds")
    }

    /// Reads what the client says without waiting for us. It counts into the flight that began with
    /// what we have already heard, though the script may only get to it later.
    fn hear_out(&mut self) {
        while self.read_within(Duration::from_millis(200)).is_some_and(|length| length > 0) {}
    }

    fn read_within(&mut self, limit: Duration) -> Option<usize> {
        self.stream.set_read_timeout(Some(limit)).unwrap();
        let mut buffer = [0; 4096];
        let length = match self.stream.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::ConnectionReset) => 0,
            Err(_) => return None,
        };
        if length > 0 && self.spoke {
            self.flights.fetch_add(1, Ordering::SeqCst);
            self.spoke = false;
        }
        self.received.extend(&buffer[..length]);
        Some(length)
    }
}

impl StartupPacket {
    /// The names and values of a `StartupMessage`.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields: Vec<&[u8]> = self.body.split(|&byte| byte == 0).collect();
        fields
            .chunks_exact(2)
            .filter(|pair| !pair[0].is_empty())
            .map(|pair| (text(pair[0]), text(pair[1])))
            .collect()
    }
}

#[test]
fn what_a_client_says_at_once_is_one_flight() {
    let server = Scripted::start(|connection| {
        assert_eq!(connection.startup().parameters(), [("user".to_owned(), "ann".to_owned())]);
        connection.send(&backend::authentication_ok());
        assert_eq!(connection.expect(b'Q'), b"select 1\0");
        connection.send(&backend::ready_for_query(b'I'));
        connection.expect(b'X');
        connection.wait_for_end();
    });
    let mut client = TcpStream::connect(server.address()).unwrap();
    client.write_all(b"\0\0\0\x12\0\x03\0\0user\0ann\0\0Q\0\0\0\x0dselect 1\0").unwrap();
    let mut answer = [0; 15];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
    assert_eq!(server.flights(), 1);
    client.write_all(b"X\0\0\0\x04").unwrap();
    drop(client);
    drop(server);
}
