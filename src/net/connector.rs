//! From a configuration to a session: every host, each of its addresses, encrypted or in the clear.

use super::address::{self, Address};
use super::connection::Connection;
use super::deadline::Deadline;
use super::error::{CANNOT_CONNECT_NOW, ConnectFailure, ConnectFailures, Error, Phase};
use super::handshake::{Encryption, Handshake};
use super::options::ConnectOptions;
use super::shuffle::shuffle;
use crate::conninfo::{Config, Host, LoadBalanceHosts, SslCertMode, SslMode, SslNegotiation};
use crate::proto::{self, ErrorKind, Query};

/// Why a server that has logged us in is rejected.
pub(crate) enum Rejected<E> {
    /// Another host may do better.
    PassOver(Error),
    /// No other host is to be tried.
    Stop(E),
}

/// Connects to one host after the other, in random order where `load_balance_hosts` asks for it, until one logs us in and
/// `judge` accepts it.
///
/// `first` is sent as early as possible; the judge reads its answer, and closes the connection where it rejects it.
/// The time of `connect_timeout` is given to each address, from resolving its name to the judge's verdict; but no more than
/// its share of what is left until `limit`, since one that is silent would leave nothing to those that follow.
///
/// # Errors
/// Every attempt that failed, and what has stopped the judge then. An address that can't be reached is followed by the next one, a
/// server that can't serve yet (SQLSTATE 57P03) by the next host; any other error that a server sends at login ends the
/// list.
pub(crate) fn connect<T, E: From<(ConnectFailures, Option<E>)>>(
    options: &ConnectOptions<'_>,
    first: &Query,
    limit: Deadline,
    judge: impl FnMut(Connection, Deadline) -> Result<T, Rejected<E>>,
) -> Result<T, E> {
    let config = options.config();
    let mut hosts: Vec<&Host> = config.hosts.iter().collect();
    if is_random(config) {
        shuffle(&mut hosts);
    }
    let handshake = Handshake::new(options, first);
    if let Some(failure) = mistake(&hosts, &handshake) {
        return Err((ConnectFailures(vec![failure]), None).into());
    }
    let mut connector = Connector { config, handshake, limit, judge, failures: Vec::new() };
    let mut stopped = None;
    for (later, host) in (0..hosts.len()).rev().zip(hosts) {
        match connector.try_host(host, later) {
            Ok(session) => return Ok(session),
            Err(Next::Address | Next::Host) => {}
            Err(Next::Nothing) => break,
            Err(Next::Stop(error)) => {
                stopped = Some(error);
                break;
            }
        }
    }
    Err((ConnectFailures(connector.failures), stopped).into())
}

/// What is wrong with one of the hosts, whether it is there or not: it is told at once, and not on the day of a failover.
fn mistake(hosts: &[&Host], handshake: &Handshake<'_>) -> Option<ConnectFailure> {
    let failure = |server_address, error| ConnectFailure { server_address, error, hint: None };
    // A field that anyone can have emptied.
    if hosts.is_empty() {
        let error = Error::Unusable("there is no host in hosts".to_owned());
        return Some(failure("of no name".to_owned(), error));
    }
    hosts.iter().find_map(|host| Some(failure(address::describe(host), handshake.check(host).err()?)))
}

struct Connector<'a, J> {
    config: &'a Config,
    handshake: Handshake<'a>,
    limit: Deadline,
    judge: J,
    failures: Vec<ConnectFailure>,
}

/// What is tried next.
enum Next<E> {
    Address,
    Host,
    Nothing,
    Stop(E),
}

