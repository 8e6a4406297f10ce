//! Distinguished names, compared as OpenSSL's `X509_NAME_cmp` compares them: the type of a string, the case of ASCII
//! letters and the number of blanks do not matter.

use super::der::{BIT_STRING, Malformed, Reader, SEQUENCE, SET, Value};

/// The name of an issuer or a subject (RFC 5280 §4.1.2.4).
#[derive(Clone, Debug)]
pub(super) struct Name<'a> {
    /// The attributes, in the order in which they are written.
    attributes: Vec<Attribute<'a>>,
    canonical: Vec<u8>,
}

/// One attribute of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    /// The contents of an object identifier.
    pub(super) kind: &'a [u8],
    /// A string of any type.
    pub(super) value: Value<'a>,
}

impl<'a> Name<'a> {
    /// Reads the contents of a `Name`.
    pub(super) fn read(contents: &'a [u8]) -> Result<Name<'a>, Malformed> {
        let mut name = Name { attributes: Vec::new(), canonical: Vec::new() };
        for set in Reader::new(contents).all() {
            let set = set?;
            if set.tag != SET {
                return Err(Malformed);
            }
            name.add(Reader::new(set.contents))?;
        }
        Ok(name)
    }

    /// Adds a relative name; its attributes are a set, whose order means nothing.
    fn add(&mut self, attributes: Reader<'a>) -> Result<(), Malformed> {
        let mut canonical = Vec::new();
        for attribute in attributes.all() {
            let mut fields = Reader::only(attribute?.whole, SEQUENCE)?;
            let kind = fields.object_identifier()?;
            let attribute = Attribute { kind, value: fields.value()? };
            fields.end()?;
            canonical.push(attribute.canonical()?);
            self.attributes.push(attribute);
        }
        if canonical.is_empty() {
            return Ok(());
        }
        canonical.sort();
        // The length makes each relative name a unit: another can't begin with a part of it.
        self.canonical.extend(canonical.iter().map(Vec::len).sum::<usize>().to_be_bytes());
        self.canonical.extend(canonical.into_iter().flatten());
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// Whether this name begins with all of `base`.
    pub(super) fn is_within(&self, base: &Name<'_>) -> bool {
        self.canonical.starts_with(&base.canonical)
    }

    pub(super) fn attributes(&self) -> &[Attribute<'a>] {
        &self.attributes
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Name<'_>) -> bool {
        self.canonical == other.canonical
    }
}

impl Attribute<'_> {
    /// Kind and value, with the length of each.
    fn canonical(&self) -> Result<Vec<u8>, Malformed> {
        let (tag, value) = match (self.value.tag, text(&self.value)?) {
            (tag, Some(text)) if tag != NUMERIC_STRING => (UTF8_STRING, folded(&text).into_bytes()),
            (tag, _) => (tag, self.value.contents.to_vec()),
        };
        let mut canonical = Vec::with_capacity(self.kind.len() + value.len() + 2 * size_of::<usize>() + 1);
        canonical.extend(self.kind.len().to_be_bytes());
        canonical.extend(self.kind);
        canonical.push(tag);
        canonical.extend(value.len().to_be_bytes());
        canonical.extend(value);
        Ok(canonical)
    }

    /// Whether the value is a string whose bytes are its text, as far as that is ASCII.
    pub(super) fn is_of_bytes(&self) -> bool {
        matches!(self.value.tag, UTF8_STRING | PRINTABLE_STRING | T61_STRING | IA5_STRING)
    }

    /// The value as text, if it is a string of characters.
    pub(super) fn text(&self) -> Option<String> {
        text(&self.value).ok()?
    }
}

/// A string as text; `None` for one of bits.
fn text(value: &Value<'_>) -> Result<Option<String>, Malformed> {
    let contents = value.contents;
    let units = |size: usize| {
        let units =
            contents.chunks(size).map(|unit| unit.iter().fold(0, |unit, byte| unit << 8 | u32::from(*byte)));
        if contents.len().is_multiple_of(size) { Ok(units) } else { Err(Malformed) }
    };
    match value.tag {
        UTF8_STRING => String::from_utf8(contents.to_vec()).map(Some).map_err(|_| Malformed),
        // OpenSSL takes a T61String for Latin-1, and does not look at what the others may contain.
        PRINTABLE_STRING | NUMERIC_STRING | T61_STRING | IA5_STRING => {
            Ok(Some(contents.iter().copied().map(char::from).collect()))
        }
        // No surrogates: neither type has pairs of them.
        BMP_STRING => units(2)?.map(char::from_u32).collect::<Option<_>>().map(Some).ok_or(Malformed),
        UNIVERSAL_STRING => units(4)?.map(char::from_u32).collect::<Option<_>>().map(Some).ok_or(Malformed),
        BIT_STRING => Ok(None),
        _ => Err(Malformed),
    }
}

/// Without blanks at the ends, with one in place of several, and in lower case as far as it is ASCII.
fn folded(text: &str) -> String {
    let words: Vec<_> = text.split(is_blank).filter(|word| !word.is_empty()).collect();
    words.join(" ").to_ascii_lowercase()
}

/// What C's `isspace` takes for a blank.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

pub(super) const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const T61_STRING: u8 = 0x14;
pub(super) const IA5_STRING: u8 = 0x16;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// 2.5.4.3
pub(super) const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// 1.2.840.113549.1.9.1
pub(super) const EMAIL_ADDRESS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];

