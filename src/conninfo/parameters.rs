//! Every parameter in force and where it came from: what `--print-conninfo` shows.

use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::Error;
use super::hosts::{self, Host};
use super::passfile::Passfile;
use super::resolver::Resolver;
use super::secret::{MASK, Secret};
use super::table::{self, Parameter, TABLE};

/// The connection parameters after all sources have been asked. Values are as they were given; what
/// they mean, and whether they are valid, is for [`Config`](super::Config) to say.
pub struct Parameters {
    entries: Vec<Entry>,
    passfile: Option<Passfile>,
    warnings: Vec<String>,
}

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
    /// environment, else the default; and the password in the password file if there is none elsewhere. `explicit` is a URI, a keyword/value string or a database name, and who gave it.
    ///
    /// # Errors
    /// A malformed connection string, a service that is not found, an environment variable that is no text, or a user id without
    /// a name where one is needed.
    pub fn resolve(explicit: Option<(Source, &str)>, env: &Environment) -> Result<Parameters, Error> {
        let (source, text) = explicit.unwrap_or((Source::Option, ""));
        let resolver = Resolver::new(source, text, env)?;
        let mut parameters = Parameters { entries: Vec::new(), passfile: None, warnings: Vec::new() };
        for parameter in TABLE {
            if let Some((value, source)) = resolver.find(parameter)? {
                parameters.entries.push(Entry { parameter, value, source });
            }
        }
        if parameters.get("password").is_none() {
            parameters.read_passfile();
        }
        Ok(parameters)
    }

    /// Looks for the password in the password file. Hosts may differ in theirs; the first stands for all.
    fn read_passfile(&mut self) {
        let path = self.get("passfile").map(PathBuf::from);
        self.passfile = path.and_then(|path| Passfile::read(&path, &mut self.warnings));
        // Lists of hosts that don't fit are for Config to report.
        let hosts = hosts::list(self).unwrap_or_default();
        let password = hosts.iter().find_map(|host| self.password_in_passfile(host));
        if let (Some(password), Some(parameter)) = (password, table::find("password")) {
            let value = password.expose().to_owned();
            self.entries.push(Entry { parameter, value, source: Source::Passfile });
        }
    }

    /// The password that the password file has for this host, where no other source has one.
    pub(super) fn password_in_passfile(&self, host: &Host) -> Option<Secret> {
        self.passfile.as_ref()?.password(host, self.get("dbname")?, self.get("user")?)
    }

    /// The password file, if it was read.
    pub(super) fn passfile(&self) -> Option<&Path> {
        self.passfile.as_ref().map(|passfile| passfile.path.as_path())
    }

    /// What the user should know, one line each: why a password file was ignored.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// All parameters that have a value, in the table's order, with passwords masked.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str, Source)> {
        let entries = TABLE.iter().filter_map(|parameter| self.entry(parameter.keyword));
        entries.map(|entry| (entry.parameter.keyword, entry.shown(), entry.source))
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
        self.entries.iter().find(|entry| entry.parameter.keyword == keyword)
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
