//! The names that authorities may issue for (RFC 5280 §4.2.1.10), for the few authorities that are limited so.

use core::net::IpAddr;
use std::borrow::Cow;

use super::certificate::Certificate;
use super::error::CertificateError;
use super::extensions::{NameConstraints, Subtree};
use super::general_name::GeneralName;
use super::hostname::HostName;
use super::name::{COMMON_NAME, EMAIL_ADDRESS, IA5_STRING, Name};

/// Holds the names of each certificate of a chain to the name constraints of the authorities above it.
pub(super) fn check(chain: &[&Certificate<'_>]) -> Result<(), CertificateError> {
    let mut budget = Budget(MAX_COMPARISONS);
    for (depth, certificate) in chain.iter().enumerate().rev() {
        // An authority that issues for itself anew is not limited, the server always is (RFC 5280 §6.1.3 (b)).
        if depth > 0 && certificate.is_self_issued() {
            continue;
        }
        let above = chain.get(depth + 1..).unwrap_or_default().iter().rev();
        let limits: Vec<_> =
            above.filter_map(|above| above.extensions.as_ref().ok()?.name_constraints.as_ref()).collect();
        if limits.is_empty() {
            continue;
        }
        let names = names(certificate, depth == 0)?;
        for limits in limits {
            Limits::new(limits).check(&names, &mut budget)?;
        }
    }
    Ok(())
}

/// How many more times a name may be compared with a constraint, over all of a chain.
struct Budget(usize);

impl Budget {
    fn spend(&mut self, comparisons: usize) -> Result<(), CertificateError> {
        self.0 = self.0.checked_sub(comparisons).ok_or(CertificateError::TooComplex)?;
        Ok(())
    }
}

/// A name, or the base of a subtree, in the form in which it is compared: each is brought into it once.
#[derive(Debug)]
enum Comparable<'a> {
    /// And where its first dot is.
    Dns(Cow<'a, [u8]>, Option<usize>),
    /// What stands before and after the last `@`, if there is one.
    Email(Option<Local<'a>>, Cow<'a, [u8]>),
    /// Of a name the host, `None` where there is none that all would agree on; of a constraint all of it.
    Uri(Option<Cow<'a, [u8]>>),
    /// `None` where the length is not that of one.
    Address(Option<Network>),
    Directory(&'a Name<'a>),
    /// A kind that is known by its name alone.
    Opaque(&'a GeneralName<'a>),
}

#[derive(Debug)]
struct Local<'a> {
    text: &'a [u8],
    has_nul: bool,
}

/// A network; a single address is the smallest.
#[derive(Debug)]
struct Network {
    /// Of an address, in bytes.
    length: usize,
    address: u128,
    mask: u128,
}

/// All names of a certificate that can be limited.
fn names<'a>(
    certificate: &'a Certificate<'a>,
    is_server: bool,
) -> Result<Vec<Comparable<'a>>, CertificateError> {
    let alternatives = &certificate.extensions.as_ref().map_err(|error| *error)?.alternative_names;
    let mut names = Vec::with_capacity(alternatives.len() + 2);
    if !certificate.subject.is_empty() {
        names.push(Comparable::Directory(&certificate.subject));
    }
    for attribute in
        certificate.subject.attributes().iter().filter(|attribute| attribute.kind == EMAIL_ADDRESS)
    {
        if attribute.value.tag != IA5_STRING {
            return Err(CertificateError::NameSyntax);
        }
        names.push(email(attribute.value.contents));
    }
    names.extend(alternatives.iter().map(name));
    // To libpq the text of an address is the host's, as a DNS name too, which OpenSSL holds to no limit of addresses.
    if is_server {
        let texts = alternatives.iter().filter_map(|name| match name {
            GeneralName::Dns(name) => std::str::from_utf8(name).ok(),
            _ => None,
        });
        names.extend(texts.filter_map(address_in));
    }
    // Without a DNS name, each common name that looks like one is one; without an address, each that is the text of one is an
    // address too.
    let lacks_dns = !alternatives.iter().any(|name| matches!(name, GeneralName::Dns(_)));
    let lacks_address = !alternatives.iter().any(|name| matches!(name, GeneralName::Address(_)));
    let common_names =
        certificate.subject.attributes().iter().filter(|attribute| attribute.kind == COMMON_NAME);
    for attribute in common_names.filter(|_| is_server) {
        let text = attribute.text().unwrap_or_default();
        names.extend(address_in(&text).filter(|_| lacks_address));
        if lacks_dns {
            let text = attribute.text().ok_or(CertificateError::NameSyntax)?;
            let text = text.trim_end_matches('\0');
            if text.contains('\0') {
                return Err(CertificateError::NameSyntax);
            }
            if looks_like_dns(text) {
                names.push(dns_name(text.to_ascii_lowercase().into_bytes().into()));
            }
        }
    }
    Ok(names)
}

