//! The key of an advisory lock: given as numbers, or derived from a name.

use std::fmt;
use std::str::FromStr;

/// The two kinds of advisory lock keys that PostgreSQL has; their spaces don't overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Two signed 32-bit integers.
    Pair(i32, i32),
    /// One signed 64-bit integer.
    Single(i64),
}

impl Key {
    /// The key of a named lock: the 32-bit FNV-1 hash of each half.
    #[must_use]
    pub fn named(namespace: &str, name: &str) -> Self {
        Self::Pair(fnv1(namespace), fnv1(name))
    }

    /// The key of a slot, from 1: the name itself, then `NAME#i`.
    #[must_use]
    pub fn slot(namespace: &str, name: &str, slot: u16) -> Self {
        if slot == 1 {
            Self::named(namespace, name)
        } else {
            Self::named(namespace, &format!("{name}#{slot}"))
        }
    }

    /// Whether this can be the key of a lock in this namespace.
    #[must_use]
    pub fn is_in(self, namespace: &str) -> bool {
        matches!(self, Self::Pair(first, _) if first == fnv1(namespace))
    }

    /// The key that `pg_locks` shows so: classid, objid, objsubid.
    #[must_use]
    pub fn from_pg_locks(classid: u32, objid: u32, objsubid: u16) -> Self {
        if objsubid == 1 {
            Self::Single((i64::from(classid.cast_signed()) << 32) | i64::from(objid))
        } else {
            Self::Pair(classid.cast_signed(), objid.cast_signed())
        }
    }

    /// How `pg_locks` shows the key: classid, objid, objsubid (documentation of that view).
    #[must_use]
    pub fn in_pg_locks(self) -> (u32, u32, u16) {
        match self {
            Self::Pair(first, second) => (first.cast_unsigned(), second.cast_unsigned(), 2),
            Self::Single(key) => {
                let half = |shifted: i64| u32::try_from(shifted & 0xFFFF_FFFF).unwrap_or_default();
                (half(key >> 32), half(key), 1)
            }
        }
    }
}

/// As `--key` takes it, and as an argument list of PostgreSQL's functions.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pair(first, second) => write!(f, "{first},{second}"),
            Self::Single(key) => key.fmt(f),
        }
    }
}

/// The error for a text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKey;

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is one signed 64-bit integer (N) or two signed 32-bit integers (A,B)")
    }
}

impl std::error::Error for InvalidKey {}

impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        match text.split_once(',') {
            Some((first, second)) => Ok(Self::Pair(number(first)?, number(second)?)),
            None => Ok(Self::Single(number(text)?)),
        }
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, InvalidKey> {
    text.trim().parse().map_err(|_| InvalidKey)
}

/// 32-bit FNV-1 (multiply, then xor; not FNV-1a), over the bytes of `text`. The Go program of the same
/// name hashes so, and both exclude each other.
fn fnv1(text: &str) -> i32 {
    text.bytes().fold(OFFSET_BASIS, |hash, byte| hash.wrapping_mul(PRIME) ^ u32::from(byte)).cast_signed()
}

/// Fowler, Noll and Vo's constants for 32 bits.
const OFFSET_BASIS: u32 = 2_166_136_261;
const PRIME: u32 = 16_777_619;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hash_as_in_the_go_program() {
        for (name, expected) in [
            ("joker", 856_429_646),
            ("test", -1_137_964_055),
            ("heimdall", 1_421_297_779),
            ("", -2_128_831_035),
            ("ünïcode ☃", 11_749_858),
        ] {
            assert_eq!(fnv1(name), expected, "{name}");
        }
    }

    #[test]
    fn keys_are_one_or_two_integers() {
        for (text, expected) in [
            ("1,2", Ok(Key::Pair(1, 2))),
            (" -1 , 2147483647 ", Ok(Key::Pair(-1, i32::MAX))),
            ("-9223372036854775808", Ok(Key::Single(i64::MIN))),
            ("9223372036854775808", Err(InvalidKey)),
            ("2147483648,0", Err(InvalidKey)),
            ("1,2,3", Err(InvalidKey)),
            ("", Err(InvalidKey)),
            ("1,", Err(InvalidKey)),
            ("0x10", Err(InvalidKey)),
            ("1.5", Err(InvalidKey)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn pg_locks_shows_halves_unsigned() {
        assert_eq!(Key::named("joker", "test").in_pg_locks(), (856_429_646, 3_157_003_241, 2));
        assert_eq!(Key::Single(-1).in_pg_locks(), (u32::MAX, u32::MAX, 1));
        assert_eq!(Key::Single(0x1_0000_0002).in_pg_locks(), (1, 2, 1));
        for key in [Key::named("joker", "test"), Key::Single(-1), Key::Single(i64::MIN), Key::Pair(-1, 0)] {
            let (classid, objid, objsubid) = key.in_pg_locks();
            assert_eq!(Key::from_pg_locks(classid, objid, objsubid), key);
        }
    }
}
