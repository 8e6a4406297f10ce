//! Every parameter in force and where it came from: what `--print-conninfo` shows.

use std::fmt;

use super::environment::Environment;
use super::error::Error;
use super::resolver::Resolver;
use super::secret::MASK;
use super::table::{Parameter, TABLE};

/// The connection parameters after all sources have been asked. Values are as they were given; what
/// they mean, and whether they are valid, is for [`Config`](super::Config) to say.
pub struct Parameters(Vec<Entry>);

/// Where a parameter's value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `--database`.
    Option,
    /// The environment variable `DATABASE_URL`.
    DatabaseUrl,
    /// A section of a service file.
    Service,
    /// The password file.
    Passfile,
    /// A `PG*` environment variable.
    Environment,
    /// Nobody: the built-in value.
    Default,
}

struct Entry {
    parameter: &'static Parameter,
    value: String,
    source: Source,
}

impl Parameters {
    /// Finds the value of every parameter: what was said explicitly, else the service file, else the
    /// environment, else the default. `explicit` is a URI, a keyword/value string or a database name, and who gave it.
    ///
    /// # Errors
    /// A malformed connection string, a service that is not found, an environment variable that is no text, or a user id without
    /// a name where one is needed.
    pub fn resolve(explicit: Option<(Source, &str)>, env: &Environment) -> Result<Parameters, Error> {
        let (source, text) = explicit.unwrap_or((Source::Option, ""));
        let resolver = Resolver::new(source, text, env)?;
        let mut entries = Vec::with_capacity(TABLE.len());
        for parameter in TABLE {
            if let Some((value, source)) = resolver.find(parameter)? {
                entries.push(Entry { parameter, value, source });
            }
        }
        Ok(Parameters(entries))
    }

    /// All parameters that have a value, in the table's order, with passwords masked.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str, Source)> {
        self.0.iter().map(|entry| (entry.parameter.keyword, entry.shown(), entry.source))
    }

    /// The value of a parameter, unmasked.
    #[must_use]
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.entry(keyword).map(|entry| entry.value.as_str())
    }

    /// Where the value of a parameter came from.
    #[must_use]
    pub fn source(&self, keyword: &str) -> Option<Source> {
        self.entry(keyword).map(|entry| entry.source)
    }

    fn entry(&self, keyword: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.parameter.keyword == keyword)
    }
}

impl Entry {
    fn shown(&self) -> &str {
        if self.parameter.masked { MASK } else { &self.value }
    }
}

/// One line a parameter: keyword, tab, value, tab, source.
impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (keyword, value, source) in self.iter() {
            write!(f, "{keyword}\t")?;
            for c in value.chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '\t' => f.write_str("\\t")?,
                    '\n' => f.write_str("\\n")?,
                    c if c.is_control() => write!(f, "\\x{:02x}", u32::from(c))?,
                    c => write!(f, "{c}")?,
                }
            }
            writeln!(f, "\t{source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Option => "option",
            Source::DatabaseUrl => "DATABASE_URL",
            Source::Service => "service",
            Source::Passfile => "passfile",
            Source::Environment => "environment",
            Source::Default => "default",
        })
    }
}