/// The address that this is the text of. A bare number is hardly ever meant as one.
fn address_in<'a>(text: &str) -> Option<Comparable<'a>> {
    let may_be = text.contains(['.', ':'])
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:xX".contains(&byte));
    let address = may_be.then(|| HostName::new(text).address()).flatten()?;
    Some(Comparable::Address(match address {
        IpAddr::V4(address) => self::address(&address.octets()),
        IpAddr::V6(address) => self::address(&address.octets()),
    }))
}

fn name<'a>(name: &'a GeneralName<'a>) -> Comparable<'a> {
    match name {
        GeneralName::Dns(name) => dns_name(lower_case(name)),
        GeneralName::Email(name) => email(name),
        GeneralName::Uri(uri) => Comparable::Uri(host(uri).map(lower_case)),
        GeneralName::Address(bytes) => Comparable::Address(address(bytes)),
        GeneralName::Directory(name) => Comparable::Directory(name),
        other => Comparable::Opaque(other),
    }
}

fn base<'a>(subtree: &'a Subtree<'a>) -> Comparable<'a> {
    match &subtree.base {
        GeneralName::Uri(host) => Comparable::Uri(Some(lower_case(host))),
        GeneralName::Address(bytes) => Comparable::Address(network(bytes)),
        base => name(base),
    }
}

fn dns_name(name: Cow<'_, [u8]>) -> Comparable<'_> {
    let dot = name.iter().position(|byte| *byte == b'.');
    Comparable::Dns(name, dot)
}

fn email(address: &[u8]) -> Comparable<'_> {
    let at = address.iter().rposition(|byte| *byte == b'@');
    match at.and_then(|at| address.split_at_checked(at)) {
        Some((text, host)) => {
            let local = Local { text, has_nul: text.contains(&0) };
            Comparable::Email(Some(local), lower_case(host.get(1..).unwrap_or_default()))
        }
        None => Comparable::Email(None, lower_case(address)),
    }
}

/// The constraints of one authority.
struct Limits<'a> {
    permitted: Vec<Limit<'a>>,
    excluded: Vec<Limit<'a>>,
}

struct Limit<'a> {
    base: Comparable<'a>,
    has_depth: bool,
}

impl<'a> Limits<'a> {
    fn new(constraints: &'a NameConstraints<'a>) -> Limits<'a> {
        let limits = |subtrees: &'a [Subtree<'a>]| {
            subtrees
                .iter()
                .map(|subtree| Limit { base: base(subtree), has_depth: subtree.is_limited })
                .collect()
        };
        Limits { permitted: limits(&constraints.permitted), excluded: limits(&constraints.excluded) }
    }

    fn check(&self, names: &[Comparable<'_>], budget: &mut Budget) -> Result<(), CertificateError> {
        budget.spend(names.len().saturating_mul(self.permitted.len() + self.excluded.len()))?;
        names.iter().try_for_each(|name| self.check_name(name))
    }

    fn check_name(&self, name: &Comparable<'_>) -> Result<(), CertificateError> {
        let mut is_permitted = None;
        for limit in self.permitted.iter().filter(|limit| limit.base.is_of_kind(name)) {
            if limit.has_depth {
                return Err(CertificateError::ConstraintDepth);
            }
            if is_permitted != Some(true) {
                is_permitted = Some(limit.base.contains(name)?);
            }
        }
        if is_permitted == Some(false) {
            return Err(CertificateError::NotPermitted);
        }
        for limit in self.excluded.iter().filter(|limit| limit.base.is_of_kind(name)) {
            if limit.has_depth {
                return Err(CertificateError::ConstraintDepth);
            }
            if limit.base.contains(name)? || limit.base.is_in_wildcard(name) {
                return Err(CertificateError::Excluded);
            }
        }
        Ok(())
    }
}

