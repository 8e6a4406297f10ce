//! Values as types: one of a few words, an integer, a secret.

use std::fmt;

use super::error::{Error, Excerpt};
use crate::auth::mask::{self, MASK};
use crate::auth::words::words;

words! {
    /// Whether to encrypt TCP connections, and what to verify (`sslmode`); weaker is less.
    SslMode {
        /// Never TLS.
        Disable = "disable",
        /// TLS if the server refuses to do without.
        Allow = "allow",
        /// TLS if the server has it.
        Prefer = "prefer",
        /// TLS, verified if there are root certificates.
        Require = "require",
        /// TLS with a verified certificate.
        VerifyCa = "verify-ca",
        /// TLS with a verified certificate in the host's name.
        VerifyFull = "verify-full",
    }

    /// How TLS begins (`sslnegotiation`).
    SslNegotiation {
        /// `SSLRequest` asks first.
        Postgres = "postgres",
        /// The TLS handshake comes first.
        Direct = "direct",
    }

    /// Whether to send a client certificate (`sslcertmode`).
    SslCertMode {
        /// Never.
        Disable = "disable",
        /// If there is one and the server asks.
        Allow = "allow",
        /// The server has to ask for one.
        Require = "require",
    }

    /// Which of several hosts will do (`target_session_attrs`).
    TargetSessionAttrs {
        /// Any that accepts the connection.
        Any = "any",
        /// One whose sessions can write.
        ReadWrite = "read-write",
        /// One whose sessions can't write by default.
        ReadOnly = "read-only",
        /// One that is not in recovery.
        Primary = "primary",
    }

    /// In which order hosts and addresses are tried (`load_balance_hosts`).
    LoadBalanceHosts {
        /// As given.
        Disable = "disable",
        /// Shuffled.
        Random = "random",
    }

    /// A version of the wire protocol (`min_protocol_version`, `max_protocol_version`).
    ProtocolVersion {
        /// Since server version 7.4.
        V3_0 = "3.0",
        /// Since server version 18.
        V3_2 = "3.2",
    }

    /// A version of TLS (`ssl_min_protocol_version`, `ssl_max_protocol_version`); case does not count, as in libpq.
    TlsVersion by eq_ignore_ascii_case {
        /// Older than heimdall speaks.
        V1_0 = "TLSv1",
        /// Older than heimdall speaks.
        V1_1 = "TLSv1.1",
        /// The oldest heimdall speaks.
        V1_2 = "TLSv1.2",
        /// The newest.
        V1_3 = "TLSv1.3",
    }
}

impl ProtocolVersion {
    /// The newest version that heimdall speaks.
    pub const LATEST: ProtocolVersion = ProtocolVersion::V3_2;
}

/// Reads a 32-bit integer as `strtol` would: spaces around it and a `+` are fine, anything else is not.
pub(super) fn integer(keyword: &'static str, text: &str) -> Result<i32, Error> {
    text.trim_matches(is_space).parse().map_err(|_| Error::Integer(keyword, Excerpt::value(text)))
}

/// Reads a port, 1 to 65535.
pub(super) fn port(text: &str) -> Result<u16, Error> {
    match u16::try_from(integer("port", text)?) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Error::Port(text.to_owned())),
    }
}

/// C's `isspace`: what libpq takes for space.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// A password in memory, which no `Debug` prints.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a password into custody.
    #[must_use]
    pub fn new(password: impl Into<String>) -> Secret {
        Secret(password.into())
    }

    /// Returns the password itself, for the proof of identity and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// The command-line options of the server's session (`options`). Its `Debug` shows which settings they have, and no value.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerOptions(String);

impl ServerOptions {
    /// Takes options as `postgres` takes them: `-c name=value`.
    #[must_use]
    pub fn new(options: impl Into<String>) -> ServerOptions {
        ServerOptions(options.into())
    }

    /// Returns them as they are, for the server.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask::options(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_may_have_spaces_around_and_a_sign() {
        for (text, expected) in
            [("5", 5), (" 5\t", 5), ("+5", 5), ("-5", -5), ("007", 7), ("2147483647", i32::MAX)]
        {
            assert_eq!(integer("keepalives", text), Ok(expected), "{text:?}");
        }
        for text in ["", " ", "5s", "5 5", "+", "- 5", "0x5", "5.0", "2147483648", "٥"] {
            let error = integer("keepalives", text).unwrap_err().to_string();
            let words = format!("invalid integer value {text:?} for connection option \"keepalives\"");
            assert!(error.starts_with(&words), "{error}");
        }
    }

    #[test]
    fn ports_are_1_to_65535() {
        assert_eq!(port(" 1 "), Ok(1));
        assert_eq!(port("65535"), Ok(65535));
        for text in ["0", "-1", "65536", "99999"] {
            let error = port(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid port number: {text:?}")), "{error}");
        }
    }

    #[test]
    fn a_version_of_tls_is_what_it_is_called_whatever_its_case() {
        for (text, expected) in [("TLSv1.2", TlsVersion::V1_2), ("tlsV1.3", TlsVersion::V1_3)] {
            assert_eq!(text.parse(), Ok(expected));
        }
        assert_eq!(TlsVersion::V1_0.to_string(), "TLSv1");
        // The case of other words counts.
        assert!("Require".parse::<SslMode>().is_err() && "TLSv1.4".parse::<TlsVersion>().is_err());
    }

    #[test]
    fn debug_shows_a_mask() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(********)");
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }
}
