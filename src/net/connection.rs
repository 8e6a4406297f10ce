//! A session over a stream: sends and receives as the session asks for, and waits where it must.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::PollFlags;
use rustix::net::{Shutdown, shutdown};

use super::address::Address;
use super::deadline::Deadline;
use super::ends::Ends;
use super::error::{Error, Phase};
use super::moment::Moment;
use super::socket::Received;
use super::stream::Stream;
use crate::proto::{self, Query, Row, Server, ServerMessage, Session, Stage, Step, Transaction};

/// A session over a stream.
pub(crate) struct Connection {
    stream: Stream,
    session: Session,
    server_address: String,
    began: Moment,
    is_local: bool,
    /// What was verified of the server, and by what.
    verified: Option<String>,
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The query has failed; the session can run the next one.
    #[error("{0}")]
    Failed(Box<ServerMessage>),
    /// The session has ended, or can't be used any more.
    #[error(transparent)]
    Ended(#[from] Error),
}

impl Connection {
    /// Logs in; the first query is sent as early as the login allows.
    pub(super) fn log_in(
        stream: Stream,
        session: Session,
        address: &Address,
        verified: Option<String>,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let mut connection = Self {
            stream,
            session,
            server_address: address.to_string(),
            began: Moment::now(),
            is_local: matches!(address, Address::Socket { .. }),
            verified,
        };
        while connection.next(deadline.during(Phase::LogIn))? != Step::Ready {}
        Ok(connection)
    }

    /// Runs a query and reads its answer, as [`Connection::answer`] does.
    ///
    /// # Errors
    /// As [`Connection::answer`].
    pub(crate) fn run<T>(
        &mut self,
        query: &Query,
        deadline: Deadline,
        read: impl FnMut(&Row) -> Option<T>,
    ) -> Result<Vec<T>, QueryError> {
        self.ask(query);
        self.answer(deadline, read)
    }

    /// Has a query sent by the next call that waits, as [`Connection::answer`] does: a long one may not go without waiting.
    pub(crate) fn ask(&mut self, query: &Query) {
        self.session.query(query);
    }

    /// Reads the answer to the query that was sent last; those to earlier ones come before it, and are dropped.
    ///
    /// # Errors
    /// The query has failed, the session has ended, `read` can't read a row, or the rows take too much memory.
    pub(crate) fn answer<T>(
        &mut self,
        deadline: Deadline,
        mut read: impl FnMut(&Row) -> Option<T>,
    ) -> Result<Vec<T>, QueryError> {
        let deadline = deadline.during(Phase::Query);
        let mut rows = Vec::new();
        let mut size = 0;
        let mut failed = None;
        loop {
            let is_last = self.session.unanswered() == 1;
            match self.next(deadline)? {
                Step::Row(row) if is_last => {
                    size += row.size() + mem::size_of::<T>();
                    if size > MAX_ANSWER {
                        return Err(Error::from(proto::Error::LongAnswer { most: MAX_ANSWER }).into());
                    }
                    rows.push(read(&row).ok_or_else(|| unexpected("DataRow"))?);
                }
                Step::Failed(message) if is_last => failed = Some(message),
                Step::Ready if self.session.unanswered() == 0 => {
                    return failed.map_or(Ok(rows), |message| Err(QueryError::Failed(message)));
                }
                _ => {}
            }
        }
    }

    /// As [`Connection::answer`], of a query that is answered by one row.
    ///
    /// # Errors
    /// As [`Connection::answer`]; also any other number of rows.
    pub(crate) fn answer_row<T>(
        &mut self,
        deadline: Deadline,
        read: impl FnMut(&Row) -> Option<T>,
    ) -> Result<T, QueryError> {
        let mut rows = self.answer(deadline, read)?;
        match (rows.pop(), rows.is_empty()) {
            (Some(row), true) => Ok(row),
            (Some(_), false) => Err(unexpected("second DataRow").into()),
            (None, _) => Err(unexpected("ReadyForQuery without a row").into()),
        }
    }

    /// Sends a query, as far as that goes without waiting; [`Connection::poll`] returns what comes in answer.
    ///
    /// # Errors
    /// The server takes no more bytes, or the connection is broken.
    pub(crate) fn send(&mut self, query: &Query) -> Result<(), Error> {
        self.session.query(query);
        self.flush()
    }

