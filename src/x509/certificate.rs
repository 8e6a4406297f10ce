//! Reads certificates of any version.

use super::der::{
    CONTEXT_0, CONTEXT_3, GENERALIZED_TIME, IMPLICIT_1, IMPLICIT_2, INTEGER, Malformed, Reader, SEQUENCE,
    UTC_TIME, Value, integer,
};
use super::extensions::{AuthorityKey, Extension, Extensions};
use super::name::Name;
use super::signature::{PublicKey, Signed, algorithm};
use super::time::{self, Seconds};

/// A certificate whose outer form is right (RFC 5280 §4.1).
#[derive(Clone, Debug)]
pub struct Certificate<'a> {
    pub(super) der: &'a [u8],
    pub(super) signed: Signed<'a>,
    /// The contents of the `AlgorithmIdentifier` in the signed part.
    pub(super) stated_algorithm: &'a [u8],
    pub(super) serial: &'a [u8],
    pub(super) issuer: Name<'a>,
    pub(super) subject: Name<'a>,
    /// The key that it is for.
    pub key: PublicKey<'a>,
    /// Whether it is of the first version, which knows no extensions.
    pub(super) is_v1: bool,
    /// An error where one that says what the certificate is for can't be read.
    pub(super) extensions: Result<Extensions<'a>, Malformed>,
    validity: (Value<'a>, Value<'a>),
}

impl<'a> Certificate<'a> {
    /// Reads the outer form, and each extension.
    ///
    /// # Errors
    /// It is not a certificate. One whose extensions can't be read is one: the same file may have better ones.
    pub fn read(der: &'a [u8]) -> Result<Certificate<'a>, Malformed> {
        let signed = Signed::read(der)?;
        let mut fields = Reader::only(signed.message, SEQUENCE)?;
        let version = match fields.optional(CONTEXT_0)? {
            None => V1,
            Some(version) => integer(Reader::only(version.contents, INTEGER)?.rest())?,
        };
        let serial = fields.integer()?;
        let stated_algorithm = algorithm(&mut fields)?;
        let issuer = Name::read(fields.take(SEQUENCE)?.contents)?;
        let validity = validity(&mut fields)?;
        let subject = Name::read(fields.take(SEQUENCE)?.contents)?;
        let key = PublicKey::read(&mut fields)?;
        // Unique identifiers, which no one uses, may stand between the key and the extensions.
        fields.optional(IMPLICIT_1)?;
        fields.optional(IMPLICIT_2)?;
        let extensions = match fields.optional(CONTEXT_3)? {
            Some(list) => Extensions::read(&Extension::read_all(list.contents)?),
            None => Ok(Extensions::default()),
        };
        fields.end()?;
        let is_v1 = version == V1;
        Ok(Certificate {
            der,
            signed,
            stated_algorithm,
            serial,
            issuer,
            subject,
            key,
            is_v1,
            extensions,
            validity,
        })
    }

    /// From when on it is valid, and from when on it is no longer, as OpenSSL reads the latter.
    pub(super) fn validity(&self) -> Result<(Seconds, Seconds), Malformed> {
        let (from, to) = &self.validity;
        Ok((time::read(from)?, time::read(to)?))
    }

    pub(super) fn is_valid_at(&self, now: Seconds) -> bool {
        self.validity().is_ok_and(|(from, to)| (from..to).contains(&now))
    }

    /// Whether it names itself as its issuer.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether it names its own key as its issuer's, as only the top of a chain does. Its signature is not looked at,
    /// which would prove nothing.
    pub(super) fn is_self_signed(&self) -> bool {
        self.may_have_issued(self)
    }

    /// Whether the other certificate names this one as its issuer (`X509_check_issued`, but for the key's usage).
    pub(super) fn may_have_issued(&self, other: &Certificate<'_>) -> bool {
        let Ok(extensions) = &other.extensions else { return false };
        self.subject == other.issuer
            && self.is_meant_by(&extensions.authority_key)
            && other.signed.may_be_by(&self.key)
    }

    /// Whether it has the key that is meant, as far as that is told.
    pub(super) fn is_meant_by(&self, key: &AuthorityKey<'_>) -> bool {
        let Ok(extensions) = &self.extensions else { return false };
        let is_other_key = key.id.zip(extensions.subject_key).is_some_and(|(meant, own)| meant != own);
        let is_other_certificate = key.serial.is_some_and(|serial| serial != self.serial)
            || key.issuer.as_ref().is_some_and(|issuer| *issuer != self.issuer);
        !is_other_key && !is_other_certificate
    }
}

/// Two times, of whatever text.
fn validity<'a>(fields: &mut Reader<'a>) -> Result<(Value<'a>, Value<'a>), Malformed> {
    let mut fields = fields.inside(SEQUENCE)?;
    let times = (fields.value()?, fields.value()?);
    fields.end()?;
    let is_time = |value: &Value<'_>| [UTC_TIME, GENERALIZED_TIME].contains(&value.tag);
    if is_time(&times.0) && is_time(&times.1) { Ok(times) } else { Err(Malformed) }
}

/// Version 1 is written as 0, if at all.
const V1: &[u8] = &[0];
