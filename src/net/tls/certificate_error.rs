//! What can be wrong with a server's certificate, in OpenSSL's words where it has some.

use std::fmt;

use super::der::Malformed;

/// Why a certificate, or the chain above it, is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// Not a certificate, or one with contents that can't be read.
    Malformed,
    /// Nobody trusted, nor anybody sent along, has issued it.
    NoIssuer,
    /// It has issued itself and is not among the trusted.
    SelfSigned,
    /// The chain leads to a root that is not among the trusted.
    SelfSignedInChain,
    /// An issuer's signature is not good.
    Signature,
    /// An issuer's signature is of a kind that is too weak or unknown: MD5, SHA-1, curves other than P-256 and P-384.
    Algorithm,
    /// An RSA key of fewer than 2048 bits.
    WeakKey,
    /// Its time is to come.
    NotYetValid,
    /// Its time is over.
    Expired,
    /// Its issuer's list has it.
    Revoked,
    /// There are revocation lists, but none of this issuer.
    NoCrl,
    /// The issuer's revocation list was not signed by it, or it may not sign any.
    CrlSignature,
    /// The revocation list has a critical extension.
    CrlExtension,
    /// The revocation list is of the future.
    CrlNotYetValid,
    /// A newer revocation list is due.
    CrlExpired,
    /// An issuer that may not issue.
    InvalidCa,
    /// More issuers in a row than one of them allows.
    PathLength,
    /// Not for TLS servers.
    Purpose,
    /// It demands a rule that is unknown here.
    CriticalExtension,
    /// An issuer may not issue for this name.
    NameNotPermitted,
    /// An issuer's limits are of a kind that is unknown here.
    UnknownNameConstraint,
    /// More candidates for issuers than it is worth to try.
    TooComplex,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CertificateError::Malformed => "the certificate can't be read",
            CertificateError::NoIssuer => "unable to get local issuer certificate",
            CertificateError::SelfSigned => "self-signed certificate",
            CertificateError::SelfSignedInChain => "self-signed certificate in certificate chain",
            CertificateError::Signature => "certificate signature failure",
            CertificateError::Algorithm => "signature algorithm too weak or not supported",
            CertificateError::WeakKey => "certificate key too weak",
            CertificateError::NotYetValid => "certificate is not yet valid",
            CertificateError::Expired => "certificate has expired",
            CertificateError::Revoked => "certificate revoked",
            CertificateError::NoCrl => "unable to get certificate CRL",
            CertificateError::CrlSignature => "CRL signature failure",
            CertificateError::CrlExtension => "unhandled critical CRL extension",
            CertificateError::CrlNotYetValid => "CRL is not yet valid",
            CertificateError::CrlExpired => "CRL has expired",
            CertificateError::InvalidCa => "invalid CA certificate",
            CertificateError::PathLength => "path length constraint exceeded",
            CertificateError::Purpose => "unsuitable certificate purpose",
            CertificateError::CriticalExtension => "unhandled critical extension",
            CertificateError::NameNotPermitted => "permitted or excluded subtree violation",
            CertificateError::UnknownNameConstraint => "unsupported name constraint type",
            CertificateError::TooComplex => "the certificate chain is too complex",
        })
    }
}

impl From<Malformed> for CertificateError {
    fn from(_: Malformed) -> CertificateError {
        CertificateError::Malformed
    }
}
