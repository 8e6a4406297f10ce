//! Reads certificate revocation lists.

use super::der::{
    CONTEXT_0, GENERALIZED_TIME, INTEGER, Malformed, OBJECT_IDENTIFIER, Reader, SEQUENCE, UTC_TIME,
};
use super::signature::Signed;
use super::time::{self, Seconds};

/// A list of certificates that an issuer has revoked (RFC 5280 §5.1).
#[derive(Clone, Copy, Debug)]
pub struct Crl<'a> {
    pub(super) signed: Signed<'a>,
    /// A `Name`, without tag and length.
    pub(super) issuer: &'a [u8],
    pub(super) this_update: Seconds,
    pub(super) next_update: Option<Seconds>,
    /// Whether it limits itself to some certificates or reasons, or is but a change to another list.
    pub(super) has_critical_extension: bool,
    revoked: Option<Reader<'a>>,
}

impl<'a> Crl<'a> {
    /// Reads it up to the list itself.
    ///
    /// # Errors
    /// It is not a revocation list.
    pub fn read(der: &'a [u8]) -> Result<Crl<'a>, Malformed> {
        let signed = Signed::read(der)?;
        let mut fields = Reader::only(signed.message, SEQUENCE)?;
        fields.optional(INTEGER)?;
        if fields.take(SEQUENCE)?.contents != signed.algorithm {
            return Err(Malformed);
        }
        let issuer = fields.take(SEQUENCE)?.contents;
        let this_update = time::read(&fields.value()?)?;
        let next_update = match fields.optional(UTC_TIME)? {
            Some(time) => Some(time),
            None => fields.optional(GENERALIZED_TIME)?,
        };
        let next_update = next_update.map(|time| time::read(&time)).transpose()?;
        let revoked = fields.optional(SEQUENCE)?.map(|list| Reader::new(list.contents));
        let mut has_critical_extension = false;
        if let Some(extensions) = fields.optional(CONTEXT_0)? {
            for extension in Reader::only(extensions.contents, SEQUENCE)?.all() {
                let mut extension = Reader::only(extension?.whole, SEQUENCE)?;
                extension.take(OBJECT_IDENTIFIER)?;
                has_critical_extension |= extension.flag()?;
            }
        }
        fields.end()?;
        Ok(Crl { signed, issuer, this_update, next_update, has_critical_extension, revoked })
    }

    /// Whether the certificate of this serial number has been revoked.
    pub(super) fn lists(&self, serial: &[u8]) -> Result<bool, Malformed> {
        for entry in self.revoked.into_iter().flat_map(Reader::all) {
            if Reader::only(entry?.whole, SEQUENCE)?.take(INTEGER)?.contents == serial {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
