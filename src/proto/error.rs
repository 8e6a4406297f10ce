//! What can go wrong in a conversation, and whose fault it is.

use std::fmt;

use super::frame::MAX_MESSAGE;
use super::reader::Malformed;
use super::server::ServerMessage;
use super::version;
use crate::auth::policy::RequireAuth;
use crate::auth::scram;

/// Why a conversation ended, or a statement failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// The peer's first byte is not one that a PostgreSQL server says.
    NotPostgres {
        /// That byte.
        first: u8,
    },
    /// An error in the format of protocol 2, from a server before 7.4 or a peer that poses as one.
    OldServer {
        /// Its text, fit to print.
        text: String,
    },
    /// A length that no honest message has.
    BadLength {
        /// The type byte.
        tag: u8,
        /// The length, in bytes.
        length: usize,
    },
    /// A type byte that the protocol does not have.
    UnknownMessage {
        /// The type byte.
        tag: u8,
    },
    /// A body that does not fit its type.
    Malformed {
        /// The message's name.
        message: &'static str,
        /// What is wrong with it.
        malformed: Malformed,
    },
    /// Bytes behind the answer to `SSLRequest`.
    BehindNegotiation,
    /// An error in answer to `SSLRequest`; its text is nobody's word.
    ErrorBeforeTls,
    /// A message that may not come now.
    Unexpected {
        /// The message, fit to print.
        message: String,
        /// What was going on.
        during: &'static str,
    },
    /// The server makes of the protocol's version what it may not.
    Version(version::NegotiationError),
    /// The server's side of SCRAM is wrong, or proves that it does not know the password.
    Scram(scram::Error),
    /// The server offers SASL mechanisms, none of which heimdall has and may use.
    NoMechanism {
        /// The mechanisms offered, fit to print.
        offered: String,
    },
    /// The server offers to bind the login to a TLS channel, and there is none.
    PlusWithoutTls,
    /// `channel_binding=require` can't be satisfied.
    Unbound(Unbound),
    /// The server asks for a password, and none is configured.
    PasswordNeeded {
        /// The method asked for.
        method: &'static str,
    },
    /// `require_auth` does not allow what the server asks for.
    NotAllowed {
        /// The method asked for.
        method: &'static str,
        /// The policy.
        policy: RequireAuth,
    },
    /// The password would travel readable for everybody on the way.
    CleartextRefused,
    /// The server asks for a method that heimdall does not have.
    UnsupportedMethod {
        /// Its name.
        method: &'static str,
    },
    /// An `ErrorResponse`.
    Server {
        /// What it says.
        message: Box<ServerMessage>,
        /// When it came.
        stage: Stage,
    },
}

/// Why a login would not be bound to the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbound {
    /// The channel is not TLS.
    NoTls,
    /// The server's certificate has no hash to bind to.
    NoEndPoint,
    /// The server offers SCRAM, but not SCRAM-SHA-256-PLUS.
    NotOffered,
    /// The server asks for a method that binds nothing.
    OtherMethod,
    /// The server asks for nothing.
    NoExchange,
}

/// How far a conversation had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The server has not yet asked who we are.
    Greeting,
    /// It has asked; the login is not done.
    Login,
    /// The login is done.
    Session,
}

/// Who has to act on an error; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The peer breaks the protocol or is no PostgreSQL.
    Protocol,
    /// The identity was not proved, or is not allowed to do this.
    Authentication,
    /// A connection parameter names something that is not there.
    Configuration,
    /// The server can't serve now.
    Unavailable,
}

impl Error {
    /// Who has to act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotPostgres { .. }
            | Self::OldServer { .. }
            | Self::BadLength { .. }
            | Self::UnknownMessage { .. }
            | Self::Malformed { .. }
            | Self::BehindNegotiation
            | Self::ErrorBeforeTls
            | Self::Unexpected { .. }
            | Self::Version(_)
            | Self::PlusWithoutTls
            | Self::Scram(
                scram::Error::Malformed
                | scram::Error::MandatoryExtension
                | scram::Error::Nonce
                | scram::Error::Iterations
                | scram::Error::Signature,
            ) => ErrorKind::Protocol,
            Self::Scram(scram::Error::Refused(_))
            | Self::NoMechanism { .. }
            | Self::Unbound(_)
            | Self::PasswordNeeded { .. }
            | Self::NotAllowed { .. }
            | Self::CleartextRefused
            | Self::UnsupportedMethod { .. } => ErrorKind::Authentication,
            Self::Server { message, stage } => sqlstate_fault(&message.code, *stage),
        }
    }
}

