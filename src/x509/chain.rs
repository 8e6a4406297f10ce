//! Finds the chain from the server's certificate to a trusted root and checks it, step by step as OpenSSL does for psql.
//!
//! One chain is built and no other is tried: each issuer is the best of those that could be it. So what was sent bounds
//! the work.

use rustls::crypto::WebPkiSupportedAlgorithms;

use super::certificate::Certificate;
use super::constraints;
use super::crl::Crl;
use super::error::CertificateError;
use super::extensions::{Extensions, KeyUsage};
use super::revocation;
use super::signature::BadSignature;
use super::time::Seconds;

/// What a chain is built from and checked against.
pub(super) struct Verification<'a> {
    /// Trusted certificates; only the self-signed among them end a chain.
    pub(super) roots: &'a [Certificate<'a>],
    /// What the server sent along; none of it is trusted.
    pub(super) sent: &'a [Certificate<'a>],
    /// If there are any, each certificate needs one of its issuer that does not list it.
    pub(super) crls: &'a [Crl<'a>],
    pub(super) algorithms: &'a WebPkiSupportedAlgorithms,
    pub(super) now: Seconds,
}

impl<'a> Verification<'a> {
    /// Verifies the server's certificate. The steps are in OpenSSL's order, in which those that cost nothing come first.
    pub(super) fn verify(&self, leaf: &'a Certificate<'a>) -> Result<(), CertificateError> {
        if leaf.extensions.is_err() {
            return Err(CertificateError::Malformed);
        }
        self.check_key(leaf)?;
        let chain = self.build(leaf)?;
        check_purposes(&chain)?;
        chain.iter().try_for_each(|certificate| self.check_key(certificate))?;
        revocation::check(&chain, self.crls, self.algorithms, self.now)?;
        self.check_signatures(&chain)?;
        constraints::check(&chain)
    }

    /// From the server's certificate to a root. Trusted issuers are preferred to those that were sent, and above one
    /// that is trusted no other is looked for.
    fn build(&self, leaf: &'a Certificate<'a>) -> Result<Vec<&'a Certificate<'a>>, CertificateError> {
        let mut chain = vec![leaf];
        let mut last = leaf;
        let mut has_trusted = false;
        while chain.len() < MAX_LENGTH {
            let trusted = self.issuer(last, self.roots.iter());
            match trusted {
                // It has to be the very same, not another one of that name.
                Some(root) if last.is_self_signed() && root.der == last.der => return Ok(chain),
                Some(issuer) if !last.is_self_signed() => {
                    chain.push(issuer);
                    if issuer.is_self_signed() {
                        return Ok(chain);
                    }
                    has_trusted = true;
                    last = issuer;
                }
                _ => {
                    let is_new = |sent: &&Certificate<'_>| chain.iter().all(|known| known.der != sent.der);
                    let issuer = if has_trusted || last.is_self_signed() {
                        None
                    } else {
                        self.issuer(last, self.sent.iter().filter(is_new))
                    };
                    let Some(issuer) = issuer else {
                        return Err(match (last.is_self_signed(), chain.len()) {
                            (true, 1) => CertificateError::SelfSigned,
                            (true, _) => CertificateError::SelfSignedInChain,
                            (false, _) => CertificateError::NoIssuer,
                        });
                    };
                    chain.push(issuer);
                    last = issuer;
                }
            }
        }
        Err(CertificateError::TooLong)
    }

    /// The first of those that may be the issuer that is valid now, else the one that is valid longest.
    fn issuer(
        &self,
        of: &Certificate<'_>,
        among: impl Iterator<Item = &'a Certificate<'a>>,
    ) -> Option<&'a Certificate<'a>> {
        let end = |certificate: &Certificate<'_>| certificate.validity().map(|(_, to)| to).ok();
        let mut best: Option<&Certificate<'_>> = None;
        for candidate in among.filter(|candidate| candidate.may_have_issued(of)) {
            if candidate.is_valid_at(self.now) {
                return Some(candidate);
            }
            if best.is_none_or(|best| end(candidate) > end(best)) {
                best = Some(candidate);
            }
        }
        best
    }

    /// Whether its key is strong enough, and of a kind that can be verified with.
    fn check_key(&self, certificate: &Certificate<'_>) -> Result<(), CertificateError> {
        if certificate.key.is_weak() {
            return Err(CertificateError::WeakKey);
        }
        if certificate.key.is_supported(self.algorithms) {
            Ok(())
        } else {
            Err(CertificateError::UnsupportedKey)
        }
    }