#[cfg(test)]
mod tests {
    use super::*;

    /// A name of one relative name for each list, of attributes with one-byte kinds.
    fn der(relative: &[&[(u8, u8, &[u8])]]) -> Vec<u8> {
        fn value(tag: u8, contents: &[u8]) -> Vec<u8> {
            [&[tag, u8::try_from(contents.len()).unwrap()], contents].concat()
        }
        let set = |attributes: &&[(u8, u8, &[u8])]| {
            let each = attributes.iter().map(|(kind, tag, text)| {
                value(SEQUENCE, &[value(6, &[0x55, 0x04, *kind]), value(*tag, text)].concat())
            });
            value(SET, &each.collect::<Vec<_>>().concat())
        };
        relative.iter().map(set).collect::<Vec<_>>().concat()
    }

    fn is_same(one: &[u8], other: &[u8]) -> bool {
        Name::read(one).unwrap() == Name::read(other).unwrap()
    }

    #[test]
    fn names_are_compared_as_openssl_compares_them() {
        let plain = der(&[&[(3, UTF8_STRING, b"Big Corp")]]);
        for (tag, text, expected) in [
            (PRINTABLE_STRING, &b"Big Corp"[..], true),
            (T61_STRING, b"big corp", true),
            (IA5_STRING, b"  BIG \t\n CORP\r", true),
            (BMP_STRING, b"\0B\0i\0g\0 \0C\0o\0r\0p", true),
            (UNIVERSAL_STRING, b"\0\0\0B\0\0\0i\0\0\0g\0\0\0 \0\0\0C\0\0\0o\0\0\0r\0\0\0p", true),
            (UTF8_STRING, b"BigCorp", false),
            (NUMERIC_STRING, b"Big Corp", false),
        ] {
            assert_eq!(is_same(&plain, &der(&[&[(3, tag, text)]])), expected, "{tag:#x} {text:?}");
        }
        assert!(!is_same(&plain, &der(&[&[(10, UTF8_STRING, b"Big Corp")]])), "of another kind");
        // Latin-1 and Unicode agree, but case beyond ASCII counts.
        assert!(is_same(&der(&[&[(3, T61_STRING, b"\xe9")]]), &der(&[&[(3, UTF8_STRING, "é".as_bytes())]])));
        assert!(!is_same(&der(&[&[(3, T61_STRING, b"\xc9")]]), &der(&[&[(3, UTF8_STRING, "é".as_bytes())]])));
    }

    #[test]
    fn the_order_of_relative_names_counts_and_that_within_one_does_not() {
        let [a, b] = [(3, UTF8_STRING, &b"a"[..]), (10, UTF8_STRING, &b"b"[..])];
        assert!(is_same(&der(&[&[a, b]]), &der(&[&[b, a]])));
        assert!(!is_same(&der(&[&[a], &[b]]), &der(&[&[b], &[a]])));
        assert!(!is_same(&der(&[&[a], &[b]]), &der(&[&[a, b]])));
    }

    #[test]
    fn a_name_is_within_those_that_it_begins_with() {
        let [a, b] = [(3, UTF8_STRING, &b"a"[..]), (10, UTF8_STRING, &b"b"[..])];
        for (name, base, expected) in [
            (der(&[&[a], &[b]]), der(&[&[a]]), true),
            (der(&[&[a], &[b]]), der(&[]), true),
            (der(&[&[a]]), der(&[&[a]]), true),
            (der(&[&[a]]), der(&[&[a], &[b]]), false),
            (der(&[&[a, b]]), der(&[&[a]]), false),
            (der(&[&[b], &[a]]), der(&[&[a]]), false),
        ] {
            let (name, base) = (Name::read(&name).unwrap(), Name::read(&base).unwrap());
            assert_eq!(name.is_within(&base), expected);
        }
    }

    #[test]
    fn text_of_a_wrong_encoding_is_malformed() {
        for (tag, text) in [
            (UTF8_STRING, &b"\xff"[..]),
            (UTF8_STRING, b"\xed\xa0\x80"),
            (BMP_STRING, b"\0a\0"),
            (BMP_STRING, b"\xd8\0\xdc\0"),
            (UNIVERSAL_STRING, b"\0\x11\0\0"),
            (0x1a, b"a"),
        ] {
            assert_eq!(Name::read(&der(&[&[(3, tag, text)]])).err(), Some(Malformed), "{tag:#x}");
        }
    }
}
