//! The held lock: it listens for its loss, and is given back with a confirmation.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::error::Lost;
use super::key::Key;
use super::sql::Statement;
use crate::net::{Connection, Deadline};
use crate::proto::{ServerMessage, Step};

/// A held lock. Dropping it closes the connection, and with that the server releases the lock.
pub struct Guard {
    connection: Connection,
    key: Key,
    backend_pid: i32,
    token: u64,
}

/// How giving back went.
#[derive(Debug)]
pub enum Release {
    /// The server has confirmed it: the next contender will find the lock free.
    Confirmed,
    /// The server says that it was not held any more.
    NotHeld,
    /// No confirmation came; the connection was closed, so the server will release the lock.
    Unconfirmed(Lost),
}

impl Guard {
    pub(super) fn new(connection: Connection, key: Key, backend_pid: i32, token: u64) -> Self {
        Self { connection, key, backend_pid, token }
    }

    /// The lock's key.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// The process id of the backend that holds the lock.
    #[must_use]
    pub fn backend_pid(&self) -> i32 {
        self.backend_pid
    }

    /// The server's `txid_current()`, drawn after the lock was granted: it grows from holder to holder.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Where the server is.
    #[must_use]
    pub fn place(&self) -> &str {
        self.connection.place()
    }

    /// Reads what the server has said unasked, without waiting, to be called when the descriptor is readable.
    /// Returns one notice at a time; `None` where nothing more is there.
    ///
    /// # Errors
    /// The lock is lost.
    pub fn heard(&mut self) -> Result<Option<ServerMessage>, Lost> {
        match self.connection.try_next(Deadline::after(Some(Duration::ZERO)), "nothing")? {
            Some(Step::Notice(notice)) => Ok(Some(notice)),
            _ => Ok(None),
        }
    }

    /// Gives the lock back and waits for the answer, 5 seconds at most, then says goodbye.
    #[must_use]
    pub fn release(mut self) -> Release {
        self.connection.query(&Statement::Release(self.key));
        match self.answer() {
            Ok(held) => {
                self.connection.close();
                if held { Release::Confirmed } else { Release::NotHeld }
            }
            Err(lost) => Release::Unconfirmed(lost),
        }
    }

    fn answer(&mut self) -> Result<bool, Lost> {
        let deadline = Deadline::after(Some(RELEASE_TIMEOUT));
        let mut held = false;
        loop {
            match self.connection.next(deadline, "the release to be confirmed")? {
                Step::Row(row) => held = row.text(0) == Some("t"),
                Step::Ready => return Ok(held),
                _ => {}
            }
        }
    }
}

impl AsFd for Guard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

/// Longer than any healthy server takes, short enough for a person to wait.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);
