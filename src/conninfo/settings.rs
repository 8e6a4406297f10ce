//! What a connection string says: keywords and their values, each as it was given; and where a value stands.

use std::collections::BTreeMap;
use std::fmt;

use super::table::{self, Parameter};
use crate::auth::policy::words;

/// The parameters that a connection string names.
#[derive(Default)]
pub(super) struct Settings {
    values: BTreeMap<&'static str, String>,
    /// What other programs read there, in the order of its first appearance.
    pub(super) ignored: Vec<&'static str>,
}

impl Settings {
    /// Stores a value, over an earlier one; returns its parameter, `None` if there is none of this name.
    pub(super) fn set(&mut self, keyword: &str, value: String) -> Option<&'static Parameter> {
        // Before 7.4 sslmode was a yes or no.
        let (keyword, value) = match keyword {
            "requiressl" if value.starts_with('1') => ("sslmode", "require".to_owned()),
            "requiressl" => ("sslmode", "prefer".to_owned()),
            _ => (keyword, value),
        };
        let parameter = table::find(keyword)?;
        self.values.insert(parameter.keyword, value);
        Some(parameter)
    }

    /// Notes a parameter that says nothing to us.
    pub(super) fn ignore(&mut self, name: &'static str) {
        if !self.ignored.contains(&name) {
            self.ignored.push(name);
        }
    }

    /// Returns the value of a parameter, unmasked; an empty one is a value.
    pub(super) fn get(&self, keyword: &str) -> Option<&str> {
        self.values.get(keyword).map(String::as_str)
    }
}

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
