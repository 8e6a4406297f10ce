//! What can be wrong with what the user said about the connection, in libpq's words where it has some.

use std::{fmt, io};

use super::origin::Origin;
use super::table;
use crate::auth::policy::RequireAuthError;

/// A wrong connection string, environment variable or file: the user's to mend. Its display is one
/// line without a newline; control characters in what it quotes are escaped, secrets never quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Where a mistake stands, and what it is.
    #[error("{0}: {1}")]
    At(Origin, Box<Error>),
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
    #[error("unexpected character \"{found}\" at position {1} in URI (expected \":\" or \"/\")", found = .0.escape_debug())]
    AfterBracket(char, usize),
    /// A URI with this delimiter, at this byte, where libpq would take a part of the password for something else.
    #[error("malformed URI: unexpected \"{0}\" at position {1}; {ENCODE}")]
    MisplacedDelimiter(char, usize),
    /// A URI with something else than a port after a `:`, at this byte, and what to do.
    #[error("invalid value for connection option \"port\" at position {0} in URI; {1}")]
    UriPort(usize, &'static str),
    /// A URI query parameter without `=`.
    #[error("missing key/value separator \"=\" in URI query parameter{0}; a \"&\" in a value is written %26")]
    NoSeparator(Excerpt),
    /// A URI query parameter with a second `=`.
    #[error("extra key/value separator \"=\" in URI query parameter{0}; a \"=\" in a value is written %3D")]
    ExtraSeparator(Excerpt),
    /// A URI query parameter that does not exist.
    #[error("invalid URI query parameter{0}{hint}", hint = .0.nearest())]
    UnknownQueryParameter(Excerpt),
    /// A URI query parameter by which another program asks for security or for a server, and libpq's instead of it.
    #[error("invalid URI query parameter: \"{0}\"; libpq's is {1}")]
    ForeignParameter(&'static str, &'static str),
    /// `%` without two hexadecimal digits.
    #[error("invalid percent-encoded token{0}; a \"%\" is written %25")]
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
    /// A keyword/value string in which this word, at this byte, is not followed by `=`.
    #[error("{}", no_equals(.0, *.1))]
    NoEquals(Excerpt, usize),
    /// A keyword/value string with an open quote.
    #[error("unterminated quoted string in connection info string; a \"'\" in a value is written \\'")]
    UnterminatedQuote,
    /// An empty `--database` or `DATABASE_URL`, which was hardly meant to lead to the default socket.
    #[error("it is empty, as from a variable that is not set, and there is no PGHOST either")]
    EmptyUrl,
    /// A URI of another scheme than libpq's.
    #[error("unknown scheme {}: a connection URI begins with postgresql:// or postgres://", .0.or("in URI"))]
    Scheme(Excerpt),
    /// A URI with a quote or a blank before it.
    #[error("unexpected {0:?} before the URI: a connection URI begins with postgresql:// or postgres://")]
    BeforeUri(char),
    /// The name of a variable in place of its value.
    #[error("a variable that nothing has expanded: the connection string begins with \"$\" or \"{{{{\"")]
    Unexpanded,
    /// What would be the name of a database, and is hardly meant to be one.
    #[error(
        "neither keywords and values, as in host=db, nor a URI, which begins with postgresql:// or postgres://; a database \
         whose name is blank or has a \":\" or \"%\" is given as dbname=NAME"
    )]
    NoDatabase,
    /// A URI whose user has a `:` in it, without a password.
    #[error(
        "a user with a \":\" in it, and no password: the \":\" between the two must not be percent-encoded"
    )]
    ColonInUser,
    /// A parameter that was to be a name and looks like a URI.
    #[error("{0} holds \":\" and \"@\", as a URI does: give the parts of the URI each in its parameter")]
    HoldsCredentials(&'static str),
    /// A parameter whose value sets a password, too.
    #[error(
        "{0} holds another parameter, and a secret one: parameters are separated by spaces, in a URI by \"&\""
    )]
    HoldsParameters(&'static str),
    /// A parameter or variable that has the contents of a file where the file's path is to be.
    #[error("{0} holds the contents of a file or several lines; give the path of the file")]
    FileContents(&'static str),
    /// A host that is the path of a socket.
    #[error(
        "{0} is the directory of the socket, not its file: leave out \"/.s.PGSQL.\" and give the number in port"
    )]
    SocketFile(&'static str),
    /// A host with a port after it.
    #[error("unexpected ':' at position {1} in {0}: the port goes in port")]
    PortInHost(&'static str, usize),
    /// An address in brackets.
    #[error("brackets around the address in {0}: only a URI has them")]
    Brackets(&'static str),
    /// A name with the end of a line at its end.
    #[error(
        "{0} ends in a newline or carriage return, as from \"echo\" or a file with DOS line ends; remove it"
    )]
    TrailingNewline(&'static str),
    /// A host with this character, at this byte of the list of hosts.
    #[error("unexpected {1:?} at position {2} in {0}: it is no part of a host name{hint}", hint = host_hint(*.1))]
    NoHost(&'static str, char, usize),
    /// A keyword that does not exist.
    #[error("invalid connection option {}{}", .0.or("(a value with spaces needs quotes)"), .0.nearest())]
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
    #[error(
        "definition of service {0:?} not found; it is a section of ~/.pg_service.conf or of the file in PGSERVICEFILE"
    )]
    ServiceNotFound(String),
    /// A parameter whose value is none of those it can have, and which those are.
    #[error("invalid {0} value{1}; {2}{hint}", hint = other_drivers_word(.0, .1))]
    Value(&'static str, Excerpt, String),
    /// A parameter whose value is not an integer, or too large for one.
    #[error("invalid integer value {value}for connection option \"{0}\"; expected a whole number, without a unit", value = .1.before())]
    Integer(&'static str, Excerpt),
    /// A port that is out of range.
    #[error("invalid port number: {0:?}; expected 1 to 65535")]
    Port(String),
    /// A `hostaddr` that is no numeric address.
    #[error("could not parse network address {0:?} (hostaddr)")]
    HostAddress(String),
    /// A Unix socket whose path is longer than the system takes.
    #[error("Unix-domain socket path {0:?} is too long (maximum {MAX_SOCKET_PATH} bytes)")]
    SocketPath(String),
    /// How many host names, against how many `hostaddr` values.
    #[error("could not match {0} host names to {1} hostaddr values; give as many of each")]
    HostCount(usize, usize),
    /// How many ports, against how many hosts.
    #[error("could not match {0} port numbers to {1} hosts; give one for all hosts, or one for each")]
    PortCount(usize, usize),
    /// An `sslmode` that is too weak for this other setting, and those that are not.
    #[error("weak sslmode \"{0}\" may not be used with {1} (use {2})")]
    WeakSslMode(&'static str, &'static str, &'static str),
    /// The smallest TLS version allowed is above the largest.
    #[error("invalid SSL protocol version range: ssl_min_protocol_version is above ssl_max_protocol_version")]
    TlsRange,
    /// The smallest protocol version allowed is above the largest.
    #[error("\"min_protocol_version\" is greater than \"max_protocol_version\"")]
    ProtocolRange,
    /// A `require_auth` that is not understood.
    #[error(transparent)]
    RequireAuth(RequireAuthError),
    /// A parameter that asks for what heimdall does not do, and why.
    #[error("{0}: {1}")]
    Unsupported(&'static str, &'static str),
    /// A parameter that asks for what this build of heimdall does not do.
    #[error("{0} {value}is not supported by this version of heimdall, which was built without TLS", value = .1.before())]
    Unbuilt(&'static str, Excerpt),
}

impl Error {
    /// The mistake with the place where it stands, unless it tells that itself.
    pub(super) fn at(self, origin: &Origin) -> Error {
        match (self, origin) {
            (error @ Error::At(..), _) | (error, Origin::Default) => error,
            (error, origin) => Error::At(origin.clone(), Box::new(error)),
        }
    }

    /// Returns the mistake without the place where it stands.
    #[must_use]
    pub fn mistake(&self) -> &Error {
        match self {
            Error::At(_, error) => error.mistake(),
            error => error,
        }
    }
}

/// Why a file that is there can't be read. The display goes after its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// A directory, a pipe, a device.
    #[error("is not a plain file")]
    NotPlain,
    /// More than any such file needs.
    #[error("is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// The system does not let us read it.
    #[error("could not be read: {0}")]
    Unreadable(io::ErrorKind),
    /// Not UTF-8, or with NUL bytes.
    #[error("is not UTF-8 text")]
    NotText,
}

/// What is wrong with a line of a service file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineFault {
    /// It is longer than libpq's buffer.
    TooLong,
    /// It is neither a section nor a parameter and its value.
    Syntax,
    /// There is no such parameter; the one that is most like it, if any is.
    Unknown(Option<&'static str>),
    /// It names another service.
    Nested,
    /// It names an LDAP server.
    Ldap,
}

/// A piece of the user's input, shown after a colon; nothing where it may be part of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(Option<String>);

impl Excerpt {
    pub(super) fn new(text: &str, private: bool) -> Excerpt {
        Excerpt((!private).then(|| text.to_owned()))
    }

    /// What stands where a keyword is expected, if it looks like one: letters, since most passwords have other characters.
    pub(super) fn keyword(text: &str, private: bool) -> Excerpt {
        let is_keyword = text.chars().all(|c| c.is_ascii_alphabetic() || "_-.'\"".contains(c));
        Excerpt::new(text, private || !is_keyword || text.len() > MAX_SHOWN)
    }

    /// What stands before `://`, if it looks like the name of something.
    pub(super) fn scheme(text: &str) -> Excerpt {
        let is_scheme = text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:".contains(c));
        let is_known =
            ["postg", "sql", "cockroach"].iter().any(|part| text.to_ascii_lowercase().contains(part));
        Excerpt::new(text, !is_scheme || !is_known || text.len() > MAX_SHOWN)
    }

    /// A value that is not one of its parameter's, if it is a plain word or number.
    pub(super) fn value(text: &str) -> Excerpt {
        let is_plain = text.chars().all(|c| c.is_alphanumeric() || " \t\r\n_-.+,!".contains(c));
        Excerpt::new(text, !is_plain || text.len() > MAX_SHOWN)
    }

    /// The known keyword that is most like this one, as a question.
    fn nearest(&self) -> String {
        question(self.0.as_deref().and_then(table::nearest))
    }

    /// The piece in quotes, or `other` where it must not be shown.
    fn or(&self, other: &str) -> String {
        self.0.as_ref().map_or_else(|| other.to_owned(), |text| format!("{text:?}"))
    }

    /// The piece in quotes, with a space after it.
    fn before(&self) -> String {
        self.0.as_ref().map(|text| format!("{text:?} ")).unwrap_or_default()
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |text| write!(f, ": {text:?}"))
    }
}

fn question(keyword: Option<&str>) -> String {
    keyword.map(|keyword| format!("; did you mean \"{keyword}\"?")).unwrap_or_default()
}

fn no_equals(word: &Excerpt, position: usize) -> String {
    match word {
        Excerpt(Some(word)) => format!("missing \"=\" after {word:?} in connection info string"),
        Excerpt(None) => format!(
            "missing \"=\" after the word at position {position} in connection info string \
             (a value with spaces needs quotes)"
        ),
    }
}

fn other_drivers_word(keyword: &str, value: &Excerpt) -> &'static str {
    match (keyword, value.0.as_deref()) {
        ("sslmode", Some("no-verify")) => "; what node-postgres calls no-verify is require",
        _ => "",
    }
}

fn host_hint(found: char) -> &'static str {
    match found {
        '=' => " (parameters are separated by spaces, not by \",\", \";\" or \"&\")",
        '$' | '{' | '}' | '<' | '>' => " (as in a variable that nothing has expanded)",
        _ => "",
    }
}

/// What to do about a password with delimiters in it.
pub(super) const ENCODE: &str = "\":\", \"/\", \"?\" and \"@\" in a user name or password must be percent-encoded \
                      (%3A, %2F, %3F, %40)";

/// Room for thousands of passwords in a file.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What `sockaddr_un` has room for, with a zero at its end. The system takes one more, which it does not end with a zero then.
pub(super) const MAX_SOCKET_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Longer than any keyword, scheme or word that a parameter can have.
const MAX_SHOWN: usize = 60;

fn service_line(path: &str, line: usize, fault: LineFault) -> String {
    let (expected, nearest) = match fault {
        LineFault::TooLong => return format!("line {line} too long in service file {path:?}"),
        LineFault::Nested => {
            return format!(
                "nested service specifications not supported in service file {path:?}, line {line}"
            );
        }
        LineFault::Syntax => {
            ("expected a parameter and its value, as in host=db, without blanks around \"=\"", None)
        }
        LineFault::Ldap => ("LDAP servers are not asked: write out what this one would answer", None),
        LineFault::Unknown(nearest) => ("there is no such parameter", nearest),
    };
    let question = question(nearest);
    format!("syntax error in service file {path:?}, line {line}; {expected}{question}")
}
