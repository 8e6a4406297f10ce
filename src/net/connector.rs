//! From a configuration to a connection: every host, each of its addresses, encrypted or in the clear.

use std::mem;
use std::vec::IntoIter;

use super::address::{self, Address};
use super::connection::Connection;
use super::deadline::Deadline;
use super::error::{ConnectFailure, ConnectFailures, Error};
use super::handshake::{Encryption, Handshake};
use super::session_attrs;
use super::shuffle::shuffle;
use crate::conninfo::{Config, Host, LoadBalanceHosts, SslMode};
use crate::proto::session::Trace;
use crate::proto::{self, ErrorKind, Server, Statement};

/// What to connect to, and how.
pub struct ConnectOptions<'a> {
    /// Where, and who we are.
    pub config: &'a Config,
    /// The name that others see in `pg_stat_activity`, where none is configured.
    pub application_name: &'a str,
    /// Whether the first statement may travel before the server has asked for it.
    pub pipelined: bool,
    /// Who is told every message.
    pub trace: Option<Trace>,
    /// Who is told what a user should know of a connection that works all the same.
    pub warn: Box<dyn Fn(&str) + 'a>,
}

/// The way through the hosts, until one takes us and will do.
pub struct Connector<'a> {
    handshake: Handshake<'a>,
    hosts: IntoIter<&'a Host>,
    failed: Vec<ConnectFailure>,
}

impl<'a> Connector<'a> {
    /// Begins with the first host, or with any where `load_balance_hosts` says so.
    #[must_use]
    pub fn new(request: &'a ConnectOptions<'a>) -> Self {
        let mut hosts: Vec<&Host> = request.config.hosts.iter().collect();
        if is_random(request.config) {
            shuffle(&mut hosts);
        }
        Self { handshake: Handshake::new(request), hosts: hosts.into_iter(), failed: Vec::new() }
    }

    /// Connects to the next host that takes us and is what `target_session_attrs` asks for, with `first` on its
    /// way as early as possible. Its answer is read by [`Connection::next`], before the deadline that is returned.
    ///
    /// The time of `connect_timeout` is given to each address; resolving a name is part of its first one's.
    ///
    /// # Errors
    /// Every attempt that failed. An address that can't be reached is followed by the next one, a server that
    /// can't serve yet (SQLSTATE 57P03) or is not what was asked for by the next host; any other word of a
    /// server ends the list.
    pub fn connect<S>(&mut self, first: &S) -> Result<(Connection, Deadline), ConnectFailures>
    where
        S: Statement + Clone + Send + 'static,
    {
        while let Some(host) = self.hosts.next() {
            match self.one_host(host, first) {
                Ok(found) => return Ok(found),
                Err(Next::Nothing) => break,
                Err(Next::Address | Next::Host) => {}
            }
        }
        Err(ConnectFailures(mem::take(&mut self.failed)))
    }

    /// Refuses a server that is not what was asked for, by its answer: not all of them report that at login. A standby
    /// that is the only host, and will do for `any`, is not refused here.
    ///
    /// # Errors
    /// What it is, for [`Connector::pass_over`].
    pub fn check(&self, server: &Server, is_standby: bool, is_read_only: Option<bool>) -> Result<(), Error> {
        let config = self.config();
        if is_standby && config.hosts.len() > 1 {
            return Err(session_attrs::standby(config.target_session_attrs));
        }
        let is_read_only = server.default_transaction_read_only.or(is_read_only);
        session_attrs::check(config.target_session_attrs, Some(is_standby), is_read_only)
    }

    /// Leaves a server that has logged us in and then turned out to be of no use; [`Connector::connect`] goes on with
    /// the next host.
    ///
    /// # Errors
    /// The error itself, where it ends the list.
    pub fn pass_over(&mut self, connection: Connection, error: Error) -> Result<(), Error> {
        if matches!(after(&error), Next::Nothing) && !is_shutdown(&error) {
            return Err(error);
        }
        self.failed.push(ConnectFailure { place: connection.server_address().to_owned(), error, hint: None });
        connection.close();
        Ok(())
    }

