//! Parameters become a configuration: each value as its type, checked. What heimdall does not do is refused by the name of
//! the parameter that asks for it; most of these ask for security, so none is dropped.

mod config;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::auth::policy::{ChannelBinding, RequireAuth, RequireAuthError};
use crate::auth::words::UnknownWord;
use crate::conninfo::error::{Error, Excerpt};
use crate::conninfo::origin::Source;
use crate::conninfo::resolve::Parameters;
use crate::conninfo::resolve::environment::Environment;
use crate::conninfo::table::TABLE;
use crate::conninfo::values::{
    self, ProtocolVersion, Secret, ServerOptions, SslCertMode, SslMode, SslNegotiation, TargetSessionAttrs,
    TlsVersion,
};

pub use config::{Config, RootCertificates, TlsFile};

impl Config {
    /// Reads a connection string in the surroundings of a process, as libpq does: [`Parameters::resolve`], then
    /// [`Config::new`].
    ///
    /// # Errors
    /// Those of both.
    pub fn resolve(conninfo: &str, env: &Environment) -> Result<Config, Error> {
        Config::new(&Parameters::resolve(Some((Source::ConnectionString, conninfo)), env)?)
    }

    /// Reads keywords and values, in which nothing has to be quoted or escaped, in the surroundings of a process:
    /// [`Parameters::of_pairs`], then [`Config::new`].
    ///
    /// ```
    /// use heimdall::conninfo::{Config, Environment};
    ///
    /// let password = "pa'ss w@rd/";
    /// let pairs = [("host", "db.example"), ("user", "ann"), ("password", password), ("dbname", "app")];
    /// let config = Config::of_pairs(pairs, &Environment::of_process())?;
    /// assert_eq!(config.password.map(|password| password.expose().to_owned()).as_deref(), Some(password));
    /// # Ok::<(), heimdall::conninfo::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of both.
    pub fn of_pairs<'p>(
        pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
        env: &Environment,
    ) -> Result<Config, Error> {
        Config::new(&Parameters::of_pairs(pairs, env)?)
    }

    /// Reads the parameters.
    ///
    /// # Errors
    /// The first parameter whose value is invalid, goes against another one, or asks for what
    /// heimdall does not do.
    pub fn new(parameters: &Parameters) -> Result<Config, Error> {
        let read = Reader(parameters);
        let (ssl_min_protocol_version, ssl_max_protocol_version) = read.tls_versions()?;
        let config = Config {
            hosts: parameters.hosts()?,
            user: read.string("user").unwrap_or_default(),
            dbname: read.string("dbname").unwrap_or_default(),
            password: read.password(),
            passfile: parameters.passfile().map(Path::to_owned),
            warnings: parameters.warnings().to_owned(),
            connect_timeout: read.seconds("connect_timeout")?,
            application_name: ["application_name", "fallback_application_name"]
                .iter()
                .find_map(|keyword| parameters.get(keyword).map(str::to_owned)),
            options: read.string("options").map(ServerOptions::new),
            client_encoding: read.client_encoding(),
            keepalives: read.integer("keepalives")?.is_none_or(|on| on != 0),
            keepalives_idle: read.seconds("keepalives_idle")?,
            keepalives_interval: read.seconds("keepalives_interval")?,
            keepalives_count: read.positive("keepalives_count")?,
            tcp_user_timeout: read.milliseconds("tcp_user_timeout")?,
            require_auth: read.require_auth()?,
            channel_binding: read.word("channel_binding")?,
            requirepeer: read.string("requirepeer"),
            sslmode: read.word("sslmode")?,
            sslnegotiation: read.word("sslnegotiation")?,
            sslrootcert: read.sslrootcert(),
            ssl_cert_file: parameters.ssl_cert_file.clone(),
            ssl_cert_dir: parameters.ssl_cert_dir.clone(),
            sslcert: read.file("sslcert"),
            sslkey: read.file("sslkey"),
            sslcertmode: read.word("sslcertmode")?,
            sslcrl: read.file("sslcrl"),
            sslsni: parameters.get("sslsni").is_some_and(|on| on.starts_with('1')),
            ssl_min_protocol_version,
            ssl_max_protocol_version,
            min_protocol_version: read.protocol_version("min_protocol_version")?,
            max_protocol_version: read.protocol_version("max_protocol_version")?,
            target_session_attrs: read.target_session_attrs()?,
            load_balance_hosts: read.word("load_balance_hosts")?,
        };
        if let Some((keyword, error)) = config.fault() {
            return Err(read.fault(keyword, error));
        }
        refuse_unsupported(&config, parameters)?;
        Ok(config)
    }
}

