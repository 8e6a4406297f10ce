//! Whether a connection is good for locking: takes a probe lock, looks at all that matters to it, and gives it back.

use std::time::Duration;

use super::acquire::{Contender, Outcome, acquire};
use super::error::{Error, Lost};
use super::guard::{Guard, Polled, Release};
use super::half::ServersHalf;
use super::request::LockRequest;
use super::sql::{self, Statement};
use super::token::Sources;
use crate::net::{ConnectOptions, Deadline, Moment, QueryError};
use crate::proto::Row;
use crate::proto::text::printable;

/// What the probe has found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checked {
    /// Where the server is.
    pub server_address: String,
    /// Its `server_version`.
    pub version: Option<String>,
    /// The version and the cipher of TLS; `None` where the connection is not encrypted.
    pub encryption: Option<String>,
    /// What was verified of the server, and by what; `None` where nothing was.
    pub verified: Option<String>,
    /// How it had us prove who we are; `None` where it did not ask.
    pub login: Option<&'static str>,
    /// Whether a pooler is in between.
    pub is_pooled: bool,
    /// Whether the connection is a Unix socket, which no network can break.
    pub is_local: bool,
    /// How long the server takes to answer an empty query: the shortest of some.
    pub round_trip: Duration,
    /// What has the server free the lock of a client that has vanished.
    pub servers_half: ServersHalf,
    /// What keeps the server's half of the lease from being in force, if anything does.
    pub not_in_force: Option<String>,
    /// Settings of the role, the database or the server that would matter to a session that holds a lock, as `name=value`.
    pub settings: Vec<String>,
    /// The fencing token that was drawn.
    pub token: u64,
    /// What it was drawn from.
    pub token_sources: Sources,
    /// Which cluster the token is of, if the role may know.
    pub system_identifier: Option<u64>,
}

/// Takes the lock, looks, and gives the lock back. `Err` within is a contender for a lock that is held elsewhere.
///
/// # Errors
/// As [`acquire`]; also where the session or the lock is lost while it is looked at.
pub fn check(
    options: &ConnectOptions<'_>,
    request: &LockRequest,
    lease: Duration,
) -> Result<Result<Checked, Box<Contender>>, Error> {
    let mut guard = match acquire(options, request, Deadline::after(None))? {
        Outcome::Held(guard) => guard,
        Outcome::Busy(contender) => return Ok(Err(contender)),
    };
    let checked = look(&mut guard, lease)?;
    match guard.release() {
        Release::Confirmed => Ok(Ok(checked)),
        Release::NotHeld => Err(Error::Lost(Lost::Closed)),
        Release::Unconfirmed(lost) => Err(Error::Lost(lost)),
    }
}

fn look(guard: &mut Guard, lease: Duration) -> Result<Checked, Error> {
    let server_address = guard.server_address().to_owned();
    let failed =
        |error: QueryError| Error::Acquiring { server_address: server_address.clone(), error: error.into() };
    let round_trip = round_trip(guard).map_err(failed)?;
    let deadline = Deadline::after(ANSWER_TIMEOUT);
    let settings =
        guard.connection().run(&Statement::RoleSettings.query(), deadline, setting).map_err(failed)?;
    guard.start_heartbeat(lease).map_err(Error::Lost)?;
    let rows = guard.connection().answer(deadline, |row| Some(row.clone()));
    let not_in_force = match rows {
        Ok(rows) => not_in_force(guard, &rows).map_err(Error::Lost)?,
        Err(QueryError::Failed(message)) => Some(message.to_string()),
        Err(error) => return Err(failed(error)),
    };
    let is_pooled = guard.is_pooled();
    let servers_half = guard.servers_half().clone();
    let (token, token_sources, system_identifier) =
        (guard.token(), guard.token_sources(), guard.system_identifier());
    let connection = guard.connection();
    Ok(Checked {
        version: connection.server().version.clone(),
        encryption: connection.encryption(),
        verified: connection.verified().map(str::to_owned),
        login: connection.server().login,
        is_local: connection.is_local(),
        server_address: server_address.clone(),
        is_pooled,
        round_trip,
        servers_half,
        not_in_force,
        settings,
        token,
        token_sources,
        system_identifier,
    })
}

fn round_trip(guard: &mut Guard) -> Result<Duration, QueryError> {
    let mut shortest = Duration::MAX;
    for _ in 0..PROBES {
        let asked = Moment::now();
        guard
            .connection()
            .run(&Statement::Ping(None).query(), Deadline::after(ANSWER_TIMEOUT), |_| None::<()>)?;
        shortest = shortest.min(Moment::now().since(asked));
    }
    Ok(shortest)
}

fn not_in_force(guard: &mut Guard, rows: &[Row]) -> Result<Option<String>, Lost> {
    let mut found = None;
    for row in rows {
        if let Polled::NotInForce(what) = guard.read_settings(row)? {
            found = Some(what);
        }
    }
    Ok(found)
}

fn setting(row: &Row) -> Option<String> {
    let text = |column| Some(printable(row.text(column)?.as_bytes()));
    let unit = text(sql::role_settings::UNIT).unwrap_or_default();
    Some(format!("{}={}{unit}", text(sql::role_settings::NAME)?, text(sql::role_settings::VALUE)?))
}

/// Few enough for no one to wait, and enough for one that nothing has disturbed.
const PROBES: u32 = 3;

/// As long as for any answer of a server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
