//! Lists who holds locks and who waits for them: once, or again and again in one session.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::error::{Error, UnsafeServer};
use super::holder::{Holder, in_line};
#[cfg(feature = "cli")]
use super::key::Key;
use super::line::Line;
use super::request::{LockRequest, Mode};
use super::sql::{self, Statement};
use crate::net::{self, ConnectOptions, Connection, Deadline, QueryError, Rejected};

/// Connects and lists the sessions that hold or want the keys of this request, or any advisory lock of this database: of each
/// lock its holders, then its heir, then others who wait for it.
///
/// # Errors
/// No connection or no answer, or a server on which no lock would exclude, as for [`acquire`](super::acquire): its list would
/// not be that of the locks.
pub fn list(
    options: &ConnectOptions<'_>,
    request: Option<&LockRequest>,
    limit: Deadline,
) -> Result<Vec<Holder>, Error> {
    let (lister, holders) = Lister::connect(options, request, limit)?;
    lister.close();
    Ok(holders)
}

/// A session in which locks are listed again and again.
pub struct Lister {
    connection: Connection,
    request: Option<LockRequest>,
    allows_pooler: bool,
}

impl Lister {
    /// Connects, and lists for the first time, as [`list`].
    ///
    /// # Errors
    /// As [`list`].
    pub fn connect(
        options: &ConnectOptions<'_>,
        request: Option<&LockRequest>,
        limit: Deadline,
    ) -> Result<(Self, Vec<Holder>), Error> {
        net::connect(options, &statement(request).query(), limit, |connection, deadline| {
            let allows_pooler = options.allows_pooler();
            let mut lister = Self { connection, request: request.cloned(), allows_pooler };
            match lister.first_answer(options, deadline) {
                Ok(holders) => Ok((lister, holders)),
                Err(rejected) => {
                    lister.close();
                    Err(rejected)
                }
            }
        })
    }

    /// Lists again; one round trip.
    ///
    /// # Errors
    /// The session has ended, or the server has become one on which no lock would exclude.
    pub fn again(&mut self) -> Result<Vec<Holder>, Error> {
        self.connection.ask(&statement(self.request.as_ref()).query());
        let answer = self.answer(Deadline::after(ANSWER_TIMEOUT)).map_err(|error| self.failed(error))?;
        self.judge(answer)
    }

    /// Takes what the server has sent unasked, without waiting; to be called when the descriptor is readable.
    ///
    /// # Errors
    /// The session has ended.
    pub fn poll(&mut self) -> Result<(), Error> {
        self.connection.listen(Deadline::after(Duration::ZERO)).map_err(|error| self.failed(error))
    }

    /// Returns the sessions that hold or want these keys too.
    ///
    /// # Errors
    /// No answer.
    #[cfg(feature = "cli")]
    pub(crate) fn others(&mut self, keys: Vec<Key>) -> Result<Vec<Holder>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let query = Statement::Holders(keys).query();
        let answer = self.connection.run(&query, Deadline::after(ANSWER_TIMEOUT), Holder::read);
        answer.map_err(|error| self.failed(error))
    }

    /// The session, for who has more to ask in it.
    #[cfg(feature = "cli")]
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Where the server is.
    #[must_use]
    pub fn server_address(&self) -> &str {
        self.connection.server_address()
    }

    /// Ends the session.
    pub fn close(self) {
        self.connection.close();
    }

    fn first_answer(
        &mut self,
        options: &ConnectOptions<'_>,
        deadline: Deadline,
    ) -> Result<Vec<Holder>, Rejected<Error>> {
        options.check_session(self.connection.server(), None, None).map_err(Rejected::PassOver)?;
        if let Some(reason) = UnsafeServer::reported(self.connection.server()) {
            // It need not even know what the statement names.
            return Err(Rejected::Stop(self.refused(reason)));
        }
        let answer = self.answer(deadline).map_err(|error| Rejected::Stop(self.failed(error)))?;
        let is_standby = Some(answer.is_standby);
        options.check_session(self.connection.server(), is_standby, None).map_err(Rejected::PassOver)?;
        self.judge(answer).map_err(Rejected::Stop)
    }

    fn answer(&mut self, deadline: Deadline) -> Result<Answer, QueryError> {
        let mut server = None;
        let sessions = self.connection.answer(deadline, |row| match server {
            None => {
                let pid: i32 = row.parse(sql::acquire::PID)?;
                server = Some((pid, row.flag(sql::acquire::STANDBY)?));
                Some(None)
            }
            Some(_) => Holder::read(row).map(Some),
        })?;
        let sessions = sessions.into_iter().flatten().collect();
        let (pid, is_standby) = server.unzip();
        Ok(Answer { pid, is_standby: is_standby.unwrap_or(false), sessions })
    }

    fn judge(&self, answer: Answer) -> Result<Vec<Holder>, Error> {
        if answer.is_standby {
            return Err(self.refused(UnsafeServer::Standby));
        }
        if self.connection.server().pid != answer.pid && !self.allows_pooler {
            return Err(self.refused(UnsafeServer::Pooler));
        }
        Ok(in_line(answer.sessions, self.request.as_ref()))
    }

    pub(super) fn failed(&self, error: impl Into<net::Error>) -> Error {
        Error::Listing { server_address: self.server_address().to_owned(), error: error.into() }
    }

    fn refused(&self, reason: UnsafeServer) -> Error {
        Error::Unsafe { server_address: self.server_address().to_owned(), reason }
    }
}

impl fmt::Debug for Lister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lister").field("server_address", &self.server_address()).finish_non_exhaustive()
    }
}

impl AsFd for Lister {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

/// What the server has answered.
struct Answer {
    /// Its process.
    pid: Option<i32>,
    is_standby: bool,
    sessions: Vec<Holder>,
}

/// Asks for those who hold or want the keys, the line's among them.
fn statement(request: Option<&LockRequest>) -> Statement {
    Statement::List(request.map(|request| {
        let line = Line::of(request);
        request
            .keys()
            .chain([line.heir].into_iter().chain(Mode::ALL.map(|mode| line.waiters(mode))))
            .collect()
    }))
}

/// How long a server may take to answer: as for an attempt at a lock.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