/// Reads the values of these parameters.
struct Reader<'a>(&'a Parameters);

impl Reader<'_> {
    /// A value as it is; `None` if it is empty.
    fn string(&self, keyword: &str) -> Option<String> {
        self.0.get(keyword).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// One of a few words.
    fn word<T: FromStr<Err = UnknownWord>>(&self, keyword: &'static str) -> Result<T, Error> {
        let word = self.0.get(keyword).unwrap_or_default();
        word.parse().map_err(|expected| self.invalid(keyword, word, &expected))
    }

    /// Which of the hosts will do; libpq knows more words.
    fn target_session_attrs(&self) -> Result<TargetSessionAttrs, Error> {
        let keyword = "target_session_attrs";
        match self.0.get(keyword) {
            Some("standby" | "prefer-standby") => {
                let why = Error::Unsupported(keyword, "a lock on a standby would not exclude");
                Err(self.0.mistake(keyword, why))
            }
            _ => self.word(keyword),
        }
    }

    /// The error for a value that is not one of its parameter's.
    fn invalid(&self, keyword: &'static str, value: &str, expected: &dyn ToString) -> Error {
        self.0.mistake(keyword, Error::Value(keyword, Excerpt::value(value), expected.to_string()))
    }

    /// The password that is for all hosts.
    fn password(&self) -> Option<Secret> {
        let is_for_all = self.0.source("password") != Some(Source::Passfile);
        self.string("password").filter(|_| is_for_all).map(Secret::new)
    }

    /// A number, if there is one.
    fn integer(&self, keyword: &'static str) -> Result<Option<i32>, Error> {
        let number = self.0.get(keyword).map(|text| values::integer(keyword, text)).transpose();
        number.map_err(|error| self.0.mistake(keyword, error))
    }

    /// A number above 0; anything below is libpq's way to ask for the default.
    fn positive(&self, keyword: &'static str) -> Result<Option<u32>, Error> {
        let number = self.integer(keyword)?.and_then(|number| u32::try_from(number).ok());
        Ok(number.filter(|number| *number > 0))
    }

    /// A number above 0 of seconds.
    fn seconds(&self, keyword: &'static str) -> Result<Option<Duration>, Error> {
        Ok(self.positive(keyword)?.map(|number| Duration::from_secs(number.into())))
    }

    /// A number above 0 of milliseconds.
    fn milliseconds(&self, keyword: &'static str) -> Result<Option<Duration>, Error> {
        Ok(self.positive(keyword)?.map(|number| Duration::from_millis(number.into())))
    }

    /// libpq takes `auto` from the locale; heimdall reads UTF-8 only.
    fn client_encoding(&self) -> Option<String> {
        match self.string("client_encoding")?.as_str() {
            "auto" => Some("UTF8".to_owned()),
            other => Some(other.to_owned()),
        }
    }

    fn require_auth(&self) -> Result<RequireAuth, Error> {
        let Some(list) = self.string("require_auth") else { return Ok(RequireAuth::default()) };
        list.parse().map_err(|error| match error {
            RequireAuthError::Unknown => self.invalid("require_auth", &list, &error),
            _ => self.0.mistake("require_auth", Error::RequireAuth(error)),
        })
    }

    fn sslrootcert(&self) -> Option<RootCertificates> {
        match self.0.get("sslrootcert") {
            Some("system") => Some(RootCertificates::System),
            _ => self.file("sslrootcert").map(RootCertificates::File),
        }
    }

    /// The error for a parameter. An sslmode that goes against another one is told where it stands, or else where that does.
    fn fault(&self, keyword: &str, error: Error) -> Error {
        let is_given = self.0.source("sslmode") != Some(Source::Default);
        let is_weak = matches!(error, Error::WeakSslMode(..));
        self.0.mistake(if is_given && is_weak { "sslmode" } else { keyword }, error)
    }

    fn file(&self, keyword: &str) -> Option<TlsFile> {
        let path = PathBuf::from(self.string(keyword)?);
        Some(TlsFile { path, explicit: self.0.source(keyword) != Some(Source::Default) })
    }

    /// The oldest and the newest version of TLS; what is older than heimdall speaks counts as 1.2.
    fn tls_versions(&self) -> Result<(TlsVersion, Option<TlsVersion>), Error> {
        let version = |keyword| {
            let Some(text) = self.string(keyword) else { return Ok(None) };
            text.parse().map(Some).map_err(|_: UnknownWord| self.invalid(keyword, &text, &TLS_VERSIONS))
        };
        let min = version("ssl_min_protocol_version")?.unwrap_or(TlsVersion::V1_2);
        let max = version("ssl_max_protocol_version")?;
        match max {
            Some(max) if max < min => Err(self.0.mistake("ssl_max_protocol_version", Error::TlsRange)),
            _ => Ok((min.max(TlsVersion::V1_2), max)),
        }
    }

    /// A version of the wire protocol.
    fn protocol_version(&self, keyword: &'static str) -> Result<ProtocolVersion, Error> {
        match self.0.get(keyword).unwrap_or_default() {
            "latest" => Ok(ProtocolVersion::LATEST),
            word => word.parse().map_err(|_| self.invalid(keyword, word, &PROTOCOL_VERSIONS)),
        }
    }
}

