//! What can be wrong with what the user said about the connection, in libpq's words where it has some.

use std::fmt;

use super::plain_file::FileFault;
use super::service::{LineError, LineFault};
use super::values::SslMode;

/// A wrong connection string, environment variable or file: the user's to mend. Its display is one
/// line without a newline; control characters in what it quotes are escaped, secrets never quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A NUL byte, which would end a value early and begin another one on the wire.
    Nul,
    /// A NUL byte in this environment variable.
    NulInVariable(&'static str),
    /// This environment variable is not UTF-8.
    VariableNotUtf8(&'static str),
    /// A URI whose `[` has no `]`.
    UnclosedBracket(Excerpt),
    /// A URI with `[]` for a host.
    EmptyBrackets(Excerpt),
    /// A URI with something unexpected behind `]`, at this byte, counted from 1.
    BehindBracket(char, usize, Excerpt),
    /// A URI with a delimiter in its password that libpq would take for the end of it.
    UnescapedDelimiter,
    /// A URI query parameter without `=`.
    NoSeparator(Excerpt),
    /// A URI query parameter with a second `=`.
    ExtraSeparator(Excerpt),
    /// A URI query parameter that does not exist.
    UnknownQueryParameter(Excerpt),
    /// `%` without two hexadecimal digits.
    PercentToken(Excerpt),
    /// `%00`.
    PercentNul(Excerpt),
    /// Percent-encoded bytes that are not UTF-8.
    PercentNotUtf8(Excerpt),
    /// A space inside a component of a URI.
    UnencodedSpace(Excerpt),
    /// A keyword/value string in which this word is not followed by `=`.
    NoEquals(Excerpt),
    /// A keyword/value string with an open quote.
    UnterminatedQuote,
    /// A keyword that does not exist.
    UnknownOption(Excerpt),
    /// The effective user id has no passwd entry, and nothing says which user to be.
    NoSuchUser(u32),
    /// The file that `PGSERVICEFILE` names is not there.
    ServiceFileMissing(String),
    /// A service file that can't be read.
    ServiceFile(String, FileFault),
    /// A service file with a line that can't be understood.
    ServiceLine(String, LineError),
    /// No service file has a section of this name.
    ServiceNotFound(String),
    /// A parameter whose value is none of those it can have.
    Value(&'static str, String),
    /// A parameter whose value is not an integer, or too large for one.
    Integer(&'static str, String),
    /// A port that is out of range.
    Port(String),
    /// How many host names, against how many `hostaddr` values.
    HostCount(usize, usize),
    /// How many ports, against how many hosts.
    PortCount(usize, usize),
    /// An `sslmode` too weak for this other setting, and those that are not.
    WeakSslMode(SslMode, &'static str, &'static str),
    /// The smallest TLS version allowed is above the largest.
    TlsRange,
    /// The smallest protocol version allowed is above the largest.
    ProtocolRange,
    /// A `require_auth` that is not understood, in the words of `auth::policy`.
    RequireAuth(String),
    /// A parameter that asks for what heimdall does not do, and why.
    Unsupported(&'static str, &'static str),
    /// A parameter that asks for what this version of heimdall does not do yet.
    Unbuilt(&'static str, String),
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Nul => write!(f, "connection info string contains a NUL byte"),
            Error::NulInVariable(variable) => write!(f, "{variable} contains a NUL byte"),
            Error::VariableNotUtf8(variable) => write!(f, "{variable} is not valid UTF-8"),
            Error::UnclosedBracket(uri) => {
                write!(
                    f,
                    "end of string reached when looking for matching \"]\" in IPv6 host address in URI{uri}"
                )
            }
            Error::EmptyBrackets(uri) => write!(f, "IPv6 host address may not be empty in URI{uri}"),
            Error::BehindBracket(character, position, uri) => write!(
                f,
                "unexpected character \"{}\" at position {position} in URI (expected \":\" or \"/\"){uri}",
                character.escape_debug()
            ),
            Error::UnescapedDelimiter => write!(
                f,
                "malformed URI: \":\", \"/\", \"?\" and \"@\" in a user name or password must be percent-encoded"
            ),
            Error::NoSeparator(piece) => {
                write!(f, "missing key/value separator \"=\" in URI query parameter{piece}")
            }
            Error::ExtraSeparator(key) => {
                write!(f, "extra key/value separator \"=\" in URI query parameter{key}")
            }
            Error::UnknownQueryParameter(key) => write!(f, "invalid URI query parameter{key}"),
            Error::PercentToken(text) => write!(f, "invalid percent-encoded token{text}"),
            Error::PercentNul(text) => write!(f, "forbidden value %00 in percent-encoded value{text}"),
            Error::PercentNotUtf8(text) => write!(f, "percent-encoded value is not valid UTF-8{text}"),
            Error::UnencodedSpace(Excerpt(Some(text))) => {
                write!(f, "unexpected spaces found in {text:?}, use percent-encoded spaces (%20) instead")
            }
            Error::UnencodedSpace(_) => {
                write!(f, "unexpected spaces found in URI, use percent-encoded spaces (%20) instead")
            }
            Error::NoEquals(Excerpt(Some(word))) => {
                write!(f, "missing \"=\" after {word:?} in connection info string")
            }
            Error::NoEquals(_) => {
                write!(
                    f,
                    "missing \"=\" in connection info string (a URI begins with postgresql://, a value with spaces needs quotes)"
                )
            }
            Error::UnterminatedQuote => write!(f, "unterminated quoted string in connection info string"),
            Error::UnknownOption(Excerpt(Some(keyword))) => {
                write!(f, "invalid connection option {keyword:?}")
            }
            Error::UnknownOption(_) => {
                write!(f, "invalid connection option (a value with spaces needs quotes)")
            }
            Error::NoSuchUser(uid) => write!(f, "local user with ID {uid} does not exist; set PGUSER"),
            Error::ServiceFileMissing(path) => write!(f, "service file {path:?} not found"),
            Error::ServiceFile(path, fault) => write!(f, "service file {path:?} {fault}"),
            Error::ServiceLine(path, LineError { line, fault }) => match fault {
                LineFault::TooLong => write!(f, "line {line} too long in service file {path:?}"),
                LineFault::Syntax => write!(f, "syntax error in service file {path:?}, line {line}"),
                LineFault::Nested => write!(
                    f,
                    "nested service specifications not supported in service file {path:?}, line {line}"
                ),
            },
            Error::ServiceNotFound(name) => write!(f, "definition of service {name:?} not found"),
            Error::Value(keyword, value) => write!(f, "invalid {keyword} value: {value:?}"),
            Error::Integer(keyword, value) => {
                write!(f, "invalid integer value {value:?} for connection option \"{keyword}\"")
            }
            Error::Port(port) => write!(f, "invalid port number: {port:?}"),
            Error::HostCount(hosts, addresses) => {
                write!(f, "could not match {hosts} host names to {addresses} hostaddr values")
            }
            Error::PortCount(ports, hosts) => {
                write!(f, "could not match {ports} port numbers to {hosts} hosts")
            }
            Error::WeakSslMode(mode, with, strong) => {
                write!(f, "weak sslmode \"{mode}\" may not be used with {with} (use {strong})")
            }
            Error::TlsRange => write!(f, "invalid SSL protocol version range"),
            Error::ProtocolRange => {
                write!(f, "\"min_protocol_version\" is greater than \"max_protocol_version\"")
            }
            Error::RequireAuth(message) => f.write_str(message),
            Error::Unsupported(keyword, why) => write!(f, "{keyword}: {why}"),
            Error::Unbuilt(keyword, value) => {
                write!(f, "{keyword} {value:?} is not supported by this version of heimdall")
            }
        }
    }
}

/// A piece of the user's input, to be shown behind a colon; nothing where it may be part of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(Option<String>);

impl Excerpt {
    pub(super) fn new(text: &str, private: bool) -> Excerpt {
        Excerpt((!private).then(|| text.to_owned()))
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |text| write!(f, ": {text:?}"))
    }
}
