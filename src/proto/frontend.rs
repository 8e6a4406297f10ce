//! Encodes every message that we send.

use std::fmt;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use super::version::Version;
use crate::auth::mask;

/// The text of a Query message, cheap to clone.
///
/// Only `lock/sql.rs` makes one, out of its closed list of statements: outside of this crate there is no constructor, and
/// a test holds the crate itself to it. So no string becomes a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(Arc<str>);

impl Query {
    /// `sql` is without NUL.
    pub(crate) fn new(sql: &str) -> Self {
        Self(sql.into())
    }

    /// The text.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.0
    }
}

/// The longest startup packet that a server reads: `MAX_STARTUP_PACKET_LENGTH` (pqcomm.h) does not count its length word.
pub(crate) const MAX_STARTUP_PACKET: usize = 4 + 10_000;

/// The longest password that a server reads in clear: `PG_MAX_AUTH_TOKEN_LENGTH` (libpq/auth.h) counts the message's length word
/// and the NUL at its end.
pub(crate) const MAX_PASSWORD: usize = 65_535 - 4 - 1;

/// What can't be sent to a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsendable {
    /// The named parameter holds a NUL, which would end it and start another (parameter injection).
    #[error("connection parameter {0} contains a NUL byte")]
    Nul(String),
    /// A startup parameter has no name: to a server that is the end of the parameters.
    #[error("a connection parameter has no name")]
    NoName,
    /// The startup parameters together are longer than a server reads: this many bytes.
    #[error(
        "the connection parameters take {0} bytes, more than the {MAX_STARTUP_PACKET} that a server reads"
    )]
    TooLong(usize),
    /// The password is longer than a server reads: this many bytes.
    #[error("the password has {0} bytes, and a server reads no more than {MAX_PASSWORD}")]
    PasswordTooLong(usize),
}

/// The contents of a `StartupMessage`: a version, and parameters in order, checked. Its `Debug` shows no value of a setting in
/// `options`.
#[derive(Clone, PartialEq, Eq)]
pub struct Startup {
    version: Version,
    parameters: Vec<(String, String)>,
}

impl Startup {
    /// Version 3.0, and parameters such as `user` and `database`; the order is kept.
    ///
    /// # Errors
    /// A NUL in a name or value, an empty name, and more bytes than a server reads.
    pub fn new<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Unsendable> {
        let parameters: Vec<(String, String)> =
            parameters.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if let Some((name, _)) =
            parameters.iter().find(|(name, value)| name.contains('\0') || value.contains('\0'))
        {
            return Err(Unsendable::Nul(name.replace('\0', "")));
        }
        if parameters.iter().any(|(name, _)| name.is_empty()) {
            return Err(Unsendable::NoName);
        }
        let startup = Self { version: Version::V3_0, parameters };
        let mut packet = BytesMut::new();
        FrontendMessage::Startup(&startup).encode(&mut packet);
        if packet.len() > MAX_STARTUP_PACKET { Err(Unsendable::TooLong(packet.len())) } else { Ok(startup) }
    }

    /// The same, asking for a version.
    #[must_use]
    pub fn with_version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// The version asked for.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&FrontendMessage::Startup(self), f)
    }
}

/// A message to the server, under its name in the protocol documentation.
#[derive(Clone, Copy)]
pub(crate) enum FrontendMessage<'a> {
    /// The first message on a connection in the clear.
    Startup(&'a Startup),
    /// Asks whether the server speaks TLS.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nothing else asks"))]
    SslRequest,
    /// A password, or its MD5 answer.
    Password(&'a [u8]),
    /// The choice of a SASL mechanism with its first message.
    SaslInitialResponse {
        /// The mechanism.
        mechanism: &'a str,
        /// The mechanism's first message.
        response: &'a [u8],
    },
    /// A later SASL message.
    SaslResponse(&'a [u8]),
    /// A query.
    Query(&'a Query),
    /// A clean end.
    Terminate,
}

impl FrontendMessage<'_> {
    /// Appends the message to `out`.
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        match *self {
            Self::Startup(startup) => untagged(out, |out| {
                out.put_i32(startup.version.number());
                for (name, value) in &startup.parameters {
                    string(out, name.as_bytes());
                    string(out, value.as_bytes());
                }
                out.put_u8(0);
            }),
            Self::SslRequest => untagged(out, |out| out.put_u32(SSL_REQUEST)),
            Self::Password(password) => tagged(out, b'p', |out| string(out, password)),
            Self::SaslInitialResponse { mechanism, response } => tagged(out, b'p', |out| {
                string(out, mechanism.as_bytes());
                counted(out, |out| out.put_slice(response));
            }),
            Self::SaslResponse(response) => tagged(out, b'p', |out| out.put_slice(response)),
            Self::Query(query) => tagged(out, b'Q', |out| string(out, query.sql().as_bytes())),
            Self::Terminate => tagged(out, b'X', |_| {}),
        }
    }
}

/// As transcripts and `--debug` show it, without what proves an identity.
impl fmt::Display for FrontendMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Startup(startup) => {
                f.write_str("StartupMessage")?;
                if startup.version > Version::V3_0 {
                    write!(f, " {}", startup.version)?;
                }
                startup.parameters.iter().try_for_each(|(name, value)| match name.as_str() {
                    "options" => write!(f, " options={}", mask::options(value)),
                    _ => write!(f, " {name}={}", value.escape_debug()),
                })
            }
            Self::SslRequest => f.write_str("SSLRequest"),
            Self::Password(_) => f.write_str("PasswordMessage ********"),
            Self::SaslInitialResponse { mechanism, .. } => {
                write!(f, "SASLInitialResponse {mechanism} ********")
            }
            Self::SaslResponse(_) => f.write_str("SASLResponse ********"),
            Self::Query(query) => write!(f, "Query {}", query.sql()),
            Self::Terminate => f.write_str("Terminate"),
        }
    }
}

