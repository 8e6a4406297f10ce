//! Writes DER: certificates that no program would make are put together value by value.

/// A value with its tag and length.
pub fn value(tag: u8, contents: impl AsRef<[u8]>) -> Vec<u8> {
    let contents = contents.as_ref();
    let length = contents.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut der = vec![tag];
    if contents.len() < 0x80 {
        der.push(contents.len() as u8);
    } else {
        der.push(0x80 | length.len() as u8);
        der.extend(length);
    }
    der.extend(contents);
    der
}

pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    value(0x30, parts.concat())
}

pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    value(0x31, parts.concat())
}

pub fn boolean(value_: bool) -> Vec<u8> {
    value(0x01, [if value_ { 0xff } else { 0 }])
}

/// A number that is not below 0.
pub fn integer(number: u64) -> Vec<u8> {
    value(0x02, magnitude(number))
}

/// The contents of an integer that is not below 0.
pub fn magnitude(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(7);
    let bytes = &bytes[zeros..];
    if bytes[0] < 0x80 { bytes.to_vec() } else { [&[0], bytes].concat() }
}

/// Bits, of which the last are unused.
pub fn bits(unused: u8, octets: &[u8]) -> Vec<u8> {
    value(0x03, [&[unused], octets].concat())
}

pub fn octets(contents: impl AsRef<[u8]>) -> Vec<u8> {
    value(0x04, contents)
}

/// An object identifier, written with dots.
pub fn oid(dotted: &str) -> Vec<u8> {
    value(0x06, oid_contents(dotted))
}

pub fn oid_contents(dotted: &str) -> Vec<u8> {
    let numbers: Vec<u64> = dotted.split('.').map(|number| number.parse().unwrap()).collect();
    let first = numbers[0] * 40 + numbers[1];
    std::iter::once(&first).chain(&numbers[2..]).flat_map(|number| base_128(*number)).collect()
}

fn base_128(number: u64) -> Vec<u8> {
    let mut digits = vec![(number & 0x7f) as u8];
    let mut rest = number >> 7;
    while rest > 0 {
        digits.insert(0, 0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    digits
}

/// `null`, the parameter of RSA's algorithms.
pub fn null() -> Vec<u8> {
    value(0x05, [])
}

#[test]
fn values_are_those_of_x_690() {
    assert_eq!(value(0x04, [7; 3]), [4, 3, 7, 7, 7]);
    assert_eq!(value(0x04, [7; 200])[..3], [4, 0x81, 200]);
    assert_eq!(value(0x04, [7; 300])[..4], [4, 0x82, 1, 44]);
    assert_eq!(integer(0), [2, 1, 0]);
    assert_eq!(integer(128), [2, 2, 0, 128]);
    assert_eq!(oid("1.2.840.10045.4.3.2"), [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
}
