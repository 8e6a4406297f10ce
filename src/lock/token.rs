//! The fencing token: one number that grows from holder to holder, whatever happens to the server in between.

use std::fmt;

/// What the server lets our role draw a token from; all of it, unless a function is missing or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sources {
    /// How the transaction id gets to the server's disk.
    pub flush: Flush,
    /// Whether the timeline is known.
    pub timeline: bool,
    /// Whether the system identifier is known.
    pub system_identifier: bool,
}

/// How a transaction id gets to the disk before it is used, so that no crash has it given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flush {
    /// The transaction writes a message to the log, which means nothing to anyone.
    Message,
    /// The transaction makes a large object and removes it.
    LargeObject,
    /// Not at all: after a crash, the ids of the last moments may be given out again.
    None,
}

impl Sources {
    /// What any role may use, unless the server's administrator has revoked it.
    pub const ALL: Self = Self { flush: Flush::Message, timeline: true, system_identifier: true };

    /// The transaction id alone.
    pub const NONE: Self = Self { flush: Flush::None, timeline: false, system_identifier: false };
}

/// Names what is missing, such as `timeline, flush`.
impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lacks = [
            (self.flush == Flush::None, "flush"),
            (!self.timeline, "timeline"),
            (!self.system_identifier, "system identifier"),
        ];
        let lacks: Vec<&str> = lacks.iter().filter(|(lacks, _)| *lacks).map(|(_, name)| *name).collect();
        f.write_str(&lacks.join(", "))
    }
}

/// A token, and what it was drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) number: u64,
    pub(super) system_identifier: Option<u64>,
    pub(super) sources: Sources,
}

/// Returns the number for this `server_version_num`, timeline and transaction id (with its epoch): 7 bits, 12 bits and 44
/// bits of a positive `bigint`.
///
/// A crash keeps version and timeline, and no flushed id comes again. A promotion or a recovery to a point in time may
/// bring ids again, and raises the timeline. `pg_upgrade` begins with timeline 1, goes on with the ids, and raises the version.
///
/// They are added, so that one that outgrows its bits carries over into the one above, and the number grows all the same. The
/// end of the ids is 2^44 (a million a second for 200 days): from there on, a promotion still adds more than it takes away.
/// The end of the timelines is 4095 promotions since the last upgrade: the next upgrade would then set the number back.
/// `None` at the end of all, which is version 128.
#[must_use]
pub fn number(version: u32, timeline: u32, xid: u64) -> Option<u64> {
    let version = u64::from(version / MAJOR).checked_mul(1 << (TIMELINE_BITS + XID_BITS))?;
    let timeline = u64::from(timeline).checked_mul(1 << XID_BITS)?;
    version.checked_add(timeline)?.checked_add(xid).filter(|number| i64::try_from(*number).is_ok())
}

/// Returns a token in few characters: to the base of 36.
pub(super) fn short(token: u64) -> String {
    let mut digits = Vec::new();
    let mut rest = token;
    loop {
        digits.extend(u32::try_from(rest % 36).ok().and_then(|digit| char::from_digit(digit, 36)));
        rest /= 36;
        if rest == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// The timeline is the first eight hexadecimal digits of a WAL file's name.
pub(super) fn timeline(wal_file: &str) -> Option<u32> {
    u32::from_str_radix(wal_file.get(..8)?, 16).ok()
}

/// `server_version_num` is this for each major version.
const MAJOR: u32 = 10_000;

/// PostgreSQL has one major version a year.
#[cfg(test)]
const MAJOR_BITS: u32 = 7;

const TIMELINE_BITS: u32 = 12;

const XID_BITS: u32 = 44;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_major_version_timeline_and_transaction_id() {
        assert_eq!(number(150_018, 2, 736), Some((15 << 56) + (2 << 44) + 736));
        assert_eq!(MAJOR_BITS + TIMELINE_BITS + XID_BITS, 63);
    }

    #[test]
    fn a_token_grows_wherever_the_transaction_id_does_not() {
        // What each has before and after: version, timeline, transaction id.
        let steps = [
            ("a transaction", (150_018, 1, 735), (150_018, 1, 736)),
            ("a promotion that has lost transactions", (150_018, 1, 900_000), (150_018, 2, 736)),
            ("pg_upgrade", (150_018, 4095, 1 << 43), (160_000, 1, (1 << 43) + 1)),
            ("the last id", (150_018, 3, (1 << 44) - 1), (150_018, 3, 1 << 44)),
            ("a promotion after the last id", (150_018, 3, 5 << 44), (150_018, 4, (5 << 44) - 1_000_000)),
            ("the last timeline", (150_018, 4095, 900_000), (150_018, 4096, 736)),
            ("what was before: the id alone", (0, 0, 1 << 40), (130_000, 1, 3)),
        ];
        for (what, (version, timeline, xid), (next_version, next_timeline, next_xid)) in steps {
            let (before, after) =
                (number(version, timeline, xid), number(next_version, next_timeline, next_xid));
            assert!(before.is_some() && before < after, "{what}: {before:?}, {after:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_no_token() {
        assert!(number(1_270_000, 4095, (1 << 44) - 1).is_some_and(|number| number == u64::MAX >> 1));
        for (version, timeline, xid) in
            [(1_280_000, 0, 0), (1_270_000, 4095, 1 << 44), (u32::MAX, u32::MAX, u64::MAX)]
        {
            assert_eq!(number(version, timeline, xid), None);
        }
    }

    #[test]
    fn a_wal_file_tells_the_timeline() {
        assert_eq!(timeline("000000010000000000000001"), Some(1));
        assert_eq!(timeline("0000001A0000000A000000FF"), Some(26));
        assert_eq!((timeline("0000001"), timeline("☃☃☃")), (None, None));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(Sources::ALL.to_string(), "");
        assert_eq!(Sources::NONE.to_string(), "flush, timeline, system identifier");
    }

    #[test]
    fn a_token_in_few_characters_is_read_again_as_it_was() {
        for (token, expected) in [(0, "0"), (35, "z"), (36, "10"), (u64::MAX >> 1, "1y2p0ij32e8e7")] {
            assert_eq!(short(token), expected);
            assert_eq!(u64::from_str_radix(expected, 36), Ok(token));
        }
    }
}
