//! A slow network between a client and a server, which can break down.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ports;

/// A listening socket of 127.0.0.1 whose connections go on to another address, late.
pub struct Proxy {
    address: SocketAddr,
    network: Arc<Network>,
    listener: Option<JoinHandle<()>>,
}

/// What all relays share.
#[derive(Default)]
struct Network {
    delay: Duration,
    frozen: AtomicBool,
    closed: AtomicBool,
    /// When a server's bytes have reached a client last.
    answered: Mutex<Option<Instant>>,
    /// Both ends of every connection.
    streams: Mutex<Vec<TcpStream>>,
}

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

impl Proxy {
    /// Every byte takes `delay`, in either direction. A client's first bytes take a round trip more,
    /// which stands for the TCP handshake, since the real one is over before the proxy hears of it.
    pub fn start(target: SocketAddr, delay: Duration) -> Self {
        let listener = ports::listen();
        let address = listener.local_addr().unwrap();
        let network = Arc::new(Network { delay, ..Network::default() });
        let shared = Arc::clone(&network);
        let accept = move || {
            for client in listener.incoming() {
                if shared.closed.load(Ordering::SeqCst) {
                    return;
                }
                shared.join(client.unwrap(), target);
            }
        };
        Self { address, network, listener: Some(thread::spawn(accept)) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `host=127.0.0.1 port=…`: connection parameters still without user and database.
    pub fn tcp(&self) -> String {
        format!("host=127.0.0.1 port={}", self.address.port())
    }

    /// Closes all connections, in both directions.
    pub fn cut(&self) {
        for stream in self.network.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// When something of a server's has reached a client last.
    pub fn last_answer(&self) -> Option<Instant> {
        *self.network.answered.lock().unwrap()
    }

    /// From now on nothing arrives any more, nor does any end.
    pub fn freeze(&self) {
        self.network.frozen.store(true, Ordering::SeqCst);
    }

    /// Ends a freeze: what it has struck is cut, and new connections get through.
    pub fn mend(&self) {
        self.cut();
        self.network.frozen.store(false, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.closed.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        let _ = self.listener.take().map(JoinHandle::join);
        self.cut();
    }
}

impl Network {
    fn join(self: &Arc<Self>, client: TcpStream, target: SocketAddr) {
        // Held all the while, so that a connection which the server knows of is one that is cut.
        let mut streams = self.streams.lock().unwrap();
        let Ok(server) = TcpStream::connect(target) else {
            return; // The client sees its connection closed.
        };
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
            streams.push(stream.try_clone().unwrap());
        }
        self.relay(client.try_clone().unwrap(), server.try_clone().unwrap(), Side::Client);
        self.relay(server, client, Side::Server);
    }

    /// Copies one direction; one thread reads while another waits for the time to write, so that bytes
    /// which follow each other closely are late together and not one after the other.
    fn relay(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream, side: Side) {
        let handshake = match side {
            Side::Client => self.delay * 2,
            Side::Server => Duration::ZERO,
        };
        let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
        let delay = self.delay;
        thread::spawn(move || {
            let established = Instant::now() + handshake;
            let mut buffer = [0; 16 * 1024];
            loop {
                let length = from.read(&mut buffer).unwrap_or(0);
                let arrival = Instant::now().max(established) + delay;
                if sender.send((arrival, buffer[..length].to_vec())).is_err() || length == 0 {
                    return;
                }
            }
        });
        let network = Arc::clone(self);
        thread::spawn(move || {
            for (arrival, bytes) in receiver {
                thread::sleep(arrival.saturating_duration_since(Instant::now()));
                if network.frozen.load(Ordering::SeqCst) {
                    return;
                }
                let written =
                    if bytes.is_empty() { to.shutdown(Shutdown::Write) } else { to.write_all(&bytes) };
                if written.is_err() {
                    return;
                }
                if side == Side::Server {
                    *network.answered.lock().unwrap() = Some(Instant::now());
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(20);

    /// A client and a server that are `DELAY` apart.
    fn connect() -> (Proxy, TcpStream, TcpStream) {
        let listener = ports::listen();
        let proxy = Proxy::start(listener.local_addr().unwrap(), DELAY);
        let client = TcpStream::connect(proxy.address()).unwrap();
        let server = listener.accept().unwrap().0;
        (proxy, client, server)
    }

    fn hear(stream: &mut TcpStream) -> String {
        let mut buffer = [0; 64];
        let length = stream.read(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_handshake_a_question_and_an_answer_take_two_round_trips() {
        let start = Instant::now();
        let (_proxy, mut client, mut server) = connect();
        client.write_all(b"question").unwrap();
        assert_eq!(hear(&mut server), "question");
        server.write_all(b"answer").unwrap();
        assert_eq!(hear(&mut client), "answer");
        assert!(start.elapsed() >= DELAY * 4, "{:?}", start.elapsed());
        drop(server);
        assert_eq!(hear(&mut client), "");
    }

    #[test]
    fn a_cut_is_seen_on_both_sides() {
        let (proxy, mut client, mut server) = connect();
        proxy.cut();
        assert_eq!(hear(&mut client), "");
        assert_eq!(hear(&mut server), "");
    }

    #[test]
    fn a_freeze_is_seen_on_neither_side() {
        let (proxy, mut client, server) = connect();
        proxy.freeze();
        drop(server);
        client.set_read_timeout(Some(DELAY * 5)).unwrap();
        assert!(client.read(&mut [0]).is_err());
    }
}