fn tagged(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    untagged(out, body);
}

/// A length that counts itself, and the body.
fn untagged(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    body(out);
    patch(out, start, out.len() - start);
}

/// A length that does not count itself, and the body.
fn counted(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    body(out);
    patch(out, start, out.len() - start - 4);
}

fn patch(out: &mut BytesMut, at: usize, length: usize) {
    // Invariant: everything of variable length was bounded before (MAX_STARTUP_PACKET, MAX_PASSWORD).
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(at..at + 4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

fn string(out: &mut BytesMut, text: &[u8]) {
    out.put_slice(text);
    out.put_u8(0);
}

/// 1234 in the high half, 5679 in the low: no protocol version ("`SSLRequest`" in the documentation).
const SSL_REQUEST: u32 = 80_877_103;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_encoded() {
        let startup = Startup::new([("user", "ann"), ("database", "app")]).unwrap();
        let newer = startup.clone().with_version(Version::V3_2);
        for (message, expected) in [
            (FrontendMessage::Startup(&startup), &b"\0\0\0\x1f\0\x03\0\0user\0ann\0database\0app\0\0"[..]),
            (FrontendMessage::Startup(&newer), b"\0\0\0\x1f\0\x03\0\x02user\0ann\0database\0app\0\0"),
            (FrontendMessage::SslRequest, b"\0\0\0\x08\x04\xd2\x16\x2f"),
            (FrontendMessage::Password(b"sesame"), b"p\0\0\0\x0bsesame\0"),
            (
                FrontendMessage::SaslInitialResponse { mechanism: "SCRAM-SHA-256", response: b"n,," },
                b"p\0\0\0\x19SCRAM-SHA-256\0\0\0\0\x03n,,",
            ),
            (FrontendMessage::SaslResponse(b"c=biws"), b"p\0\0\0\x0ac=biws"),
            (FrontendMessage::Query(&Query::new("SELECT 1")), b"Q\0\0\0\x0dSELECT 1\0"),
            (FrontendMessage::Terminate, b"X\0\0\0\x04"),
        ] {
            let mut out = BytesMut::new();
            message.encode(&mut out);
            assert_eq!(&out[..], expected, "{message}");
        }
    }

    #[test]
    fn what_proves_an_identity_is_not_shown() {
        for message in [
            FrontendMessage::Password(b"sesame"),
            FrontendMessage::SaslResponse(b"sesame"),
            FrontendMessage::SaslInitialResponse { mechanism: "SCRAM-SHA-256", response: b"sesame" },
        ] {
            assert!(!message.to_string().contains("sesame"));
        }
        let startup = Startup::new([("user", "ann"), ("options", "-c a.token=sesame")]).unwrap();
        let shown = "StartupMessage user=ann options=-c a.token=********";
        assert_eq!(FrontendMessage::Startup(&startup).to_string(), shown);
        assert_eq!(format!("{startup:?}"), shown);
    }

    #[test]
    fn a_nul_cannot_inject_a_parameter() {
        let injected = Startup::new([("user", "ann\0replication\0true")]);
        assert_eq!(injected, Err(Unsendable::Nul("user".to_owned())));
        assert_eq!(
            Unsendable::Nul("user".to_owned()).to_string(),
            "connection parameter user contains a NUL byte"
        );
    }

    #[test]
    fn a_parameter_without_a_name_does_not_end_those_that_a_server_reads() {
        assert_eq!(Startup::new([("user", "ann"), ("", "x"), ("database", "app")]), Err(Unsendable::NoName));
    }

    #[test]
    fn more_than_a_server_reads_is_not_sent() {
        let startup = |length| {
            let (name, value) = ("options", "x".repeat(length));
            Startup::new([(name, value.as_str())])
        };
        // Beside the value: length, version, the name and three NULs.
        let most = 10_000 - 4 - "options".len() - 3;
        assert!(startup(most).is_ok());
        assert_eq!(startup(most + 1), Err(Unsendable::TooLong(10_005)));
    }
}
