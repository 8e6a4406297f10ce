//! Ports of this host, none of which a test run gives twice: a client that tries again and again to reach a server that is gone
//! must not meet that of another test.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Listens on a port of 127.0.0.1.
pub fn listen() -> TcpListener {
    numbers().find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).expect("a free port")
}

/// A port of 127.0.0.1 on which no one listens.
pub fn free() -> u16 {
    listen().local_addr().unwrap().port()
}

/// Numbers that were not given before. Test runs at the same time begin far from each other.
fn numbers() -> impl Iterator<Item = u16> {
    static GIVEN: AtomicUsize = AtomicUsize::new(0);
    let count = usize::from(LAST - FIRST);
    let first = process::id() as usize * 1009;
    let next = move || {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        (given < count).then(|| FIRST + ((first + given) % count) as u16)
    };
    std::iter::from_fn(next)
}

/// Below the ports that systems give to clients by themselves (Linux from 32768 on, others from 49152 on).
const FIRST: u16 = 10_000;
const LAST: u16 = 32_000;
