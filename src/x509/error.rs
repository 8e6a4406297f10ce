//! What can be wrong with a server's certificate, in OpenSSL's words where it has some.

use core::net::IpAddr;

use thiserror::Error;

use super::der::Malformed;

/// Why a certificate, or the chain above it, is not good.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Not a certificate, or one with contents that can't be read.
    #[error("the certificate can't be read")]
    Malformed,
    /// No one trusted has issued it, nor any of those that were sent along.
    #[error("unable to get local issuer certificate")]
    NoIssuer,
    /// It has issued itself and is not among the trusted.
    #[error("self-signed certificate")]
    SelfSigned,
    /// The chain leads to a root that is not among the trusted.
    #[error("self-signed certificate in certificate chain")]
    SelfSignedInChain,
    /// An issuer's signature is not good.
    #[error("certificate signature failure")]
    Signature,
    /// An issuer's signature is of a kind that is too weak or unknown: MD5, SHA-1, curves other than P-256 and P-384.
    #[error("signature algorithm too weak or not supported")]
    Algorithm,
    /// An RSA key of fewer than 2048 bits.
    #[error("certificate key too weak")]
    WeakKey,
    /// A key that nothing here can verify with.
    #[error(
        "certificate key of a kind that is not supported (RSA from 2048 to 8192 bits, P-256, P-384 and Ed25519 are)"
    )]
    UnsupportedKey,
    /// Its time is to come.
    #[error("certificate is not yet valid")]
    NotYetValid,
    /// Its time is over.
    #[error("certificate has expired")]
    Expired,
    /// Its issuer's list has it.
    #[error("certificate revoked")]
    Revoked,
    /// There are revocation lists, but none of this issuer.
    #[error("unable to get certificate CRL")]
    NoCrl,
    /// The issuer's revocation list was not signed by it.
    #[error("CRL signature failure")]
    CrlSignature,
    /// The issuer may not sign revocation lists.
    #[error("key usage does not include CRL signing")]
    NoCrlSigning,
    /// The revocation list is about other certificates, or only about some reasons.
    #[error("different CRL scope")]
    CrlScope,
    /// The revocation list has a critical extension, is the change to another list, or tells of other issuers' certificates.
    #[error("unhandled critical CRL extension")]
    CrlExtension,
    /// The revocation list is of the future.
    #[error("CRL is not yet valid")]
    CrlNotYetValid,
    /// A newer revocation list is due.
    #[error("CRL has expired")]
    CrlExpired,
    /// An issuer that may not issue.
    #[error("invalid CA certificate")]
    InvalidCa,
    /// More issuers in a row than one of them allows.
    #[error("path length constraint exceeded")]
    PathLength,
    /// Not for TLS servers.
    #[error("unsuitable certificate purpose")]
    Purpose,
    /// It demands a rule that is unknown here.
    #[error("unhandled critical extension")]
    CriticalExtension,
    /// It has been issued by a certificate that is not an authority's (RFC 3820).
    #[error("proxy certificates not allowed")]
    Proxy,
    /// An issuer may issue for other names only.
    #[error("permitted subtree violation")]
    NotPermitted,
    /// An issuer may not issue for this name.
    #[error("excluded subtree violation")]
    Excluded,
    /// An issuer's limits are of a kind that is unknown here.
    #[error("unsupported name constraint type")]
    UnknownNameConstraint,
    /// An issuer's limits begin or end below a name.
    #[error("name constraints minimum and maximum not supported")]
    ConstraintDepth,
    /// A name that an issuer limits, or the limit, does not look like one.
    #[error("unsupported or invalid name syntax")]
    NameSyntax,
    /// More names and limits than it is worth to compare.
    #[error("more names and name constraints than are compared")]
    TooComplex,
    /// More issuers than any chain needs.
    #[error("certificate chain too long")]
    TooLong,
    /// It is not for the host.
    #[error(transparent)]
    Name(#[from] NameMismatch),
}

/// Why a certificate is not for this host.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameMismatch {
    /// It is for others.
    #[error("the certificate is for another host")]
    Other {
        /// The first of its names.
        first: PresentedName,
        /// How many more it has.
        others: usize,
    },
    /// It has no name.
    #[error("the certificate has no host name")]
    Nameless,
    /// A name has a NUL byte within, after which something that does not read it so would find another host
    /// (CVE-2009-4034).
    #[error("a name in the certificate contains a NUL byte")]
    EmbeddedNul,
    /// An IP address of so many bytes.
    #[error("the certificate contains an IP address of {0} bytes")]
    AddressLength(usize),
    /// The names can't be read.
    #[error("the names in the certificate can't be read")]
    Malformed,
}

/// A name in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresentedName {
    /// As the peer has written it: not fit to print.
    Text(Vec<u8>),
    /// An address.
    Address(IpAddr),
}

impl From<Malformed> for CertificateError {
    fn from(_: Malformed) -> CertificateError {
        CertificateError::Malformed
    }
}

impl From<Malformed> for NameMismatch {
    fn from(_: Malformed) -> NameMismatch {
        NameMismatch::Malformed
    }
}
