//! Who holds a lock and who waits for it, as far as this role may see.

use super::error::Error;
use super::key::Key;
use super::sql::{self, Statement};
use crate::net::{self, ConnectOptions, Connection, Connector, Deadline};
use crate::proto::text::printable;
use crate::proto::{self, Step};

/// A session that holds an advisory lock or waits for one. What the role may not see is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
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
pub fn list(request: &ConnectOptions<'_>, keys: Option<Vec<Key>>) -> Result<Vec<Holder>, Error> {
    let mut connector = Connector::new(request);
    let (mut connection, deadline) =
        connector.connect(&Statement::Holders(keys)).map_err(Error::Connecting)?;
    let place = connection.server_address().to_owned();
    let holders = read_all(&mut connection, deadline).map_err(|error| Error::Listing { place, error })?;
    connection.close();
    Ok(holders)
}

/// The rows that answer [`Statement::Holders`].
pub(super) fn read_all(connection: &mut Connection, deadline: Deadline) -> Result<Vec<Holder>, net::Error> {
    let mut holders = Vec::new();
    loop {
        let step = match connection.next(deadline, WAITING) {
            Err(net::Error::Conversation(proto::Error::Server { message, stage })) if !message.is_fatal() => {
                // The statement has failed and not the session, which is good for the next one.
                while connection.next(deadline, WAITING)? != Step::Ready {}
                return Err(proto::Error::Server { message, stage }.into());
            }
            step => step?,
        };
        match step {
            Step::Row(_) if holders.len() == MAX_HOLDERS => {
                return Err(nonsense("more rows than locks can be"));
            }
            Step::Row(row) => holders.push(read(&row).ok_or_else(|| nonsense("DataRow"))?),
            Step::Ready => return Ok(holders),
            _ => {}
        }
    }
}

fn read(row: &proto::backend::Row) -> Option<Holder> {
    let text = |column| row.text(column).map(|text| printable(text.as_bytes()));
    Some(Holder {
        key: Key::from_pg_locks(
            row.text(sql::holders::CLASSID)?.parse().ok()?,
            row.text(sql::holders::OBJID)?.parse().ok()?,
            row.text(sql::holders::OBJSUBID)?.parse().ok()?,
        ),
        is_shared: row.text(sql::holders::SHARED)? == "t",
        is_granted: row.text(sql::holders::GRANTED)? == "t",
        pid: row.text(sql::holders::PID).and_then(|pid| pid.parse().ok()),
        application: text(sql::holders::APPLICATION).filter(|name| !name.is_empty()),
        client: text(sql::holders::CLIENT),
        since: text(sql::holders::SINCE),
    })
}

fn nonsense(message: &str) -> net::Error {
    let during = "in answer to the question who holds the lock";
    proto::Error::Unexpected { message: message.to_owned(), during }.into()
}

const WAITING: &str = "the list of holders";

/// More locks than any `max_locks_per_transaction` in use allows, and few enough for memory.
const MAX_HOLDERS: usize = 100_000;
