//! From a request to a held lock, in one statement that also tells all we need to know of the server.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::{Error, UnsafeServer};
use super::guard::{Grant, Guard};
use super::holder::{self, Holder};
use super::key::Key;
use super::request::LockRequest;
use super::sql::{self, Statement};
use crate::net::{self, ConnectOptions, Connection, Connector, Deadline};
use crate::proto::{self, Step};

/// What an attempt came to.
pub enum Outcome {
    /// The lock is ours for as long as the guard lives.
    Held(Box<Guard>),
    /// Somebody else has it.
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

/// Who could not have the lock, and may try again.
pub struct Contender {
    connection: Connection,
    wanted: LockRequest,
    allows_pooler: bool,
}

/// Connects and tries once to take the lock; the statement travels as early as the login allows. Of several hosts,
/// standbys are passed over, and servers that go away before they have answered.
///
/// # Errors
/// No connection, no answer, or a server on which the lock would not exclude. Whatever was locked is given
/// back by closing the connection.
pub fn acquire(
    request: &ConnectOptions<'_>,
    wanted: &LockRequest,
    allows_pooler: bool,
) -> Result<Outcome, Error> {
    let mut connector = Connector::new(request);
    let statement = Statement::Acquire(wanted.clone());
    loop {
        let (mut connection, deadline) = connector.connect(&statement).map_err(Error::Connecting)?;
        let place = connection.server_address().to_owned();
        let passed = match answer(&mut connection, wanted, deadline) {
            Ok(attempt) => match connector.check(connection.server(), attempt.standby, attempt.read_only) {
                Ok(()) => {
                    let contender = Contender { connection, wanted: wanted.clone(), allows_pooler };
                    return contender.judge(&attempt);
                }
                Err(error) => connector.pass_over(connection, error),
            },
            Err(Unanswered::Early(error)) => connector.pass_over(connection, error),
            Err(Unanswered::Late(error)) => Err(error),
        };
        passed.map_err(|error| Error::Acquiring { place, error })?;
    }
}

impl Contender {
    /// Where the server is.
    #[must_use]
    pub fn server_address(&self) -> &str {
        self.connection.server_address()
    }

    /// The sessions that hold the lock or any of its slots, each once, as far as we may see; one round trip.
    ///
    /// # Errors
    /// No answer.
    pub fn holders(&mut self) -> Result<Vec<Holder>, net::Error> {
        self.connection.query(&Statement::Holders(Some(self.wanted.keys().collect())));
        let deadline = Deadline::after(Some(COURTESY_TIMEOUT));
        let mut holders = holder::read_all(&mut self.connection, deadline)?;
        let mut known = BTreeSet::new();
        holders.retain(|holder| holder.is_granted && holder.pid.is_none_or(|pid| known.insert(pid)));
        Ok(holders)
    }

    /// Listens to the server for so long, then tries once more; one round trip, for which the server has no longer than
    /// `patience`. Nothing is held in between, neither a transaction nor a snapshot: a waiter inside
    /// `pg_advisory_lock` would have one, for which `CREATE INDEX CONCURRENTLY` of the holder waits.
    ///
    /// # Errors
    /// The connection is lost, or the server has become one on which the lock would not exclude.
    pub fn retry(mut self, pause: Duration, patience: Option<Duration>) -> Result<Outcome, Error> {
        match self.try_again(pause, patience) {
            Ok(attempt) => self.judge(&attempt),
            Err(error) => Err(Error::Acquiring { place: self.server_address().to_owned(), error }),
        }
    }

    fn try_again(&mut self, pause: Duration, patience: Option<Duration>) -> Result<AcquireRow, net::Error> {
        self.connection.listen(Deadline::after(Some(pause)))?;
        self.connection.query(&Statement::Acquire(self.wanted.clone()));
        let timeout = patience.map_or(ANSWER_TIMEOUT, |patience| patience.min(ANSWER_TIMEOUT));
        match answer(&mut self.connection, &self.wanted, Deadline::after(Some(timeout))) {
            Ok(attempt) => Ok(attempt),
            Err(Unanswered::Early(error) | Unanswered::Late(error)) => Err(error),
        }
    }

    /// Gives up.
    pub fn close(self) {
        self.connection.close();
    }

