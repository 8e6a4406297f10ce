//! What SASLprep has to know of Unicode, packed: what each character is to it, of what it consists, and the class of each mark.
//!
//! The three files hold variable-length numbers (LEB128: 7 bits a byte, the lowest first, the top bit set on all but the
//! last). Their generator is the test below; Unicode does not change what they say.

use std::ops::Range;

/// Runs from U+0000 on: length, kind (lowest 3 bits).
const KINDS: &[u8] = include_bytes!("kinds.bin");

/// For each character that consists of others: how many there are from the one before to it; how many it consists of (5
/// bits) and whether these are joined again to it (lowest bit); and each of them as the difference (zigzag) from that of
/// the same place before.
const MAPPINGS: &[u8] = include_bytes!("mappings.bin");

/// Runs of marks: how many characters there are from the end of the one before to it, its length, their class.
const MARKS: &[u8] = include_bytes!("marks.bin");

/// What a character is to SASLprep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of no direction.
    Neutral,
    /// Written from left to right: RFC 3454's table D.2.
    Left,
    /// Written from right to left: D.1.
    Right,
    /// To be a space: C.1.2.
    Space,
    /// To be left out: B.1.
    Nothing,
    /// Prohibited, C.2 to C.9, or unassigned in Unicode 3.2, A.1.
    Refused,
}

/// The tables, unpacked.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// The end of each run, and its kind.
    kinds: Vec<(u32, Kind)>,
    /// Each character that consists of others, sorted, and where these are in `parts`.
    mappings: Vec<(u32, Range<usize>)>,
    parts: Vec<u32>,
    /// Sorted by the pair.
    joined: Vec<([u32; 2], u32)>,
    /// The end of each run, its length and class.
    marks: Vec<(u32, u32, u32)>,
}

impl Tables {
    /// Unpacks them.
    pub(super) fn read() -> Tables {
        let mut tables = Tables::default();
        let mut end = 0;
        for run in Numbers(KINDS) {
            end += run >> 3;
            let kind = match run & 7 {
                0 => Kind::Neutral,
                1 => Kind::Left,
                2 => Kind::Right,
                3 => Kind::Space,
                4 => Kind::Nothing,
                _ => Kind::Refused,
            };
            tables.kinds.push((end, kind));
        }
        let mut end = 0;
        let mut numbers = Numbers(MARKS);
        while let (Some(gap), Some(length), Some(class)) = (numbers.next(), numbers.next(), numbers.next()) {
            end += gap + length;
            tables.marks.push((end, length, class));
        }
        tables.read_mappings();
        tables
    }

    fn read_mappings(&mut self) {
        let mut c = 0;
        let mut before = Vec::new();
        let mut numbers = Numbers(MAPPINGS);
        while let Some(head) = numbers.next() {
            c += head >> 6;
            let count = (0..head >> 1 & 31).len();
            before.resize(before.len().max(count), 0_u32);
            let start = self.parts.len();
            for part in before.iter_mut().take(count) {
                *part = part.wrapping_add_signed(numbers.signed().unwrap_or_default());
                self.parts.push(*part);
            }
            self.mappings.push((c, start..self.parts.len()));
            if let (1, Some([left, right])) = (head & 1, self.parts.get(start..)) {
                self.joined.push(([*left, *right], c));
            }
        }
        self.joined.sort_unstable();
    }

    /// What a character is.
    pub(super) fn kind(&self, c: u32) -> Kind {
        let run = self.kinds.partition_point(|(end, _)| *end <= c);
        self.kinds.get(run).map_or(Kind::Refused, |(_, kind)| *kind)
    }

    /// Of what it consists.
    pub(super) fn mapping(&self, c: u32) -> Option<&[u32]> {
        let place = self.mappings.binary_search_by_key(&c, |(from, _)| *from).ok()?;
        self.parts.get(self.mappings.get(place)?.1.clone())
    }

    /// The character that two are joined to.
    pub(super) fn joined(&self, left: u32, right: u32) -> Option<u32> {
        let place = self.joined.binary_search_by_key(&[left, right], |(pair, _)| *pair).ok()?;
        self.joined.get(place).map(|(_, c)| *c)
    }

    /// The class of a mark (`Canonical_Combining_Class`); 0 if it is none.
    pub(super) fn class(&self, c: u32) -> u32 {
        let run = self.marks.partition_point(|(end, ..)| *end <= c);
        self.marks.get(run).filter(|(end, length, _)| end - length <= c).map_or(0, |(_, _, class)| *class)
    }
}

