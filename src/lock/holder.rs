//! Who holds a lock and who waits for it, as far as this role may see.

use super::error::Error;
use super::key::Key;
use super::sql::{self, Statement};
use crate::net::{self, ConnectOptions, Deadline, Rejected};
use crate::proto::Row;
use crate::proto::text::printable;

/// A session that holds an advisory lock or waits for one. What the role may not see is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The lock's key.
    pub key: Key,
    /// Whether others may hold it too.
    pub is_shared: bool,
    /// Whether it is held; otherwise it is waited for.
    pub is_granted: bool,
    /// The backend's process id; a prepared transaction has none.
    pub pid: Option<i32>,
    /// Its `application_name`, fit to print.
    pub application: Option<String>,
    /// The client's address, or `local` for a Unix socket.
    pub client: Option<String>,
    /// When the session began, in RFC 3339.
    pub since: Option<String>,
}

/// Connects and lists the sessions that hold or want one of these keys, or any advisory lock of this database.
///
/// # Errors
/// No connection or no answer.
pub fn list(
    options: &ConnectOptions<'_>,
    keys: Option<Vec<Key>>,
    limit: Deadline,
) -> Result<Vec<Holder>, Error> {
    net::connect(options, &Statement::Holders(keys).query(), limit, |mut connection, deadline| {
        let server_address = connection.server_address().to_owned();
        let suits = options.check_session(connection.server(), None, None);
        let listed = suits.map_err(Rejected::PassOver).and_then(|()| {
            let answer = connection.answer(deadline, Holder::read);
            answer.map_err(|error| Rejected::Stop(Error::Listing { server_address, error: error.into() }))
        });
        connection.close();
        listed
    })
}

impl Holder {
    /// Reads one row of the answer to [`Statement::Holders`].
    pub(super) fn read(row: &Row) -> Option<Self> {
        Some(Self {
            key: Key::from_pg_locks(
                row.parse(sql::holders::CLASSID)?,
                row.parse(sql::holders::OBJID)?,
                row.parse(sql::holders::OBJSUBID)?,
            ),
            is_shared: row.flag(sql::holders::SHARED)?,
            is_granted: row.flag(sql::holders::GRANTED)?,
            pid: row.parse(sql::holders::PID),
            application: text(row, sql::holders::APPLICATION, MAX_APPLICATION)
                .filter(|name| !name.is_empty()),
            client: text(row, sql::holders::CLIENT, MAX_CLIENT),
            since: text(row, sql::holders::SINCE, MAX_SINCE),
        })
    }
}

/// Fit to print, and no longer than so many characters.
fn text(row: &Row, column: usize, most: usize) -> Option<String> {
    Some(printable(row.text(column)?.as_bytes()).chars().take(most).collect())
}

/// Twice as long as PostgreSQL's names are (`NAMEDATALEN`), which a build may have longer.
const MAX_APPLICATION: usize = 128;

/// As long as an address can be (`INET6_ADDRSTRLEN`).
const MAX_CLIENT: usize = 46;

/// Longer than any moment in RFC 3339, to the second.
const MAX_SINCE: usize = 32;
