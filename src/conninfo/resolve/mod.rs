//! Settings and surroundings become parameters: every value in force, and where it came from.

pub(super) mod environment;
pub(crate) mod hostaddr;
pub(super) mod hosts;
pub(crate) mod passfile;
pub(crate) mod service;

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fmt, mem};

use crate::auth::mask::{self, MASK};
use crate::conninfo::error::{Error, Excerpt};
use crate::conninfo::misplaced;
use crate::conninfo::origin::{Origin, Source};
use crate::conninfo::parse;
use crate::conninfo::parse::settings::Settings;
use crate::conninfo::table::{self, Parameter, Shown, TABLE};
use environment::Environment;
use hosts::Host;
use passfile::Passfile;
use service::Service;

/// The connection parameters after all sources have been asked. Values are as they were given; what
/// they mean, and whether they are valid, is for [`Config`](super::Config) to say.
///
/// Its `Display` is what `--print-conninfo` prints: a line for each parameter, with passwords and the values of settings
/// masked.
pub struct Parameters {
    entries: Vec<Entry>,
    hosts: Result<Vec<Host>, Error>,
    passfile: Option<PathBuf>,
    /// OpenSSL's variables, which libpq knows nothing of: no parameters.
    pub(in crate::conninfo) ssl_cert_file: Option<PathBuf>,
    pub(in crate::conninfo) ssl_cert_dir: Option<OsString>,
    warnings: Vec<String>,
    ignored: Vec<&'static str>,
}

struct Entry {
    parameter: &'static Parameter,
    value: String,
    origin: Origin,
}

impl Parameters {
    /// Finds the value of every parameter: what the connection string says, else the service file, else the
    /// environment, else the default; and the password in the password file if there is none elsewhere.
    ///
    /// `explicit` is the connection string (a URI, a keyword/value string or a database name), and who gave it.
    ///
    /// # Errors
    /// A malformed connection string, a service that is not found, an environment variable that is not text, or a user
    /// id without a name where one is needed.
    pub fn resolve(explicit: Option<(Source, &str)>, env: &Environment) -> Result<Parameters, Error> {
        // A library's caller may mean the defaults by an empty string.
        let (source, text) = explicit.unwrap_or((Source::ConnectionString, ""));
        let origin = Origin::ConnectionString(source);
        let settings = parse::connection_string(text).map_err(|error| error.at(&origin))?;
        let parameters = Parameters::complete(origin, settings, env)?;
        let says_where = ["host", "hostaddr"].iter().any(|keyword| parameters.get(keyword).is_some());
        if source != Source::ConnectionString && text.is_empty() && !says_where {
            return Err(Error::EmptyUrl.at(&Origin::ConnectionString(source)));
        }
        Ok(parameters)
    }

