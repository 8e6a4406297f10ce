//! Signals as people write them: `TERM`, `SIGTERM`, `15`.

use nix::sys::signal::Signal as NixSignal;
use rustix::process::Signal;

/// Reads a signal, as timeout(1) does.
pub(in crate::cli) fn parse(text: &str) -> Result<Signal, String> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let number: Option<i32> = text.parse().ok();
    let is_meant = |signal: &Signal| {
        Some(signal.as_raw()) == number || self::name(*signal).strip_prefix("SIG") == Some(name)
    };
    (1..=MAX_SIGNAL).filter_map(Signal::from_named_raw).find(is_meant).ok_or_else(|| {
        "a signal looks like TERM, SIGTERM or 15; real-time signals have no name here".to_owned()
    })
}

/// Returns the name of a signal, such as `SIGTERM`.
pub(in crate::cli) fn name(signal: Signal) -> &'static str {
    NixSignal::try_from(signal.as_raw()).map_or("a signal", NixSignal::as_str)
}

/// No signal with a name has a higher number.
const MAX_SIGNAL: i32 = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_name_with_or_without_its_prefix_or_a_number() {
        for text in ["TERM", "SIGTERM", "term", "sigterm", "15"] {
            assert_eq!(parse(text), Ok(Signal::TERM), "{text}");
        }
        assert_eq!(name(Signal::QUIT), "SIGQUIT");
        for text in ["", "0", "-9", "SIG", "SIGSIGTERM", "RTMIN", "34", "1e3"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
