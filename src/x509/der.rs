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

    /// The contents of the first value of `bytes`, which has this tag. In extensions OpenSSL does not look at what
    /// follows it.
    pub(super) fn first(bytes: &'a [u8], tag: u8) -> Result<Reader<'a>, Malformed> {
        Reader(bytes).inside(tag)
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

    /// The contents of the next value, an object identifier.
    pub(super) fn object_identifier(&mut self) -> Result<&'a [u8], Malformed> {
        object_identifier(self.take(OBJECT_IDENTIFIER)?.contents)
    }

    /// The contents of the next value, an integer.
    pub(super) fn integer(&mut self) -> Result<&'a [u8], Malformed> {
        integer(self.take(INTEGER)?.contents)
    }

    /// The next value if it is a boolean of this tag, else false, its default wherever it is used here.
    pub(super) fn flag(&mut self, tag: u8) -> Result<bool, Malformed> {
        match self.optional(tag)? {
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

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
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

/// The contents of an object identifier (X.690 §8.19): numbers in base 128, all of them minimal and whole.
pub(super) fn object_identifier(contents: &[u8]) -> Result<&[u8], Malformed> {
    let mut starts = true;
    for byte in contents {
        if starts && *byte == 0x80 {
            return Err(Malformed);
        }
        starts = *byte < 0x80;
    }
    if starts && !contents.is_empty() { Ok(contents) } else { Err(Malformed) }
}

/// The contents of an integer, whose first nine bits are not all the same (X.690 §8.3.2).
pub(super) fn integer(contents: &[u8]) -> Result<&[u8], Malformed> {
    match contents {
        [] | [0, ..0x80, ..] | [0xff, 0x80..=0xff, ..] => Err(Malformed),
        _ => Ok(contents),
    }
}

/// The first two octets of a bit string's contents, in which bits that do not belong to it are 0.
pub(super) fn first_bits(contents: &[u8]) -> Result<[u8; 2], Malformed> {
    let (unused, octets) = contents.split_first().ok_or(Malformed)?;
    if *unused > 7 {
        return Err(Malformed);
    }
    let last = octets.len().wrapping_sub(1);
    let octet = |at: usize| match octets.get(at) {
        Some(octet) if at == last => octet & (0xff << unused),
        Some(octet) => *octet,
        None => 0,
    };
    Ok([octet(0), octet(1)])
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
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// `[0]`, `[1]` and so on, constructed: explicit, or an implicit sequence or set.
pub(super) const CONTEXT_0: u8 = 0xa0;
pub(super) const CONTEXT_1: u8 = 0xa1;
pub(super) const CONTEXT_2: u8 = 0xa2;
pub(super) const CONTEXT_3: u8 = 0xa3;

/// `[0]`, `[1]` and so on, implicit and primitive.
pub(super) const IMPLICIT_0: u8 = 0x80;
pub(super) const IMPLICIT_1: u8 = 0x81;
pub(super) const IMPLICIT_2: u8 = 0x82;
pub(super) const IMPLICIT_3: u8 = 0x83;
pub(super) const IMPLICIT_4: u8 = 0x84;
pub(super) const IMPLICIT_5: u8 = 0x85;

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
    fn object_identifiers_integers_and_bits_are_well_formed() {
        for (contents, expected) in [
            (&[0x55, 0x1d, 0x0f][..], true),
            (&[0x2a, 0x86, 0x48], true),
            (&[], false),
            (&[0x2a, 0x86], false),
        ] {
            assert_eq!(object_identifier(contents).is_ok(), expected, "{contents:?}");
        }
        assert_eq!(object_identifier(&[0x2a, 0x80, 0x01]), Err(Malformed));
        for (contents, expected) in [
            (&[0][..], true),
            (&[0, 0x80], true),
            (&[0x7f], true),
            (&[], false),
            (&[0, 5], false),
            (&[0xff, 0x80], false),
        ] {
            assert_eq!(integer(contents).is_ok(), expected, "{contents:?}");
        }
        for (contents, expected) in [
            (&[0, 0xff][..], Ok([0xff, 0])),
            (&[5, 0xff], Ok([0xe0, 0])),
            (&[7, 0xff, 0xff], Ok([0xff, 0x80])),
            (&[7, 0xff, 0xff, 0xff], Ok([0xff, 0xff])),
            (&[0], Ok([0, 0])),
            (&[8, 0xff], Err(Malformed)),
            (&[], Err(Malformed)),
        ] {
            assert_eq!(first_bits(contents), expected, "{contents:?}");
        }
    }

    #[test]
    fn an_iteration_ends_at_what_is_malformed() {
        let values: Vec<_> = Reader::new(&[INTEGER, 1, 5, INTEGER, 9]).all().collect();
        assert_eq!((values.len(), values[1]), (2, Err(Malformed)));
    }
}