impl Comparable<'_> {
    /// Whether this base of a subtree limits such names.
    fn is_of_kind(&self, name: &Comparable<'_>) -> bool {
        match (self, name) {
            (Comparable::Opaque(base), Comparable::Opaque(name)) => base.is_of_kind(name),
            // An address whose local part is not ASCII (RFC 9598).
            (Comparable::Email(..), Comparable::Opaque(name)) => name.is_other(SMTP_UTF8_MAILBOX),
            _ => std::mem::discriminant(self) == std::mem::discriminant(name),
        }
    }

    /// Whether a name of this kind is in the subtree of this base.
    fn contains(&self, name: &Comparable<'_>) -> Result<bool, CertificateError> {
        match (self, name) {
            (Comparable::Dns(base, _), Comparable::Dns(name, _)) => Ok(dns(base, name)),
            (Comparable::Email(base_local, base), Comparable::Email(Some(local), host)) => match base_local {
                None if base.starts_with(b".") => Ok(host.ends_with(base)),
                None | Some(Local { text: [], .. }) => Ok(base == host),
                Some(base_local) if base_local.text.len() != local.text.len() => Ok(false),
                Some(base_local) if base_local.has_nul || local.has_nul => Err(CertificateError::NameSyntax),
                Some(base_local) => Ok(base_local.text == local.text && base == host),
            },
            (Comparable::Uri(Some(base)), Comparable::Uri(Some(host))) => {
                let is_below = base.starts_with(b".") && host.len() > base.len() && host.ends_with(base);
                Ok(is_below || (base == host && !base.starts_with(b".")))
            }
            (Comparable::Address(Some(base)), Comparable::Address(Some(name))) => {
                Ok(base.length == name.length && base.address == name.address & base.mask)
            }
            (Comparable::Address(_), Comparable::Address(_)) => Err(CertificateError::NameSyntax),
            (Comparable::Directory(base), Comparable::Directory(name)) => Ok(name.is_within(base)),
            (Comparable::Email(..) | Comparable::Uri(_), Comparable::Email(..) | Comparable::Uri(_)) => {
                Err(CertificateError::NameSyntax)
            }
            _ => Err(CertificateError::UnknownNameConstraint),
        }
    }

    /// Whether the name is a wildcard for this base, such as `*.example.com` for `db.example.com`. OpenSSL does not ask:
    /// whoever has the certificate could be a host that was excluded.
    fn is_in_wildcard(&self, name: &Comparable<'_>) -> bool {
        let (Comparable::Dns(base, Some(dot @ 1..)), Comparable::Dns(name, Some(1))) = (self, name) else {
            return false;
        };
        name.strip_prefix(b"*") == base.get(*dot..)
    }
}

/// `example.com` has itself and all below it; `.example.com` only what is below it.
fn dns(base: &[u8], name: &[u8]) -> bool {
    let Some(front) = name.strip_suffix(base) else { return false };
    front.is_empty() || base.is_empty() || base.starts_with(b".") || front.ends_with(b".")
}

fn address(bytes: &[u8]) -> Option<Network> {
    let address = bytes.iter().fold(0, |address, byte| address << 8 | u128::from(*byte));
    let length = bytes.len();
    [4, 16].contains(&length).then_some(Network { length, address, mask: u128::MAX })
}

/// An address and a mask.
fn network(bytes: &[u8]) -> Option<Network> {
    let (front, mask) = bytes.split_at(bytes.len() / 2);
    let Network { address: mask, length, .. } = address(mask)?;
    address(front).map(|front| Network { length, address: front.address & mask, mask })
}

/// The host of a URI; `None` where there is none, or where versions of OpenSSL do not agree what it is: with a user's
/// name before it, or with a colon or a question mark that one takes for its end and another for a part of what follows.
fn host(uri: &[u8]) -> Option<&[u8]> {
    let colon = uri.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0)?;
    let rest = uri.get(colon..)?.strip_prefix(b"://")?;
    let until = |ends: &[u8]| rest.split(|byte| ends.contains(byte)).next().unwrap_or_default();
    let host = until(b":/?#");
    let other = if rest.contains(&b':') { until(b":") } else { until(b"/") };
    (host == other && !host.is_empty() && !host.iter().any(|byte| b"@[]".contains(byte))).then_some(host)
}

/// Whether a common name is the name of a host, of two labels at least (OpenSSL's `cn2dnsid`), or a wildcard, which
/// OpenSSL does not hold to any limit.
fn looks_like_dns(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        !label.is_empty() && label.chars().all(is_fine) && !label.starts_with('-') && !label.ends_with('-')
    };
    let name = name.strip_prefix("*.").unwrap_or(name);
    name.contains('.') && name.split('.').all(is_label)
}

fn lower_case(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.iter().any(u8::is_ascii_uppercase) { bytes.to_ascii_lowercase().into() } else { bytes.into() }
}

/// 1.3.6.1.5.5.7.8.9
const SMTP_UTF8_MAILBOX: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x08, 0x09];

