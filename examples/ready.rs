//! Says whether a server accepts connections, as `pg_isready` does: `ready [CONNINFO]`. It exits with 0 if the server does,
//! 1 if it can't serve now, as while it is starting up or shutting down, 2 if no server answers, and 3 if none is asked, since
//! CONNINFO is wrong. Of several hosts the first is asked, in the clear.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use heimdall::conninfo::{Config, Endpoint, Environment, SOCKET_DIRECTORIES, SslMode};
use heimdall::proto::{Channel, ErrorKind, Login, Nonce, Session, Startup, Step};

fn main() -> ExitCode {
    let conninfo = std::env::args().nth(1).unwrap_or_default();
    let config = Config::resolve(&conninfo, &Environment::of_process());
    let (code, text) = match config.map(|config| is_ready(&config)) {
        Ok(Ok(true)) => (0, "accepting connections".to_owned()),
        Ok(Ok(false)) => (1, "rejecting connections".to_owned()),
        Ok(Err(error)) => (2, format!("no response: {error}")),
        Err(error) => (3, format!("no attempt: {error}")),
    };
    println!("{text}");
    ExitCode::from(code)
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
        Endpoint::Socket(directory) => ask_in(directory, host.port, config, startup),
        // In no other than the first that exists: anyone may listen in the last.
        Endpoint::DefaultSocket => {
            let directory = SOCKET_DIRECTORIES.iter().map(Path::new).find(|directory| directory.is_dir());
            ask_in(directory.ok_or("no directory of a socket")?, host.port, config, startup)
        }
        endpoint => Err(format!("not asked: {endpoint:?}").into()),
    }
}

/// Asks on the socket in this directory.
fn ask_in(directory: &Path, port: u16, config: &Config, startup: Startup) -> Result<bool, Box<dyn Error>> {
    let stream = UnixStream::connect(directory.join(format!(".s.PGSQL.{port}")))?;
    stream.set_read_timeout(config.connect_timeout)?;
    ask(stream, startup, Channel::Local)
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
