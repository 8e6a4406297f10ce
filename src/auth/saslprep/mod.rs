//! The password as SCRAM hashes it: SASLprep, with PostgreSQL's fallback for what that refuses.

mod nfkc;
mod tables;

use std::borrow::Cow;

use self::tables::{Kind, Tables};

/// Returns the normalized form of `password` (RFC 4013), or its raw bytes where they are not UTF-8, where the
/// profile prohibits them, and where nothing would be left of them.
///
/// The server does the same when it stores a password (`pg_be_scram_build_secret`), so any
/// byte string works as long as both sides are given the same one.
#[must_use]
pub(super) fn normalize(password: &[u8]) -> Cow<'_, [u8]> {
    // ASCII is either left alone or prohibited, and is raw in both cases.
    let text = str::from_utf8(password).ok().filter(|text| !text.is_ascii());
    match text.and_then(|text| prepare(text, &Tables::read())) {
        Some(text) if !text.is_empty() => Cow::Owned(text.into_bytes()),
        _ => Cow::Borrowed(password),
    }
}

/// The steps of RFC 4013 §2; `None` if the text is prohibited.
///
/// The RFC would have the normalized text be allowed. PostgreSQL looks at the one before, and so does psql.
fn prepare(text: &str, tables: &Tables) -> Option<String> {
    let map = |c: char| match tables.kind(c.into()) {
        Kind::Nothing => None,
        Kind::Space => Some(' '.into()),
        _ => Some(c.into()),
    };
    let mapped: Vec<u32> = text.chars().filter_map(map).collect();
    is_allowed(&mapped, tables)
        .then(|| nfkc::normalize(&mapped, tables).into_iter().filter_map(char::from_u32).collect())
}

/// Whether there is nothing prohibited or unassigned in a text, and directions are not mixed (RFC 3454 §6).
fn is_allowed(text: &[u32], tables: &Tables) -> bool {
    let kinds: Vec<Kind> = text.iter().map(|c| tables.kind(*c)).collect();
    let is_assigned = kinds.iter().all(|kind| matches!(kind, Kind::Neutral | Kind::Left | Kind::Right));
    let is_one_way = !kinds.contains(&Kind::Right)
        || (!kinds.contains(&Kind::Left)
            && kinds.first() == Some(&Kind::Right)
            && kinds.last() == Some(&Kind::Right));
    is_assigned && is_one_way
}

#[cfg(test)]
mod tests {
    use stringprep::tables::{commonly_mapped_to_nothing, non_ascii_space_character};
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    #[test]
    fn passwords_are_normalized_as_postgresql_does() {
        let table: [(&str, &[u8], &[u8]); 16] = [
            ("ASCII is left alone", b"open sesame", b"open sesame"),
            ("RFC 4013 §3: soft hyphen is mapped to nothing", "I\u{ad}X".as_bytes(), b"IX"),
            ("RFC 4013 §3: case is preserved", b"USER", b"USER"),
            ("RFC 4013 §3: NFKC", "\u{aa}".as_bytes(), b"a"),
            ("RFC 4013 §3: NFKC of a numeral", "\u{2168}".as_bytes(), b"IX"),
            ("a space is a space", "a\u{a0}b".as_bytes(), b"a b"),
            ("prohibited: raw", b"\x07", b"\x07"),
            ("one direction", "\u{627}\u{5d0}".as_bytes(), "\u{627}\u{5d0}".as_bytes()),
            ("one direction at its end alone: raw", "\u{627}1".as_bytes(), "\u{627}1".as_bytes()),
            ("mixed directions: raw", "\u{aa}\u{627}".as_bytes(), "\u{aa}\u{627}".as_bytes()),
            ("mixed directions by NFKC alone", "a\u{2135}".as_bytes(), "a\u{5d0}".as_bytes()),
            (
                "mixed directions before NFKC alone: raw",
                "\u{aa}\u{5d0}".as_bytes(),
                "\u{aa}\u{5d0}".as_bytes(),
            ),
            ("prohibited before NFKC alone: raw", "\u{340}\u{aa}".as_bytes(), "\u{340}\u{aa}".as_bytes()),
            ("unassigned before NFKC alone: raw", "\u{2090}\u{aa}".as_bytes(), "\u{2090}\u{aa}".as_bytes()),
            ("nothing left: raw", "\u{ad}".as_bytes(), "\u{ad}".as_bytes()),
            ("no UTF-8: raw", b"\xffpass\xad", b"\xffpass\xad"),
        ];
        for (why, password, expected) in table {
            assert_eq!(&*normalize(password), expected, "{why}");
        }
    }

    /// Holds each text against what the crates stringprep and unicode-normalization, which have tables of their own, make
    /// of it; `Tables` has a test for what is allowed.
    fn is_as_by_postgresql(texts: impl Iterator<Item = String>) {
        let tables = Tables::read();
        for text in texts.filter(|text| !text.is_ascii()) {
            let spaced = text.chars().map(|c| if non_ascii_space_character(c) { ' ' } else { c });
            let mapped: Vec<char> = spaced.filter(|c| !commonly_mapped_to_nothing(*c)).collect();
            let codes: Vec<u32> = mapped.iter().copied().map(u32::from).collect();
            let expected = is_allowed(&codes, &tables).then(|| mapped.into_iter().nfkc().collect::<String>());
            assert_eq!(prepare(&text, &tables), expected, "{text:?}");
        }
    }

    #[test]
    fn every_character_is_normalized_as_by_postgresql() {
        // Those planes that anything is in but private use.
        is_as_by_postgresql(('\0'..'\u{40000}').chain('\u{e0000}'..'\u{f0000}').map(String::from));
    }

    #[test]
    fn what_was_taken_apart_is_put_together_as_by_postgresql() {
        let composed = || ('\0'..=char::MAX).filter(|c| c.nfkd().nth(1).is_some());
        is_as_by_postgresql(composed().map(|c| c.nfd().collect()));
        // In the other order, and twice: marks that are to be sorted, and some that no longer fit.
        is_as_by_postgresql(composed().map(|c| {
            let parts: Vec<char> = c.nfkd().collect();
            let (base, marks) = parts.split_first().unwrap();
            [base].into_iter().chain(marks.iter().rev()).chain(marks).collect()
        }));
    }

    #[test]
    fn characters_beside_each_other_are_normalized_as_by_postgresql() {
        let tables = Tables::read();
        let mut all: Vec<char> = ('\0'..=char::MAX)
            .filter(|c| tables.mapping((*c).into()).is_some() || tables.class((*c).into()) != 0)
            .collect();
        // Letters and syllables to put together, whatever stands before them, and some to leave out.
        all.extend(('\u{1100}'..'\u{1200}').chain('\u{900}'..'\u{e00}').chain(' '..'\u{180}'));
        all.extend("\u{ad}\u{200b}\u{200d}가각\u{627}\u{5d0}".chars());
        // Knuth's generator of random numbers.
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            all[usize::try_from(state >> 33).unwrap() % all.len()]
        };
        is_as_by_postgresql((0..100_000).map(|_| (0..4).map(|_| next()).collect()));
    }
}
