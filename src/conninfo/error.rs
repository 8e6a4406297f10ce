//! What can be wrong with what the user said about the connection, in libpq's words where it has some.

use std::fmt;

use super::file::FileFault;
use crate::auth::policy::RequireAuthError;

/// A wrong connection string, environment variable or file: the user's to mend. Its display is one
/// line without a newline; control characters in what it quotes are escaped, secrets never quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A NUL byte, which would end a value early and begin another one on the wire.
    #[error("connection info string contains a NUL byte")]
    Nul,
    /// A NUL byte in this environment variable.
    #[error("{0} contains a NUL byte")]
    NulInVariable(&'static str),
    /// This environment variable is not UTF-8.
    #[error("{0} is not valid UTF-8")]
    VariableNotUtf8(&'static str),
    /// A URI whose `[` has no `]`.
    #[error("end of string reached when looking for matching \"]\" in IPv6 host address in URI{0}")]
    UnclosedBracket(Excerpt),
    /// A URI with `[]` for a host.
    #[error("IPv6 host address may not be empty in URI{0}")]
    EmptyBrackets(Excerpt),
    /// A URI with something unexpected after `]`, at this byte, counted from 1.
    #[error("unexpected character \"{found}\" at position {1} in URI (expected \":\" or \"/\"){2}", found = .0.escape_debug())]
    AfterBracket(char, usize, Excerpt),
    /// A URI with a delimiter in its password that libpq would take for the end of it.
    #[error(
        "malformed URI: \":\", \"/\", \"?\" and \"@\" in a user name or password must be percent-encoded"
    )]
    UnescapedDelimiter,
    /// A URI query parameter without `=`.
    #[error("missing key/value separator \"=\" in URI query parameter{0}")]
    NoSeparator(Excerpt),
    /// A URI query parameter with a second `=`.
    #[error("extra key/value separator \"=\" in URI query parameter{0}")]
    ExtraSeparator(Excerpt),
    /// A URI query parameter that does not exist.
    #[error("invalid URI query parameter{0}")]
    UnknownQueryParameter(Excerpt),
    /// `%` without two hexadecimal digits.
    #[error("invalid percent-encoded token{0}")]
    PercentToken(Excerpt),
    /// `%00`.
    #[error("forbidden value %00 in percent-encoded value{0}")]
    PercentNul(Excerpt),
    /// Percent-encoded bytes that are not UTF-8.
    #[error("percent-encoded value is not valid UTF-8{0}")]
    PercentNotUtf8(Excerpt),
    /// A space inside a component of a URI.
    #[error("unexpected spaces found in {}, use percent-encoded spaces (%20) instead", .0.or("URI"))]
    UnencodedSpace(Excerpt),
    /// A keyword/value string in which this word is not followed by `=`.
    #[error("{}", no_equals(.0))]
    NoEquals(Excerpt),
    /// A keyword/value string with an open quote.
    #[error("unterminated quoted string in connection info string")]
    UnterminatedQuote,
    /// A keyword that does not exist.
    #[error("invalid connection option {}", .0.or("(a value with spaces needs quotes)"))]
    UnknownOption(Excerpt),
    /// The effective user id has no passwd entry, and nothing says which user to be.
    #[error("local user with ID {0} does not exist; set PGUSER")]
    NoSuchUser(u32),
    /// The home directory, where the default files are, has a name that is not UTF-8.
    #[error("the home directory is not valid UTF-8; set HOME")]
    HomeNotUtf8,
    /// The file that `PGSERVICEFILE` names is not there.
    #[error("service file {0:?} not found")]
    ServiceFileMissing(String),
    /// A service file that can't be read.
    #[error("service file {0:?} {1}")]
    ServiceFile(String, FileFault),
    /// A service file with a line that can't be understood: its path, the line's number from 1, and why.
    #[error("{}", service_line(.0, *.1, *.2))]
    ServiceLine(String, usize, LineFault),
    /// No service file has a section of this name.
    #[error("definition of service {0:?} not found")]
    ServiceNotFound(String),
    /// A parameter whose value is none of those it can have.
    #[error("invalid {0} value: {1:?}")]
    Value(&'static str, String),
    /// A parameter whose value is not an integer, or too large for one.
    #[error("invalid integer value {1:?} for connection option \"{0}\"")]
    Integer(&'static str, String),
    /// A port that is out of range.
    #[error("invalid port number: {0:?}")]
    Port(String),
    /// How many host names, against how many `hostaddr` values.
    #[error("could not match {0} host names to {1} hostaddr values")]
    HostCount(usize, usize),
    /// How many ports, against how many hosts.
    #[error("could not match {0} port numbers to {1} hosts")]
    PortCount(usize, usize),
    /// An `sslmode` that is too weak for this other setting, and those that are not.
    #[error("weak sslmode \"{0}\" may not be used with {1} (use {2})")]
    WeakSslMode(&'static str, &'static str, &'static str),
    /// The smallest TLS version allowed is above the largest.
    #[error("invalid SSL protocol version range")]
    TlsRange,
    /// The smallest protocol version allowed is above the largest.
    #[error("\"min_protocol_version\" is greater than \"max_protocol_version\"")]
    ProtocolRange,
    /// A `require_auth` that is not understood.
    #[error(transparent)]
    RequireAuth(#[from] RequireAuthError),
    /// A parameter that asks for what heimdall does not do, and why.
    #[error("{0}: {1}")]
    Unsupported(&'static str, &'static str),
    /// A parameter that asks for what this build of heimdall does not do.
    #[error("{0} {1:?} is not supported by this version of heimdall")]
    Unbuilt(&'static str, String),
}

/// What is wrong with a line of a service file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineFault {
    /// It is longer than libpq's buffer.
    TooLong,
    /// It is neither a section nor a parameter.
    Syntax,
    /// It names another service.
    Nested,
}

/// A piece of the user's input, shown after a colon; nothing where it may be part of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(Option<String>);

impl Excerpt {
    pub(super) fn new(text: &str, private: bool) -> Excerpt {
        Excerpt((!private).then(|| text.to_owned()))
    }

    /// The piece in quotes, or `other` where it must not be shown.
    fn or(&self, other: &str) -> String {
        self.0.as_ref().map_or_else(|| other.to_owned(), |text| format!("{text:?}"))
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |text| write!(f, ": {text:?}"))
    }
}

fn no_equals(word: &Excerpt) -> String {
    match word {
        Excerpt(Some(word)) => format!("missing \"=\" after {word:?} in connection info string"),
        Excerpt(None) => "missing \"=\" in connection info string (a URI begins with postgresql://, \
                          a value with spaces needs quotes)"
            .to_owned(),
    }
}

fn service_line(path: &str, line: usize, fault: LineFault) -> String {
    match fault {
        LineFault::TooLong => format!("line {line} too long in service file {path:?}"),
        LineFault::Syntax => format!("syntax error in service file {path:?}, line {line}"),
        LineFault::Nested => {
            format!("nested service specifications not supported in service file {path:?}, line {line}")
        }
    }
}
