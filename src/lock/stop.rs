//! Asks the holders of a lock to stop, wherever they are: who they are, whether they can be asked, and when they are gone.

use std::time::Duration;

use super::bell::bell;
use super::error::Error;
use super::holder::Holder;
use super::key::Key;
use super::lister::Lister;
use super::request::LockRequest;
use super::sql::{self, Mark, Statement};
use crate::net::{ConnectOptions, Deadline};
use crate::proto::Row;
use crate::proto::text::printable;

/// A session that asks for as long as it is open.
pub(crate) struct Asking {
    lister: Lister,
    keys: Vec<Key>,
}

/// Who holds the lock, and what it takes to have it stop.
#[derive(Debug, Clone)]
pub(crate) struct Stoppable {
    pub(crate) holder: Holder,
    /// The role that it has logged in as.
    pub(crate) role: Option<String>,
    /// Whether we have that role's privileges.
    pub(crate) may_be_stopped: bool,
    pub(crate) says: Says,
}

/// What a holder's session says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// That it can be asked, or that it was and is about to stop.
    Mark(Mark),
    /// No such thing.
    Nothing,
    /// The server does not tell.
    Unknown,
}

/// Connects to ask the holders of any of these keys.
///
/// # Errors
/// As for a [`Lister`]: on such a server no one holds a lock that excludes.
pub(crate) fn connect(
    options: &ConnectOptions<'_>,
    request: &LockRequest,
    limit: Deadline,
) -> Result<Asking, Error> {
    let (lister, _) = Lister::connect(options, Some(request), limit)?;
    Ok(Asking { lister, keys: request.keys().collect() })
}

impl Asking {
    /// Returns who holds the lock now.
    ///
    /// # Errors
    /// No answer.
    pub(crate) fn holders(&mut self) -> Result<Vec<Stoppable>, Error> {
        let query = Statement::Stoppable(self.keys.clone()).query();
        let answer = self.lister.connection().run(&query, Deadline::after(ANSWER_TIMEOUT), Stoppable::read);
        let mut all = answer.map_err(|error| self.lister.failed(error))?;
        all.retain(|stoppable| stoppable.holder.is_granted);
        Ok(all)
    }

    /// Returns the sessions that hold or want these keys.
    ///
    /// # Errors
    /// No answer.
    pub(crate) fn others(&mut self, keys: Vec<Key>) -> Result<Vec<Holder>, Error> {
        self.lister.others(keys)
    }

    /// Rings the bells of those sessions, which hold these keys; returns of each whether it rings now. Someone else may have
    /// it for a moment.
    ///
    /// # Errors
    /// No answer.
    pub(crate) fn ring(&mut self, holders: &[(Key, i32)]) -> Result<Vec<bool>, Error> {
        let mut ring = Vec::new();
        for some in holders.chunks(MOST) {
            let query = Statement::Ring(some.iter().map(|(key, pid)| bell(*key, *pid)).collect()).query();
            let columns = sql::ring::FIRST..sql::ring::FIRST + some.len();
            let answer = self.lister.connection().run(&query, Deadline::after(ANSWER_TIMEOUT), |row| {
                columns.clone().map(|column| row.flag(column)).collect::<Option<Vec<bool>>>()
            });
            ring.extend(answer.map_err(|error| self.lister.failed(error))?.into_iter().flatten());
        }
        Ok(ring)
    }

    /// Lets time go by.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) fn pause(&mut self, pause: Duration) -> Result<(), Error> {
        self.lister.connection().listen(Deadline::after(pause)).map_err(|error| self.lister.failed(error))
    }

    /// Asks no longer.
    pub(crate) fn close(self) {
        self.lister.close();
    }
}

impl Stoppable {
    fn read(row: &Row) -> Option<Self> {
        let says = match row.text(sql::stoppable::QUERY) {
            None | Some("") => Says::Unknown,
            Some(query) => {
                let mark = Mark::ALL.into_iter().find(|mark| query.starts_with(mark.text()));
                mark.map_or(Says::Nothing, Says::Mark)
            }
        };
        Some(Self {
            holder: Holder::read(row)?,
            role: row.text(sql::stoppable::ROLE).map(|role| printable(role.as_bytes())),
            may_be_stopped: row.flag(sql::stoppable::MAY_STOP) == Some(true),
            says,
        })
    }
}

/// How many bells ring by one statement; PostgreSQL has room for 1664 columns.
const MOST: usize = 500;

/// As long as for any answer of a server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
