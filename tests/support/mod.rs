//! What the tests stand on: real servers, scripted servers, a slow network, and the program itself.

#![allow(
    dead_code,
    unused_imports,
    reason = "a helper stays whole when the last test that used a part of it goes"
)]

pub mod clients;
pub mod der;
pub mod dice;
#[cfg(feature = "tls")]
pub mod forge;
pub mod heimdall;
pub mod holder;
pub mod lateness;
pub mod middle;
pub mod names;
pub mod namespaces;
pub mod pgbouncer;
pub mod pki;
pub mod ports;
pub mod postgres;
pub mod processes;
pub mod proxy;
pub mod scripted;
pub mod stream;
pub mod terminal;
pub mod transcript;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Asks until there is an answer, at most `limit` long; `None` when the time is up.
pub fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        match ask() {
            None if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
            answer => return answer,
        }
    }
}

/// Makes a file that can be executed. Not by this process: what other threads start meanwhile inherits its open files, until
/// it becomes another program, and a file that is open for writing can't be executed (man 2 execve, ETXTBSY).
pub fn write_program(path: &Path, content: impl AsRef<[u8]>) {
    let mut command = Command::new("sh");
    command.args(["-c", "cat >\"$0\" && chmod 755 \"$0\""]).arg(path).stdin(Stdio::piped());
    let mut writer = command.spawn().expect("sh starts");
    writer.stdin.take().unwrap().write_all(content.as_ref()).unwrap();
    assert!(writer.wait().unwrap().success(), "{}", path.display());
}

/// Says, past the test harness, which keeps to itself what passing tests print, that this machine lacks what something needs
/// to be tested.
pub fn did_not_run(name: &str, lack: &str) {
    std::io::stderr().write_all(format!("{name} DID NOT RUN: {lack}\n").as_bytes()).unwrap();
}

/// The name of the test that runs, for locks that no other test takes: most use the same database of the same server.
pub fn this_test() -> String {
    thread::current().name().expect("the harness names a test's thread").to_owned()
}
