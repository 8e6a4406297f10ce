//! A conversation with a server over a socket, from the first address tried to the last word.

use std::os::fd::{AsFd, BorrowedFd};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::event::PollFlags;
use rustix::io::Errno;

use super::deadline::Deadline;
use super::error::{Attempt, Attempts, Error};
use super::place::{self, Address};
use super::socket::Socket;
use crate::conninfo::{Config, Host, Secret};
use crate::proto::frontend::Unsendable;
use crate::proto::session::Trace;
use crate::proto::{Channel, Fault, Login, Password, Server, Session, Startup, Statement, Step};

/// What to connect to, and how.
pub struct Request<'a> {
    /// Where, and who we are.
    pub config: &'a Config,
    /// The name that others see in `pg_stat_activity`, where none is configured.
    pub application_name: &'a str,
    /// Whether the first statement may travel before the server has asked for it.
    pub pipelined: bool,
    /// Who is told every message.
    pub trace: Option<Trace>,
}

/// A session that is logged in.
pub struct Connection {
    socket: Socket,
    session: Session,
    place: String,
}

impl Connection {
    /// Connects to the first host that takes us, with `first` on its way as early as possible. Its answer
    /// is read by [`Connection::next`], before the deadline that is returned.
    ///
    /// The time of `connect_timeout` is given to each address; resolving a name is part of its first one's.
    ///
    /// # Errors
    /// Every attempt that failed. An address that can't be reached is followed by the next one, a server that
    /// can't serve yet (SQLSTATE 57P03) by the next host; any other word of a server ends the list.
    pub fn open<S>(request: &Request<'_>, first: S) -> Result<(Self, Deadline), Attempts>
    where
        S: Statement + Copy + Send + 'static,
    {
        let mut failed = Vec::new();
        for host in &request.config.hosts {
            let mut deadline = Deadline::after(request.config.connect_timeout);
            let addresses = match place::addresses(host, deadline) {
                Ok(addresses) => addresses,
                Err(error) => {
                    failed.push(Attempt { place: place::describe(host), error, hint: None });
                    continue;
                }
            };
            for address in addresses {
                let error = match Self::try_open(request, host, &address, Box::new(first), deadline) {
                    Ok(connection) => return Ok((connection, deadline)),
                    Err(error) => error,
                };
                let next = after(&error);
                let hint = password_hint(request.config, host, &error);
                failed.push(Attempt { place: address.to_string(), error, hint });
                match next {
                    Next::Address => deadline = Deadline::after(request.config.connect_timeout),
                    Next::Host => break,
                    Next::Nothing => return Err(Attempts(failed)),
                }
            }
        }
        Err(Attempts(failed))
    }

    fn try_open(
        request: &Request<'_>,
        host: &Host,
        address: &Address,
        first: Box<dyn Statement + Send>,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let login = login(request, host, address)?;
        let socket = Socket::open(address, request.config, deadline)?;
        let session = Session::new(login, Some(first), request.trace.clone());
        let mut connection = Self { socket, session, place: address.to_string() };
        while connection.next(deadline, "the server to log us in")? != Step::Ready {}
        Ok(connection)
    }

    /// The next thing the server says: never [`Step::Send`] or [`Step::Receive`].
    ///
    /// # Errors
    /// The deadline, the end of the connection (both told with `waiting`, what was waited for), and whatever
    /// the conversation comes to.
    pub fn next(&mut self, deadline: Deadline, waiting: &'static str) -> Result<Step, Error> {
        loop {
            // Also while there is something to read: who never stops talking gets no more time than who is silent.
            if deadline.has_passed() {
                return Err(Error::TimedOut(waiting));
            }
            if let Some(step) = self.try_next(deadline, waiting)? {
                return Ok(step);
            }
            deadline.wait(&self.socket, PollFlags::IN)?;
        }
    }

    /// What the server has said already, without waiting for more; only sending waits, until the deadline.
    /// Reads once at the most, so that a server that never stops talking can't keep us here.
    ///
    /// # Errors
    /// As [`Connection::next`].
    pub fn try_next(&mut self, deadline: Deadline, waiting: &'static str) -> Result<Option<Step>, Error> {
        let mut has_read = false;
        loop {
            match self.session.poll()? {
                Step::Send(bytes) => self.send(&bytes, deadline, waiting)?,
                Step::Receive if has_read => return Ok(None),
                Step::Receive => {
                    has_read = true;
                    let mut buffer = [0; READ_SIZE];
                    match self.socket.receive(&mut buffer) {
                        Ok(0) => return Err(Error::Closed(waiting)),
                        Ok(count) => self.session.receive(buffer.get(..count).unwrap_or_default()),
                        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
                        Err(errno) => return Err(errno.into()),
                    }
                }
                step => return Ok(Some(step)),
            }
        }
    }

    fn send(&mut self, mut bytes: &[u8], deadline: Deadline, waiting: &'static str) -> Result<(), Error> {
        while !bytes.is_empty() {
            match self.socket.send(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(Errno::AGAIN) => {
                    if !deadline.wait(&self.socket, PollFlags::OUT)? {
                        return Err(Error::TimedOut(waiting));
                    }
                }
                Err(Errno::INTR) => {}
                // The server may have said why before it closed: that is worth more than "broken pipe".
                Err(Errno::PIPE | Errno::CONNRESET) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Says a statement; its answer is read by [`Connection::next`].
    pub fn query(&mut self, statement: &dyn Statement) {
        self.session.query(statement);
    }

    /// Says goodbye, as far as that goes at once.
    pub fn close(mut self) {
        self.session.terminate();
        if let Ok(Step::Send(bytes)) = self.session.poll() {
            // Best effort: closing the socket ends the session too.
            let _ = self.socket.send(&bytes);
        }
    }

    /// What the server has told of itself.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.session.server()
    }

    /// Where the server is, such as `at "db" (10.0.0.1), port 5432`.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A wrong password from a file that nobody thinks of any more.
fn password_hint(config: &Config, host: &Host, error: &Error) -> Option<String> {
    let file = config.passfile.as_ref()?;
    let is_from_file = config.password.is_none() && host.password.is_some();
    (is_from_file && error.sqlstate() == Some(INVALID_PASSWORD))
        .then(|| format!("password retrieved from file \"{}\"", file.to_string_lossy().escape_debug()))
}

enum Next {
    Address,
    Host,
    Nothing,
}

fn after(error: &Error) -> Next {
    match error {
        error if error.sqlstate() == Some(CANNOT_CONNECT_NOW) => Next::Host,
        Error::Conversation(_) => Next::Nothing,
        error if error.fault() == Fault::Unavailable => Next::Address,
        _ => Next::Nothing,
    }
}

fn login(request: &Request<'_>, host: &Host, address: &Address) -> Result<Login, Error> {
    let config = request.config;
    let application_name = config.application_name.as_deref().unwrap_or(request.application_name);
    let mut parameters = vec![
        ("user", config.user.as_str()),
        ("database", config.dbname.as_str()),
        ("client_encoding", config.client_encoding.as_deref().unwrap_or("UTF8")),
        ("application_name", application_name),
    ];
    parameters.extend(config.options.as_deref().map(|options| ("options", options)));
    let password = config.password_for(host);
    let channel = match address {
        Address::Tcp { .. } => Channel::Plaintext,
        Address::Socket(_) | Address::Abstract(_) => Channel::Local,
    };
    let unusable = |unsendable: Unsendable| Error::Unusable(unsendable.to_string());
    Ok(Login {
        startup: Startup::new(parameters.into_iter().filter(|(_, value)| !value.is_empty()))
            .map_err(unusable)?,
        password: Password::new(password.map(Secret::expose).unwrap_or_default()).map_err(unusable)?,
        require_auth: config.require_auth.clone(),
        channel_binding: config.channel_binding,
        channel,
        nonce: nonce()?,
        pipelined: request.pipelined,
    })
}

/// What makes a SCRAM exchange unlike every other (RFC 5802 §5.1): printable, without a comma.
fn nonce() -> Result<String, Error> {
    let mut random = [0; NONCE_BYTES];
    getrandom::fill(&mut random)
        .map_err(|error| Error::Unusable(format!("the system gives no random numbers: {error}")))?;
    Ok(STANDARD.encode(random))
}

/// As many as libpq takes (`SCRAM_RAW_NONCE_LEN`).
const NONCE_BYTES: usize = 18;

/// How much is read at once; answers are far shorter.
const READ_SIZE: usize = 4096;

/// SQLSTATE `invalid_password`.
const INVALID_PASSWORD: &str = "28P01";

/// SQLSTATE `cannot_connect_now`.
const CANNOT_CONNECT_NOW: &str = "57P03";
