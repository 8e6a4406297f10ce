//! The order of precedence: explicit, service file, environment, default.

use std::path::PathBuf;

use super::environment::Environment;
use super::error::Error;
use super::parameters::Source;
use super::service;
use super::settings::Settings;
use super::table::{self, Parameter};

/// All that can say something about a parameter.
pub(super) struct Resolver<'a> {
    /// What the connection string says.
    explicit: Settings,
    /// Who gave the connection string.
    source: Source,
    /// What the service file says.
    service: Settings,
    /// Where the process runs.
    env: &'a Environment<'a>,
}

impl<'a> Resolver<'a> {
    /// Reads the connection string, and the service file if a service is named.
    pub(super) fn new(source: Source, text: &str, env: &'a Environment<'a>) -> Result<Resolver<'a>, Error> {
        let explicit = Settings::parse(text)?;
        let service = match explicit.get("service") {
            Some(name) => Some(name.to_owned()),
            None => env.text("PGSERVICE")?,
        };
        let service = service.map_or(Ok(Settings::default()), |name| service::find(&name, env))?;
        Ok(Resolver { explicit, source, service, env })
    }

    /// The value in force, if the parameter has one.
    pub(super) fn find(&self, parameter: &'static Parameter) -> Result<Option<(String, Source)>, Error> {
        match self.given(parameter)? {
            Some((value, source)) if !(value.is_empty() && parameter.empty_is_default) => {
                Ok(Some((value, source)))
            }
            _ => Ok(self.default(parameter)?.map(|value| (value, Source::Default))),
        }
    }

    /// What the strongest source says. An empty value counts: it hides those of weaker sources.
    fn given(&self, parameter: &'static Parameter) -> Result<Option<(String, Source)>, Error> {
        if let Some(value) = self.explicit.get(parameter.keyword) {
            return Ok(Some((value.to_owned(), self.source)));
        }
        if let Some(value) = self.service.get(parameter.keyword) {
            return Ok(Some((value.to_owned(), Source::Service)));
        }
        let value = match parameter.variable {
            Some(variable) => self.env.text(variable)?,
            None => None,
        };
        // Before 7.4 sslmode was a yes or no.
        let value = match value {
            None if parameter.keyword == "sslmode" => self
                .env
                .text("PGREQUIRESSL")?
                .filter(|yes| yes.starts_with('1'))
                .map(|_| "require".to_owned()),
            value => value,
        };
        Ok(value.map(|value| (value, Source::Environment)))
    }

    /// The default, where it depends on other parameters or on the user.
    fn default(&self, parameter: &'static Parameter) -> Result<Option<String>, Error> {
        let fixed = parameter.default.map(str::to_owned);
        Ok(match parameter.keyword {
            "user" => Some(self.env.user()?),
            "dbname" => self.value("user")?,
            "passfile" => text(self.env.in_home(".pgpass")),
            "sslcert" => text(self.env.in_home(".postgresql/postgresql.crt")),
            "sslkey" => text(self.env.in_home(".postgresql/postgresql.key")),
            "sslrootcert" => text(self.env.in_home(".postgresql/root.crt")),
            "sslcrl" => text(self.env.in_home(".postgresql/root.crl")),
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

/// A path as a parameter's value; one that is not UTF-8 can't be a default.
fn text(path: Option<PathBuf>) -> Option<String> {
    path?.into_os_string().into_string().ok()
}