/// How often a name is compared with a constraint, at most, as in OpenSSL, but in all of a chain together: some
/// milliseconds. Certificates in use have a hundred names and an authority a few constraints.
const MAX_COMPARISONS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn constraints<'a>(
        permitted: Vec<GeneralName<'a>>,
        excluded: Vec<GeneralName<'a>>,
    ) -> NameConstraints<'a> {
        let subtrees = |bases: Vec<GeneralName<'a>>| {
            bases.into_iter().map(|base| Subtree { base, is_limited: false }).collect()
        };
        NameConstraints { permitted: subtrees(permitted), excluded: subtrees(excluded) }
    }

    #[test]
    fn names_are_compared_with_limits_a_million_times_at_most_in_all_of_a_chain() {
        let constraints = constraints(Vec::new(), vec![GeneralName::Dns(b"a"); 1 << 10]);
        let limits = Limits::new(&constraints);
        let one = GeneralName::Dns(b"b");
        let names = |count| (0..count).map(|_| name(&one)).collect::<Vec<_>>();
        let mut budget = Budget(MAX_COMPARISONS);
        assert_eq!(limits.check(&names(1 << 9), &mut budget), Ok(()));
        assert_eq!(limits.check(&names(1 << 9), &mut budget), Ok(()));
        assert_eq!(budget.0, 0);
        assert_eq!(limits.check(&names(1), &mut budget), Err(CertificateError::TooComplex));
    }

    #[test]
    fn a_name_is_in_a_subtree_of_its_kind() {
        use GeneralName::{Address, Dns, Email, Uri};
        for (base_name, other, expected) in [
            (Dns(b"example.com"), Dns(b"DB.Example.COM"), Ok(true)),
            (Dns(b"example.com"), Dns(b"example.com"), Ok(true)),
            (Dns(b"example.com"), Dns(b"notexample.com"), Ok(false)),
            (Dns(b".example.com"), Dns(b"db.example.com"), Ok(true)),
            (Dns(b".example.com"), Dns(b"example.com"), Ok(false)),
            (Dns(b""), Dns(b"anything"), Ok(true)),
            (Email(b"example.com"), Email(b"ann@Example.com"), Ok(true)),
            (Email(b"example.com"), Email(b"ann@mail.example.com"), Ok(false)),
            (Email(b".example.com"), Email(b"ann@mail.example.com"), Ok(true)),
            (Email(b"Ann@example.com"), Email(b"ann@example.com"), Ok(false)),
            (Email(b"@example.com"), Email(b"ann@example.com"), Ok(true)),
            (Email(b"example.com"), Email(b"ann"), Err(CertificateError::NameSyntax)),
            (Uri(b"db.example.com"), Uri(b"http://DB.example.com:80/x"), Ok(true)),
            (Uri(b".example.com"), Uri(b"http://db.example.com"), Ok(true)),
            (Uri(b".example.com"), Uri(b"http://.example.com"), Ok(false)),
            (Uri(b"db"), Uri(b"urn:db"), Err(CertificateError::NameSyntax)),
            (Address(&[10, 1, 2, 3, 255, 0, 0, 0]), Address(&[10, 9, 9, 9]), Ok(true)),
            (Address(&[10, 1, 2, 3, 255, 255, 0, 0]), Address(&[10, 9, 9, 9]), Ok(false)),
            (Address(&[0; 32]), Address(&[10, 9, 9, 9]), Ok(false)),
            (Address(&[0; 7]), Address(&[10, 9, 9, 9]), Err(CertificateError::NameSyntax)),
            (Address(&[0; 8]), Address(&[1; 9]), Err(CertificateError::NameSyntax)),
        ] {
            let subtree = Subtree { base: base_name.clone(), is_limited: false };
            assert_eq!(base(&subtree).contains(&name(&other)), expected, "{base_name:?} {other:?}");
        }
    }

    #[test]
    fn a_uri_has_the_host_that_all_read_in_it() {
        for (uri, expected) in [
            (&b"http://db.example.com"[..], Some(&b"db.example.com"[..])),
            (b"postgres://db:5432/app", Some(b"db")),
            (b"http://db/x?y#z", Some(b"db")),
            (b"http://db/a:b", None),
            (b"http://db?x", None),
            (b"http://ann@db/", None),
            (b"http://[::1]/", None),
            (b"http:///x", None),
            (b"://db", None),
            (b"urn:x", None),
            (b"", None),
        ] {
            assert_eq!(host(uri), expected, "{}", uri.escape_ascii());
        }
    }
}
