//! The names that an authority may issue for (RFC 5280 §4.2.1.10), for the few authorities that are limited so.

use super::certificate::Certificate;
use super::der::{CONTEXT_0, CONTEXT_1, CONTEXT_4, Reader, SEQUENCE, Value};
use super::error::CertificateError;
use super::extensions::Extensions;

/// Holds the names of the certificates below an authority to the authority's name constraints, if it has any.
/// The first of `below` is the server's.
pub(super) fn check(authority: &Extensions<'_>, below: &[&Certificate<'_>]) -> Result<(), CertificateError> {
    let Some(mut fields) = authority.name_constraints else { return Ok(()) };
    let permitted = subtrees(fields.optional(CONTEXT_0)?)?;
    let excluded = subtrees(fields.optional(CONTEXT_1)?)?;
    fields.end()?;
    for (depth, certificate) in below.iter().enumerate() {
        // An authority that issues for itself anew is not limited, the server always is (RFC 5280 §6.1.3 (b)).
        if depth > 0 && certificate.is_self_issued() {
            continue;
        }
        for name in names(certificate, depth == 0)? {
            for subtree in &excluded {
                if subtree.tag == name.tag && contains(subtree, &name)? {
                    return Err(CertificateError::NameNotPermitted);
                }
            }
            let mut is_limited = false;
            let mut is_permitted = false;
            for subtree in permitted.iter().filter(|subtree| subtree.tag == name.tag) {
                is_limited = true;
                is_permitted |= contains(subtree, &name)?;
            }
            if is_limited && !is_permitted {
                return Err(CertificateError::NameNotPermitted);
            }
        }
    }
    Ok(())
}

/// The bases of subtrees, each a general name.
fn subtrees(list: Option<Value<'_>>) -> Result<Vec<Value<'_>>, CertificateError> {
    let mut bases = Vec::new();
    for subtree in list.into_iter().flat_map(|list| Reader::new(list.contents).all()) {
        let mut fields = Reader::only(subtree?.whole, SEQUENCE)?;
        bases.push(fields.value()?);
        // A minimum or a maximum, which no one may use (RFC 5280 §4.2.1.10).
        fields.end().map_err(|_| CertificateError::UnknownNameConstraint)?;
    }
    Ok(bases)
}

/// All names of a certificate, as general names.
fn names<'a>(certificate: &Certificate<'a>, is_server: bool) -> Result<Vec<Value<'a>>, CertificateError> {
    let mut names: Vec<Value<'a>> = Vec::new();
    if let Some(alternatives) = certificate.extensions()?.alternative_names {
        for name in alternatives.all() {
            let name = name?;
            names.push(match name.tag {
                DIRECTORY => Value { contents: Reader::only(name.contents, SEQUENCE)?.rest(), ..name },
                _ => name,
            });
        }
    }
    // Without a DNS name, the common name is one.
    if is_server && !names.iter().any(|name| name.tag == DNS) {
        let common_name = certificate.common_name()?;
        names.extend(common_name.map(|name| Value { tag: DNS, contents: name, whole: &[] }));
    }
    if !certificate.subject.is_empty() {
        names.push(Value { tag: DIRECTORY, contents: certificate.subject, whole: &[] });
    }
    Ok(names)
}

/// Whether a name is within a subtree of its kind.
fn contains(subtree: &Value<'_>, name: &Value<'_>) -> Result<bool, CertificateError> {
    let (base, name) = (subtree.contents, name.contents);
    match subtree.tag {
        DNS => Ok(dns(base, name)),
        ADDRESS => Ok(address(base, name)),
        DIRECTORY => Ok(name.starts_with(Reader::only(base, SEQUENCE)?.rest())),
        _ => Err(CertificateError::UnknownNameConstraint),
    }
}

/// `example.com` has itself and all below it; `.example.com` only what is below it.
fn dns(base: &[u8], name: &[u8]) -> bool {
    let Some(start) = name.len().checked_sub(base.len()) else { return false };
    let (front, end) = name.split_at(start);
    let is_whole_label =
        front.is_empty() || base.is_empty() || base.starts_with(b".") || front.ends_with(b".");
    end.eq_ignore_ascii_case(base) && is_whole_label
}

/// An address and a mask, each as long as the name.
fn address(base: &[u8], name: &[u8]) -> bool {
    let (network, mask) = base.split_at(base.len() / 2);
    let masked = network.iter().zip(mask).map(|(byte, mask)| byte & mask);
    network.len() == name.len()
        && mask.len() == name.len()
        && masked.eq(name.iter().zip(mask).map(|(byte, mask)| byte & mask))
}

/// `[2] IMPLICIT IA5String`, a general name.
pub(super) const DNS: u8 = 0x82;

/// `[7] IMPLICIT OCTET STRING`, a general name.
pub(super) const ADDRESS: u8 = 0x87;

/// `[4] EXPLICIT Name`, a general name.
const DIRECTORY: u8 = CONTEXT_4;
