//! Where a value stands, or a mistake.

use std::fmt;

use crate::auth::words::words;

words! {
    /// What kind of source a parameter's value came from.
    Source {
        /// The connection string, given to the library.
        ConnectionString = "connection string",
        /// The connection string that the program was given (`--database`).
        Option = "option",
        /// The environment variable `HEIMDALL_DATABASE_URL`.
        HeimdallDatabaseUrl = "HEIMDALL_DATABASE_URL",
        /// The environment variable `DATABASE_URL`.
        DatabaseUrl = "DATABASE_URL",
        /// A section of a service file.
        Service = "service",
        /// The password file.
        Passfile = "passfile",
        /// A `PG*` environment variable.
        Environment = "environment",
        /// Nowhere: the built-in value.
        Default = "default",
    }
}

/// Where a value, or a mistake, stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// In the connection string, which is from this source.
    ConnectionString(Source),
    /// In this environment variable.
    Variable(&'static str),
    /// In a service file: its path, and the line counted from 1.
    ServiceFile(String, usize),
    /// In the password file.
    Passfile,
    /// Nowhere: it is the built-in value.
    Default,
}

impl Origin {
    /// Returns what kind of source this is.
    #[must_use]
    pub fn source(&self) -> Source {
        match self {
            Origin::ConnectionString(source) => *source,
            Origin::Variable(_) => Source::Environment,
            Origin::ServiceFile(..) => Source::Service,
            Origin::Passfile => Source::Passfile,
            Origin::Default => Source::Default,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::ConnectionString(Source::Option) => f.write_str("--database"),
            Origin::Variable(name) => f.write_str(name),
            Origin::ServiceFile(path, line) => write!(f, "service file {path:?}, line {line}"),
            Origin::ConnectionString(_) | Origin::Passfile | Origin::Default => self.source().fmt(f),
        }
    }
}
