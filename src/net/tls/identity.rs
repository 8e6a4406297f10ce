//! The client certificate and its key, and whether the server has asked for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;

use super::error::{ConfigError, TlsFileKind};
use super::files;
use crate::conninfo::{Config, SslCertMode};
use crate::x509::Certificate;

/// Reads the client certificate that the settings name, if there is one.
pub(super) fn load(
    config: &Config,
    provider: &CryptoProvider,
) -> Result<Option<Arc<CertifiedKey>>, ConfigError> {
    if config.sslcertmode == SslCertMode::Disable {
        return Ok(None);
    }
    let is_needed = config.sslcertmode == SslCertMode::Require;
    let Some(file) = &config.sslcert else {
        return if is_needed { Err(ConfigError::NoClientCertificateFile) } else { Ok(None) };
    };
    let Some(chain) = files::certificates(TlsFileKind::Certificate, &file.path, file.explicit || is_needed)?
    else {
        return match file.explicit {
            true => Err(ConfigError::Missing(TlsFileKind::Certificate, file.path.clone())),
            false if is_needed => Err(ConfigError::NoClientCertificate(file.path.clone())),
            false => Ok(None),
        };
    };
    let Some(key_file) = &config.sslkey else { return Err(ConfigError::NoKey(file.path.clone())) };
    let key = provider
        .key_provider
        .load_private_key(files::key(&key_file.path)?)
        .map_err(|_| ConfigError::Invalid(TlsFileKind::Key, key_file.path.clone(), UNSUPPORTED_KEY))?;
    // rustls could compare them itself, but not for a certificate of version 1.
    let certified = chain.first().and_then(|leaf| Certificate::read(leaf).ok());
    let own = key.public_key();
    if certified.map(|leaf| leaf.key.der) != own.as_ref().map(AsRef::as_ref) {
        return Err(ConfigError::KeyMismatch(file.path.clone(), key_file.path.clone()));
    }
    Ok(Some(Arc::new(CertifiedKey::new(chain, key))))
}

/// What came of the client certificate in one handshake.
#[derive(Debug, Default)]
pub struct ClientCertificate {
    key: Option<Arc<CertifiedKey>>,
    requested: AtomicBool,
    sent: AtomicBool,
}

impl ClientCertificate {
    pub(super) fn new(key: Option<Arc<CertifiedKey>>) -> ClientCertificate {
        ClientCertificate { key, ..ClientCertificate::default() }
    }

    /// Whether the server has asked for a client certificate.
    #[must_use]
    pub fn was_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Whether it got one.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for ClientCertificate {
    /// Sends the certificate whatever issuers the server hints at, as libpq does.
    fn resolve(&self, _issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let usable = self.key.as_ref().filter(|key| key.key.choose_scheme(schemes).is_some());
        self.requested.store(true, Ordering::Relaxed);
        self.sent.store(usable.is_some(), Ordering::Relaxed);
        usable.cloned()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

const UNSUPPORTED_KEY: &str = "not an RSA (2048 bits or more), P-256, P-384 or Ed25519 key, or a damaged one";
