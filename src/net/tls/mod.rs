//! TLS as libpq does it, without the socket: from the settings to a `rustls` connection for each host.
//!
//! [`Tls::new`] reads all files, [`Tls::client`] makes the connection, [`explain`] says what went wrong.

mod error;
mod explain;
mod files;
mod identity;
pub(super) mod stream;
mod trust;
mod verifier;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, kx_group};
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion, version};

use crate::conninfo::{Config, SslMode, TlsVersion};
use crate::x509::HostName;

pub use self::error::{ConfigError, TlsFileKind};
pub use self::explain::{explain, is_about_client_certificate};
pub use self::identity::ClientCertificate;
pub use self::trust::{Source, Trust};
pub use self::verifier::{Verifier, VerifyError};

/// The settings for TLS, with all files read and checked.
#[derive(Debug)]
pub struct Tls {
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
    trust: Option<Arc<Trust>>,
    verifies_name: bool,
    sends_name: bool,
    identity: Option<Arc<CertifiedKey>>,
    warnings: Vec<String>,
}

/// One TLS connection that is about to begin.
#[derive(Debug)]
pub struct Client {
    /// The connection.
    pub connection: ClientConnection,
    /// Whether the server asks for a client certificate; known once the handshake is over.
    pub certificate: Arc<ClientCertificate>,
}

impl Tls {
    /// Reads and checks the files that the settings name. For configurations with a TCP host and an sslmode
    /// other than `disable`.
    ///
    /// # Errors
    /// The first file that is missing, unreadable or not what it should be.
    pub fn new(config: &Config) -> Result<Tls, ConfigError> {
        let verifies_name = config.sslmode == SslMode::VerifyFull;
        let mut provider = ring::default_provider();
        // The share of the first group is sent unasked. PostgreSQL before 18 takes none but this one, and would
        // ask for it with a round trip of its own (its `ssl_ecdh_curve`, prime256v1).
        provider.kx_groups = vec![kx_group::SECP256R1, kx_group::X25519, kx_group::SECP384R1];
        let provider = Arc::new(provider);
        let mut warnings = Vec::new();
        let trust =
            Trust::load(config, provider.signature_verification_algorithms, &mut warnings)?.map(Arc::new);
        let identity = identity::load(config, &provider)?;
        let versions = versions(config);
        let sends_name = config.sslsni;
        Ok(Tls { provider, versions, trust, verifies_name, sends_name, identity, warnings })
    }

    /// A connection to the host that the user calls `host`, also if it is reached by `hostaddr`.
    ///
    /// # Errors
    /// The name has to be verified, and there is none; or what rustls does not take, which nothing that a user can cause is
    /// known to be.
    pub fn client(&self, host: Option<&str>) -> Result<Client, ConfigError> {
        let library = |error: rustls::Error| ConfigError::Library(error.to_string());
        let certificate = Arc::new(ClientCertificate::new(self.identity.clone()));
        let verifier = Verifier {
            trust: self.trust.clone(),
            host: host.filter(|host| self.verifies_name && !host.is_empty()).map(HostName::new),
            algorithms: self.provider.signature_verification_algorithms,
        };
        if self.verifies_name && verifier.host.is_none() {
            return Err(ConfigError::NoHostName);
        }
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&self.versions)
            .map_err(library)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        // One connection is all there is.
        config.resumption = Resumption::disabled();
        let name = host.filter(|_| self.sends_name).and_then(server_name);
        config.enable_sni = name.is_some();
        let name = name.unwrap_or(ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into()));
        let connection = ClientConnection::new(Arc::new(config), name).map_err(library)?;
        Ok(Client { connection, certificate })
    }

    /// What is verified of a server, and by what; `None` where nothing is.
    #[must_use]
    pub fn verifies(&self) -> Option<String> {
        let what = if self.verifies_name { "chain and host name" } else { "chain, and no name" };
        self.trust.as_ref().map(|trust| format!("{what}, by {}", trust.source))
    }

    /// What the user should know, one line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The versions to offer; `Config` has made sure that there is one.
fn versions(config: &Config) -> Vec<&'static SupportedProtocolVersion> {
    let (min, max) = (config.ssl_min_protocol_version, config.ssl_max_protocol_version);
    [(TlsVersion::V1_2, &version::TLS12), (TlsVersion::V1_3, &version::TLS13)]
        .into_iter()
        .filter(|(version, _)| *version >= min && max.is_none_or(|max| *version <= max))
        .map(|(_, version)| version)
        .collect()
}

/// The name to tell the server (SNI): none that is an address or looks like one, as in libpq, and none that is
/// no name to rustls. The name that is verified is another matter.
fn server_name(host: &str) -> Option<ServerName<'static>> {
    let is_address = host.contains(':') || host.chars().all(|c| c.is_ascii_digit() || c == '.');
    ServerName::try_from(host.to_owned()).ok().filter(|_| !is_address)
}

/// The name of the protocol within TLS.
const ALPN: &[u8] = b"postgresql";
