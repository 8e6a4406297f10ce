//! Who holds a lock and who waits for it, as far as this role may see.

use super::error::{Error, UnsafeServer};
use super::key::Key;
use super::sql::{self, Statement};
use crate::net::{self, ConnectOptions, Connection, Deadline, Rejected};
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
    pub connected: Option<String>,
}

/// Connects and lists the sessions that hold or want one of these keys, or any advisory lock of this database.
///
/// # Errors
/// No connection or no answer, or a server on which no lock would exclude, as for [`acquire`](super::acquire): its list would
/// not be that of the locks.
pub fn list(
    options: &ConnectOptions<'_>,
    keys: Option<Vec<Key>>,
    limit: Deadline,
) -> Result<Vec<Holder>, Error> {
    net::connect(options, &Statement::List(keys).query(), limit, |mut connection, deadline| {
        let listed = read_list(options, &mut connection, deadline);
        connection.close();
        listed
    })
}

fn read_list(
    options: &ConnectOptions<'_>,
    connection: &mut Connection,
    deadline: Deadline,
) -> Result<Vec<Holder>, Rejected<Error>> {
    let server_address = connection.server_address().to_owned();
    let is_unsafe = |reason| Rejected::Stop(Error::Unsafe { server_address: server_address.clone(), reason });
    options.check_session(connection.server(), None, None).map_err(Rejected::PassOver)?;
    if let Some(reason) = UnsafeServer::reported(connection.server()) {
        // It need not even know what the statement names.
        return Err(is_unsafe(reason));
    }
    let mut server = None;
    let answer = connection.answer(deadline, |row| match server {
        None => {
            let pid: i32 = row.parse(sql::acquire::PID)?;
            server = Some((pid, row.flag(sql::acquire::STANDBY)?));
            Some(None)
        }
        Some(_) => Holder::read(row).map(Some),
    });
    let holders = answer
        .map_err(|error| Error::Listing { server_address: server_address.clone(), error: error.into() })
        .map_err(Rejected::Stop)?;
    let (pid, is_standby) = server.unzip();
    options.check_session(connection.server(), is_standby, None).map_err(Rejected::PassOver)?;
    if is_standby == Some(true) {
        return Err(is_unsafe(UnsafeServer::Standby));
    }
    if connection.server().pid != pid && !options.allows_pooler() {
        return Err(is_unsafe(UnsafeServer::Pooler));
    }
    Ok(holders.into_iter().flatten().collect())
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
            connected: text(row, sql::holders::CONNECTED, MAX_MOMENT),
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
const MAX_MOMENT: usize = 32;