impl<T, E, J: FnMut(Connection, Deadline) -> Result<T, Rejected<E>>> Connector<'_, J> {
    /// One host, which so many follow: each of its addresses, until one answers.
    fn try_host(&mut self, host: &Host, later: usize) -> Result<T, Next<E>> {
        let mut deadline = self.deadline(later);
        let addresses = self.check_limit().and_then(|()| address::addresses(host, deadline));
        let mut addresses = addresses.map_err(|error| {
            self.failures.push(ConnectFailure { server_address: address::describe(host), error, hint: None });
            Next::Host
        })?;
        if is_random(self.config) {
            shuffle(&mut addresses);
        }
        for (more, address) in (later..later + addresses.len()).rev().zip(addresses) {
            match self.try_address(host, &address, deadline.earlier(self.share(more))) {
                Err(Next::Address) => deadline = self.deadline(later),
                result => return result,
            }
        }
        Err(Next::Host)
    }

    /// By when what is followed by so many others must be over.
    fn deadline(&self, more: usize) -> Deadline {
        Deadline::after(self.config.connect_timeout).earlier(self.share(more))
    }

    fn share(&self, more: usize) -> Deadline {
        let parts = u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1);
        Deadline::after(self.limit.left().map(|left| left / parts))
    }

    fn check_limit(&self) -> Result<(), Error> {
        self.limit.during(Phase::Begin).check()
    }

    fn try_address(&mut self, host: &Host, address: &Address, deadline: Deadline) -> Result<T, Next<E>> {
        let (error, next) = match self.log_in(host, address, deadline) {
            Ok(connection) => match (self.judge)(connection, deadline) {
                Ok(session) => return Ok(session),
                Err(Rejected::Stop(error)) => return Err(Next::Stop(error)),
                Err(Rejected::PassOver(error)) => (error, Next::Host),
            },
            Err(error) => {
                let next = after(&error);
                (error, next)
            }
        };
        self.push(host, address, error);
        Err(next)
    }

    /// One address: first as `sslmode` prefers, then the other way round where that is allowed.
    fn log_in(&mut self, host: &Host, address: &Address, deadline: Deadline) -> Result<Connection, Error> {
        self.check_limit()?;
        let (encryption, other) = order(self.config, address);
        let refused = match self.handshake.connect(host, address, encryption, deadline) {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        // Only a server that refuses this kind of connection is asked for the other one: not one that says "wrong
        // password", nor one whose certificate is wrong, or a man in the middle could have us give up encryption.
        let Some(other) = other.filter(|_| refused.is_refusal()) else {
            return Err(refused);
        };
        if self.handshake.was_encrypted() == (other == Encryption::Tls) {
            return Err(refused);
        }
        match self.handshake.connect(host, address, other, deadline) {
            // It was not the encryption that the server refused.
            Err(error) if error.to_string() == refused.to_string() => Err(refused),
            result => {
                self.push(host, address, refused);
                result
            }
        }
    }

    fn push(&mut self, host: &Host, address: &Address, error: Error) {
        let hint = password_hint(self.config, host, &error).or_else(|| direct_hint(self.config, &error));
        self.failures.push(ConnectFailure { server_address: address.to_string(), error, hint });
    }
}

/// What follows an error at login.
fn after<E>(error: &Error) -> Next<E> {
    match error {
        error if error.sqlstate() == Some(CANNOT_CONNECT_NOW) => Next::Host,
        Error::Conversation(_) => Next::Nothing,
        error if error.kind() == ErrorKind::Unavailable => Next::Address,
        _ => Next::Nothing,
    }
}

fn is_random(config: &Config) -> bool {
    config.load_balance_hosts == LoadBalanceHosts::Random
}

/// What to try first, and what to try where the server refuses that (libpq documentation, `sslmode`).
fn order(config: &Config, address: &Address) -> (Encryption, Option<Encryption>) {
    match (address, config.sslmode) {
        (Address::Socket { .. }, _) | (_, SslMode::Disable) => (Encryption::None, None),
        // Only in TLS can a server ask for a certificate.
        _ if config.sslcertmode == SslCertMode::Require => (Encryption::Tls, None),
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => (Encryption::Tls, None),
        // Built without TLS.
        _ if !cfg!(feature = "tls") => (Encryption::None, None),
        (_, SslMode::Allow) => (Encryption::None, Some(Encryption::Tls)),
        (_, SslMode::Prefer) => (Encryption::Tls, Some(Encryption::None)),
    }
}

/// Says what a server does that takes the beginning of TLS for that of its own protocol.
fn direct_hint(config: &Config, error: &Error) -> Option<String> {
    let is_closed = matches!(error, Error::Closed(Phase::TlsHandshake) | Error::Reset(Phase::TlsHandshake));
    (is_closed && config.sslnegotiation == SslNegotiation::Direct).then(|| {
        "a server before PostgreSQL 17, or one without TLS, does not know sslnegotiation=direct".to_owned()
    })
}

/// Names a password file that was ignored, or that had no password or the wrong one.
fn password_hint(config: &Config, host: &Host, error: &Error) -> Option<String> {
    let is_needed = matches!(error, Error::Conversation(proto::Error::PasswordNeeded { .. }));
    if is_needed && !config.warnings.is_empty() {
        return Some(config.warnings.join("; "));
    }
    let is_from_file = config.password.is_none() && host.password.is_some();
    let what = if is_needed {
        "no password for this host, port, database and user in file"
    } else if is_from_file && error.sqlstate() == Some(INVALID_PASSWORD) {
        "password retrieved from file"
    } else {
        return None;
    };
    let file = config.passfile.as_ref()?;
    let missing = if is_needed && !file.exists() { ", which is not there" } else { "" };
    Some(format!("{what} \"{}\"{missing}", file.to_string_lossy().escape_debug()))
}

/// SQLSTATE `invalid_password`.
const INVALID_PASSWORD: &str = "28P01";
