//! Percent-encoding, as libpq decodes it.

use super::error::{Error, Excerpt};

/// Decodes one component of a URI. Spaces around it are dropped; `+` and `#` are plain data.
/// `private` forbids quoting it.
pub(super) fn decode(text: &str, private: bool) -> Result<String, Error> {
    let excerpt = || Excerpt::new(text, private);
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.trim_matches(' ').bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' => return Err(Error::UnencodedSpace(excerpt())),
            b'%' => match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(0), Some(0)) => return Err(Error::PercentNul(excerpt())),
                (Some(high), Some(low)) => decoded.push(high * 16 + low),
                _ => return Err(Error::PercentToken(excerpt())),
            },
            _ => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map_err(|_| Error::PercentNotUtf8(excerpt()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_become_bytes() {
        for (text, expected) in [
            ("", ""),
            ("  ", ""),
            ("a+b#c", "a+b#c"),
            ("%41%c3%BC", "Aü"),
            (" %20a%20 ", " a "),
            ("%25%32%35", "%25"),
            ("ü", "ü"),
        ] {
            assert_eq!(decode(text, false).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_token_is_an_error_that_keeps_secrets() {
        for (text, expected) in [
            ("%", "invalid percent-encoded token"),
            ("a%4", "invalid percent-encoded token"),
            ("a%+4", "invalid percent-encoded token"),
            ("%%%", "invalid percent-encoded token"),
            ("%ü", "invalid percent-encoded token"),
            ("a%00", "forbidden value %00 in percent-encoded value"),
            ("%ff", "percent-encoded value is not valid UTF-8"),
        ] {
            assert_eq!(decode(text, true).unwrap_err().to_string(), expected, "{text:?}");
            assert_eq!(decode(text, false).unwrap_err().to_string(), format!("{expected}: {text:?}"));
        }
        assert!(!decode("hunter2 x", true).unwrap_err().to_string().contains("hunter2"));
    }
}
