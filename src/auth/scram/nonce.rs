//! The client's part of the nonce.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What makes a SCRAM exchange unlike every other (RFC 5802 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// The nonce of these bytes, as many as in libpq (`SCRAM_RAW_NONCE_LEN`), which must be fresh and random.
    #[must_use]
    pub fn of_random(bytes: [u8; 18]) -> Self {
        Self(STANDARD.encode(bytes))
    }

    /// The nonce of this text; `None` if it is empty, or has a comma or what can't be printed in it, which would let it write
    /// other attributes of the exchange.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_printable = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        (is_printable && !text.is_empty()).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_can_not_write_other_attributes() {
        assert_eq!(Nonce::of_random([0xff; 18]), Nonce::new(&"/".repeat(24)).unwrap());
        for text in ["", "a,c=biws", "a b", "a\0", "ü"] {
            assert_eq!(Nonce::new(text), None, "{text:?}");
        }
    }
}
