//! What can keep us from a lock, and the one thing that can happen to a held one.

use std::fmt;
use std::time::Duration;

use crate::net;
use crate::proto::{self, ErrorKind, ServerMessage};

/// Why there is no lock, other than that somebody else has it.
#[derive(Debug)]
pub enum Error {
    /// No server took us.
    Connecting(net::ConnectFailures),
    /// The server took us, and the attempt to lock failed there.
    Acquiring {
        /// Where the server is.
        place: String,
        /// What happened.
        error: net::Error,
    },
    /// The server took us, and did not tell who holds what.
    Listing {
        /// Where the server is.
        place: String,
        /// What happened.
        error: net::Error,
    },
    /// On this server the lock would exclude nobody.
    Refused {
        /// Where the server is.
        place: String,
        /// Why not.
        refusal: UnsafeServer,
    },
}

/// Why a lock on a server would not exclude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsafeServer {
    /// It is a standby: its locks are its own, unknown to the primary.
    Standby,
    /// It is CockroachDB: its advisory lock functions do nothing.
    Cockroach,
    /// A pooler is in between, which may give the session with our lock to somebody else.
    Pooler,
    /// As [`UnsafeServer::Pooler`], and this backend of it has our lock, which could not be given back.
    PoolerKeeps(i32),
}

impl Error {
    /// Who has to act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connecting(attempts) => attempts.kind(),
            Self::Acquiring { error, .. } | Self::Listing { error, .. } => error.kind(),
            Self::Refused { .. } => ErrorKind::Protocol,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting(attempts) => attempts.fmt(f),
            Self::Acquiring { place, error } => {
                write!(f, "could not try the lock on the server {place}: {error}")
            }
            Self::Listing { place, error } => {
                write!(f, "could not list the locks of the server {place}: {error}")
            }
            Self::Refused { place, refusal } => write!(f, "refusing the server {place}: {refusal}"),
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for UnsafeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standby => "it is a standby, where a lock would not exclude holders on the primary; connect to the primary",
            Self::Cockroach => "it is CockroachDB, whose advisory locks exclude nobody; use PostgreSQL",
            Self::Pooler | Self::PoolerKeeps(_) => {
                "a connection pooler answers for it, and could give our session with the lock to others; \
                 connect to the server itself, or say --allow-pooler where it pools whole sessions"
            }
        })?;
        match self {
            Self::PoolerKeeps(backend) => {
                write!(
                    f,
                    "; the lock could not be given back, and stays with the pooler's backend {backend} until that ends"
                )
            }
            _ => Ok(()),
        }
    }
}

/// The held lock is gone, or can't be known to be held any longer.
#[derive(Debug)]
pub enum Lost {
    /// The server closed the connection.
    Closed,
    /// The server ended the session, and said why.
    Terminated(Box<ServerMessage>),
    /// The connection broke; the operating system's word.
    Broken(net::Error),
    /// The server says what makes no sense, so nothing it says can be relied upon.
    Protocol(proto::Error),
    /// The server has not answered for so long, counted from the last question that it has answered.
    Silent(Duration),
    /// Another backend answers than this one, which holds the lock: a pooler is in between.
    OtherBackend(i32),
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

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Terminated(message) => write!(f, "the server ended the session: {message}"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Protocol(error) => write!(f, "the server broke the protocol: {error}"),
            Self::Silent(silence) => {
                write!(f, "the server has been silent for {silence:.1?}")
            }
            Self::OtherBackend(ours) => write!(
                f,
                "a connection pooler has put another session in the place of backend {ours}, with which the lock may stay"
            ),
        }
    }
}

impl std::error::Error for Lost {}
