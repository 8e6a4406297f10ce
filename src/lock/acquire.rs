//! From a request to a held lock, in one statement that also tells all we need to know of the server.

use super::error::{Error, Refusal};
use super::guard::Guard;
use super::key::Key;
use super::sql::{self, Statement};
use crate::net::{self, Connection, Deadline, Request, Search};
use crate::proto::{self, Step};

/// What an attempt came to.
pub enum Outcome {
    /// The lock is ours for as long as the guard lives.
    Held(Box<Guard>),
    /// Somebody else has it.
    Busy {
        /// Where the server is.
        place: String,
    },
}

/// Connects and tries once to take the lock; the statement travels as early as the login allows. Of several hosts,
/// standbys are passed over, and servers that go away before they have answered.
///
/// # Errors
/// No connection, no answer, or a server on which the lock would not exclude. Whatever was locked is given
/// back by closing the connection.
pub fn acquire(request: &Request<'_>, key: Key) -> Result<Outcome, Error> {
    let mut search = Search::new(request);
    let (connection, attempt) = loop {
        let (mut connection, deadline) =
            search.connect(Statement::Acquire(key)).map_err(Error::Connecting)?;
        let place = connection.place().to_owned();
        let passed = match answer(&mut connection, deadline) {
            Ok(attempt) if attempt.standby && search.is_choosy() => {
                let error = net::Error::standby(request.config.target_session_attrs);
                search.pass_over(connection, error)
            }
            Ok(attempt) => break (connection, attempt),
            Err(Unanswered::Early(error)) => search.pass_over(connection, error),
            Err(Unanswered::Late(error)) => Err(error),
        };
        passed.map_err(|error| Error::Acquiring { place, error })?;
    };
    let place = connection.place().to_owned();
    if let Some(refusal) = refusal(&connection, &attempt) {
        connection.close();
        return Err(Error::Refused { place, refusal });
    }
    let Some(token) = attempt.token else {
        connection.close();
        return Ok(Outcome::Busy { place });
    };
    Ok(Outcome::Held(Box::new(Guard::new(connection, key, attempt.pid, token))))
}

struct Attempt {
    pid: i32,
    standby: bool,
    /// The fencing token, where the lock was granted.
    token: Option<u64>,
}

/// No answer, though we are logged in.
enum Unanswered {
    /// Nothing was heard of the lock: to the user, this is still connecting.
    Early(net::Error),
    /// What was heard of the lock makes no sense or breaks off.
    Late(net::Error),
}

fn answer(connection: &mut Connection, deadline: Deadline) -> Result<Attempt, Unanswered> {
    let mut attempt = None;
    loop {
        let step = connection.next(deadline, WAITING).map_err(|error| match attempt {
            None => Unanswered::Early(error),
            Some(_) => Unanswered::Late(error),
        })?;
        match step {
            Step::Row(row) if attempt.is_none() => {
                attempt = Some(read(&row).ok_or_else(|| nonsense("DataRow"))?);
            }
            Step::Row(_) => return Err(nonsense("second DataRow")),
            Step::Ready => return attempt.ok_or_else(|| nonsense("ReadyForQuery without a row")),
            _ => {}
        }
    }
}

fn read(row: &proto::backend::Row) -> Option<Attempt> {
    let pid = row.text(sql::acquire::PID)?.parse().ok()?;
    let standby = boolean(row.text(sql::acquire::STANDBY)?)?;
    let token = if boolean(row.text(sql::acquire::GRANTED)?)? {
        Some(row.text(sql::acquire::TOKEN)?.parse().ok()?)
    } else {
        None
    };
    Some(Attempt { pid, standby, token })
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "t" => Some(true),
        "f" => Some(false),
        _ => None,
    }
}

fn refusal(connection: &Connection, attempt: &Attempt) -> Option<Refusal> {
    let server = connection.server();
    if server.is_cockroach {
        Some(Refusal::Cockroach)
    } else if attempt.standby {
        Some(Refusal::Standby)
    } else if server.pid != Some(attempt.pid) {
        Some(Refusal::Pooler)
    } else {
        None
    }
}

fn nonsense(message: &str) -> Unanswered {
    let error = proto::Error::Unexpected { message: message.to_owned(), during: WHILE_ACQUIRING };
    Unanswered::Late(error.into())
}

const WAITING: &str = "the answer whether the lock is ours";
const WHILE_ACQUIRING: &str = "in answer to the attempt to lock";
