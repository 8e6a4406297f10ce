//! How to connect: the parameters as types.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::policy::{ChannelBinding, RequireAuth};
use crate::conninfo::error::Error;
use crate::conninfo::resolve::hosts::Host;
use crate::conninfo::values::{
    LoadBalanceHosts, ProtocolVersion, Secret, ServerOptions, SslCertMode, SslMode, SslNegotiation,
    TargetSessionAttrs, TlsVersion,
};

/// How to connect. Every value of a parameter is valid, and none asks for what heimdall does not do. Who changes one is told by
/// the attempt to connect if it goes against another.
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
    /// The password file in which the hosts' own passwords were looked up: one that is there or was named.
    pub passfile: Option<PathBuf>,
    /// What the user should know, one line each, such as why a password file was ignored.
    pub warnings: Vec<String>,
    /// How long an address may take, from resolving its name to the end of authentication; `None` is forever.
    pub connect_timeout: Option<Duration>,
    /// `application_name`, else `fallback_application_name`. `None`: neither was given, use your own.
    /// Empty: it was given empty, send none.
    pub application_name: Option<String>,
    /// Command-line options for the server's session, to be sent as they are; never empty.
    pub options: Option<ServerOptions>,
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
    /// The file of the system's root certificates, instead of the usual one (`SSL_CERT_FILE`).
    pub ssl_cert_file: Option<PathBuf>,
    /// The directories of the system's root certificates, with colons in between, instead of the usual one (`SSL_CERT_DIR`).
    pub ssl_cert_dir: Option<OsString>,
    /// The client certificate.
    pub sslcert: Option<TlsFile>,
    /// The client certificate's key.
    pub sslkey: Option<TlsFile>,
    /// Whether to send the client certificate.
    pub sslcertmode: SslCertMode,
    /// The revocation list.
    pub sslcrl: Option<TlsFile>,
    /// Whether to send the server's name in the clear (SNI).
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
    /// The password to use at one of the hosts.
    #[must_use]
    pub fn password_for<'a>(&'a self, host: &'a Host) -> Option<&'a Secret> {
        self.password.as_ref().or(host.password.as_ref())
    }

    /// A parameter that goes against another one, and the error. Fields can be changed, so it is looked for again before a
    /// connection is made.
    pub(crate) fn fault(&self) -> Option<(&'static str, Error)> {
        let weak = |with, strong| Error::WeakSslMode(self.sslmode.as_str(), with, strong);
        if self.sslnegotiation == SslNegotiation::Direct && self.sslmode < SslMode::Require {
            let strong = "\"require\", \"verify-ca\", or \"verify-full\"";
            Some(("sslnegotiation", weak("sslnegotiation=direct", strong)))
        } else if self.sslrootcert == Some(RootCertificates::System) && self.sslmode < SslMode::VerifyFull {
            Some(("sslrootcert", weak("sslrootcert=system", "\"verify-full\"")))
        } else if self.min_protocol_version > self.max_protocol_version {
            Some(("min_protocol_version", Error::ProtocolRange))
        } else {
            None
        }
    }

    /// Whether any of the hosts is reached by TCP, where TLS is possible.
    #[must_use]
    pub fn uses_tcp(&self) -> bool {
        self.hosts.iter().any(|host| !host.endpoint.is_local())
    }
}

/// Where root certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
