//! A conversation with a server over a stream: it does what the session says, and waits where it must.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::net::{Shutdown, shutdown};

use super::deadline::Deadline;
use super::error::Error;
use super::stream::{Received, Stream};
use crate::proto::{Server, Session, Statement, Step};

/// A session over a stream.
pub struct Connection {
    stream: Stream,
    session: Session,
    place: String,
}

impl Connection {
    /// Logs in; what travels early is on its way before the answer.
    pub(super) fn log_in(
        stream: Stream,
        session: Session,
        place: String,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let mut connection = Self { stream, session, place };
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
            deadline.wait(&self.stream, PollFlags::IN)?;
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
                Step::Send(bytes) => self.stream.send(&bytes, deadline, waiting)?,
                Step::Receive if self.stream.has_ended() => return Err(Error::Closed(waiting)),
                Step::Receive if has_read => return Ok(None),
                Step::Receive => {
                    has_read = true;
                    let session = &mut self.session;
                    match self.stream.receive(&mut |bytes| session.receive(bytes))? {
                        Received::Some => {}
                        Received::Nothing => return Ok(None),
                        Received::End => return Err(Error::Closed(waiting)),
                    }
                }
                step => return Ok(Some(step)),
            }
        }
    }

    /// Listens until the deadline to a server that has nothing to say.
    ///
    /// # Errors
    /// The end of the connection, and whatever the conversation comes to.
    pub fn listen(&mut self, deadline: Deadline) -> Result<(), Error> {
        loop {
            match self.next(deadline, "nothing") {
                Err(Error::TimedOut(_)) => return Ok(()),
                Err(error) => return Err(error),
                // A notice.
                Ok(_) => {}
            }
        }
    }

    /// Says a statement; its answer is read by [`Connection::next`].
    pub fn query(&mut self, statement: &dyn Statement) {
        self.session.query(statement);
    }

    /// Sends what was said and is not yet sent, before the deadline.
    ///
    /// # Errors
    /// As [`Connection::next`].
    pub fn flush(&mut self, deadline: Deadline, waiting: &'static str) -> Result<(), Error> {
        match self.session.take_outgoing() {
            Some(bytes) => self.stream.send(&bytes, deadline, waiting),
            None => Ok(()),
        }
    }

    /// Says goodbye, as far as that goes at once, and ends the connection also for those who have inherited it.
    pub fn close(mut self) {
        self.session.terminate();
        // Best effort, without waiting: the end of the connection ends the session too.
        let _ = self.flush(Deadline::after(Some(Duration::ZERO)), "a goodbye");
        let _ = shutdown(&self.stream, Shutdown::Both);
    }

    /// What the server has told of itself.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.session.server()
    }

    /// Where the server is, such as `at "db" (10.0.0.1), port 5432`.
    #[must_use]
    pub fn server_address(&self) -> &str {
        &self.place
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
