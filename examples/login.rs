//! Logs in without a socket: the session says what to send and when to receive, and the server, which asks for a password,
//! is played in memory.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Read, Write};

use heimdall::proto::{Channel, Login, Nonce, Password, Session, Startup, Step};

fn main() -> Result<(), Box<dyn Error>> {
    let startup = Startup::new([("user", "ann"), ("database", "app")])?;
    // Only SCRAM needs the nonce; then it has to be random.
    let mut login = Login::new(startup, Channel::Local, Nonce::of_random([0; 18]));
    login.password = Password::new("pencil")?;
    let mut session = Session::new(login, None, None);
    log_in(&mut session, &mut Server::default())?;
    println!("logged in, server process {}", session.server().pid.unwrap_or_default());
    Ok(())
}

/// Drives the session over any stream, until the server waits for a query.
fn log_in(session: &mut Session, stream: &mut (impl Read + Write)) -> Result<(), Box<dyn Error>> {
    let mut buffer = [0; 1024];
    loop {
        match session.poll()? {
            Step::Send(bytes) => stream.write_all(&bytes)?,
            Step::Receive => match stream.read(&mut buffer)? {
                0 => return Err("the server closed the connection".into()),
                count => session.receive(buffer.get(..count).unwrap_or_default()),
            },
            Step::Ready => return Ok(()),
            _ => {}
        }
    }
}

/// Answers a `StartupMessage` by `AuthenticationCleartextPassword`, and a `PasswordMessage` by `AuthenticationOk`,
/// `BackendKeyData` and `ReadyForQuery`.
#[derive(Default)]
struct Server(VecDeque<u8>);

impl Write for Server {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        self.0.extend(match message {
            [b'p', ..] => &b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x2a\0\0\0\0Z\0\0\0\x05I"[..],
            _ => b"R\0\0\0\x08\0\0\0\x03",
        });
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Server {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}