    /// Returns what the server has sent already, without waiting for more. Reads once at the most, so that a server that
    /// never stops sending can't keep us here.
    ///
    /// # Errors
    /// The end of the connection, and whatever the conversation comes to.
    pub(crate) fn poll(&mut self) -> Result<Option<Step>, Error> {
        self.step(Deadline::now(Phase::Send))
    }

    /// Whether every query has been answered.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        self.unanswered() == 0
    }

    /// Returns how many queries are not answered yet, the one included whose answer is being read.
    #[must_use]
    pub(crate) fn unanswered(&self) -> usize {
        self.session.unanswered()
    }

    /// Returns whether the last query that was answered has left a transaction open.
    #[must_use]
    pub(crate) fn transaction(&self) -> Transaction {
        self.session.transaction()
    }

    /// Waits until the deadline while no query is running.
    ///
    /// # Errors
    /// The end of the connection, and whatever the conversation comes to.
    pub(crate) fn listen(&mut self, deadline: Deadline) -> Result<(), Error> {
        loop {
            match self.next(deadline.during(Phase::Idle)) {
                Err(Error::TimedOut(_)) => return Ok(()),
                Err(error) => return Err(error),
                // A notice.
                Ok(_) => {}
            }
        }
    }

    /// Sends Terminate, as far as that goes at once, and ends the connection also for those who have inherited it.
    pub(crate) fn close(mut self) {
        self.session.terminate();
        // Best effort, without waiting: the end of the connection ends the session too.
        let _ = self.flush();
        let _ = shutdown(&self.stream, Shutdown::Both);
    }

    /// Returns what the server has reported.
    #[must_use]
    pub(crate) fn server(&self) -> &Server {
        self.session.server()
    }

    /// Returns where the server is, such as `at "db" (10.0.0.1), port 5432`.
    #[must_use]
    pub(crate) fn server_address(&self) -> &str {
        &self.server_address
    }

    /// Returns when the login began, with which the first query travels: no server has seen any of it before.
    #[must_use]
    pub(crate) fn began(&self) -> Moment {
        self.began
    }

    /// Returns the ends of the TCP connection; `None` for a Unix socket.
    pub(crate) fn ends(&self) -> Option<Ends> {
        Ends::of_socket(&self.stream)
    }

    /// Whether this is a Unix socket, with no network in between.
    #[must_use]
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// What was verified of the server, and by what; `None` where nothing was.
    pub(crate) fn verified(&self) -> Option<&str> {
        self.verified.as_deref()
    }

    /// The version and the cipher of TLS, where there is TLS.
    pub(crate) fn encryption(&self) -> Option<String> {
        self.stream.encryption()
    }

    /// Waits for the next thing that the server sends: never [`Step::Send`] or [`Step::Receive`].
    fn next(&mut self, deadline: Deadline) -> Result<Step, Error> {
        loop {
            // Also while there is something to read: a server that never stops sending gets no more time.
            deadline.check()?;
            if let Some(step) = self.step(deadline).map_err(|error| deadline.reset(error))? {
                return Ok(step);
            }
            deadline.wait(&self.stream, PollFlags::IN)?;
        }
    }

    /// As [`Connection::poll`]; only sending waits, until the deadline.
    fn step(&mut self, deadline: Deadline) -> Result<Option<Step>, Error> {
        let mut has_read = false;
        loop {
            match self.session.poll()? {
                Step::Send(bytes) => self.stream.send(&bytes, deadline)?,
                Step::Receive if self.stream.has_ended() => return Err(deadline.closed()),
                Step::Receive if mem::replace(&mut has_read, true) => return Ok(None),
                Step::Receive => {
                    let session = &mut self.session;
                    match self.stream.receive(&mut |bytes| session.receive(bytes))? {
                        Received::Some => {}
                        Received::Nothing => return Ok(None),
                        Received::End => return Err(deadline.closed()),
                    }
                }
                step => return Ok(Some(step)),
            }
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        match self.session.take_outgoing() {
            Some(bytes) => self.stream.send(&bytes, Deadline::now(Phase::Send)),
            None => Ok(()),
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The same, where the difference does not matter.
impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Failed(message) => proto::Error::Server { message, stage: Stage::Session }.into(),
            QueryError::Ended(error) => error,
        }
    }
}

/// The error for an answer that is not what was asked for.
fn unexpected(message: &str) -> Error {
    proto::Error::Unexpected { message: message.to_owned(), during: "in answer to a query" }.into()
}

/// The most memory that the rows of one answer may take: some 20,000 locks with their holders, which is three times as many
/// as PostgreSQL has room for by default.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