    fn config(&self) -> &'a Config {
        self.handshake.request().config
    }

    /// One host: each of its addresses, until one answers.
    fn one_host<S>(&mut self, host: &Host, first: &S) -> Result<(Connection, Deadline), Next>
    where
        S: Statement + Clone + Send + 'static,
    {
        let config = self.config();
        let mut deadline = Deadline::after(config.connect_timeout);
        let mut addresses = address::addresses(host, deadline).map_err(|error| {
            self.failed.push(ConnectFailure { place: address::describe(host), error, hint: None });
            Next::Host
        })?;
        if is_random(config) {
            shuffle(&mut addresses);
        }
        for address in addresses {
            let error = match self.one_address(host, &address, first, deadline) {
                Ok(connection) => match self.check_greeting(connection.server()) {
                    Ok(()) => return Ok((connection, deadline)),
                    Err(error) => {
                        connection.close();
                        error
                    }
                },
                Err(error) => error,
            };
            let next = after(&error);
            self.push(host, &address, error);
            match next {
                Next::Address => deadline = Deadline::after(config.connect_timeout),
                next => return Err(next),
            }
        }
        Err(Next::Host)
    }

    /// Refuses a server that is not what was asked for, by what it has reported at login.
    fn check_greeting(&self, server: &Server) -> Result<(), Error> {
        let wanted = self.config().target_session_attrs;
        session_attrs::check(wanted, server.in_hot_standby, server.default_transaction_read_only)
    }

    /// One address: as `sslmode` says first, and then the other way round where that is allowed.
    fn one_address<S>(
        &mut self,
        host: &Host,
        address: &Address,
        first: &S,
        deadline: Deadline,
    ) -> Result<Connection, Error>
    where
        S: Statement + Clone + Send + 'static,
    {
        let (encryption, other) = order(self.config().sslmode, address);
        let refused =
            match self.handshake.connect(host, address, encryption, Box::new(first.clone()), deadline) {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
        // Only a server that refuses this kind of connection is asked for the other one: not one that says "wrong
        // password", nor one whose certificate is wrong, or somebody in between could have us give up encryption.
        let Some(other) = other.filter(|_| refused.is_refusal()) else {
            return Err(refused);
        };
        if self.handshake.was_encrypted() == (other == Encryption::Tls) {
            return Err(refused);
        }
        match self.handshake.connect(host, address, other, Box::new(first.clone()), deadline) {
            // It was not the encryption that the server refused.
            Err(error) if error.to_string() == refused.to_string() => Err(refused),
            result => {
                self.push(host, address, refused);
                result
            }
        }
    }

    fn push(&mut self, host: &Host, address: &Address, error: Error) {
        let hint = password_hint(self.config(), host, &error);
        self.failed.push(ConnectFailure { place: address.to_string(), error, hint });
    }
}

fn is_random(config: &Config) -> bool {
    config.load_balance_hosts == LoadBalanceHosts::Random
}

/// What to try first, and what to try where the server refuses that (libpq documentation, `sslmode`).
fn order(sslmode: SslMode, address: &Address) -> (Encryption, Option<Encryption>) {
    match (address, sslmode) {
        (Address::Socket { .. }, _) | (_, SslMode::Disable) => (Encryption::None, None),
        // Built without TLS: conninfo has refused whatever insists on it.
        _ if !cfg!(feature = "tls") => (Encryption::None, None),
        (_, SslMode::Allow) => (Encryption::None, Some(Encryption::Tls)),
        (_, SslMode::Prefer) => (Encryption::Tls, Some(Encryption::None)),
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => (Encryption::Tls, None),
    }
}

/// A password file that was ignored, or a wrong password from one that nobody thinks of any more.
fn password_hint(config: &Config, host: &Host, error: &Error) -> Option<String> {
    if matches!(error, Error::Conversation(proto::Error::PasswordNeeded { .. })) {
        return (!config.warnings.is_empty()).then(|| config.warnings.join("; "));
    }
    let file = config.passfile.as_ref()?;
    let is_from_file = config.password.is_none() && host.password.is_some();
    (is_from_file && error.sqlstate() == Some(INVALID_PASSWORD))
        .then(|| format!("password retrieved from file \"{}\"", file.to_string_lossy().escape_debug()))
}

/// What is tried next.
enum Next {
    Address,
    Host,
    Nothing,
}

fn after(error: &Error) -> Next {
    match error {
        error if error.sqlstate() == Some(CANNOT_CONNECT_NOW) => Next::Host,
        Error::Unsuitable(_) => Next::Host,
        Error::Conversation(_) => Next::Nothing,
        error if error.kind() == ErrorKind::Unavailable => Next::Address,
        _ => Next::Nothing,
    }
}

/// Whether the server says that it ends our session because it ends, or another process of it has crashed.
fn is_shutdown(error: &Error) -> bool {
    matches!(error.sqlstate(), Some(ADMIN_SHUTDOWN | CRASH_SHUTDOWN))
}

/// SQLSTATE `invalid_password`.
const INVALID_PASSWORD: &str = "28P01";

/// SQLSTATE `cannot_connect_now`.
const CANNOT_CONNECT_NOW: &str = "57P03";

/// SQLSTATE `admin_shutdown`.
const ADMIN_SHUTDOWN: &str = "57P01";

/// SQLSTATE `crash_shutdown`.
const CRASH_SHUTDOWN: &str = "57P02";
