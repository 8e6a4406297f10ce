//! Why a connection could not be made or was lost, with the place each time.

use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::proto::{self, ErrorKind, Stage};

/// What went wrong with one connection.
#[derive(Debug)]
pub enum Error {
    /// The host's name has no address, or the address is none; the resolver's words.
    Resolve(String),
    /// No socket file in any of the usual directories.
    NoSocket(String),
    /// A parameter of this place can't be used.
    Unusable(String),
    /// The server on the Unix socket runs as another user than `requirepeer` says.
    Peer(String),
    /// The connection would be less secure than was asked for; what is missing.
    Insecure(String),
    /// TLS came to an end: what for, in libpq's words where it has some, and who has to act.
    Tls(String, ErrorKind),
    /// The session is not one that `target_session_attrs` asks for; libpq's words.
    Unsuitable(&'static str),
    /// The deadline passed.
    TimedOut(&'static str),
    /// The peer closed the connection.
    Closed(&'static str),
    /// The operating system's word.
    System(Errno),
    /// What the conversation came to.
    Conversation(proto::Error),
}

impl Error {
    /// Who has to act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unusable(_) => ErrorKind::Configuration,
            Self::Peer(_) => ErrorKind::Authentication,
            Self::Insecure(_) => ErrorKind::Protocol,
            Self::Tls(_, fault) => *fault,
            Self::Conversation(error) => error.kind(),
            _ => ErrorKind::Unavailable,
        }
    }

    /// Whether the server refuses this kind of connection: no line of its `pg_hba.conf` takes us, and it has
    /// not asked who we are. Later the same SQLSTATE 28000 also says that channel binding has failed, which may
    /// be somebody in between.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Conversation(proto::Error::Server { stage: Stage::Greeting, .. }))
            && self.sqlstate() == Some(INVALID_AUTHORIZATION)
    }

    /// The SQLSTATE of what the server said, where that is what went wrong.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Conversation(proto::Error::Server { message, .. }) => Some(&message.code),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(reason) => write!(f, "could not translate host name to address: {reason}"),
            Self::NoSocket(reason)
            | Self::Unusable(reason)
            | Self::Peer(reason)
            | Self::Insecure(reason)
            | Self::Tls(reason, _) => f.write_str(reason),
            Self::Unsuitable(reason) => f.write_str(reason),
            Self::TimedOut(waiting) => write!(f, "timeout expired while waiting for {waiting}"),
            Self::Closed(waiting) => {
                write!(f, "the server closed the connection, which was waiting for {waiting}")
            }
            Self::System(errno) => {
                let text = io::Error::from(*errno).to_string();
                f.write_str(text.split(" (os error").next().unwrap_or_default())
            }
            Self::Conversation(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl From<proto::Error> for Error {
    fn from(error: proto::Error) -> Self {
        Self::Conversation(error)
    }
}

/// One failed attempt: where, and why.
#[derive(Debug)]
pub struct ConnectFailure {
    /// Such as `at "db" (10.0.0.1), port 5432` or `on socket "/tmp/.s.PGSQL.5432"`.
    pub place: String,
    /// Why it failed.
    pub error: Error,
    /// What may help.
    pub hint: Option<String>,
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection to server {} failed: {}", self.place, self.error)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// All attempts at a connection, none of which succeeded; never empty.
#[derive(Debug)]
pub struct ConnectFailures(pub Vec<ConnectFailure>);

impl ConnectFailures {
    /// Who has to act, by the last attempt: any but an unavailable server ends the list.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.last().map_or(ErrorKind::Unavailable, |attempt| attempt.error.kind())
    }
}

/// One line an attempt.
impl fmt::Display for ConnectFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for ConnectFailures {}

/// SQLSTATE `invalid_authorization_specification`.
const INVALID_AUTHORIZATION: &str = "28000";
