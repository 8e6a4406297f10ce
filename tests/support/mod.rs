//! What the tests stand on: real servers, scripted servers, a slow network, and the program itself.

#![allow(
    dead_code,
    unused_imports,
    reason = "a helper stays whole when the last test that used a part of it goes"
)]

pub mod clients;
pub mod heimdall;
pub mod holder;
pub mod middle;
pub mod namespaces;
pub mod pgbouncer;
pub mod pki;
pub mod postgres;
pub mod processes;
pub mod proxy;
pub mod scripted;
pub mod stream;
pub mod terminal;
pub mod transcript;

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
