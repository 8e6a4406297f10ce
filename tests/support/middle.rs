//! A man in the middle: TLS with the client, TLS with the server, and everything in clear text in between.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::postgres::TlsServer;
use super::{poll, ports};

/// Listens on 127.0.0.1 until the tests end; what it starts for a client ends with the client.
pub struct Middle {
    pub port: u16,
}

impl Middle {
    /// Presents the certificate of this name to all who come, one after the other, and speaks for them to the
    /// server.
    pub fn start(server: &TlsServer, certificate: &str) -> Self {
        let listener = ports::listen();
        let port = listener.local_addr().unwrap().port();
        let certificate = server.pki.path(certificate);
        let upstream = server.cluster.port();
        thread::spawn(move || {
            for client in listener.incoming() {
                speak_for(client.unwrap(), &certificate, upstream);
            }
        });
        Self { port }
    }
}

/// The client's TLS ends in one `openssl`, the server's in another, and each reads what the other prints.
fn speak_for(mut client: TcpStream, certificate: &Path, server: u16) {
    let mut request = [0; 8];
    if client.read_exact(&mut request).is_err() {
        return;
    }
    assert_eq!(request, *b"\0\0\0\x08\x04\xd2\x16\x2f", "SSLRequest");
    client.write_all(b"S").unwrap();

    let start = |command: &mut Command| {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let inside = ("127.0.0.1", ports::free());
    let mut near = start(
        Command::new("openssl")
            .args(["s_server", "-quiet", "-naccept", "1", "-accept", &format!("{}:{}", inside.0, inside.1)])
            .arg("-cert")
            .arg(certificate.with_extension("crt"))
            .arg("-key")
            .arg(certificate.with_extension("key")),
    );
    let mut far = start(
        Command::new("openssl")
            .args(["s_client", "-quiet", "-starttls", "postgres", "-connect"])
            .arg(format!("127.0.0.1:{server}")),
    );
    let inside = poll(Duration::from_secs(30), || TcpStream::connect(inside).ok()).expect("openssl listens");

    let (client_too, inside_too) = (client.try_clone().unwrap(), inside.try_clone().unwrap());
    relay(client, inside, |inside| inside.shutdown(Shutdown::Write));
    relay(inside_too, client_too, |client| client.shutdown(Shutdown::Both));
    relay(far.stdout.take().unwrap(), near.stdin.take().unwrap(), |_| Ok(()));
    relay(near.stdout.take().unwrap(), far.stdin.take().unwrap(), |_| Ok(()));
    near.wait().unwrap();
    let _ = far.kill();
    far.wait().unwrap();
}

/// Copies until one end is closed, and closes the other.
fn relay<F, T>(mut from: F, mut to: T, close: impl FnOnce(&T) -> io::Result<()> + Send + 'static)
where
    F: Read + Send + 'static,
    T: Write + Send + 'static,
{
    thread::spawn(move || {
        // A peer that is gone is an end like any other.
        let _ = io::copy(&mut from, &mut to);
        let _ = close(&to);
    });
}
