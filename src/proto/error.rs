//! What can go wrong in a conversation, and whose fault it is.

use super::error_kind::ErrorKind;
use super::reader::Malformed;
use super::server::ServerMessage;
use super::version;
use crate::auth::policy::RequireAuth;
use crate::auth::scram;

/// Why a conversation ended.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer's first byte is not one that a PostgreSQL server sends.
    #[error("this is no PostgreSQL server: its answer begins with byte 0x{first:02x}; check host and port")]
    NotPostgres {
        /// That byte.
        first: u8,
    },
    /// An error in the format of protocol 2: from a server that can't start a process for the session, which says so before
    /// it knows our version, or from one before 7.4. Anyone on the way may have written it.
    #[error("the server refused the connection before login: {text}")]
    OldServer {
        /// Its text, fit to print.
        text: String,
    },
    /// A length that no honest message has.
    #[error(
        "the server sent a message of type 0x{tag:02x} and length {length} ({least} to {most} is accepted)"
    )]
    BadLength {
        /// The type byte.
        tag: u8,
        /// The length, in bytes.
        length: usize,
        /// The smallest length that is accepted.
        least: usize,
        /// The greatest length that is accepted.
        most: usize,
    },
    /// A type byte that the protocol does not have.
    #[error("the server sent a message of unknown type 0x{tag:02x}")]
    UnknownMessage {
        /// The type byte.
        tag: u8,
    },
    /// A body that is not what its type requires.
    #[error("the server sent a malformed {message}: {malformed}")]
    Malformed {
        /// The message's name.
        message: &'static str,
        /// What is wrong with it.
        malformed: Malformed,
    },
    /// Bytes after the answer to `SSLRequest`.
    #[error(
        "received unencrypted data after the answer to SSLRequest: this is no PostgreSQL server, or there is a man in \
         the middle"
    )]
    AfterNegotiation,
    /// An error in answer to `SSLRequest`, whose text no one has authenticated: that of a server that can't start a process for
    /// the session.
    #[error("the server sent an error in answer to SSLRequest, before encryption; its log says which")]
    ErrorBeforeTls,
    /// A message that may not come now.
    #[error("unexpected {message} {during}")]
    Unexpected {
        /// The message, fit to print.
        message: String,
        /// What was going on.
        during: &'static str,
    },
    /// The rows in answer to a query take more memory than any honest answer.
    #[error("the server's answer is longer than the {most} bytes that are accepted")]
    LongAnswer {
        /// The most that is accepted, in bytes.
        most: usize,
    },
    /// The server's answer to the version asked for is invalid.
    #[error(transparent)]
    Version(#[from] version::NegotiationError),
    /// The server's side of SCRAM is wrong, or proves that it does not know the password.
    #[error("SCRAM authentication: {0}")]
    Scram(scram::Error),
    /// The server offers SASL mechanisms, none of which heimdall has and may use.
    #[error("the server offers no SASL mechanism that can be used here, only: {offered}")]
    NoMechanism {
        /// The mechanisms offered, fit to print.
        offered: String,
    },
    /// The server offers to bind the login to a TLS channel, and there is none.
    #[error(
        "server offered SCRAM-SHA-256-PLUS authentication over a non-SSL connection; a man in the middle may have \
         removed TLS"
    )]
    PlusWithoutTls,
    /// `channel_binding=require` can't be satisfied.
    #[error(transparent)]
    Unbound(#[from] Unbound),
    /// The server asks for a password, and none is configured.
    #[error(
        "a password is needed: the server asks for {method} authentication, and none is given (password in the \
         connection string, PGPASSWORD or passfile); the server's log may say \"got message type 81\""
    )]
    PasswordNeeded {
        /// The method asked for.
        method: &'static str,
    },
    /// `require_auth` does not allow that the server asks for nothing.
    #[error(
        "authentication method requirement \"{policy}\" failed: server did not complete authentication (require_auth); its \
         log may say \"invalid frontend message type 112\""
    )]
    NoneAsked {
        /// The policy.
        policy: RequireAuth,
    },
    /// `require_auth` does not allow what the server asks for.
    #[error("authentication method requirement \"{policy}\" failed: server requested {what} (require_auth)", what = requested(method))]
    NotAllowed {
        /// The method asked for.
        method: &'static str,
        /// The policy.
        policy: RequireAuth,
    },
    /// The password would be sent readable for everyone on the way.
    #[error(
        "the server asks for the password in clear text over an unencrypted connection; refused \
         (require_auth=password would allow it)"
    )]
    CleartextRefused,
    /// The server asks for a method that heimdall does not have.
    #[error("the server asks for {method} authentication, which heimdall does not have")]
    UnsupportedMethod {
        /// Its name.
        method: &'static str,
    },
    /// An `ErrorResponse` that ends the session.
    #[error("{message}")]
    Server {
        /// The message.
        message: Box<ServerMessage>,
        /// When it came.
        stage: Stage,
    },
}

/// Why a login would not be bound to the channel, in libpq's own text where there is one (`fe-auth.c`, `pg_SASL_init` and
/// `check_expected_areq`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unbound {
    /// The channel is not TLS.
    #[error("channel binding required, but SSL not in use")]
    NoTls,
    /// The server's certificate has no hash to bind to.
    #[error(
        "channel binding required, but the signature algorithm of the server's certificate (such as Ed25519) has no \
         hash to bind with"
    )]
    NoEndPoint,
    /// The server offers SCRAM, but not SCRAM-SHA-256-PLUS.
    #[error(
        "channel binding is required, but server did not offer an authentication method that supports channel binding"
    )]
    NotOffered,
    /// The server asks for a method that binds nothing.
    #[error("channel binding required but not supported by server's authentication request")]
    OtherMethod,
    /// The server asks for nothing.
    #[error("channel binding required, but server authenticated client without channel binding")]
    NoExchange,
}

/// How far a conversation had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The server has not yet asked for authentication.
    Greeting,
    /// It has asked; the login is not done.
    Login,
    /// The login is done.
    Session,
}

impl Error {
    /// Who has to act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotPostgres { .. }
            | Self::BadLength { .. }
            | Self::UnknownMessage { .. }
            | Self::Malformed { .. }
            | Self::AfterNegotiation
            | Self::Unexpected { .. }
            | Self::LongAnswer { .. }
            | Self::Version(_)
            | Self::PlusWithoutTls
            | Self::Scram(
                scram::Error::Malformed
                | scram::Error::MandatoryExtension
                | scram::Error::Nonce
                | scram::Error::Iterations
                | scram::Error::Signature,
            ) => ErrorKind::Protocol,
            // It leads to another attempt at the same kind of connection, and to nothing else.
            Self::OldServer { .. } | Self::ErrorBeforeTls => ErrorKind::Unavailable,
            Self::Scram(scram::Error::Refused(_))
            | Self::NoMechanism { .. }
            | Self::Unbound(_)
            | Self::PasswordNeeded { .. }
            | Self::NoneAsked { .. }
            | Self::NotAllowed { .. }
            | Self::CleartextRefused
            | Self::UnsupportedMethod { .. } => ErrorKind::Authentication,
            Self::Server { message, stage } => ErrorKind::of(message, *stage == Stage::Session),
        }
    }
}

/// What a server that asks for a method asks for, in libpq's words.
fn requested(method: &str) -> &str {
    match method {
        "password" => "a cleartext password",
        "md5" => "a hashed password",
        "scram-sha-256" => "SASL authentication",
        other => other,
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
