//! Whose certificate is believed, as OpenSSL decides it for psql: DER in, verdict out.
//!
//! Here is no file, no socket, no clock and no cryptography: [`verify`] gets certificates, the time and the signature
//! algorithms as values. webpki is not used for that: it refuses certificates that psql accepts (of version 1, a
//! server's that is its own root) and accepts roots that psql refuses (intermediate, expired).

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

pub use self::certificate::Certificate;
pub use self::channel_binding::server_end_point;
pub use self::crl::Crl;
pub use self::der::Malformed;
pub use self::error::{CertificateError, NameMismatch, PresentedName};
pub use self::hostname::HostName;
pub use self::signature::PublicKey;

use self::chain::Chains;

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
    Chains { roots: &roots, sent: &sent, crls: &crls, algorithms, now }.verify(&leaf)?;
    host.map_or(Ok(()), |host| Ok(host.verify(&leaf)?))
}
