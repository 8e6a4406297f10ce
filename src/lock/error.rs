//! What can keep us from a lock, and the one thing that can happen to a held one.

use std::io;
use std::time::Duration;

use crate::net;
use crate::proto::{self, ErrorKind, Server, ServerMessage};

/// Why there is no lock, other than that someone else has it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No server logged us in.
    #[error(transparent)]
    Connecting(net::ConnectFailures),
    /// After attempts at other servers had failed, one logged us in, and then this went wrong.
    #[error("{0}\n{1}")]
    After(net::ConnectFailures, Box<Error>),
    /// The server logged us in, and the attempt to lock failed.
    #[error("could not try the lock on the server {server_address}: {error}")]
    Acquiring {
        /// Where the server is.
        server_address: String,
        /// What happened.
        error: net::Error,
    },
    /// The server logged us in, and the query for the holders failed.
    #[error("could not list the locks of the server {server_address}: {error}")]
    Listing {
        /// Where the server is.
        server_address: String,
        /// What happened.
        error: net::Error,
    },
    /// The lock was held, and lost before the work was done.
    #[error("the lock was lost: {0}")]
    Lost(Lost),
    /// The lock was held, and the system had no thread or no pipe for its heartbeat.
    #[error("could not start the heartbeat: {}", net::os_error_text(.0))]
    NoHeartbeat(io::Error),
    /// On this server the lock would exclude no one.
    #[error("refusing the server {server_address}: {reason}")]
    Unsafe {
        /// Where the server is.
        server_address: String,
        /// Why not.
        reason: UnsafeServer,
    },
}

/// Why a lock on a server would not exclude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsafeServer {
    /// It is a standby: its locks are its own, unknown to the primary.
    #[error("it is a standby, where a lock would not exclude holders on the primary; connect to the primary")]
    Standby,
    /// It is CockroachDB: its advisory lock functions do nothing.
    #[error("it is CockroachDB, whose advisory locks exclude no one; use PostgreSQL")]
    Cockroach,
    /// It is the console of `PgBouncer`, as which its database `pgbouncer` poses.
    #[error(
        "this is PgBouncer's console and not a database; name a database that it pools, or connect to the server itself"
    )]
    Console,
    /// A pooler is in between, which may give the session with our lock to someone else.
    #[error("{POOLER}")]
    Pooler,
    /// As [`UnsafeServer::Pooler`], and this backend of it has our lock, which could not be given back.
    #[error(
        "{POOLER}; the lock could not be given back, and stays with the pooler's server process {0} until that ends"
    )]
    PoolerKeeps(i32),
    /// A pooler is in between, and the backend that it gave us holds the lock already, for another client.
    #[error(
        "a connection pooler answers for it by server process {0}, which has the lock already, taken by another client of the \
         pooler; a lock there would not exclude that client"
    )]
    PoolerHolds(i32),
}

impl UnsafeServer {
    /// Returns what a server has said of itself at login that makes a lock there useless.
    pub(super) fn reported(server: &Server) -> Option<Self> {
        if server.is_cockroach {
            Some(Self::Cockroach)
        } else if server.is_console() {
            Some(Self::Console)
        } else {
            None
        }
    }
}

const POOLER: &str = "a connection pooler answers for it, and could give our session with the lock to others; \
     connect to the server itself, or allow the pooler";

impl Error {
    /// Who has to act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connecting(failures) => failures.kind(),
            Self::After(_, error) => error.kind(),
            Self::Acquiring { error, .. } | Self::Listing { error, .. } => error.kind(),
            Self::Unsafe { .. } => ErrorKind::Protocol,
            Self::Lost(_) | Self::NoHeartbeat(_) => ErrorKind::Unavailable,
        }
    }

    /// Whether another attempt may do better later: what keeps us from the lock is that no server can be used now.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connecting(failures) => failures.may_pass(),
            Self::After(_, error) => error.may_pass(),
            Self::Acquiring { error, .. } | Self::Listing { error, .. } => error.may_pass(),
            Self::Unsafe { .. } | Self::Lost(_) | Self::NoHeartbeat(_) => false,
        }
    }
}

/// The attempts that have failed, and what has stopped us then.
impl From<(net::ConnectFailures, Option<Self>)> for Error {
    fn from((failures, stopped): (net::ConnectFailures, Option<Self>)) -> Self {
        match stopped {
            None => Self::Connecting(failures),
            Some(error) if failures.0.is_empty() => error,
            Some(error) => Self::After(failures, Box::new(error)),
        }
    }
}

/// The held lock is gone, or can't be known to be held any longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The server ended the session, for this reason.
    #[error("the server ended the session: {0}")]
    Terminated(Box<ServerMessage>),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(net::Error),
    /// The server broke the protocol, so nothing that it sends can be relied upon.
    #[error("the server broke the protocol: {0}")]
    Protocol(proto::Error),
    /// The server has not answered for so long, counted from the last question that it has answered.
    #[error("the server has been silent for {0:.1?}")]
    Silent(Duration),
    /// Another backend answers than this one, which holds the lock: a pooler is in between.
    #[error(
        "a connection pooler has put another session in the place of server process {0}, with which the lock may stay"
    )]
    OtherBackend(i32),
    /// The thread that [`Guard::keep_alive`](super::Guard::keep_alive) has started panicked, in a function of the caller's.
    #[error("the thread that sends its heartbeats has panicked, so no one watches it any longer")]
    Unwatched,
}

impl Lost {
    /// The same, for one more who is to have it.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Closed => Self::Closed,
            Self::Terminated(message) => Self::Terminated(message.clone()),
            Self::Broken(error) => Self::Broken(net::Error::System(io::Error::other(error.to_string()))),
            Self::Protocol(error) => Self::Protocol(error.clone()),
            Self::Silent(silence) => Self::Silent(*silence),
            Self::OtherBackend(backend_pid) => Self::OtherBackend(*backend_pid),
            Self::Unwatched => Self::Unwatched,
        }
    }
}

impl From<net::Error> for Lost {
    fn from(error: net::Error) -> Self {
        match error {
            net::Error::Closed(_) => Self::Closed,
            net::Error::Conversation(proto::Error::Server { message, .. }) => Self::Terminated(message),
            net::Error::Conversation(error) => Self::Protocol(error),
            error => Self::Broken(error),
        }
    }
}