    /// Finds the value of every parameter, as [`Parameters::resolve`] does, for keywords and values that nothing has to be
    /// quoted in; a later value replaces an earlier one.
    ///
    /// # Errors
    /// A keyword that there is none of, a NUL in a value, and those of [`Parameters::resolve`].
    pub fn of_pairs<'p>(
        pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
        env: &Environment,
    ) -> Result<Parameters, Error> {
        let mut settings = Settings::default();
        for (keyword, value) in pairs {
            if value.contains('\0') {
                return Err(Error::Nul);
            }
            let unknown = || Error::UnknownOption(Excerpt::keyword(keyword, false));
            settings.set(keyword, value.to_owned()).ok_or_else(unknown)?;
        }
        Parameters::complete(Origin::ConnectionString(Source::ConnectionString), settings, env)
    }

    /// Adds what other sources say to what the connection string says, which is from `origin`.
    fn complete(origin: Origin, mut explicit: Settings, env: &Environment) -> Result<Parameters, Error> {
        let ignored = mem::take(&mut explicit.ignored);
        let sources = Sources::new(origin, explicit, env)?;
        let mut entries = Vec::new();
        for parameter in TABLE {
            if let Some((value, origin)) = sources.find(parameter)? {
                entries.push(Entry { parameter, value, origin });
            }
        }
        let mut parameters = Parameters {
            entries,
            hosts: Ok(Vec::new()),
            passfile: None,
            ssl_cert_file: env.path("SSL_CERT_FILE"),
            ssl_cert_dir: (env.variable)("SSL_CERT_DIR"),
            warnings: Vec::new(),
            ignored,
        };
        let [host, hostaddr, port] = ["host", "hostaddr", "port"].map(|keyword| parameters.get(keyword));
        parameters.hosts = hosts::list(host, hostaddr, port).map_err(|error| match error {
            Error::HostCount(..) | Error::HostAddress(_) => parameters.mistake("hostaddr", error),
            Error::SocketPath(_) => parameters.mistake("host", error),
            _ => parameters.mistake("port", error),
        });
        match parameters.entry("password") {
            None => parameters.read_passfile(),
            // It may be a part of the password, but hardly ever is.
            Some(password) if misplaced::ends_a_line(&password.value) => {
                let warning = Error::TrailingNewline("the password").at(&password.origin);
                parameters.warnings.push(warning.to_string());
            }
            Some(_) => {}
        }
        Ok(parameters)
    }

    /// Looks for each host's password in the password file. Hosts may differ in theirs; the first stands for all.
    fn read_passfile(&mut self) {
        let Some(path) = self.get("passfile").map(PathBuf::from) else { return };
        let is_named = self.origin("passfile") != Some(&Origin::Default);
        let file = Passfile::read(&path, is_named, &mut self.warnings);
        self.passfile = Some(path).filter(|_| is_named || file.is_some());
        let Some(file) = file else { return };
        let [user, dbname] =
            ["user", "dbname"].map(|keyword| self.get(keyword).unwrap_or_default().to_owned());
        // Lists of hosts that don't fit are for Config to report.
        let Ok(hosts) = &mut self.hosts else { return };
        for host in hosts.iter_mut() {
            host.password = file.password(host, &dbname, &user);
        }
        let first = hosts.iter().find_map(|host| host.password.as_ref());
        if let (Some(password), Some(parameter)) = (first, table::find("password")) {
            let value = password.expose().to_owned();
            self.entries.push(Entry { parameter, value, origin: Origin::Passfile });
        }
    }

    /// The hosts to try, each with the password that the password file has for it.
    pub(in crate::conninfo) fn hosts(&self) -> Result<Vec<Host>, Error> {
        self.hosts.clone()
    }

    /// The password file in which the hosts' passwords were looked up: one that is there or was named.
    pub(in crate::conninfo) fn passfile(&self) -> Option<&Path> {
        self.passfile.as_deref()
    }

    /// Returns what the user should know, one line each, such as why a password file was ignored.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the names of what is in the connection string for other programs, such as the size of a pool.
    #[must_use]
    pub fn ignored(&self) -> &[&'static str] {
        &self.ignored
    }

    /// Iterates over the parameters that have a value, in the table's order, with passwords and the values of settings
    /// masked.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>, Source)> {
        let entries = TABLE.iter().filter_map(|parameter| self.entry(parameter.keyword));
        entries.map(|entry| (entry.parameter.keyword, entry.shown(), entry.origin.source()))
    }

    /// Returns the value of a parameter, unmasked.
    #[must_use]
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.entry(keyword).map(|entry| entry.value.as_str())
    }

    /// Returns what kind of source the value of a parameter came from.
    #[must_use]
    pub fn source(&self, keyword: &str) -> Option<Source> {
        self.origin(keyword).map(Origin::source)
    }

    /// Returns where the value of a parameter stands.
    #[must_use]
    pub fn origin(&self, keyword: &str) -> Option<&Origin> {
        self.entry(keyword).map(|entry| &entry.origin)
    }

    /// A mistake in the value of a parameter, told with the place where it stands.
    pub(in crate::conninfo) fn mistake(&self, keyword: &str, error: Error) -> Error {
        match self.origin(keyword) {
            Some(origin) => error.at(origin),
            None => error,
        }
    }

    fn entry(&self, keyword: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.parameter.keyword == keyword)
    }
}

impl Entry {
    fn shown(&self) -> Cow<'_, str> {
        match self.parameter.shown {
            Shown::Whole => Cow::from(&self.value),
            Shown::Settings => mask::options(&self.value).into(),
            Shown::Nothing => MASK.into(),
        }
    }
}

/// All that can say something about a parameter.
struct Sources<'a> {
    /// What the connection string says.
    explicit: Settings,
    /// Where that is from.
    origin: Origin,
    /// What the service file says.
    service: Option<Service>,
    /// Where the process runs.
    env: &'a Environment<'a>,
}

