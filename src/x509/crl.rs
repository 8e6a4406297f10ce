//! Reads certificate revocation lists.

use super::der::{
    CONTEXT_0, ENUMERATED, GENERALIZED_TIME, IMPLICIT_1, IMPLICIT_2, IMPLICIT_3, IMPLICIT_4, IMPLICIT_5,
    INTEGER, Malformed, Reader, SEQUENCE, UTC_TIME,
};
use super::extensions::{AUTHORITY_KEY_ID, AuthorityKey, Extension, PointNames};
use super::name::Name;
use super::signature::{Signed, algorithm};
use super::time::{self, Seconds};

/// A list of certificates that an issuer has revoked (RFC 5280 §5.1).
#[derive(Clone, Debug)]
pub struct Crl<'a> {
    pub(super) signed: Signed<'a>,
    /// The contents of the `AlgorithmIdentifier` in the signed part.
    pub(super) stated_algorithm: &'a [u8],
    pub(super) issuer: Name<'a>,
    pub(super) this_update: Seconds,
    pub(super) next_update: Option<Seconds>,
    pub(super) authority_key: AuthorityKey<'a>,
    pub(super) scope: Scope<'a>,
    /// Whether it, or an entry of it, has a critical extension that is not understood here.
    pub(super) has_unknown_critical: bool,
    /// Whether it is only the change to another list, or tells of certificates of other issuers too.
    pub(super) is_unsupported: bool,
    revoked: Vec<Revoked<'a>>,
}

/// Which certificates a list is about (RFC 5280 §5.2.5).
#[derive(Clone, Debug)]
pub(super) struct Scope<'a> {
    pub(super) names: PointNames<'a>,
    pub(super) certificates: Covered,
    /// Whether it is about some reasons only, or about the certificates of other issuers.
    pub(super) is_special: bool,
}

/// Certificates of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Covered {
    All,
    Users,
    Authorities,
    None,
}

#[derive(Clone, Copy, Debug)]
struct Revoked<'a> {
    serial: &'a [u8],
    /// Whether it is only listed because it no longer is revoked.
    is_removed: bool,
}

impl<'a> Crl<'a> {
    /// Reads the whole list.
    ///
    /// # Errors
    /// It is not a revocation list.
    pub fn read(der: &'a [u8]) -> Result<Crl<'a>, Malformed> {
        let signed = Signed::read(der)?;
        let mut fields = Reader::only(signed.message, SEQUENCE)?;
        fields.optional(INTEGER)?;
        let stated_algorithm = algorithm(&mut fields)?;
        let issuer = Name::read(fields.take(SEQUENCE)?.contents)?;
        let this_update = time::read(&fields.value()?)?;
        let next_update = match fields.optional(UTC_TIME)? {
            Some(time) => Some(time),
            None => fields.optional(GENERALIZED_TIME)?,
        };
        let next_update = next_update.map(|time| time::read(&time)).transpose()?;
        let (mut has_unknown_critical, mut is_unsupported) = (false, false);
        let mut revoked = Vec::new();
        for entry in fields.optional(SEQUENCE)?.into_iter().flat_map(|list| Reader::new(list.contents).all())
        {
            let (entry, extensions) = Revoked::read(entry?.whole)?;
            revoked.push(entry);
            for extension in extensions {
                let is_foreign = extension.kind == CERTIFICATE_ISSUER;
                is_unsupported |= is_foreign;
                has_unknown_critical |= extension.is_critical && !is_foreign;
            }
        }
        let extensions = match fields.optional(CONTEXT_0)? {
            Some(list) => Extension::read_all(list.contents)?,
            None => Vec::new(),
        };
        fields.end()?;
        is_unsupported |= extensions.iter().any(|extension| extension.kind == DELTA_INDICATOR);
        let known = [AUTHORITY_KEY_ID, ISSUING_DISTRIBUTION_POINT, DELTA_INDICATOR];
        has_unknown_critical |=
            extensions.iter().any(|extension| extension.is_critical && !known.contains(&extension.kind));
        let find = |kind| Extension::find(&extensions, kind);
        let authority_key =
            find(AUTHORITY_KEY_ID)?.map_or(Ok(AuthorityKey::default()), AuthorityKey::read)?;
        let scope = find(ISSUING_DISTRIBUTION_POINT)?.map_or(Ok(Scope::ALL), Scope::read)?;
        Ok(Crl {
            signed,
            stated_algorithm,
            issuer,
            this_update,
            next_update,
            authority_key,
            scope,
            has_unknown_critical,
            is_unsupported,
            revoked,
        })
    }

    /// Whether the certificate of this serial number has been revoked.
    pub(super) fn lists(&self, serial: &[u8]) -> bool {
        self.revoked.iter().find(|entry| entry.serial == serial).is_some_and(|entry| !entry.is_removed)
    }

    pub(super) fn is_current(&self, now: Seconds) -> bool {
        self.this_update <= now && self.next_update.is_none_or(|next| now < next)
    }
}

impl<'a> Revoked<'a> {
    /// Reads an entry and its extensions.
    fn read(der: &'a [u8]) -> Result<(Revoked<'a>, Vec<Extension<'a>>), Malformed> {
        let mut fields = Reader::only(der, SEQUENCE)?;
        let serial = fields.integer()?;
        fields.value()?;
        let extensions =
            if fields.is_empty() { Vec::new() } else { Extension::read_all(fields.take(SEQUENCE)?.whole)? };
        fields.end()?;
        let reason = Extension::find(&extensions, REASON_CODE)?;
        let reason = reason.map(|reason| Reader::first(reason, ENUMERATED)).transpose()?;
        let is_removed = reason.is_some_and(|reason| reason.rest() == REMOVE_FROM_CRL);
        Ok((Revoked { serial, is_removed }, extensions))
    }
}

impl<'a> Scope<'a> {
    const ALL: Scope<'static> =
        Scope { names: PointNames::Absent, certificates: Covered::All, is_special: false };

    fn read(value: &'a [u8]) -> Result<Scope<'a>, Malformed> {
        let mut fields = Reader::first(value, SEQUENCE)?;
        let names = PointNames::read(&mut fields)?;
        let users = fields.flag(IMPLICIT_1)?;
        let authorities = fields.flag(IMPLICIT_2)?;
        let has_reasons = fields.optional(IMPLICIT_3)?.is_some();
        let is_indirect = fields.flag(IMPLICIT_4)?;
        let attributes = fields.flag(IMPLICIT_5)?;
        fields.end()?;
        let certificates = match (users, authorities, attributes) {
            (false, false, false) => Covered::All,
            (true, false, false) => Covered::Users,
            (false, true, false) => Covered::Authorities,
            (false, false, true) => Covered::None,
            _ => return Err(Malformed),
        };
        Ok(Scope { names, certificates, is_special: has_reasons || is_indirect })
    }
}

const REASON_CODE: &[u8] = &[0x55, 0x1d, 0x15];
const DELTA_INDICATOR: &[u8] = &[0x55, 0x1d, 0x1b];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 0x1c];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 0x1d];

/// A reason code.
const REMOVE_FROM_CRL: &[u8] = &[8];
