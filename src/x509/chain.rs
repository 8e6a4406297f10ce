//! Finds a chain from the server's certificate to a trusted root and checks it, as OpenSSL does for psql.

use rustls::crypto::WebPkiSupportedAlgorithms;

use super::certificate::Certificate;
use super::constraints;
use super::crl::Crl;
use super::error::CertificateError;
use super::extensions::{Extensions, SERVER_AUTH, USAGE_SIGNS_CERTIFICATES, USAGE_SIGNS_CRLS, USAGE_TLS};
use super::signature::BadSignature;
use super::time::Seconds;

/// All that a chain is made from and measured by.
pub(super) struct Chains<'a> {
    /// The trusted; only the self-issued among them end a chain.
    pub(super) roots: &'a [Certificate<'a>],
    /// What the server sent along; nothing is believed of it.
    pub(super) sent: &'a [Certificate<'a>],
    /// If there are any, each certificate needs one of its issuer that does not list it.
    pub(super) crls: &'a [Crl<'a>],
    pub(super) algorithms: &'a WebPkiSupportedAlgorithms,
    pub(super) now: Seconds,
}

impl<'a> Chains<'a> {
    /// Whether the server's certificate is good.
    pub(super) fn verify(&self, leaf: &'a Certificate<'a>) -> Result<(), CertificateError> {
        self.extend(&mut vec![leaf], &mut { MAX_SIGNATURES })
    }

    /// Looks for the issuers of the last one of `chain`, and theirs, until a root is found.
    fn extend(
        &self,
        chain: &mut Vec<&'a Certificate<'a>>,
        budget: &mut usize,
    ) -> Result<(), CertificateError> {
        let Some(&last) = chain.last() else { return Err(CertificateError::NoIssuer) };
        if last.is_self_issued() && self.roots.iter().any(|root| root.der == last.der) {
            return self.check(chain);
        }
        let mut error = match (last.is_self_issued(), chain.len()) {
            (true, 1) => CertificateError::SelfSigned,
            (true, _) => CertificateError::SelfSignedInChain,
            (false, _) => CertificateError::NoIssuer,
        };
        for issuer in self.roots.iter().chain(self.sent) {
            let is_new = chain.iter().all(|known| known.der != issuer.der);
            if issuer.subject != last.issuer || !is_new {
                continue;
            }
            if *budget == 0 || chain.len() == MAX_LENGTH {
                return Err(CertificateError::TooComplex);
            }
            *budget -= 1;
            let found = match last.signed.verify(&issuer.key, self.algorithms) {
                Ok(()) => {
                    chain.push(issuer);
                    let found = self.extend(chain, budget);
                    chain.pop();
                    found
                }
                Err(_) if issuer.key.is_weak() => Err(CertificateError::WeakKey),
                Err(BadSignature::Unsupported) => Err(CertificateError::Algorithm),
                Err(BadSignature::Wrong) => Err(CertificateError::Signature),
            };
            match found {
                Ok(()) | Err(CertificateError::TooComplex) => return found,
                // What is wrong with a chain to a root says more than that there is none.
                Err(CertificateError::NoIssuer) => {}
                Err(other) => error = other,
            }
        }
        Err(error)
    }

