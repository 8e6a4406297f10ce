//! From a configuration to a connection: every host, each of its addresses, encrypted or in the clear.

use super::attempt::{Encryption, Try};
use super::connection::Connection;
use super::deadline::Deadline;
use super::error::{Attempt, Attempts, Error};
use super::place::{self, Address};
use super::shuffle::shuffle;
use crate::conninfo::{Config, Host, LoadBalanceHosts, SslMode};
use crate::proto::session::Trace;
use crate::proto::{Fault, Statement};

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
    /// Who is told what a user should know of a connection that works all the same.
    pub warn: &'a dyn Fn(&str),
}

/// Connects to the first host that takes us, with `first` on its way as early as possible. Its answer
/// is read by [`Connection::next`], before the deadline that is returned.
///
/// The time of `connect_timeout` is given to each address; resolving a name is part of its first one's.
///
/// # Errors
/// Every attempt that failed. An address that can't be reached is followed by the next one, a server that
/// can't serve yet (SQLSTATE 57P03) by the next host; any other word of a server ends the list.
pub fn open<S>(request: &Request<'_>, first: S) -> Result<(Connection, Deadline), Attempts>
where
    S: Statement + Copy + Send + 'static,
{
    let mut one_try = Try::new(request);
    let mut failed = Vec::new();
    let mut hosts: Vec<&Host> = request.config.hosts.iter().collect();
    let is_random = request.config.load_balance_hosts == LoadBalanceHosts::Random;
    if is_random {
        shuffle(&mut hosts);
    }
    for host in hosts {
        let mut deadline = Deadline::after(request.config.connect_timeout);
        let mut addresses = match place::addresses(host, deadline) {
            Ok(addresses) => addresses,
            Err(error) => {
                failed.push(Attempt { place: place::describe(host), error, hint: None });
                continue;
            }
        };
        if is_random {
            shuffle(&mut addresses);
        }
        for address in addresses {
            let error = match one_address(&mut one_try, host, &address, first, deadline, &mut failed) {
                Ok(connection) => return Ok((connection, deadline)),
                Err(error) => error,
            };
            let next = after(&error);
            push(&mut failed, request.config, host, &address, error);
            match next {
                Next::Address => deadline = Deadline::after(request.config.connect_timeout),
                Next::Host => break,
                Next::Nothing => return Err(Attempts(failed)),
            }
        }
    }
    Err(Attempts(failed))
}

/// One address: as `sslmode` says first, and then the other way round where that is allowed.
fn one_address<S>(
    one_try: &mut Try<'_>,
    host: &Host,
    address: &Address,
    first: S,
    deadline: Deadline,
    failed: &mut Vec<Attempt>,
) -> Result<Connection, Error>
where
    S: Statement + Copy + Send + 'static,
{
    let config = one_try.request().config;
    let (encryption, other) = order(config.sslmode, address);
    let refused = match one_try.connect(host, address, encryption, Box::new(first), deadline) {
        Ok(connection) => return Ok(connection),
        Err(error) => error,
    };
    // Only a server that refuses this kind of connection is asked for the other one: not one that says "wrong
    // password", nor one whose certificate is wrong, or somebody in between could have us give up encryption.
    let Some(other) = other.filter(|_| refused.is_refusal()) else {
        return Err(refused);
    };
    if one_try.was_encrypted() == (other == Encryption::Tls) {
        return Err(refused);
    }
    match one_try.connect(host, address, other, Box::new(first), deadline) {
        // It was not the encryption that the server refused.
        Err(error) if error.to_string() == refused.to_string() => Err(refused),
        result => {
            push(failed, config, host, address, refused);
            result
        }
    }
}

/// What to try first, and what to try where the server refuses that (libpq documentation, `sslmode`).
fn order(sslmode: SslMode, address: &Address) -> (Encryption, Option<Encryption>) {
    match (address, sslmode) {
        (Address::Socket(_) | Address::Abstract(_), _) | (_, SslMode::Disable) => (Encryption::None, None),
        // Built without TLS: conninfo has refused whatever insists on it.
        _ if !cfg!(feature = "tls") => (Encryption::None, None),
        (_, SslMode::Allow) => (Encryption::None, Some(Encryption::Tls)),
        (_, SslMode::Prefer) => (Encryption::Tls, Some(Encryption::None)),
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => (Encryption::Tls, None),
    }
}

fn push(failed: &mut Vec<Attempt>, config: &Config, host: &Host, address: &Address, error: Error) {
    let hint = password_hint(config, host, &error);
    failed.push(Attempt { place: address.to_string(), error, hint });
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

/// SQLSTATE `invalid_password`.
const INVALID_PASSWORD: &str = "28P01";

/// SQLSTATE `cannot_connect_now`.
const CANNOT_CONNECT_NOW: &str = "57P03";
