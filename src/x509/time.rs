//! The two ways in which certificates write a time, as seconds since 1970.

use super::der::{GENERALIZED_TIME, Malformed, UTC_TIME, Value};

/// Seconds since 1970-01-01T00:00:00Z; before it, below 0.
pub(super) type Seconds = i64;

/// Reads `YYMMDDHHMMSSZ` (1950–2049) or `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5).
pub(super) fn read(value: &Value<'_>) -> Result<Seconds, Malformed> {
    let text = value.contents.strip_suffix(b"Z").ok_or(Malformed)?;
    let (year, rest) = match value.tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2).ok_or(Malformed)?;
            let year = number(year)?;
            (if year < 50 { year + 2000 } else { year + 1900 }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4).ok_or(Malformed)?;
            (number(year)?, rest)
        }
        _ => return Err(Malformed),
    };
    let pairs = rest.chunks(2).map(number).collect::<Result<Vec<_>, _>>()?;
    let &[month @ 1..=12, day @ 1..=31, hour @ 0..=23, minute @ 0..=59, second @ 0..=59] = pairs.as_slice()
    else {
        return Err(Malformed);
    };
    // A chunk of one digit would be a field of its own; the length says that there is none.
    if rest.len() != 10 || day > days_of_month(year, month) {
        return Err(Malformed);
    }
    Ok(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn number(digits: &[u8]) -> Result<i64, Malformed> {
    digits.iter().try_fold(0, |number, digit| {
        if digit.is_ascii_digit() { Ok(number * 10 + i64::from(digit - b'0')) } else { Err(Malformed) }
    })
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar; years begin with March here, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - DAYS_TO_1970
}

/// From 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_date_1() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "991231235959Z", Some(946_684_799)),
            (UTC_TIME, "240229120000Z", Some(1_709_208_000)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "240229120000", None),
            (UTC_TIME, "230229120000Z", None),
            (UTC_TIME, "230431120000Z", None),
            (GENERALIZED_TIME, "21000229120000Z", None),
            (UTC_TIME, "241329120000Z", None),
            (UTC_TIME, "24022912000Z", None),
            (UTC_TIME, "2402291200000Z", None),
            (UTC_TIME, "24022912+100Z", None),
            (GENERALIZED_TIME, "240229120000Z", None),
            (UTC_TIME, "", None),
        ] {
            let value = Value { tag, contents: text.as_bytes(), whole: &[] };
            assert_eq!(read(&value).ok(), expected, "{text}");
        }
    }
}
