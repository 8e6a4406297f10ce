//! The extensions of a certificate that say what it is for, each read once.

use super::der::{
    BIT_STRING, BOOLEAN, CONTEXT_0, CONTEXT_1, CONTEXT_2, IMPLICIT_0, IMPLICIT_1, IMPLICIT_2, INTEGER,
    Malformed, OCTET_STRING, Reader, SEQUENCE, first_bits, integer,
};
use super::general_name::GeneralName;
use super::name::Name;

/// One extension, unread (RFC 5280 §4.1.2.9).
#[derive(Clone, Copy, Debug)]
pub(super) struct Extension<'a> {
    /// The contents of an object identifier.
    pub(super) kind: &'a [u8],
    pub(super) is_critical: bool,
    pub(super) value: &'a [u8],
}

/// What a certificate says about itself; `None` is silence.
#[derive(Clone, Debug, Default)]
pub(super) struct Extensions<'a> {
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    /// Whether the extended key usage, if there is one, has TLS servers.
    pub(super) is_for_servers: Option<bool>,
    /// Netscape's older way to say what a certificate is for: the first eight bits, `sslClient` highest.
    pub(super) netscape_type: Option<u8>,
    pub(super) subject_key: Option<&'a [u8]>,
    pub(super) authority_key: AuthorityKey<'a>,
    pub(super) alternative_names: Vec<GeneralName<'a>>,
    pub(super) name_constraints: Option<NameConstraints<'a>>,
    pub(super) distribution_points: Vec<DistributionPoint<'a>>,
    /// Whether there is an extension that has to be understood and is not.
    pub(super) has_unknown_critical: bool,
    /// Whether it has been issued by another certificate than an authority's (RFC 3820).
    pub(super) is_proxy: bool,
}

/// RFC 5280 §4.2.1.9.
#[derive(Clone, Copy, Debug)]
pub(super) struct BasicConstraints {
    pub(super) is_ca: bool,
    /// How many more authorities may follow below this one.
    pub(super) path_length: Option<usize>,
}

/// The first eight bits of RFC 5280 §4.2.1.3, `digitalSignature` highest.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyUsage(u8);

/// By what a certificate or a revocation list tells the key that has signed it (RFC 5280 §4.2.1.1).
#[derive(Clone, Debug, Default)]
pub(super) struct AuthorityKey<'a> {
    pub(super) id: Option<&'a [u8]>,
    /// The first name of the issuer of the certificate that has the key.
    pub(super) issuer: Option<Name<'a>>,
    /// The serial number of that certificate.
    pub(super) serial: Option<&'a [u8]>,
}

/// The names that an authority may issue for (RFC 5280 §4.2.1.10).
#[derive(Clone, Debug, Default)]
pub(super) struct NameConstraints<'a> {
    pub(super) permitted: Vec<Subtree<'a>>,
    pub(super) excluded: Vec<Subtree<'a>>,
}

/// All names at and below another.
#[derive(Clone, Debug)]
pub(super) struct Subtree<'a> {
    pub(super) base: GeneralName<'a>,
    /// Whether it starts or ends at some depth below its base, which no one may use (RFC 5280 §4.2.1.10).
    pub(super) is_limited: bool,
}

/// Where revocation lists of a certificate can be had (RFC 5280 §4.2.1.13).
#[derive(Clone, Debug)]
pub(super) struct DistributionPoint<'a> {
    pub(super) names: PointNames<'a>,
    /// Whether it is for some reasons only.
    pub(super) has_reasons: bool,
    /// Who has issued the lists, if not the certificate's issuer.
    pub(super) issuers: Option<Vec<GeneralName<'a>>>,
}

/// The name of a distribution point.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PointNames<'a> {
    /// It has none.
    Absent,
    /// All of these.
    Full(Vec<GeneralName<'a>>),
    /// One relative to the issuer's. No list is found by it.
    Relative,
}

impl<'a> Extension<'a> {
    /// Reads a sequence of extensions; some may be there twice.
    pub(super) fn read_all(der: &'a [u8]) -> Result<Vec<Extension<'a>>, Malformed> {
        let read = |extension: &'a [u8]| {
            let mut fields = Reader::only(extension, SEQUENCE)?;
            let kind = fields.object_identifier()?;
            let is_critical = fields.flag(BOOLEAN)?;
            let value = fields.take(OCTET_STRING)?.contents;
            fields.end()?;
            Ok(Extension { kind, is_critical, value })
        };
        Reader::only(der, SEQUENCE)?.all().map(|extension| read(extension?.whole)).collect()
    }

