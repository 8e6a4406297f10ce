//! Durations as people write them: `30` (seconds), `0.5`, `500ms`, `30s`, `5m`, `1h30m`.

use std::time::Duration;

use crate::lock::{MAX_LEASE, MIN_LEASE};

/// Longer than any job, and short enough that a deadline never leaves the clock's range.
const MAX: Duration = Duration::from_secs(36525 * 24 * 60 * 60);

/// Reads a duration.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    // To humantime it is a month, and to who writes 30M for half an hour a program that is never stopped.
    if text.contains('M') {
        return Err("minutes are m or min, and a month is written out".to_owned());
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let read = if is_plain { seconds(text) } else { humantime::parse_duration(text).ok() };
    match read {
        Some(duration) if duration <= MAX => Ok(duration),
        Some(_) => Err("longer than 100 years".to_owned()),
        None => Err("a duration looks like 30 (seconds), 500ms, 30s, 5m or 1h30m".to_owned()),
    }
}

/// Seconds, of which nine digits after the point count.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let nanoseconds = format!("{part:0<9.9}").parse().ok().filter(|_| !part.contains('.'))?;
    Some(Duration::new(whole.parse().ok()?, nanoseconds))
}

/// Reads a lease.
pub(super) fn parse_lease(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        lease if lease < MIN_LEASE => Err("a lease is 2 seconds or longer".to_owned()),
        lease if lease > MAX_LEASE => Err("a lease is 24 days or shorter".to_owned()),
        lease => Ok(lease),
    }
}

/// Reads how long to pause between two looks.
pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        interval if interval < MIN_INTERVAL => Err("an interval is 100ms or longer".to_owned()),
        interval => Ok(interval),
    }
}

/// As watch(1) has it: more often than anyone reads.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, milliseconds) in [
            ("0", 0),
            ("30", 30_000),
            ("0.5", 500),
            ("0.0500000000", 50),
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("100y", 3_155_760_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn an_interval_leaves_the_server_time_for_others() {
        assert_eq!(parse_interval("0.1"), Ok(MIN_INTERVAL));
        assert!(parse_interval("99ms").is_err() && parse_interval("0").is_err());
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "-1",
            "1x",
            "s",
            "1M",
            "1h30M",
            "1..5",
            "0.1234567890.5",
            ".",
            "1e9",
            "inf",
            "NaN",
            "99999999999999999999",
            "101y",
            "5000000000",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
