//! Which certificates to trust, as OpenSSL decides it for psql: DER in, verdict out.
//!
//! [`verify`] takes certificates, the time and the signature algorithms as values: no file, socket, clock or cryptography
//! is in here. webpki would not do: it refuses certificates that psql accepts (of version 1, a server's that is its own
//! root) and accepts roots that psql refuses (intermediate, expired).
//!
//! ```text
//!   certificate (extensions, names, keys) ──► chain: build, purposes, keys ──► revocation ──► signatures ──► constraints
//! ```

mod certificate;
mod chain;
mod channel_binding;
mod constraints;
mod crl;
mod der;
mod error;
mod extensions;
mod general_name;
mod hostname;
mod name;
mod revocation;
mod signature;
mod time;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};

use self::chain::Verification;

pub use self::certificate::Certificate;
pub use self::channel_binding::server_end_point;
pub use self::crl::Crl;
pub use self::der::Malformed;
pub use self::error::{CertificateError, NameMismatch, PresentedName};
pub use self::hostname::HostName;
pub use self::signature::PublicKey;

/// Who is trusted to issue certificates, and what they have revoked.
#[derive(Debug)]
pub struct Anchors {
    /// Certificates; only the self-issued among them end a chain.
    pub roots: Vec<CertificateDer<'static>>,
    /// If there are any, each certificate needs one of its issuer that does not list it.
    pub crls: Vec<CertificateRevocationListDer<'static>>,
    /// Which signatures can be verified.
    pub algorithms: WebPkiSupportedAlgorithms,
}

/// Verifies that a server's certificate can be traced to the anchors by way of those that it `sent` along, and that it
/// is for this host, if one is given.
///
/// # Errors
/// The first check that failed.
pub fn verify(
    leaf: &[u8],
    sent: &[CertificateDer<'_>],
    anchors: &Anchors,
    host: Option<&HostName>,
    now: UnixTime,
) -> Result<(), CertificateError> {
    let leaf = Certificate::read(leaf)?;
    // The system's store may have some that can't be read; files of our own were checked.
    let roots: Vec<_> = anchors.roots.iter().filter_map(|der| Certificate::read(der).ok()).collect();
    let sent: Vec<_> = sent.iter().map(|der| Certificate::read(der)).collect::<Result<_, _>>()?;
    let crls: Vec<_> = anchors.crls.iter().map(|der| Crl::read(der)).collect::<Result<_, _>>()?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let algorithms = &anchors.algorithms;
    Verification { roots: &roots, sent: &sent, crls: &crls, algorithms, now }.verify(&leaf)?;
    host.map_or(Ok(()), |host| Ok(host.verify(&leaf)?))
}