    /// The value of the one extension of this kind.
    pub(super) fn find(all: &[Extension<'a>], kind: &[u8]) -> Result<Option<&'a [u8]>, Malformed> {
        let mut found = all.iter().filter(|extension| extension.kind == kind);
        let first = found.next();
        if found.next().is_some() { Err(Malformed) } else { Ok(first.map(|extension| extension.value)) }
    }
}

impl<'a> Extensions<'a> {
    pub(super) fn read(all: &[Extension<'a>]) -> Result<Extensions<'a>, Malformed> {
        let find = |kind| Extension::find(all, kind);
        let constraints = find(NAME_CONSTRAINTS)?.map(NameConstraints::read).transpose()?;
        Ok(Extensions {
            basic_constraints: find(BASIC_CONSTRAINTS)?.map(BasicConstraints::read).transpose()?,
            key_usage: find(KEY_USAGE)?.map(KeyUsage::read).transpose()?,
            is_for_servers: find(EXTENDED_KEY_USAGE)?.map(is_for_servers).transpose()?,
            netscape_type: find(NETSCAPE_TYPE)?.map(bit_string).transpose()?.map(|[bits, _]| bits),
            subject_key: find(SUBJECT_KEY_ID)?.map(octet_string).transpose()?,
            authority_key: find(AUTHORITY_KEY_ID)?.map_or(Ok(AuthorityKey::default()), AuthorityKey::read)?,
            alternative_names: find(SUBJECT_ALT_NAME)?.map_or(Ok(Vec::new()), general_names)?,
            name_constraints: constraints,
            distribution_points: find(DISTRIBUTION_POINTS)?.map_or(Ok(Vec::new()), distribution_points)?,
            has_unknown_critical: all.iter().any(Extension::is_unknown_critical),
            is_proxy: find(PROXY_CERTIFICATE)?.is_some(),
        })
    }
}

impl Extension<'_> {
    fn is_unknown_critical(&self) -> bool {
        // Numbers of networks that a certificate is for would have to be compared with those of its issuers.
        RESOURCES.contains(&self.kind) || (self.is_critical && !KNOWN.contains(&self.kind))
    }
}

impl BasicConstraints {
    fn read(value: &[u8]) -> Result<BasicConstraints, Malformed> {
        let mut fields = Reader::first(value, SEQUENCE)?;
        let is_ca = fields.flag(BOOLEAN)?;
        let path_length = match fields.optional(INTEGER)? {
            None => None,
            Some(number) => path_length(integer(number.contents)?)?,
        };
        fields.end()?;
        Ok(BasicConstraints { is_ca, path_length })
    }
}

/// No limit is what a number comes to that is larger than any chain.
fn path_length(contents: &[u8]) -> Result<Option<usize>, Malformed> {
    match contents {
        [0x80..=0xff, ..] => Err(Malformed),
        [number] => Ok(Some(usize::from(*number))),
        _ => Ok(None),
    }
}

impl KeyUsage {
    fn read(value: &[u8]) -> Result<KeyUsage, Malformed> {
        match bit_string(value)? {
            [0, 0] => Err(Malformed),
            [bits, _] => Ok(KeyUsage(bits)),
        }
    }

    /// `digitalSignature`, `keyEncipherment` or `keyAgreement`, as a TLS server needs.
    pub(super) fn has_tls(self) -> bool {
        self.0 & (0x80 | 0x20 | 0x08) != 0
    }

    /// `keyCertSign`.
    pub(super) fn signs_certificates(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// `cRLSign`.
    pub(super) fn signs_crls(self) -> bool {
        self.0 & 0x02 != 0
    }
}

fn is_for_servers(value: &[u8]) -> Result<bool, Malformed> {
    let mut found = false;
    let mut usages = Reader::first(value, SEQUENCE)?;
    while !usages.is_empty() {
        found |= FOR_SERVERS.contains(&usages.object_identifier()?);
    }
    Ok(found)
}

impl<'a> AuthorityKey<'a> {
    pub(super) fn read(value: &'a [u8]) -> Result<AuthorityKey<'a>, Malformed> {
        let mut fields = Reader::first(value, SEQUENCE)?;
        let id = fields.optional(IMPLICIT_0)?.map(|id| id.contents);
        let names = fields
            .optional(CONTEXT_1)?
            .map_or(Ok(Vec::new()), |names| GeneralName::read_all(names.contents))?;
        let serial = fields.optional(IMPLICIT_2)?.map(|serial| integer(serial.contents)).transpose()?;
        fields.end()?;
        let issuer = names.into_iter().find_map(|name| match name {
            GeneralName::Directory(name) => Some(name),
            _ => None,
        });
        Ok(AuthorityKey { id, issuer, serial })
    }
}

impl<'a> NameConstraints<'a> {
    fn read(value: &'a [u8]) -> Result<NameConstraints<'a>, Malformed> {
        let mut fields = Reader::first(value, SEQUENCE)?;
        let mut subtrees = |tag| match fields.optional(tag)? {
            Some(list) => {
                Reader::new(list.contents).all().map(|subtree| Subtree::read(subtree?.whole)).collect()
            }
            None => Ok(Vec::new()),
        };
        let (permitted, excluded) = (subtrees(CONTEXT_0)?, subtrees(CONTEXT_1)?);
        fields.end()?;
        Ok(NameConstraints { permitted, excluded })
    }
}

impl<'a> Subtree<'a> {
    fn read(der: &'a [u8]) -> Result<Subtree<'a>, Malformed> {
        let mut fields = Reader::only(der, SEQUENCE)?;
        let base = GeneralName::read(&fields.value()?)?;
        let minimum = fields.optional(IMPLICIT_0)?.map(|number| integer(number.contents)).transpose()?;
        let maximum = fields.optional(IMPLICIT_1)?.map(|number| integer(number.contents)).transpose()?;
        fields.end()?;
        let is_limited = maximum.is_some() || minimum.is_some_and(|minimum| minimum != [0]);
        Ok(Subtree { base, is_limited })
    }
}

fn distribution_points(value: &[u8]) -> Result<Vec<DistributionPoint<'_>>, Malformed> {
    let points = Reader::first(value, SEQUENCE)?.all();
    points.map(|point| DistributionPoint::read(point?.whole)).collect()
}

impl<'a> DistributionPoint<'a> {
    fn read(der: &'a [u8]) -> Result<DistributionPoint<'a>, Malformed> {
        let mut fields = Reader::only(der, SEQUENCE)?;
        let names = PointNames::read(&mut fields)?;
        let reasons = fields.optional(IMPLICIT_1)?.map(|reasons| first_bits(reasons.contents)).transpose()?;
        let issuers =
            fields.optional(CONTEXT_2)?.map(|names| GeneralName::read_all(names.contents)).transpose()?;
        fields.end()?;
        if names == PointNames::Absent && issuers.as_ref().is_none_or(Vec::is_empty) {
            return Err(Malformed);
        }
        let has_reasons = reasons.is_some_and(|[first, second]| first & 0x7f != 0x7f || second & 0x80 == 0);
        Ok(DistributionPoint { names, has_reasons, issuers })
    }
}

impl<'a> PointNames<'a> {
    /// Reads the name of a distribution point, the first field, if it is there.
    pub(super) fn read(fields: &mut Reader<'a>) -> Result<PointNames<'a>, Malformed> {
        let Some(point) = fields.optional(CONTEXT_0)? else { return Ok(PointNames::Absent) };
        let mut inner = Reader::new(point.contents);
        let name = inner.value()?;
        inner.end()?;
        match name.tag {
            CONTEXT_0 => Ok(PointNames::Full(GeneralName::read_all(name.contents)?)),
            CONTEXT_1 => Ok(PointNames::Relative),
            _ => Err(Malformed),
        }
    }
}

fn general_names(value: &[u8]) -> Result<Vec<GeneralName<'_>>, Malformed> {
    GeneralName::read_all(Reader::first(value, SEQUENCE)?.rest())
}

fn bit_string(value: &[u8]) -> Result<[u8; 2], Malformed> {
    first_bits(Reader::first(value, BIT_STRING)?.rest())
}

fn octet_string(value: &[u8]) -> Result<&[u8], Malformed> {
    Ok(Reader::first(value, OCTET_STRING)?.rest())
}

/// `serverAuth`, and Microsoft's and Netscape's "server gated cryptography", which meant the same.
const FOR_SERVERS: [&[u8]; 3] = [
    &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
    &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0a, 0x03, 0x03],
    &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 0x04, 0x01],
];

const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
const DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 0x1f];
pub(super) const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const NETSCAPE_TYPE: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 0x01, 0x01];
const PROXY_CERTIFICATE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x0e];

/// Those that may be critical, as in OpenSSL. The last five change nothing here: no policy is asked for, nor OCSP.
const KNOWN: [&[u8]; 13] = [
    KEY_USAGE,
    SUBJECT_ALT_NAME,
    BASIC_CONSTRAINTS,
    NAME_CONSTRAINTS,
    DISTRIBUTION_POINTS,
    EXTENDED_KEY_USAGE,
    NETSCAPE_TYPE,
    PROXY_CERTIFICATE,
    // certificatePolicies, policyMappings, policyConstraints, inhibitAnyPolicy.
    &[0x55, 0x1d, 0x20],
    &[0x55, 0x1d, 0x21],
    &[0x55, 0x1d, 0x24],
    &[0x55, 0x1d, 0x36],
    // id-pkix-ocsp-nocheck.
    &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05],
];

/// `ipAddrBlocks` and `autonomousSysIds` (RFC 3779).
const RESOURCES: [&[u8]; 2] =
    [&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x07], &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x08]];
