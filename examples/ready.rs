//! Says whether a server accepts connections, as `pg_isready` does: `ready [CONNINFO]`. It exits with 0 if the server does,
//! 1 if it can't serve now, as while it is starting up or shutting down, and 2 if no server answers. Of several hosts the first
//! is asked, in the clear.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use heimdall::conninfo::{Config, Endpoint, Environment, SslMode};
use heimdall::proto::{Channel, ErrorKind, Login, Nonce, Session, Startup, Step};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let conninfo = std::env::args().nth(1).unwrap_or_default();
    let config = Config::resolve(&conninfo, &Environment::of_process())?;
    let (code, text) = match is_ready(&config) {
        Ok(true) => (0, "accepting connections".to_owned()),
        Ok(false) => (1, "rejecting connections".to_owned()),
        Err(error) => (2, format!("no response: {error}")),
    };
    println!("{text}");
    Ok(ExitCode::from(code))
}

/// Begins a login: a server that asks for a password, or refuses us, accepts connections.
fn is_ready(config: &Config) -> Result<bool, Box<dyn Error>> {
    let host = config.hosts.first().ok_or("no host")?;
    let startup = Startup::new([("user", config.user.as_str()), ("database", &config.dbname)])?;
    match &host.endpoint {
        Endpoint::Name(_) | Endpoint::Address(_) if config.sslmode >= SslMode::Require => {
            Err(format!("sslmode={} asks for TLS, which this example does not have", config.sslmode).into())
        }
        Endpoint::Name(name) | Endpoint::Address(name) => {
            let address = (name.as_str(), host.port).to_socket_addrs()?.next().ok_or("no address")?;
            let stream = match config.connect_timeout {
                Some(timeout) => TcpStream::connect_timeout(&address, timeout)?,
                None => TcpStream::connect(address)?,
            };
            stream.set_read_timeout(config.connect_timeout)?;
            ask(stream, startup, Channel::Plaintext)
        }
        Endpoint::Socket(directory) => {
            let path = directory.join(format!(".s.PGSQL.{}", host.port));
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(config.connect_timeout)?;
            ask(stream, startup, Channel::Local)
        }
        endpoint => Err(format!("not asked: {endpoint:?}").into()),
    }
}

fn ask(mut stream: impl Read + Write, startup: Startup, channel: Channel) -> Result<bool, Box<dyn Error>> {
    let mut session = Session::new(Login::new(startup, channel, Nonce::of_random([0; 18])), None, None);
    let mut buffer = [0; 1024];
    loop {
        match session.poll() {
            Ok(Step::Send(bytes)) => stream.write_all(&bytes)?,
            Ok(Step::Receive) => match stream.read(&mut buffer)? {
                0 => return Err("the server closed the connection".into()),
                count => session.receive(buffer.get(..count).unwrap_or_default()),
            },
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Protocol => return Err(error.into()),
            Err(error) => return Ok(error.kind() != ErrorKind::Unavailable),
        }
    }
}
