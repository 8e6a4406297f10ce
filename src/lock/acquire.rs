//! From a request to a held lock, in one statement that also tells all we need to know of the server.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::{Error, UnsafeServer};
use super::guard::{Grant, Guard};
use super::holder::Holder;
use super::key::Key;
use super::request::LockRequest;
use super::sql::{self, Statement};
use crate::net::{self, ConnectOptions, Connection, Deadline, Moment, QueryError, Rejected};
use crate::proto::Query;
use crate::proto::Row;

/// What an attempt came to.
pub enum Outcome {
    /// The lock is ours for as long as the guard lives.
    Held(Box<Guard>),
    /// Someone else has it.
    Busy(Box<Contender>),
}

impl Outcome {
    /// Where the server is.
    #[must_use]
    pub fn server_address(&self) -> &str {
        match self {
            Self::Held(guard) => guard.server_address(),
            Self::Busy(contender) => contender.server_address(),
        }
    }
}

/// Connects and tries once to take the lock; the statement travels as early as the login allows. Of several hosts,
/// standbys are passed over, and servers that go away before they have answered. No attempt lasts longer than until
/// `limit`, or than `connect_timeout` says.
///
/// # Errors
/// No connection, no answer, or a server on which the lock would not exclude. Whatever was locked is given
/// back by closing the connection.
pub fn acquire(
    options: &ConnectOptions<'_>,
    request: &LockRequest,
    limit: Deadline,
) -> Result<Outcome, Error> {
    let query = Statement::Acquire(request.clone()).query();
    // It travels with the login, at some moment after this.
    let asked = Moment::now();
    net::connect(options, &query, limit, |connection, deadline| {
        let contender = Contender {
            connection,
            query: query.clone(),
            request: request.clone(),
            allows_pooler: options.allows_pooler(),
        };
        contender.first_answer(options, asked, deadline)
    })
}

/// Who could not have the lock, and may try again.
pub struct Contender {
    connection: Connection,
    query: Query,
    request: LockRequest,
    allows_pooler: bool,
}

impl Contender {
    /// Where the server is.
    #[must_use]
    pub fn server_address(&self) -> &str {
        self.connection.server_address()
    }

    /// Returns the sessions that hold the lock or any of its slots, each once, as far as we may see; one round trip.
    ///
    /// # Errors
    /// No answer.
    pub fn holders(&mut self) -> Result<Vec<Holder>, QueryError> {
        let query = Statement::Holders(Some(self.request.keys().collect())).query();
        let mut holders = self.connection.run(&query, Deadline::after(COURTESY_TIMEOUT), Holder::read)?;
        let mut known = BTreeSet::new();
        holders.retain(|holder| holder.is_granted && holder.pid.is_none_or(|pid| known.insert(pid)));
        Ok(holders)
    }

