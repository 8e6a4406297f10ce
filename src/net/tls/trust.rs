//! Whom to trust: the root certificates and revocation lists that the settings name.

use std::fmt;
use std::path::PathBuf;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::CertificateDer;

use super::error::{ConfigError, TlsFileKind};
use super::files;
use crate::conninfo::{Config, RootCertificates, SslMode};
use crate::x509::Anchors;

/// Root certificates, and what their issuers have revoked.
#[derive(Debug)]
pub struct Trust {
    /// Where they are from.
    pub source: Source,
    /// What they say.
    pub anchors: Anchors,
}

/// Where root certificates were found, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the system's store.
    System,
    /// In a file.
    File(PathBuf),
}

impl Trust {
    /// `None` where the server's certificate is not to be verified; then, if the user should know, a warning is added.
    pub(super) fn load(
        config: &Config,
        algorithms: WebPkiSupportedAlgorithms,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Trust>, ConfigError> {
        let Some((source, roots)) = roots(config, warnings)? else {
            // Nothing is verified, so nothing would be looked up in it.
            return match &config.sslcrl {
                Some(file) if file.explicit => Err(ConfigError::CrlWithoutRoots(file.path.clone())),
                _ => Ok(None),
            };
        };
        let crls = match &config.sslcrl {
            None => Vec::new(),
            Some(file) => match files::crls(file, warnings)? {
                Some(crls) => crls,
                None if file.explicit => {
                    return Err(ConfigError::Missing(TlsFileKind::Crl, file.path.clone()));
                }
                None => Vec::new(),
            },
        };
        Ok(Some(Trust { source, anchors: Anchors { roots, crls, algorithms } }))
    }
}

/// The root certificates, and where they are from; `None` where the server's certificate is not to be verified.
fn roots(
    config: &Config,
    warnings: &mut Vec<String>,
) -> Result<Option<(Source, Vec<CertificateDer<'static>>)>, ConfigError> {
    let file = match &config.sslrootcert {
        Some(RootCertificates::System) => return Ok(Some((Source::System, system()?))),
        Some(RootCertificates::File(file)) => file,
        None if config.sslmode >= SslMode::VerifyCa => return Err(ConfigError::NoHome),
        None => return Ok(None),
    };
    // From there on, whoever has such a file relies on it.
    let is_wanted = file.explicit || config.sslmode >= SslMode::Require;
    match files::certificates(TlsFileKind::Root, &file.path, is_wanted)? {
        Some(roots) => Ok(Some((Source::File(file.path.clone()), roots))),
        None if config.sslmode >= SslMode::VerifyCa => {
            Err(ConfigError::Missing(TlsFileKind::Root, file.path.clone()))
        }
        None => {
            warnings.extend(file.explicit.then(|| {
                format!(
                    "root certificate file \"{}\" does not exist: the server's certificate is not verified; \
                     sslmode=verify-full would make sure of it",
                    file.path.display()
                )
            }));
            Ok(None)
        }
    }
}

/// The system's root certificates; honours `SSL_CERT_FILE` and `SSL_CERT_DIR`.
#[cfg(not(target_vendor = "apple"))]
fn system() -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let roots = rustls_native_certs::load_native_certs().certs;
    if roots.is_empty() { Err(ConfigError::NoSystemRoots) } else { Ok(roots) }
}

/// The system's root certificates, as OpenSSL finds them there and not those of the keychains; honours
/// `SSL_CERT_FILE`.
#[cfg(target_vendor = "apple")]
fn system() -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let store = openssl_probe::probe().cert_file.unwrap_or_else(|| APPLE_ROOTS.into());
    files::certificates(TlsFileKind::Root, &store, true)?.ok_or(ConfigError::NoSystemRoots)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::System => write!(f, "the system's root certificates"),
            Source::File(path) => write!(f, "root certificate file \"{}\"", path.display()),
        }
    }
}

/// What macOS keeps up to date for programs that read files.
#[cfg(target_vendor = "apple")]
const APPLE_ROOTS: &str = "/etc/ssl/cert.pem";