impl<'a> Sources<'a> {
    /// Reads the service file if a service is named.
    fn new(origin: Origin, explicit: Settings, env: &'a Environment<'a>) -> Result<Sources<'a>, Error> {
        let mut sources = Sources { explicit, origin, service: None, env };
        let named = table::find("service").map(|parameter| sources.find(parameter)).transpose()?;
        if let Some((name, origin)) = named.flatten() {
            sources.service = Some(service::find(&name, &origin, env)?);
        }
        Ok(sources)
    }

    /// The value in force, if the parameter has one, and where it stands.
    fn find(&self, parameter: &'static Parameter) -> Result<Option<(String, Origin)>, Error> {
        match self.given(parameter)? {
            Some((value, origin)) if !(value.is_empty() && parameter.empty_is_default) => {
                misplaced::refuse(parameter, &value).map_err(|error| error.at(&origin))?;
                Ok(Some((value, origin)))
            }
            _ => Ok(self.default(parameter)?.map(|value| (value, Origin::Default))),
        }
    }

    /// What the strongest source says. An empty value counts: it hides those of weaker sources.
    fn given(&self, parameter: &'static Parameter) -> Result<Option<(String, Origin)>, Error> {
        if let Some(value) = self.explicit.get(parameter.keyword) {
            return Ok(Some((value.to_owned(), self.origin.clone())));
        }
        if let Some(found) = self.service.as_ref().and_then(|service| service.get(parameter.keyword)) {
            return Ok(Some(found));
        }
        if let Some(variable) = parameter.variable
            && let Some(value) = self.env.text(variable)?
        {
            return Ok(Some((value, Origin::Variable(variable))));
        }
        // Before 7.4 sslmode was a yes or no.
        let is_required = parameter.keyword == "sslmode"
            && self.env.text("PGREQUIRESSL")?.is_some_and(|yes| yes.starts_with('1'));
        Ok(is_required.then(|| ("require".to_owned(), Origin::Variable("PGREQUIRESSL"))))
    }

    /// The default, where it depends on other parameters or on the user.
    fn default(&self, parameter: &'static Parameter) -> Result<Option<String>, Error> {
        let fixed = parameter.default.map(str::to_owned);
        Ok(match parameter.keyword {
            "user" => Some(self.env.user()?),
            "dbname" => self.value("user")?,
            "passfile" => self.in_home(".pgpass")?,
            "sslcert" => self.in_home(".postgresql/postgresql.crt")?,
            "sslkey" => self.in_home(".postgresql/postgresql.key")?,
            "sslrootcert" => self.in_home(".postgresql/root.crt")?,
            "sslcrl" => self.in_home(".postgresql/root.crl")?,
            "sslmode" if self.value("sslrootcert")?.as_deref() == Some("system") => {
                Some("verify-full".to_owned())
            }
            "max_protocol_version"
                if !matches!(self.value("min_protocol_version")?.as_deref(), Some("3.0")) =>
            {
                Some("latest".to_owned())
            }
            // Of several hosts only one can be the primary, and only there does a lock exclude.
            "target_session_attrs" if self.has_several_hosts()? => Some("read-write".to_owned()),
            _ => fixed,
        })
    }

    /// The path of a file below the home directory. One that can't be a parameter's value is no reason to do without:
    /// the file may say whom to trust.
    fn in_home(&self, file: &str) -> Result<Option<String>, Error> {
        let path = self.env.in_home(file).map(PathBuf::into_os_string);
        path.map(|path| path.into_string().map_err(|_| Error::HomeNotUtf8)).transpose()
    }

    fn has_several_hosts(&self) -> Result<bool, Error> {
        let is_list = |value: Option<String>| value.is_some_and(|value| value.contains(','));
        Ok(is_list(self.value("host")?) || is_list(self.value("hostaddr")?))
    }

    fn value(&self, keyword: &str) -> Result<Option<String>, Error> {
        match table::find(keyword) {
            Some(parameter) => Ok(self.find(parameter)?.map(|(value, _)| value)),
            None => Ok(None),
        }
    }
}

/// One line for each parameter: keyword, tab, value, tab, source. What is ignored has no value here: it may be anything.
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
        self.ignored.iter().try_for_each(|name| writeln!(f, "{name}\t\tignored"))
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