    /// Checks a whole chain, whose signatures are good, from the server's certificate to the root.
    fn check(&self, chain: &[&Certificate<'_>]) -> Result<(), CertificateError> {
        let last = chain.len() - 1;
        let mut authorities_below = 0;
        for (depth, certificate) in chain.iter().enumerate() {
            let extensions = certificate.extensions()?;
            if extensions.has_unknown_critical {
                return Err(CertificateError::CriticalExtension);
            }
            if certificate.key.is_weak() {
                return Err(CertificateError::WeakKey);
            }
            if depth == 0 {
                may_be_server(&extensions)?;
            } else {
                may_issue(certificate, &extensions, depth == last, authorities_below)?;
                constraints::check(&extensions, chain.get(..depth).unwrap_or_default())?;
                // Those that renew their own key do not count (RFC 5280 §6.1.4 (l)).
                authorities_below += usize::from(!certificate.is_self_issued());
            }
            self.is_in_time(certificate)?;
            let issuer = chain.get(depth + 1).unwrap_or(certificate);
            self.is_not_revoked(certificate, issuer)?;
        }
        Ok(())
    }

    fn is_in_time(&self, certificate: &Certificate<'_>) -> Result<(), CertificateError> {
        let (from, to) = certificate.validity()?;
        if self.now < from {
            Err(CertificateError::NotYetValid)
        } else if self.now > to {
            Err(CertificateError::Expired)
        } else {
            Ok(())
        }
    }

    /// As with OpenSSL's `X509_V_FLAG_CRL_CHECK_ALL`, the root is looked up too.
    fn is_not_revoked(
        &self,
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
    ) -> Result<(), CertificateError> {
        if self.crls.is_empty() {
            return Ok(());
        }
        let usage = issuer.extensions()?.key_usage;
        let may_sign = usage.is_none_or(|usage| usage & USAGE_SIGNS_CRLS != 0);
        let mut found = Err(CertificateError::NoCrl);
        for crl in self.crls.iter().filter(|crl| crl.issuer == certificate.issuer) {
            let error = if !may_sign || crl.signed.verify(&issuer.key, self.algorithms).is_err() {
                CertificateError::CrlSignature
            } else if crl.has_critical_extension {
                CertificateError::CrlExtension
            } else if crl.lists(certificate.serial)? {
                // In one of several lists, or in an old one, is enough.
                return Err(CertificateError::Revoked);
            } else if self.now < crl.this_update {
                CertificateError::CrlNotYetValid
            } else if crl.next_update.is_some_and(|next| self.now > next) {
                CertificateError::CrlExpired
            } else {
                found = Ok(());
                continue;
            };
            found = found.map_err(|_| error);
        }
        found
    }
}

/// A server's certificate may also be an authority's; psql does not mind.
fn may_be_server(extensions: &Extensions<'_>) -> Result<(), CertificateError> {
    if extensions.key_usage.is_some_and(|usage| usage & USAGE_TLS == 0) {
        return Err(CertificateError::Purpose);
    }
    is_for_servers(extensions)
}

/// An extended key usage, also an authority's, limits all below it.
fn is_for_servers(extensions: &Extensions<'_>) -> Result<(), CertificateError> {
    let Some(usages) = extensions.extended_key_usage else { return Ok(()) };
    for usage in usages.all() {
        if usage?.contents == SERVER_AUTH {
            return Ok(());
        }
    }
    Err(CertificateError::Purpose)
}

/// Whether this authority may issue what is below it (`check_ca` in OpenSSL's `v3_purp.c`).
fn may_issue(
    certificate: &Certificate<'_>,
    extensions: &Extensions<'_>,
    is_root: bool,
    authorities_below: usize,
) -> Result<(), CertificateError> {
    is_for_servers(extensions)?;
    let signs = extensions.key_usage.map(|usage| usage & USAGE_SIGNS_CERTIFICATES != 0);
    let is_ca = match extensions.basic_constraints {
        Some(constraints) => constraints.is_ca,
        // A root is trusted because the user said so; it need not say that it is one in the way of version 3.
        None => is_root && (certificate.is_v1 || signs == Some(true)),
    };
    if !is_ca || signs == Some(false) {
        return Err(CertificateError::InvalidCa);
    }
    let limit = extensions.basic_constraints.and_then(|constraints| constraints.path_length);
    if limit.is_some_and(|limit| authorities_below > limit) {
        return Err(CertificateError::PathLength);
    }
    Ok(())
}

/// The longest chain; those in use have three or four certificates.
const MAX_LENGTH: usize = 10;

/// How many signatures are verified at most, so that a server can't keep us busy with look-alike issuers.
const MAX_SIGNATURES: usize = 100;