/// By SQLSTATE (PostgreSQL documentation, appendix A).
fn sqlstate_fault(code: &str, stage: Stage) -> ErrorKind {
    match code {
        // insufficient_privilege: no CONNECT on the database, or no EXECUTE on a function.
        "42501" => ErrorKind::Authentication,
        // The database does not exist, or a startup parameter or its value is unknown.
        "3D000" => ErrorKind::Configuration,
        _ => match code.get(..2) {
            // invalid_authorization_specification
            Some("28") => ErrorKind::Authentication,
            Some("22" | "42") if stage != Stage::Session => ErrorKind::Configuration,
            // protocol_violation and its kin
            Some("08") => ErrorKind::Protocol,
            _ => ErrorKind::Unavailable,
        },
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPostgres { first } => write!(
                f,
                "this is no PostgreSQL server: its answer begins with byte 0x{first:02x}; check host and port"
            ),
            Self::OldServer { text } => write!(f, "the server does not speak protocol 3: {text}"),
            Self::BadLength { tag, length } => write!(
                f,
                "the server sent a message of type 0x{tag:02x} and length {length} (at most {MAX_MESSAGE} is accepted)"
            ),
            Self::UnknownMessage { tag } => {
                write!(f, "the server sent a message of unknown type 0x{tag:02x}")
            }
            Self::Malformed { message, malformed } => {
                write!(f, "the server sent a malformed {message}: {}", malformed.reason())
            }
            Self::BehindNegotiation => f.write_str(
                "received unencrypted data behind the answer to SSLRequest: this is no PostgreSQL server, or \
                 somebody is in between",
            ),
            Self::ErrorBeforeTls => f.write_str("the server sent an error in answer to SSLRequest"),
            Self::Unexpected { message, during } => write!(f, "unexpected {message} {during}"),
            Self::Version(refusal) => refusal.fmt(f),
            Self::Scram(error) => write!(f, "SCRAM authentication: {error}"),
            Self::NoMechanism { offered } => {
                write!(f, "the server offers no SASL mechanism that can be used here, only: {offered}")
            }
            Self::PlusWithoutTls => f.write_str(
                "server offered SCRAM-SHA-256-PLUS authentication over a non-SSL connection; \
                 somebody in between may have removed TLS",
            ),
            Self::Unbound(unbound) => unbound.fmt(f),
            Self::PasswordNeeded { method } => write!(
                f,
                "a password is needed: the server asks for {method} authentication, and none is given \
                 (password in the connection string, PGPASSWORD or passfile)"
            ),
            Self::NotAllowed { method: "none", policy } => {
                write!(
                    f,
                    "authentication is required by require_auth={policy}, but the server asked for none"
                )
            }
            Self::NotAllowed { method, policy } => {
                write!(
                    f,
                    "the server asks for {method} authentication, which require_auth={policy} does not allow"
                )
            }
            Self::CleartextRefused => f.write_str(
                "the server asks for the password in clear text over an unencrypted connection; \
                 refused (require_auth=password would allow it)",
            ),
            Self::UnsupportedMethod { method } => {
                write!(f, "the server asks for {method} authentication, which heimdall does not have")
            }
            Self::Server { message, .. } => message.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

/// In libpq's words where it has some (`fe-auth.c`, `pg_SASL_init` and `check_expected_areq`).
impl fmt::Display for Unbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoTls => "channel binding required, but SSL not in use",
            Self::NoEndPoint => {
                "channel binding required, but the signature algorithm of the server's certificate \
                 (such as Ed25519) has no hash to bind with"
            }
            Self::NotOffered => {
                "channel binding is required, but server did not offer an authentication method \
                 that supports channel binding"
            }
            Self::OtherMethod => {
                "channel binding required but not supported by server's authentication request"
            }
            Self::NoExchange => {
                "channel binding required, but server authenticated client without channel binding"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_is_not_bound_is_a_failed_one_and_a_removed_channel_a_broken_protocol() {
        assert_eq!(Error::PlusWithoutTls.kind(), ErrorKind::Protocol);
        for unbound in [
            Unbound::NoTls,
            Unbound::NoEndPoint,
            Unbound::NotOffered,
            Unbound::OtherMethod,
            Unbound::NoExchange,
        ] {
            let error = Error::Unbound(unbound);
            assert_eq!(error.kind(), ErrorKind::Authentication);
            assert!(!error.to_string().contains(['\n', '\t']) && !error.to_string().contains("  "));
        }
    }
}
