//! Integers as libpq reads them.

use super::error::Error;
use super::keyword_value::is_space;

/// Reads a 32-bit integer as `strtol` would: spaces around it and a `+` are fine, anything else is not.
pub(super) fn integer(keyword: &'static str, text: &str) -> Result<i32, Error> {
    text.trim_matches(is_space).parse().map_err(|_| Error::Integer(keyword, text.to_owned()))
}

/// Reads a port, 1 to 65535.
pub(super) fn port(text: &str) -> Result<u16, Error> {
    match u16::try_from(integer("port", text)?) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Error::Port(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_may_have_spaces_around_and_a_sign() {
        for (text, expected) in
            [("5", 5), (" 5\t", 5), ("+5", 5), ("-5", -5), ("007", 7), ("2147483647", i32::MAX)]
        {
            assert_eq!(integer("keepalives", text), Ok(expected), "{text:?}");
        }
        for text in ["", " ", "5s", "5 5", "+", "- 5", "0x5", "5.0", "2147483648", "٥"] {
            let error = integer("keepalives", text).unwrap_err().to_string();
            assert_eq!(error, format!("invalid integer value {text:?} for connection option \"keepalives\""));
        }
    }

    #[test]
    fn ports_are_1_to_65535() {
        assert_eq!(port(" 1 "), Ok(1));
        assert_eq!(port("65535"), Ok(65535));
        for text in ["0", "-1", "65536", "99999"] {
            assert_eq!(port(text).unwrap_err().to_string(), format!("invalid port number: {text:?}"));
        }
    }
}
