//! Reads certificates of any version.

use super::der::{CONTEXT_0, CONTEXT_3, INTEGER, Malformed, OBJECT_IDENTIFIER, Reader, SEQUENCE, SET};
use super::extensions::Extensions;
use super::signature::{PublicKey, Signed};
use super::time::{self, Seconds};

/// A certificate whose outer form is right (RFC 5280 §4.1). What TLS alone does not need is read only when asked for.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    pub(super) der: &'a [u8],
    pub(super) signed: Signed<'a>,
    pub(super) serial: &'a [u8],
    /// A `Name`, without tag and length.
    pub(super) issuer: &'a [u8],
    /// A `Name`, without tag and length.
    pub(super) subject: &'a [u8],
    /// The key that it is for.
    pub key: PublicKey<'a>,
    /// Whether it is of the first version, which knows no extensions.
    pub(super) is_v1: bool,
    validity: Reader<'a>,
    extensions: Option<&'a [u8]>,
}

impl<'a> Certificate<'a> {
    /// Reads the outer form.
    ///
    /// # Errors
    /// It is not that of a certificate.
    pub fn read(der: &'a [u8]) -> Result<Certificate<'a>, Malformed> {
        let signed = Signed::read(der)?;
        let mut fields = Reader::only(signed.message, SEQUENCE)?;
        let version = match fields.optional(CONTEXT_0)? {
            None => V1,
            Some(version) => Reader::only(version.contents, INTEGER)?.rest(),
        };
        let serial = fields.take(INTEGER)?.contents;
        // Both must be the same (RFC 5280 §4.1.1.2): only this one is signed.
        if fields.take(SEQUENCE)?.contents != signed.algorithm {
            return Err(Malformed);
        }
        let issuer = fields.take(SEQUENCE)?.contents;
        let validity = fields.inside(SEQUENCE)?;
        let subject = fields.take(SEQUENCE)?.contents;
        let key = PublicKey::read(&mut fields)?;
        // Unique identifiers, which no one uses, may stand between the key and the extensions.
        fields.optional(ISSUER_UNIQUE_ID)?;
        fields.optional(SUBJECT_UNIQUE_ID)?;
        let extensions = fields.optional(CONTEXT_3)?.map(|value| value.contents);
        fields.end()?;
        let is_v1 = version == V1;
        Ok(Certificate { der, signed, serial, issuer, subject, key, is_v1, validity, extensions })
    }

    /// From when to when it is valid, both included.
    pub(super) fn validity(&self) -> Result<(Seconds, Seconds), Malformed> {
        let mut fields = self.validity;
        let times = (time::read(&fields.value()?)?, time::read(&fields.value()?)?);
        fields.end()?;
        Ok(times)
    }

    pub(super) fn extensions(&self) -> Result<Extensions<'a>, Malformed> {
        self.extensions.map_or(Ok(Extensions::default()), Extensions::read)
    }

    /// The first common name of its subject.
    pub(super) fn common_name(&self) -> Result<Option<&'a [u8]>, Malformed> {
        for set in Reader::new(self.subject).all() {
            let set = set?;
            if set.tag != SET {
                return Err(Malformed);
            }
            for attribute in Reader::new(set.contents).all() {
                let mut fields = Reader::only(attribute?.whole, SEQUENCE)?;
                let kind = fields.take(OBJECT_IDENTIFIER)?.contents;
                let value = fields.value()?.contents;
                fields.end()?;
                if kind == COMMON_NAME {
                    return Ok(Some(value));
                }
            }
        }
        Ok(None)
    }

    /// Whether it names itself as its issuer, as only the top of a chain does.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }
}

/// Version 1 is written as 0, if at all.
const V1: &[u8] = &[0];

/// `[1] IMPLICIT BIT STRING`
const ISSUER_UNIQUE_ID: u8 = 0x81;

/// `[2] IMPLICIT BIT STRING`
const SUBJECT_UNIQUE_ID: u8 = 0x82;

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
