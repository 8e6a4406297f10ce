//! The password as SCRAM hashes it: SASLprep, with PostgreSQL's fallback for what that refuses.

use std::borrow::Cow;

/// Returns the normalized form of `password` (RFC 4013), or its raw bytes where they are not UTF-8, where the
/// profile prohibits them, and where nothing would be left of them.
///
/// The server does the same when it stores a password (`pg_be_scram_build_secret`), so any
/// byte string works as long as both sides are given the same one.
#[must_use]
pub(super) fn normalize(password: &[u8]) -> Cow<'_, [u8]> {
    match str::from_utf8(password).map(stringprep::saslprep) {
        Ok(Ok(Cow::Owned(text))) if !text.is_empty() => Cow::Owned(text.into_bytes()),
        _ => Cow::Borrowed(password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_normalized_as_postgresql_does() {
        let table: [(&str, &[u8], &[u8]); 10] = [
            ("ASCII is left alone", b"open sesame", b"open sesame"),
            ("RFC 4013 §3: soft hyphen is mapped to nothing", "I\u{ad}X".as_bytes(), b"IX"),
            ("RFC 4013 §3: case is preserved", b"USER", b"USER"),
            ("RFC 4013 §3: NFKC", "\u{aa}".as_bytes(), b"a"),
            ("RFC 4013 §3: NFKC of a numeral", "\u{2168}".as_bytes(), b"IX"),
            ("a space is a space", "a\u{a0}b".as_bytes(), b"a b"),
            ("prohibited: raw", b"\x07", b"\x07"),
            ("mixed directions: raw", "\u{627}1".as_bytes(), "\u{627}1".as_bytes()),
            ("nothing left: raw", "\u{ad}".as_bytes(), "\u{ad}".as_bytes()),
            ("no UTF-8: raw", b"\xffpass\xad", b"\xffpass\xad"),
        ];
        for (why, password, expected) in table {
            assert_eq!(&*normalize(password), expected, "{why}");
        }
    }
}
