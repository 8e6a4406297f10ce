//! Unicode's normalization form KC: characters are taken apart, their marks ordered, and put together again (UAX #15).

use super::tables::Tables;

/// The normal form of a text that SASLprep lets pass.
pub(super) fn normalize(text: &[u32], tables: &Tables) -> Vec<u32> {
    let mut apart = Vec::new();
    for c in text {
        take_apart(*c, tables, &mut apart);
    }
    order_marks(&mut apart, tables);
    put_together(&apart, tables)
}

/// Appends what a character consists of.
fn take_apart(c: u32, tables: &Tables, parts: &mut Vec<u32>) {
    if let Some(mapped) = tables.mapping(c) {
        // None leads back to itself; the deepest is three steps.
        for part in mapped {
            take_apart(*part, tables, parts);
        }
    } else if let Some(syllable) = place(c, SYLLABLES, SYLLABLE_COUNT) {
        let (pair, trailing) = (syllable / TRAILING_COUNT, syllable % TRAILING_COUNT);
        parts.extend([LEADING + pair / VOWEL_COUNT, VOWELS + pair % VOWEL_COUNT]);
        parts.extend((trailing > 0).then_some(TRAILING + trailing));
    } else {
        parts.push(c);
    }
}

/// Sorts the marks after each character by their class, and leaves those of one class as they are.
fn order_marks(text: &mut [u32], tables: &Tables) {
    let is_mark = |c: &u32| tables.class(*c) != 0;
    for marks in text.chunk_by_mut(|left, right| is_mark(left) && is_mark(right)) {
        marks.sort_by_key(|mark| tables.class(*mark));
    }
}

/// Joins each character with the one before, or with the one before its marks, where Unicode has one for both.
fn put_together(parts: &[u32], tables: &Tables) -> Vec<u32> {
    let mut text = Vec::new();
    let mut base = None;
    let mut marks = Vec::new();
    for &part in parts {
        let class = tables.class(part);
        let is_within_reach = marks.last().is_none_or(|mark| tables.class(*mark) < class);
        let joined = base.filter(|_| is_within_reach).and_then(|base| join(base, part, tables));
        if joined.is_some() {
            base = joined;
        } else if class == 0 {
            text.extend(base.replace(part));
            text.append(&mut marks);
        } else {
            marks.push(part);
        }
    }
    text.extend(base);
    text.append(&mut marks);
    text
}

/// The character that consists of the two.
fn join(left: u32, right: u32, tables: &Tables) -> Option<u32> {
    if let (Some(leading), Some(vowel)) =
        (place(left, LEADING, LEADING_COUNT), place(right, VOWELS, VOWEL_COUNT))
    {
        return Some(SYLLABLES + (leading * VOWEL_COUNT + vowel) * TRAILING_COUNT);
    }
    let syllable = place(left, SYLLABLES, SYLLABLE_COUNT).filter(|syllable| syllable % TRAILING_COUNT == 0);
    match (syllable, place(right, TRAILING, TRAILING_COUNT)) {
        (Some(_), Some(1..)) => Some(left + (right - TRAILING)),
        _ => tables.joined(left, right),
    }
}

/// The place of a character among so many from the first one on.
fn place(c: u32, first: u32, count: u32) -> Option<u32> {
    c.checked_sub(first).filter(|place| *place < count)
}

/// Korean syllables (The Unicode Standard, 3.12): a leading consonant, a vowel and perhaps a trailing consonant.
const SYLLABLES: u32 = 0xac00;
const SYLLABLE_COUNT: u32 = LEADING_COUNT * VOWEL_COUNT * TRAILING_COUNT;
const LEADING: u32 = 0x1100;
const LEADING_COUNT: u32 = 19;
const VOWELS: u32 = 0x1161;
const VOWEL_COUNT: u32 = 21;
/// One before the first, which stands for none.
const TRAILING: u32 = 0x11a7;
const TRAILING_COUNT: u32 = 28;