/// The variable-length numbers in some bytes.
struct Numbers(&'static [u8]);

impl Numbers {
    /// The next number that may be negative.
    fn signed(&mut self) -> Option<i32> {
        let number = self.next()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }
}

impl Iterator for Numbers {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let end = self.0.iter().position(|byte| byte & 0x80 == 0)?;
        let (number, rest) = self.0.split_at_checked(end + 1)?;
        self.0 = rest;
        Some(number.iter().rev().fold(0, |number, byte| number << 7 | u32::from(byte & 0x7f)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use unicode_normalization::char::{canonical_combining_class, compose};
    use unicode_normalization::char::{decompose_canonical, decompose_compatible};

    use super::*;

    #[test]
    fn the_tables_say_what_stringprep_and_unicode_say() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/auth/saslprep");
        for (name, table, packed) in
            [("kinds", kinds(), KINDS), ("mappings", mappings(), MAPPINGS), ("marks", marks(), MARKS)]
        {
            if std::env::var_os("WRITE_TABLES").is_some() {
                fs::write(format!("{folder}/{name}.bin"), &table).unwrap();
            } else {
                assert!(table == packed, "WRITE_TABLES=1 cargo test --lib -- tables writes {name} anew");
            }
        }
    }

    fn kinds() -> Vec<u8> {
        let mut packed = Vec::new();
        let all: Vec<u32> = (0..=u32::from(char::MAX)).map(kind).collect();
        for run in all.chunk_by(|left, right| left == right) {
            push(&mut packed, u32::try_from(run.len()).unwrap() << 3 | run[0]);
        }
        packed
    }

    /// The number of what stringprep's tables say.
    fn kind(c: u32) -> u32 {
        use stringprep::tables::*;
        // A surrogate.
        let Some(c) = char::from_u32(c) else { return 5 };
        let is_refused = ascii_control_character(c)
            || non_ascii_control_character(c)
            || private_use(c)
            || non_character_code_point(c)
            || inappropriate_for_plain_text(c)
            || inappropriate_for_canonical_representation(c)
            || change_display_properties_or_deprecated(c)
            || tagging_character(c)
            || unassigned_code_point(c);
        match () {
            () if non_ascii_space_character(c) => 3,
            () if commonly_mapped_to_nothing(c) => 4,
            () if is_refused => 5,
            () if bidi_r_or_al(c) => 2,
            () if bidi_l(c) => 1,
            () => 0,
        }
    }

    fn mappings() -> Vec<u8> {
        let mut packed = Vec::new();
        let (mut last, mut before) = (0, [0; 32]);
        for c in '\0'..=char::MAX {
            let (mut parts, mut canonical) = (Vec::new(), Vec::new());
            decompose_compatible(c, |part| parts.push(part));
            decompose_canonical(c, |part| canonical.push(part));
            // A syllable is computed; what is refused or mapped is never taken apart.
            if parts == [c] || ('가'..='힣').contains(&c) || kind(u32::from(c)) > 2 {
                continue;
            }
            let joined = canonical.split_last().and_then(|(mark, base)| {
                let base = base.iter().copied().reduce(|left, right| compose(left, right).unwrap_or('\0'))?;
                (compose(base, *mark) == Some(c)).then_some([base, *mark])
            });
            if let Some(joined) = joined {
                parts = joined.to_vec();
            }
            let count = u32::try_from(parts.len()).unwrap();
            push(&mut packed, (u32::from(c) - last) << 6 | count << 1 | u32::from(joined.is_some()));
            last = u32::from(c);
            for (part, before) in parts.iter().zip(&mut before) {
                let difference = i32::try_from(u32::from(*part)).unwrap() - *before;
                *before += difference;
                push(&mut packed, (difference << 1 ^ difference >> 31).cast_unsigned());
            }
        }
        packed
    }

    fn marks() -> Vec<u8> {
        let mut packed = Vec::new();
        let class = |c: &u32| char::from_u32(*c).map_or(0, canonical_combining_class);
        let all: Vec<u32> = (0..=u32::from(char::MAX)).collect();
        let mut end = 0;
        for run in all.chunk_by(|left, right| class(left) == class(right)) {
            if class(&run[0]) != 0 && run.iter().any(|mark| kind(*mark) <= 2) {
                push(&mut packed, run[0] - end);
                push(&mut packed, u32::try_from(run.len()).unwrap());
                push(&mut packed, class(&run[0]).into());
                end = run[0] + u32::try_from(run.len()).unwrap();
            }
        }
        packed
    }

    fn push(packed: &mut Vec<u8>, mut number: u32) {
        while number > 0x7f {
            packed.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        packed.push(u8::try_from(number).unwrap());
    }
}
