//! What the parameters mean: checked, and as types.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use super::hosts::{self, Host};
use super::parameters::{Parameters, Source};
use super::reader::Reader;
use super::secret::Secret;
use super::values::{
    LoadBalanceHosts, ProtocolVersion, SslCertMode, SslMode, SslNegotiation, TargetSessionAttrs, TlsVersion,
};
#[cfg(not(feature = "tls"))]
use super::without_tls;
use crate::auth::policy::{ChannelBinding, RequireAuth};

/// How to connect. Every value is valid, and none asks for what heimdall does not do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The hosts to try, in order; never empty.
    pub hosts: Vec<Host>,
    /// The role to log in as; never empty.
    pub user: String,
    /// The database; never empty.
    pub dbname: String,
    /// The password for all hosts; never empty. Where it is `None`, a host may have one of its own.
    pub password: Option<Secret>,
    /// The file that the hosts' own passwords were retrieved from, if any was.
    pub passfile: Option<PathBuf>,
    /// What the user should know, one line each: why a password file was ignored.
    pub warnings: Vec<String>,
    /// How long an address may take, from resolving its name to the end of authentication; `None` is forever.
    pub connect_timeout: Option<Duration>,
    /// `application_name`, else `fallback_application_name`. `None`: neither was given, use your own.
    /// Empty: it was given empty, send none.
    pub application_name: Option<String>,
    /// Command-line options for the server's session, to be sent as they are; never empty.
    pub options: Option<String>,
    /// The encoding to ask for; never empty or `auto`. `None`: not given.
    pub client_encoding: Option<String>,
    /// Whether TCP connections use keepalives.
    pub keepalives: bool,
    /// How long a connection is idle before keepalives begin; `None` is the system's default.
    pub keepalives_idle: Option<Duration>,
    /// How long between keepalives; `None` is the system's default.
    pub keepalives_interval: Option<Duration>,
    /// How many keepalives may be lost; `None` is the system's default.
    pub keepalives_count: Option<u32>,
    /// How long sent data may stay unacknowledged; `None` is the system's default.
    pub tcp_user_timeout: Option<Duration>,
    /// Which authentication methods will do.
    pub require_auth: RequireAuth,
    /// Whether authentication is tied to the TLS channel.
    pub channel_binding: ChannelBinding,
    /// The user that the server on a Unix socket has to run as.
    pub requirepeer: Option<String>,
    /// Whether to use TLS on TCP connections, and what to verify. Means nothing on Unix sockets.
    pub sslmode: SslMode,
    /// How TLS begins.
    pub sslnegotiation: SslNegotiation,
    /// Where the root certificates are; `None` where there is no home directory.
    pub sslrootcert: Option<RootCertificates>,
    /// The client certificate.
    pub sslcert: Option<TlsFile>,
    /// The client certificate's key.
    pub sslkey: Option<TlsFile>,
    /// Whether to send the client certificate.
    pub sslcertmode: SslCertMode,
    /// The revocation list.
    pub sslcrl: Option<TlsFile>,
    /// Whether to tell the server's name in the clear (SNI).
    pub sslsni: bool,
    /// The oldest TLS version to accept.
    pub ssl_min_protocol_version: TlsVersion,
    /// The newest TLS version to accept; `None` is the newest there is.
    pub ssl_max_protocol_version: Option<TlsVersion>,
    /// The oldest version of the wire protocol to accept.
    pub min_protocol_version: ProtocolVersion,
    /// The newest version of the wire protocol to ask for.
    pub max_protocol_version: ProtocolVersion,
    /// Which of the hosts will do.
    pub target_session_attrs: TargetSessionAttrs,
    /// In which order to try them.
    pub load_balance_hosts: LoadBalanceHosts,
}

impl Config {
    /// Reads the parameters.
    ///
    /// # Errors
    /// The first parameter whose value is invalid, goes against another one, or asks for what
    /// heimdall does not do.
    pub fn new(parameters: &Parameters) -> Result<Config, Error> {
        let read = Reader(parameters);
        read.refuse_unsupported()?;
        let mut hosts = hosts::list(parameters)?;
        for host in &mut hosts {
            host.password = parameters.password_in_passfile(host);
        }
        let from_passfile = parameters.source("password") == Some(Source::Passfile);
        let sslmode = read.choice("sslmode")?;
        let (ssl_min_protocol_version, ssl_max_protocol_version) = read.tls_versions()?;
        let (min_protocol_version, max_protocol_version) = read.protocol_versions()?;
        let config = Config {
            hosts,
            user: read.string("user").unwrap_or_default(),
            dbname: read.string("dbname").unwrap_or_default(),
            password: read.string("password").filter(|_| !from_passfile).map(Secret::new),
            passfile: parameters.passfile().filter(|_| from_passfile).map(Path::to_owned),
            warnings: parameters.warnings().to_owned(),
            connect_timeout: read.seconds("connect_timeout")?,
            application_name: ["application_name", "fallback_application_name"]
                .iter()
                .find_map(|keyword| parameters.get(keyword).map(str::to_owned)),
            options: read.string("options"),
            client_encoding: read.client_encoding(),
            keepalives: read.integer("keepalives")?.is_none_or(|on| on != 0),
            keepalives_idle: read.seconds("keepalives_idle")?,
            keepalives_interval: read.seconds("keepalives_interval")?,
            keepalives_count: read.positive("keepalives_count")?,
            tcp_user_timeout: read.milliseconds("tcp_user_timeout")?,
            require_auth: read.require_auth()?,
            channel_binding: read.choice("channel_binding")?,
            requirepeer: read.string("requirepeer"),
            sslmode,
            sslnegotiation: read.sslnegotiation(sslmode)?,
            sslrootcert: read.sslrootcert(sslmode)?,
            sslcert: read.file("sslcert"),
            sslkey: read.file("sslkey"),
            sslcertmode: read.choice("sslcertmode")?,
            sslcrl: read.file("sslcrl"),
            sslsni: parameters.get("sslsni").is_some_and(|on| on.starts_with('1')),
            ssl_min_protocol_version,
            ssl_max_protocol_version,
            min_protocol_version,
            max_protocol_version,
            target_session_attrs: read.target_session_attrs()?,
            load_balance_hosts: read.choice("load_balance_hosts")?,
        };
        #[cfg(not(feature = "tls"))]
        without_tls::refuse(&config, parameters)?;
        Ok(config)
    }

    /// The password to use at one of the hosts.
    #[must_use]
    pub fn password_for<'a>(&'a self, host: &'a Host) -> Option<&'a Secret> {
        self.password.as_ref().or(host.password.as_ref())
    }

    /// Whether any of the hosts is reached by TCP, where TLS is possible.
    #[must_use]
    pub fn uses_tcp(&self) -> bool {
        self.hosts.iter().any(|host| !host.place.is_local())
    }
}

/// Where root certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCertificates {
    /// The system's own (`sslrootcert=system`).
    System,
    /// A file.
    File(TlsFile),
}

/// A file of certificates or of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether the user named it; otherwise it is the default one, and may be missing.
    pub explicit: bool,
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;

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
    fn a_configuration_shows_no_password() {
        assert!(!format!("{:?}", config("password=hunter2").unwrap()).contains("hunter2"));
    }
}
