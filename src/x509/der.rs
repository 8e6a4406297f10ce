//! Reads DER as far as certificates, keys and revocation lists need it: one-byte tags, definite lengths, no recursion.

use std::iter;

use thiserror::Error;

/// What is left to read of a sequence of values; every reading takes one from the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reader<'a>(&'a [u8]);

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub(super) tag: u8,
    /// Without tag and length.
    pub(super) contents: &'a [u8],
    /// With tag and length.
    pub(super) whole: &'a [u8],
}

/// Not DER, or not what is due here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed DER")]
pub struct Malformed;

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// The contents of the one value that `bytes` is, which has this tag.
    pub(super) fn only(bytes: &'a [u8], tag: u8) -> Result<Reader<'a>, Malformed> {
        let mut outer = Reader(bytes);
        let value = outer.take(tag)?;
        outer.end()?;
        Ok(Reader(value.contents))
    }

    pub(super) fn value(&mut self) -> Result<Value<'a>, Malformed> {
        let (&tag, rest) = self.0.split_first().ok_or(Malformed)?;
        let (&first, rest) = rest.split_first().ok_or(Malformed)?;
        let (length, rest) = match usize::from(first) {
            short @ ..0x80 => (short, rest),
            long => {
                let (digits, rest) = rest.split_at_checked(long - 0x80).ok_or(Malformed)?;
                (length(digits)?, rest)
            }
        };
        let (contents, left) = rest.split_at_checked(length).ok_or(Malformed)?;
        let whole = self.0.get(..self.0.len() - left.len()).ok_or(Malformed)?;
        if tag & LONG_TAG == LONG_TAG {
            return Err(Malformed);
        }
        self.0 = left;
        Ok(Value { tag, contents, whole })
    }

    /// The next value, which has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Result<Value<'a>, Malformed> {
        self.optional(tag)?.ok_or(Malformed)
    }

    /// The next value if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Value<'a>>, Malformed> {
        if self.0.first() == Some(&tag) { self.value().map(Some) } else { Ok(None) }
    }

    /// The contents of the next value, which has this tag.
    pub(super) fn inside(&mut self, tag: u8) -> Result<Reader<'a>, Malformed> {
        Ok(Reader(self.take(tag)?.contents))
    }

    /// The octets of the next value, a bit string of whole octets.
    pub(super) fn octets(&mut self) -> Result<&'a [u8], Malformed> {
        self.take(BIT_STRING)?.contents.strip_prefix(&[0]).ok_or(Malformed)
    }

    /// The next value if it is a boolean, else false, its default wherever it is used here.
    pub(super) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.optional(BOOLEAN)? {
            None => Ok(false),
            Some(Value { contents: [value], .. }) => Ok(*value != 0),
            Some(_) => Err(Malformed),
        }
    }

    /// All values up to the end; one that is malformed is the last.
    pub(super) fn all(mut self) -> impl Iterator<Item = Result<Value<'a>, Malformed>> {
        iter::from_fn(move || {
            if self.0.is_empty() {
                return None;
            }
            let value = self.value();
            if value.is_err() {
                self.0 = &[];
            }
            Some(value)
        })
    }

    /// What is not read yet.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Nothing may follow.
    pub(super) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// A length in its long form, which DER allows only where the short one will not do (X.690 §10.1).
fn length(digits: &[u8]) -> Result<usize, Malformed> {
    let well_formed = (1..=MAX_LENGTH_DIGITS).contains(&digits.len()) && digits.first() != Some(&0);
    let length = digits.iter().fold(0, |length: usize, &digit| length << 8 | usize::from(digit));
    if well_formed && length >= 0x80 { Ok(length) } else { Err(Malformed) }
}

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]` to `[4]`, constructed.
pub(super) const CONTEXT_0: u8 = 0xa0;
pub(super) const CONTEXT_1: u8 = 0xa1;
pub(super) const CONTEXT_3: u8 = 0xa3;
pub(super) const CONTEXT_4: u8 = 0xa4;

/// A tag of more than one byte; nothing here has one.
const LONG_TAG: u8 = 0x1f;

/// 16 MiB, far above the largest file that is read.
const MAX_LENGTH_DIGITS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_definite_minimal_and_within_the_input() {
        let long = [&[SEQUENCE, 0x81, 0x80][..], &[0; 128]].concat();
        for (bytes, expected) in [
            (&[INTEGER, 1, 5][..], Some(1)),
            (&[INTEGER, 0], Some(0)),
            (&long, Some(128)),
            (&[INTEGER, 2, 5], None),
            (&[INTEGER, 0x81, 1, 5], None),
            (&[SEQUENCE, 0x80, 0, 0], None),
            (&[SEQUENCE, 0x82, 0, 1, 5], None),
            (&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff], None),
            (&[0x1f, 1, 5], None),
            (&[INTEGER], None),
            (&[], None),
        ] {
            assert_eq!(
                Reader::new(bytes).value().ok().map(|value| value.contents.len()),
                expected,
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn an_iteration_ends_at_what_is_malformed() {
        let values: Vec<_> = Reader::new(&[INTEGER, 1, 5, INTEGER, 9]).all().collect();
        assert_eq!((values.len(), values[1]), (2, Err(Malformed)));
    }
}
