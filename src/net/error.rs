//! Why a connection could not be made or was lost; a failed attempt is told with its address.

use std::fmt;
use std::io;

use rustix::io::Errno;

use crate::proto::{self, ErrorKind, Stage};

/// What went wrong with one connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host's name has no address, or the address is none; which of them, and the resolver's text.
    #[error("{0}")]
    Resolve(String),
    /// No socket file in any of the usual directories.
    #[error("{0}")]
    NoSocket(String),
    /// A parameter that this connection needs can't be used.
    #[error("{0}")]
    Unusable(String),
    /// The server on the Unix socket runs as another user than `requirepeer` names.
    #[error("{0}")]
    Peer(String),
    /// The connection would be less secure than was asked for; what is missing.
    #[error("{0}")]
    Insecure(String),
    /// TLS has failed: why, in libpq's own text where there is one, and who has to act.
    #[error("{0}")]
    Tls(String, ErrorKind),
    /// The session is not one that `target_session_attrs` asks for; libpq's text.
    #[error("{0}")]
    Unsuitable(&'static str),
    /// The deadline passed.
    #[error("timeout expired {0}")]
    TimedOut(Phase),
    /// The peer closed the connection.
    #[error("the server closed the connection {0}")]
    Closed(Phase),
    /// The peer reset the connection.
    #[error("the server reset the connection {0}")]
    Reset(Phase),
    /// An error of the operating system.
    #[error("{}", os_error_text(.0))]
    System(io::Error),
    /// What ended the conversation.
    #[error(transparent)]
    Conversation(#[from] proto::Error),
}

/// What was going on when a connection ended or its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Nothing was begun.
    Begin,
    /// The host's name is resolved.
    Resolve,
    /// The socket connects.
    Connect,
    /// `SSLRequest` is not answered yet.
    NegotiateTls,
    /// The TLS handshake.
    TlsHandshake,
    /// The login, until the server waits for a query.
    LogIn,
    /// A query is not answered yet.
    Query,
    /// No query is running.
    Idle,
    /// The server has not read what was sent before.
    Send,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begin => "before it was tried",
            Self::Resolve => "during name resolution",
            Self::Connect => "while connecting",
            Self::NegotiateTls => "during the negotiation of TLS",
            Self::TlsHandshake => "during the TLS handshake",
            Self::LogIn => "during login",
            Self::Query => "before an answer came",
            Self::Idle => "while the session was idle",
            Self::Send => "while sending",
        })
    }
}

impl Error {
    /// Who has to act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unusable(_) => ErrorKind::Configuration,
            Self::Peer(_) => ErrorKind::Authentication,
            Self::Insecure(_) => ErrorKind::Protocol,
            Self::Tls(_, kind) => *kind,
            Self::Conversation(error) => error.kind(),
            _ => ErrorKind::Unavailable,
        }
    }

    /// Whether the server refuses this kind of connection: no line of its `pg_hba.conf` matches, and it has not asked
    /// for authentication. Later the same SQLSTATE 28000 also means that channel binding has failed, which may be a man
    /// in the middle.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Conversation(proto::Error::Server { stage: Stage::Greeting, .. }))
            && self.sqlstate() == Some(INVALID_AUTHORIZATION)
    }

    /// Whether the fault lies with this one server, which has logged us in: it goes away, or is not what was asked for.
    /// Another host may do better.
    #[must_use]
    pub fn is_of_this_server(&self) -> bool {
        match self {
            Self::Conversation(_) => {
                matches!(self.sqlstate(), Some(ADMIN_SHUTDOWN | CRASH_SHUTDOWN | CANNOT_CONNECT_NOW))
            }
            error => error.kind() == ErrorKind::Unavailable,
        }
    }

    /// Whether it may be over later, without a change to what was asked for: a server that starts, has too many clients or is
    /// not there, also a name that has no address yet.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unsuitable(_) => false,
            Self::System(error) if error.kind() == io::ErrorKind::PermissionDenied => false,
            Self::Conversation(proto::Error::Server { message, .. }) => {
                let is_lasting = |class| message.code.starts_with(class);
                self.kind() == ErrorKind::Unavailable && !LASTING.iter().any(is_lasting)
            }
            error => error.kind() == ErrorKind::Unavailable,
        }
    }

    /// Returns the SQLSTATE, where the error is the server's.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Conversation(proto::Error::Server { message, .. }) => Some(&message.code),
            _ => None,
        }
    }
}

/// An error of a system call; not a `From`, so that rustix is no part of the API.
pub(super) fn system(errno: Errno) -> Error {
    Error::System(errno.into())
}

/// Returns the system's text for an error, without the number that Rust adds.
#[must_use]
pub(crate) fn os_error_text(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_owned()
}

/// One failed attempt: where, and why.
#[derive(Debug, thiserror::Error)]
#[error("connection to server {server_address} failed: {error}{}", hint_text(.hint.as_deref()))]
#[non_exhaustive]
pub struct ConnectFailure {
    /// Such as `at "db" (10.0.0.1), port 5432` or `on socket "/tmp/.s.PGSQL.5432"`.
    pub server_address: String,
    /// Why it failed.
    pub error: Error,
    /// What may help.
    pub hint: Option<String>,
}

fn hint_text(hint: Option<&str>) -> String {
    hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

/// All attempts at a connection, none of which succeeded; never empty.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.0))]
#[non_exhaustive]
pub struct ConnectFailures(pub Vec<ConnectFailure>);

impl ConnectFailures {
    /// Who has to act, by the last attempt: any error but an unavailable server ends the list.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.last().map_or(ErrorKind::Unavailable, |failure| failure.error.kind())
    }

    /// Whether there may be a server later: at one of the addresses, or when one of several standbys is promoted.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let is_standby = |failure: &&ConnectFailure| matches!(failure.error, Error::Unsuitable(_));
        self.kind() == ErrorKind::Unavailable
            && (self.0.iter().any(|failure| failure.error.may_pass())
                || self.0.iter().filter(is_standby).count() > 1)
    }
}

/// One line an attempt.
fn lines(failures: &[ConnectFailure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// SQLSTATE `invalid_authorization_specification`.
const INVALID_AUTHORIZATION: &str = "28000";

/// SQLSTATE `admin_shutdown`.
const ADMIN_SHUTDOWN: &str = "57P01";

/// SQLSTATE `crash_shutdown`.
const CRASH_SHUTDOWN: &str = "57P02";

/// SQLSTATE `cannot_connect_now`.
pub(super) const CANNOT_CONNECT_NOW: &str = "57P03";

/// Classes of SQLSTATE that another attempt meets again: what is asked for is not there, or not right
/// (`feature_not_supported`, `data_exception`, `syntax_error_or_access_rule_violation`).
const LASTING: [&str; 3] = ["0A", "22", "42"];