    fn judge(mut self, attempt: &AcquireRow) -> Result<Outcome, Error> {
        if let Some(mut refusal) = self.refusal(attempt) {
            if let (UnsafeServer::Pooler, Some(granted)) = (refusal, attempt.granted)
                && !self.gives_back(granted.key)
            {
                refusal = UnsafeServer::PoolerKeeps(attempt.pid);
            }
            let place = self.server_address().to_owned();
            self.connection.close();
            return Err(Error::Refused { place, refusal });
        }
        let Some(Granted { key, slot, token }) = attempt.granted else {
            return Ok(Outcome::Busy(Box::new(self)));
        };
        let mode = self.wanted.mode();
        let grant = Grant { key, mode, slot, backend_pid: attempt.pid, token };
        Ok(Outcome::Held(Box::new(Guard::new(self.connection, grant))))
    }

    /// A pooler keeps its session to the server, and the lock with it, when we leave; and it may ask another session
    /// each time, so only one that says that it held the lock has given it back.
    fn gives_back(&mut self, key: Key) -> bool {
        (0..GIVE_BACK_TRIES).map_while(|_| self.give_back(key).ok()).any(|held| held)
    }

    fn give_back(&mut self, key: Key) -> Result<bool, net::Error> {
        self.connection.query(&Statement::Release(key, self.wanted.mode()));
        let deadline = Deadline::after(Some(GIVE_BACK_TIMEOUT));
        let mut held = false;
        loop {
            match self.connection.next(deadline, "the release to be confirmed")? {
                Step::Row(row) => held = row.text(0) == Some("t"),
                Step::Ready => return Ok(held),
                _ => {}
            }
        }
    }

    fn refusal(&self, attempt: &AcquireRow) -> Option<UnsafeServer> {
        let server = self.connection.server();
        if server.is_cockroach {
            Some(UnsafeServer::Cockroach)
        } else if attempt.standby {
            Some(UnsafeServer::Standby)
        } else if server.pid != Some(attempt.pid) && !self.allows_pooler {
            Some(UnsafeServer::Pooler)
        } else {
            None
        }
    }
}

struct AcquireRow {
    pid: i32,
    standby: bool,
    /// Whether the session's transactions can't write.
    read_only: Option<bool>,
    granted: Option<Granted>,
}

#[derive(Clone, Copy)]
struct Granted {
    key: Key,
    slot: u16,
    token: u64,
}

/// No answer, though we are logged in.
enum Unanswered {
    /// Nothing was heard of the lock: to the user, this is still connecting.
    Early(net::Error),
    /// What was heard of the lock makes no sense or breaks off.
    Late(net::Error),
}

fn answer(
    connection: &mut Connection,
    wanted: &LockRequest,
    deadline: Deadline,
) -> Result<AcquireRow, Unanswered> {
    let mut attempt = None;
    loop {
        let step = connection.next(deadline, WAITING).map_err(|error| match attempt {
            None => Unanswered::Early(error),
            Some(_) => Unanswered::Late(error),
        })?;
        match step {
            Step::Row(row) if attempt.is_none() => {
                attempt = Some(read(&row, wanted).ok_or_else(|| late("DataRow"))?);
            }
            Step::Row(_) => return Err(late("second DataRow")),
            Step::Ready => return attempt.ok_or_else(|| late("ReadyForQuery without a row")),
            _ => {}
        }
    }
}

fn read(row: &proto::backend::Row, wanted: &LockRequest) -> Option<AcquireRow> {
    let pid = row.text(sql::acquire::PID)?.parse().ok()?;
    let standby = match row.text(sql::acquire::STANDBY)? {
        "t" => true,
        "f" => false,
        _ => return None,
    };
    // Only looked at where the server has not reported it by itself.
    let read_only = row.text(sql::acquire::READ_ONLY).map(|text| text == "on");
    let granted = match row.text(sql::acquire::SLOT)?.parse().ok()? {
        0 => None,
        slot => Some(Granted {
            key: wanted.key(slot)?,
            slot,
            token: row.text(sql::acquire::TOKEN)?.parse().ok()?,
        }),
    };
    Some(AcquireRow { pid, standby, read_only, granted })
}

fn late(message: &str) -> Unanswered {
    Unanswered::Late(nonsense(message))
}

fn nonsense(message: &str) -> net::Error {
    proto::Error::Unexpected { message: message.to_owned(), during: WHILE_ACQUIRING }.into()
}

const WAITING: &str = "the answer whether the lock is ours";
const WHILE_ACQUIRING: &str = "in answer to the attempt to lock";

/// A pooler that is not busy asks the session that it has asked last.
const GIVE_BACK_TRIES: u32 = 10;

/// As long as for any release.
const GIVE_BACK_TIMEOUT: Duration = Duration::from_secs(5);

/// Nobody waits longer to be told who it is.
const COURTESY_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than any healthy server takes, and as long as a login may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