    /// Listens to the server for so long, then tries once more; one round trip, for which the server has no longer than
    /// `patience`. Nothing is held in between, neither a transaction nor a snapshot: a waiter inside `pg_advisory_lock` would have
    /// one, for which `CREATE INDEX CONCURRENTLY` of the holder waits.
    ///
    /// # Errors
    /// The connection is lost, or the server has become one on which the lock would not exclude.
    pub fn retry(mut self, pause: Duration, patience: Option<Duration>) -> Result<Outcome, Error> {
        match self.try_again(pause, patience) {
            Ok((row, asked)) => self.judge(&row, asked),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn try_again(
        &mut self,
        pause: Duration,
        patience: Option<Duration>,
    ) -> Result<(AcquireRow, Moment), QueryError> {
        self.connection.listen(Deadline::after(pause))?;
        let asked = Moment::now();
        self.connection.send(&self.query)?;
        let request = &self.request;
        let deadline = Deadline::after(ANSWER_TIMEOUT).or(Deadline::after(patience));
        let row = self.connection.answer_row(deadline, |row| AcquireRow::read(row, request))?;
        Ok((row, asked))
    }

    /// Gives up.
    pub fn close(self) {
        self.connection.close();
    }

    /// Reads the answer to the statement that came along with the login.
    fn first_answer(
        mut self,
        options: &ConnectOptions<'_>,
        asked: Moment,
        deadline: Deadline,
    ) -> Result<Outcome, Rejected<Error>> {
        let mut has_begun = false;
        let request = &self.request;
        let answer = self.connection.answer_row(deadline, |row| {
            has_begun = true;
            AcquireRow::read(row, request)
        });
        let row = answer.as_ref().ok();
        let server = self.connection.server();
        let suits = options.check_session(
            server,
            row.map(|row| row.is_standby),
            row.and_then(|row| row.is_read_only),
        );
        match (answer, suits) {
            (Ok(row), Ok(())) => self.judge(&row, asked).map_err(Rejected::Stop),
            (answer, Err(error)) => {
                self.leave(answer.ok().as_ref());
                Err(Rejected::PassOver(error))
            }
            (Err(error), Ok(())) => {
                let error = net::Error::from(error);
                // Once the server has begun to tell of the lock, it is no connection any more that has failed.
                if !has_begun && error.is_of_this_server() {
                    self.connection.close();
                    return Err(Rejected::PassOver(error));
                }
                Err(Rejected::Stop(self.failed(error)))
            }
        }
    }

    fn judge(self, row: &AcquireRow, asked: Moment) -> Result<Outcome, Error> {
        if let Some(reason) = self.unsafe_server(row) {
            let server_address = self.server_address().to_owned();
            let reason = match (reason, self.leave(Some(row))) {
                (UnsafeServer::Pooler, false) => UnsafeServer::PoolerKeeps(row.pid),
                (reason, _) => reason,
            };
            return Err(Error::Unsafe { server_address, reason });
        }
        let Some(Granted { key, slot, token }) = row.granted else {
            return Ok(Outcome::Busy(Box::new(self)));
        };
        let mode = self.request.mode();
        let grant = Grant { key, mode, slot, backend_pid: row.pid, token };
        Ok(Outcome::Held(Box::new(Guard::new(self.connection, grant, asked))))
    }

    fn unsafe_server(&self, row: &AcquireRow) -> Option<UnsafeServer> {
        if self.connection.server().is_cockroach {
            Some(UnsafeServer::Cockroach)
        } else if row.is_standby {
            Some(UnsafeServer::Standby)
        } else if self.is_pooled(row) && !self.allows_pooler {
            Some(UnsafeServer::Pooler)
        } else {
            None
        }
    }

    fn is_pooled(&self, row: &AcquireRow) -> bool {
        self.connection.server().pid != Some(row.pid)
    }

    /// Leaves a server that will not do; tells whether nothing of ours stays there. A pooler keeps its session to the
    /// server, and the lock with it, when we leave; a server does not.
    fn leave(mut self, row: Option<&AcquireRow>) -> bool {
        let is_given_back = match row {
            Some(row @ AcquireRow { granted: Some(granted), .. }) if self.is_pooled(row) => {
                // It may ask another session each time, so only one that says that it held the lock has given it back.
                (0..GIVE_BACK_TRIES).map_while(|_| self.give_back(granted.key).ok()).any(|was_held| was_held)
            }
            _ => true,
        };
        self.connection.close();
        is_given_back
    }

    fn give_back(&mut self, key: Key) -> Result<bool, QueryError> {
        self.connection.send(&Statement::Release(key, self.request.mode()).query())?;
        self.connection.answer_row(Deadline::after(GIVE_BACK_TIMEOUT), |row| row.flag(sql::release::WAS_HELD))
    }

    fn failed(&self, error: impl Into<net::Error>) -> Error {
        Error::Acquiring { server_address: self.server_address().to_owned(), error: error.into() }
    }
}

/// The row that answers [`Statement::Acquire`].
struct AcquireRow {
    pid: i32,
    is_standby: bool,
    /// Whether the session's transactions can't write; only looked at where the server has not reported it by itself.
    is_read_only: Option<bool>,
    granted: Option<Granted>,
}

#[derive(Clone, Copy)]
struct Granted {
    key: Key,
    slot: u16,
    token: u64,
}

impl AcquireRow {
    fn read(row: &Row, request: &LockRequest) -> Option<Self> {
        let granted = match row.parse(sql::acquire::SLOT)? {
            0 => None,
            slot => Some(Granted { key: request.key(slot)?, slot, token: row.parse(sql::acquire::TOKEN)? }),
        };
        Some(Self {
            pid: row.parse(sql::acquire::PID)?,
            is_standby: row.flag(sql::acquire::STANDBY)?,
            is_read_only: row.text(sql::acquire::READ_ONLY).map(|text| text == "on"),
            granted,
        })
    }
}

/// A pooler that is not busy asks the session that it has asked last.
const GIVE_BACK_TRIES: u32 = 10;

/// As long as for any release.
const GIVE_BACK_TIMEOUT: Duration = Duration::from_secs(5);

/// No one waits longer to be told who it is.
const COURTESY_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than any healthy server takes, and as long as a login may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