/// Refuses a configuration that asks for what heimdall, or this build of it, does not do.
fn refuse_unsupported(config: &Config, parameters: &Parameters) -> Result<(), Error> {
    let unsupported = |keyword, why| Err(parameters.mistake(keyword, Error::Unsupported(keyword, why)));
    for parameter in TABLE {
        let Some(why) = parameter.unsupported else { continue };
        match (parameter.keyword, parameters.get(parameter.keyword)) {
            (_, None) | ("replication", Some("off" | "false" | "no" | "0")) => {}
            (keyword, Some(_)) => return unsupported(keyword, why),
        }
    }
    match parameters.get("gssencmode") {
        Some("disable" | "prefer") | None => {}
        Some("require") => return unsupported("gssencmode", "GSSAPI encryption is not supported"),
        Some(other) => {
            let expected = "expected one of disable, prefer".to_owned();
            let error = Error::Value("gssencmode", Excerpt::value(other), expected);
            return Err(parameters.mistake("gssencmode", error));
        }
    }
    if parameters.get("sslkey").is_some_and(|key| key.starts_with("engine:")) {
        return unsupported("sslkey", "keys in OpenSSL engines are not supported");
    }
    if config.ssl_max_protocol_version.is_some_and(|max| max < TlsVersion::V1_2) {
        return unsupported("ssl_max_protocol_version", "TLS before version 1.2 is not supported");
    }
    if cfg!(feature = "tls") { Ok(()) } else { refuse_tls(config, parameters) }
}