    /// From the root down: what an unknown key has signed costs nothing.
    fn check_signatures(&self, chain: &[&Certificate<'_>]) -> Result<(), CertificateError> {
        for (depth, certificate) in chain.iter().enumerate().rev() {
            if let Some(issuer) = chain.get(depth + 1) {
                let signature =
                    certificate.signed.verify(certificate.stated_algorithm, &issuer.key, self.algorithms);
                signature.map_err(|error| match error {
                    BadSignature::Unsupported => CertificateError::Algorithm,
                    BadSignature::Wrong => CertificateError::Signature,
                })?;
            }
            let (from, to) = certificate.validity()?;
            if self.now < from {
                return Err(CertificateError::NotYetValid);
            }
            if self.now >= to {
                return Err(CertificateError::Expired);
            }
        }
        Ok(())
    }
}

/// Whether each certificate may be where it is in the chain.
fn check_purposes(chain: &[&Certificate<'_>]) -> Result<(), CertificateError> {
    let mut authorities_below = 0;
    for (depth, certificate) in chain.iter().enumerate() {
        let extensions = certificate.extensions.as_ref().map_err(|error| *error)?;
        if extensions.has_unknown_critical {
            return Err(CertificateError::CriticalExtension);
        }
        if extensions.is_proxy {
            return Err(CertificateError::Proxy);
        }
        if depth == 0 {
            may_be_server(extensions)?;
            continue;
        }
        may_issue(certificate, extensions, depth + 1 == chain.len(), authorities_below)?;
        // Those that renew their own key do not count (RFC 5280 §6.1.4 (l)).
        authorities_below += usize::from(!certificate.is_self_issued());
    }
    Ok(())
}

/// A server's certificate may also be an authority's; psql does not mind.
fn may_be_server(extensions: &Extensions<'_>) -> Result<(), CertificateError> {
    let is_for_servers = extensions.is_for_servers != Some(false)
        && extensions.netscape_type.is_none_or(|bits| bits & NETSCAPE_SSL_SERVER != 0)
        && extensions.key_usage.is_none_or(KeyUsage::has_tls);
    if is_for_servers { Ok(()) } else { Err(CertificateError::Purpose) }
}

/// Whether this authority may issue what is below it (`check_ca` in OpenSSL's `v3_purp.c`).
fn may_issue(
    certificate: &Certificate<'_>,
    extensions: &Extensions<'_>,
    is_root: bool,
    authorities_below: usize,
) -> Result<(), CertificateError> {
    let signs = extensions.key_usage.map(KeyUsage::signs_certificates);
    let is_ca = match extensions.basic_constraints {
        Some(constraints) => constraints.is_ca,
        // A root is trusted because the user said so; it need not say that it is one in the way of version 3.
        None => is_root && (certificate.is_v1 || signs == Some(true) || is_netscape_authority(extensions)?),
    };
    if !is_ca || signs == Some(false) {
        return Err(CertificateError::InvalidCa);
    }
    // An extended key usage limits all below it.
    if extensions.is_for_servers == Some(false) {
        return Err(CertificateError::Purpose);
    }
    let limit = extensions.basic_constraints.and_then(|constraints| constraints.path_length);
    if limit.is_some_and(|limit| authorities_below > limit) {
        return Err(CertificateError::PathLength);
    }
    Ok(())
}

/// Whether Netscape's extension makes it an authority, and if so, one of TLS.
fn is_netscape_authority(extensions: &Extensions<'_>) -> Result<bool, CertificateError> {
    match extensions.netscape_type.unwrap_or_default() & NETSCAPE_AUTHORITY {
        0 => Ok(false),
        bits if bits & NETSCAPE_SSL_AUTHORITY == 0 => Err(CertificateError::Purpose),
        _ => Ok(true),
    }
}

const NETSCAPE_SSL_SERVER: u8 = 0x40;
const NETSCAPE_SSL_AUTHORITY: u8 = 0x04;
/// Of TLS, of mail or of programs.
const NETSCAPE_AUTHORITY: u8 = 0x04 | 0x02 | 0x01;

/// The longest chain; those in use have three or four certificates. OpenSSL would take a hundred.
const MAX_LENGTH: usize = 20;
