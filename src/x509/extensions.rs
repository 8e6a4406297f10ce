//! The extensions of a certificate that say what it is for.

use super::der::{BIT_STRING, INTEGER, Malformed, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE};

/// What a certificate says about itself; `None` is silence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extensions<'a> {
    pub(super) basic_constraints: Option<BasicConstraints>,
    /// The first eight bits, `digitalSignature` highest.
    pub(super) key_usage: Option<u8>,
    /// Object identifiers.
    pub(super) extended_key_usage: Option<Reader<'a>>,
    /// `GeneralName`s.
    pub(super) alternative_names: Option<Reader<'a>>,
    /// Permitted and excluded subtrees.
    pub(super) name_constraints: Option<Reader<'a>>,
    /// Whether there is a critical extension that is not known here.
    pub(super) has_unknown_critical: bool,
}

/// RFC 5280 §4.2.1.9.
#[derive(Clone, Copy, Debug)]
pub(super) struct BasicConstraints {
    pub(super) is_ca: bool,
    /// How many more authorities may follow below this one.
    pub(super) path_length: Option<usize>,
}

impl<'a> Extensions<'a> {
    pub(super) fn read(der: &'a [u8]) -> Result<Extensions<'a>, Malformed> {
        let mut found = Extensions::default();
        let mut seen = Vec::new();
        for extension in Reader::only(der, SEQUENCE)?.all() {
            let mut fields = Reader::only(extension?.whole, SEQUENCE)?;
            let kind = fields.take(OBJECT_IDENTIFIER)?.contents;
            let is_critical = fields.flag()?;
            let value = fields.take(OCTET_STRING)?.contents;
            fields.end()?;
            if seen.contains(&kind) {
                return Err(Malformed);
            }
            seen.push(kind);
            match kind {
                BASIC_CONSTRAINTS => found.basic_constraints = Some(BasicConstraints::read(value)?),
                KEY_USAGE => found.key_usage = Some(key_usage(value)?),
                EXTENDED_KEY_USAGE => found.extended_key_usage = Some(Reader::only(value, SEQUENCE)?),
                SUBJECT_ALT_NAME => found.alternative_names = Some(Reader::only(value, SEQUENCE)?),
                NAME_CONSTRAINTS => found.name_constraints = Some(Reader::only(value, SEQUENCE)?),
                _ if is_critical && !WITHOUT_EFFECT.contains(&kind) => found.has_unknown_critical = true,
                _ => {}
            }
        }
        Ok(found)
    }
}

impl BasicConstraints {
    fn read(value: &[u8]) -> Result<BasicConstraints, Malformed> {
        let mut fields = Reader::only(value, SEQUENCE)?;
        let is_ca = fields.flag()?;
        let path_length = fields.optional(INTEGER)?.map(|value| small(value.contents)).transpose()?;
        fields.end()?;
        Ok(BasicConstraints { is_ca, path_length })
    }
}

/// A number of one byte; no chain is longer.
fn small(contents: &[u8]) -> Result<usize, Malformed> {
    match contents {
        [number @ ..0x80] => Ok(usize::from(*number)),
        _ => Err(Malformed),
    }
}

fn key_usage(value: &[u8]) -> Result<u8, Malformed> {
    let mut fields = Reader::new(value);
    let bits = fields.take(BIT_STRING)?.contents;
    fields.end()?;
    // The first byte counts the unused bits of the last, which DER keeps 0.
    bits.get(1..).map(|bits| bits.first().copied().unwrap_or_default()).ok_or(Malformed)
}

/// Bits of the key usage: `digitalSignature`, `keyEncipherment` or `keyAgreement`, as a TLS server needs.
pub(super) const USAGE_TLS: u8 = 0x80 | 0x20 | 0x08;
/// `keyCertSign`.
pub(super) const USAGE_SIGNS_CERTIFICATES: u8 = 0x04;
/// `cRLSign`.
pub(super) const USAGE_SIGNS_CRLS: u8 = 0x02;

/// The extended key usage 1.3.6.1.5.5.7.3.1.
pub(super) const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];

/// Those that OpenSSL knows and that change nothing unless it is asked for policies, as libpq never does:
/// `cRLDistributionPoints`, `certificatePolicies`, `policyMappings`, `policyConstraints`, `inhibitAnyPolicy`.
const WITHOUT_EFFECT: &[&[u8]] = &[
    &[0x55, 0x1d, 0x1f],
    &[0x55, 0x1d, 0x20],
    &[0x55, 0x1d, 0x21],
    &[0x55, 0x1d, 0x24],
    &[0x55, 0x1d, 0x36],
];