/// Refuses what asks for TLS, in a build without it.
fn refuse_tls(config: &Config, parameters: &Parameters) -> Result<(), Error> {
    for (keyword, asks) in TLS_PARAMETERS {
        match (parameters.get(keyword), parameters.source(keyword)) {
            (_, None | Some(Source::Default)) => {}
            (value, _) if asks(config) => {
                let error = Error::Unbuilt(keyword, Excerpt::new(value.unwrap_or_default(), false));
                return Err(parameters.mistake(keyword, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A parameter, and in which configurations it asks for TLS.
type TlsParameter = (&'static str, fn(&Config) -> bool);

const TLS_PARAMETERS: &[TlsParameter] = &[
    ("sslmode", |config| config.uses_tcp() && config.sslmode >= SslMode::Require),
    ("sslnegotiation", |config| may_use_tls(config) && config.sslnegotiation == SslNegotiation::Direct),
    ("sslcertmode", |config| config.sslcertmode == SslCertMode::Require),
    ("sslrootcert", may_use_tls),
    ("sslcert", may_use_tls),
    ("sslkey", may_use_tls),
    ("sslcrl", may_use_tls),
    ("ssl_min_protocol_version", may_use_tls),
    ("ssl_max_protocol_version", may_use_tls),
    ("channel_binding", |config| config.channel_binding == ChannelBinding::Require),
];

fn may_use_tls(config: &Config) -> bool {
    config.uses_tcp() && config.sslmode != SslMode::Disable
}

const TLS_VERSIONS: &str = "expected TLSv1.2 or TLSv1.3";

const PROTOCOL_VERSIONS: &str = "expected 3.0, 3.2 or latest";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conninfo::testing::config;

    #[test]
    fn nothing_given_is_the_default_socket_and_the_operating_systems_user() {
        let config = config("").unwrap();
        assert_eq!(config.hosts.len(), 1);
        assert!(!config.uses_tcp());
        assert_eq!((config.user.as_str(), config.dbname.as_str()), ("os-user", "os-user"));
        assert!(config.password.is_none() && config.application_name.is_none() && config.options.is_none());
        assert_eq!(config.connect_timeout, Some(Duration::from_secs(30)));
        assert!(config.keepalives && config.keepalives_idle.is_none() && config.tcp_user_timeout.is_none());
        assert_eq!(config.sslmode, SslMode::Prefer);
        assert_eq!(config.max_protocol_version, ProtocolVersion::V3_0);
        assert_eq!(config.target_session_attrs, TargetSessionAttrs::Any);
    }

    #[test]
    fn durations_have_the_unit_of_their_parameter_and_zero_asks_for_the_default() {
        let given = config(
            "connect_timeout=' 2 ' keepalives_idle=3 keepalives_interval=4 keepalives_count=5 tcp_user_timeout=6",
        )
        .unwrap();
        assert_eq!(given.connect_timeout, Some(Duration::from_secs(2)));
        assert_eq!(given.keepalives_idle, Some(Duration::from_secs(3)));
        assert_eq!(given.keepalives_interval, Some(Duration::from_secs(4)));
        assert_eq!(given.keepalives_count, Some(5));
        assert_eq!(given.tcp_user_timeout, Some(Duration::from_millis(6)));
        let zero = config("connect_timeout=0 keepalives=0 keepalives_idle=0 keepalives_count=-1").unwrap();
        assert_eq!((zero.connect_timeout, zero.keepalives_idle, zero.keepalives_count), (None, None, None));
        assert!(!zero.keepalives);
        assert_eq!(config("connect_timeout=-1").unwrap().connect_timeout, None);
    }

    #[test]
    fn an_application_name_hides_the_fallback_also_where_it_is_empty() {
        for (text, expected) in [
            ("application_name=a fallback_application_name=b", Some("a")),
            ("fallback_application_name=b", Some("b")),
            ("application_name='' fallback_application_name=b", Some("")),
            ("", None),
        ] {
            assert_eq!(config(text).unwrap().application_name.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn pairs_are_keywords_and_values_as_they_are() {
        let effective_user = || None;
        let env = Environment { variable: &|_| None, effective_user: &effective_user, effective_uid: 1 };
        let given =
            |pairs: &[(&str, &str)]| Config::of_pairs([("user", "ann")].iter().chain(pairs).copied(), &env);
        let config = given(&[("host", "a"), ("password", r"' \ %41=x"), ("host", "b")]).unwrap();
        assert_eq!(config.password.unwrap().expose(), r"' \ %41=x");
        assert_eq!(config.hosts[0].name.as_deref(), Some("b"));
        for (pair, expected) in [
            (("hosst", "b"), "invalid connection option \"hosst\"; did you mean \"host\"?"),
            (("host", "a\0b"), &Error::Nul.to_string()),
            (("port", "x"), "connection string: invalid integer value \"x\""),
        ] {
            let error = given(&[pair]).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn several_hosts_are_searched_for_the_one_that_can_be_written() {
        assert_eq!(config("host=a,b").unwrap().target_session_attrs, TargetSessionAttrs::ReadWrite);
        let any = config("host=a,b target_session_attrs=any").unwrap();
        assert_eq!(any.target_session_attrs, TargetSessionAttrs::Any);
    }

    #[test]
    fn the_encoding_is_the_users_and_auto_is_utf8() {
        for (text, expected) in
            [("", None), ("client_encoding=auto", Some("UTF8")), ("client_encoding=LATIN1", Some("LATIN1"))]
        {
            assert_eq!(config(text).unwrap().client_encoding.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_configuration_shows_no_password_and_no_value_of_a_setting() {
        let config = config("password=hunter2 options='-c a.token=hunter2'").unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && shown.contains("Some(-c a.token=********)"), "{shown}");
        assert_eq!(config.options.unwrap().expose(), "-c a.token=hunter2");
    }

    #[test]
    fn what_is_invalid_is_told_with_its_name() {
        for (text, expected) in [
            ("sslmode=yes", "invalid sslmode value: \"yes\""),
            ("sslmode=''", "invalid sslmode value: \"\""),
            ("sslmode=Require", "invalid sslmode value: \"Require\""),
            ("channel_binding=''", "invalid channel_binding value: \"\""),
            ("sslnegotiation=x", "invalid sslnegotiation value: \"x\""),
            ("sslcertmode=x", "invalid sslcertmode value: \"x\""),
            ("gssencmode=''", "invalid gssencmode value: \"\""),
            ("gssencmode=require", "gssencmode: GSSAPI encryption is not supported"),
            ("target_session_attrs=''", "invalid target_session_attrs value: \"\""),
            ("load_balance_hosts=x", "invalid load_balance_hosts value: \"x\""),
            ("connect_timeout=''", "invalid integer value \"\" for connection option \"connect_timeout\""),
            ("keepalives=x", "invalid integer value \"x\" for connection option \"keepalives\""),
            (
                "tcp_user_timeout=1s",
                "invalid integer value \"1s\" for connection option \"tcp_user_timeout\"",
            ),
            ("require_auth=x", "invalid require_auth value: \"x\""),
            ("ssl_min_protocol_version=SSLv3", "invalid ssl_min_protocol_version value: \"SSLv3\""),
            ("ssl_max_protocol_version=tlsv1.1", "invalid SSL protocol version range"),
            (
                "ssl_min_protocol_version=TLSv1 ssl_max_protocol_version=TLSv1.1",
                "ssl_max_protocol_version: TLS before version 1.2 is not supported",
            ),
            ("min_protocol_version=3.1", "invalid min_protocol_version value: \"3.1\""),
            (
                "min_protocol_version=latest max_protocol_version=3.0",
                "\"min_protocol_version\" is greater than \"max_protocol_version\"",
            ),
            (
                "sslrootcert=system sslmode=prefer",
                "weak sslmode \"prefer\" may not be used with sslrootcert=system (use \"verify-full\")",
            ),
            (
                "sslnegotiation=direct sslmode=prefer",
                "weak sslmode \"prefer\" may not be used with sslnegotiation=direct (use \"require\", \"verify-ca\", or \"verify-full\")",
            ),
            ("sslkey=engine:id", "sslkey: keys in OpenSSL engines are not supported"),
            ("sslpassword=x", "sslpassword: encrypted private keys are not supported"),
            ("replication=database", "replication: replication connections are not supported"),
            ("target_session_attrs=standby", "target_session_attrs: a lock on a standby would not exclude"),
        ] {
            let error = config(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        // What is refused is not offered.
        let error = config("target_session_attrs=x").unwrap_err().to_string();
        assert!(error.ends_with("expected one of any, read-write, read-only, primary"), "{error}");
    }

    #[test]
    fn what_asks_for_nothing_is_accepted() {
        for text in [
            "sslpassword='' oauth_scope='' scram_client_key='' sslkeylogfile='' replication=off",
            "gssencmode=prefer krbsrvname=x gsslib=gssapi gssdelegation=1 sslcompression=1",
            "user='' dbname='' host='' port='' options='' client_encoding='' require_auth='' requirepeer=''",
            "max_protocol_version=latest",
            "sslmode=require host=/run/postgresql",
        ] {
            config(text).unwrap();
        }
    }

    #[cfg(not(feature = "tls"))]
    fn assert_refused(text: &str) {
        let (keyword, value) = text.split_once('=').unwrap();
        let error = config(&format!("host=h {text}")).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "{keyword} \"{value}\" is not supported by this version of heimdall, which was built without TLS"
            )
        );
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_tls_what_asks_for_it_is_refused_by_name() {
        for text in [
            "sslmode=require",
            "sslmode=verify-ca",
            "sslmode=verify-full",
            "sslrootcert=system",
            "sslrootcert=/x",
            "sslcert=/x",
            "sslkey=/x",
            "sslcrl=/x",
            "sslcertmode=require",
            "ssl_min_protocol_version=TLSv1.3",
            "ssl_max_protocol_version=TLSv1.2",
            "channel_binding=require",
        ] {
            assert_refused(text);
        }
    }

    #[test]
    fn without_tls_what_is_the_default_or_has_no_effect_is_accepted() {
        for text in [
            "host=h",
            "host=a,b",
            "host=h sslmode=prefer",
            "host=h sslmode=disable sslrootcert=/x sslcert=/x channel_binding=prefer",
            "host=/run sslrootcert=/x",
            "host=h target_session_attrs=primary load_balance_hosts=random",
            "host=h min_protocol_version=3.2",
        ] {
            config(text).unwrap();
        }
    }
}
