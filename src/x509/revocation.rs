//! Whether an issuer has revoked a certificate, by the list that OpenSSL would ask.

use std::cmp::Reverse;

use rustls::crypto::WebPkiSupportedAlgorithms;

use super::certificate::Certificate;
use super::crl::{Covered, Crl};
use super::error::CertificateError;
use super::extensions::PointNames;
use super::general_name::GeneralName;
use super::signature::BadSignature;
use super::time::Seconds;

/// Looks up each certificate of a chain, the root too, as with OpenSSL's `X509_V_FLAG_CRL_CHECK_ALL`. If there are any
/// lists, each needs one.
pub(super) fn check(
    chain: &[&Certificate<'_>],
    crls: &[Crl<'_>],
    algorithms: &WebPkiSupportedAlgorithms,
    now: Seconds,
) -> Result<(), CertificateError> {
    if crls.is_empty() {
        return Ok(());
    }
    for (depth, certificate) in chain.iter().enumerate() {
        // The root is its own issuer.
        let above = chain.get(depth + 1..).filter(|above| !above.is_empty());
        let above = above.unwrap_or_else(|| chain.get(depth..).unwrap_or_default());
        let mut candidates = Vec::new();
        for crl in crls {
            candidates.extend(Candidate::new(crl, certificate, above, now)?);
        }
        // Of equals the newest, of these the first.
        let best = candidates.iter().min_by_key(|candidate| {
            let is_good = (!candidate.crl.has_unknown_critical, candidate.is_in_scope, candidate.is_current);
            Reverse((is_good, candidate.is_by_next, candidate.crl.this_update))
        });
        best.ok_or(CertificateError::NoCrl)?.check(certificate, algorithms, now)?;
    }
    Ok(())
}

/// A list of a certificate's issuer, and the certificate above it that has the key of the list.
struct Candidate<'a> {
    crl: &'a Crl<'a>,
    issuer: &'a Certificate<'a>,
    is_in_scope: bool,
    is_current: bool,
    /// Whether the certificate's own issuer has it, and not another one above of the same name.
    is_by_next: bool,
}

impl<'a> Candidate<'a> {
    fn new(
        crl: &'a Crl<'a>,
        certificate: &Certificate<'_>,
        above: &[&'a Certificate<'a>],
        now: Seconds,
    ) -> Result<Option<Candidate<'a>>, CertificateError> {
        if crl.scope.is_special || crl.issuer != certificate.issuer {
            return Ok(None);
        }
        let is_issuer =
            |issuer: &Certificate<'_>| issuer.subject == crl.issuer && issuer.is_meant_by(&crl.authority_key);
        let Some((height, issuer)) = above.iter().enumerate().find(|(_, issuer)| is_issuer(issuer)) else {
            return Ok(None);
        };
        let is_in_scope = covers(crl, certificate)?;
        let is_current = crl.is_current(now);
        Ok(Some(Candidate { crl, issuer, is_in_scope, is_current, is_by_next: height == 0 }))
    }

    fn check(
        &self,
        certificate: &Certificate<'_>,
        algorithms: &WebPkiSupportedAlgorithms,
        now: Seconds,
    ) -> Result<(), CertificateError> {
        // OpenSSL 3.0 takes the change to a list for the whole, later versions leave it out.
        if self.crl.is_unsupported {
            return Err(CertificateError::CrlExtension);
        }
        let usage = self.issuer.extensions.as_ref().map_err(|error| *error)?.key_usage;
        if usage.is_some_and(|usage| !usage.signs_crls()) {
            return Err(CertificateError::NoCrlSigning);
        }
        if !self.is_in_scope {
            return Err(CertificateError::CrlScope);
        }
        if now < self.crl.this_update {
            return Err(CertificateError::CrlNotYetValid);
        }
        if !self.is_current {
            return Err(CertificateError::CrlExpired);
        }
        let signature = self.crl.signed.verify(self.crl.stated_algorithm, &self.issuer.key, algorithms);
        signature.map_err(|bad| match bad {
            BadSignature::Unsupported => CertificateError::Algorithm,
            BadSignature::Wrong => CertificateError::CrlSignature,
        })?;
        if self.crl.has_unknown_critical {
            return Err(CertificateError::CrlExtension);
        }
        if self.crl.lists(certificate.serial) { Err(CertificateError::Revoked) } else { Ok(()) }
    }
}

/// Whether a list of the certificate's issuer is about this certificate; an error where it is for some reasons only, so
/// that another list would have to have the others.
fn covers(crl: &Crl<'_>, certificate: &Certificate<'_>) -> Result<bool, CertificateError> {
    let extensions = certificate.extensions.as_ref().map_err(|error| *error)?;
    let is_ca = extensions.basic_constraints.is_some_and(|constraints| constraints.is_ca);
    let is_covered = match crl.scope.certificates {
        Covered::All => true,
        Covered::Users => !is_ca,
        Covered::Authorities => is_ca,
        Covered::None => false,
    };
    if !is_covered {
        return Ok(false);
    }
    for point in &extensions.distribution_points {
        let is_by_issuer = point.issuers.as_ref().is_none_or(|issuers| {
            issuers.iter().any(|name| matches!(name, GeneralName::Directory(name) if *name == crl.issuer))
        });
        if is_by_issuer && is_same_point(&point.names, &crl.scope.names) {
            return if point.has_reasons { Err(CertificateError::CrlScope) } else { Ok(true) };
        }
    }
    Ok(crl.scope.names == PointNames::Absent)
}

/// Whether a certificate's point is that of a list: one without a name may be any.
fn is_same_point(point: &PointNames<'_>, list: &PointNames<'_>) -> bool {
    match (point, list) {
        (PointNames::Absent, _) | (_, PointNames::Absent) => true,
        (PointNames::Full(point), PointNames::Full(list)) => point.iter().any(|name| list.contains(name)),
        _ => false,
    }
}
