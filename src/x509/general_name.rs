//! The names that certificates, name constraints and revocation lists give to things (RFC 5280 §4.2.1.6).

use std::mem::discriminant;

use super::der::{
    CONTEXT_0, CONTEXT_1, CONTEXT_3, IMPLICIT_1, IMPLICIT_2, Malformed, Reader, SEQUENCE, Value,
    object_identifier,
};
use super::name::Name;

/// A name of one of nine kinds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum GeneralName<'a> {
    /// A name of a kind that an identifier tells, and the name.
    Other(&'a [u8], &'a [u8]),
    Email(&'a [u8]),
    Dns(&'a [u8]),
    X400(&'a [u8]),
    Directory(Name<'a>),
    EdiParty(&'a [u8]),
    Uri(&'a [u8]),
    /// An address, or in a constraint an address and a mask.
    Address(&'a [u8]),
    RegisteredId(&'a [u8]),
}

impl<'a> GeneralName<'a> {
    /// Reads all names of a sequence, given its contents.
    pub(super) fn read_all(contents: &'a [u8]) -> Result<Vec<GeneralName<'a>>, Malformed> {
        Reader::new(contents).all().map(|value| GeneralName::read(&value?)).collect()
    }

    pub(super) fn read(value: &Value<'a>) -> Result<GeneralName<'a>, Malformed> {
        let contents = value.contents;
        Ok(match value.tag {
            OTHER => {
                let mut fields = Reader::new(contents);
                let kind = fields.object_identifier()?;
                let mut inner = fields.inside(CONTEXT_0)?;
                let name = inner.value()?.whole;
                inner.end()?;
                fields.end()?;
                GeneralName::Other(kind, name)
            }
            EMAIL => GeneralName::Email(contents),
            DNS => GeneralName::Dns(contents),
            X400 => GeneralName::X400(contents),
            DIRECTORY => GeneralName::Directory(Name::read(Reader::only(contents, SEQUENCE)?.rest())?),
            EDI_PARTY => {
                let mut fields = Reader::new(contents);
                fields.optional(CONTEXT_0)?;
                fields.take(CONTEXT_1)?;
                fields.end()?;
                GeneralName::EdiParty(contents)
            }
            URI => GeneralName::Uri(contents),
            ADDRESS => GeneralName::Address(contents),
            REGISTERED_ID => GeneralName::RegisteredId(object_identifier(contents)?),
            _ => return Err(Malformed),
        })
    }

    pub(super) fn is_of_kind(&self, other: &GeneralName<'_>) -> bool {
        match (self, other) {
            (GeneralName::Other(kind, _), GeneralName::Other(other, _)) => kind == other,
            _ => discriminant(self) == discriminant(other),
        }
    }

    /// Whether it is of the kind that this identifier tells.
    pub(super) fn is_other(&self, wanted: &[u8]) -> bool {
        matches!(self, GeneralName::Other(kind, _) if *kind == wanted)
    }
}

const OTHER: u8 = CONTEXT_0;
const EMAIL: u8 = IMPLICIT_1;
const DNS: u8 = IMPLICIT_2;
const X400: u8 = CONTEXT_3;
/// Explicit, since a `Name` is a choice.
const DIRECTORY: u8 = 0xa4;
const EDI_PARTY: u8 = 0xa5;
const URI: u8 = 0x86;
const ADDRESS: u8 = 0x87;
const REGISTERED_ID: u8 = 0x88;
