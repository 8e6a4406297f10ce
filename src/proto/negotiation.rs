//! What a server may answer to `SSLRequest`: one byte, and nothing after it.

use super::error::Error;

/// The answer to `SSLRequest` (protocol documentation, "SSL Session Encryption").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `S`: the TLS handshake begins, and it is ours to begin.
    Accepted,
    /// `N`: go on in the clear, or leave.
    Refused,
}

/// Reads all that has come in answer to `SSLRequest`; at least one byte.
///
/// # Errors
/// Bytes after the answer, which a man in the middle has slipped in to have them taken for encrypted ones
/// (CVE-2021-23222); an `ErrorResponse`, whose text no one has authenticated (CVE-2024-10977); any other byte.
pub fn answer(received: &[u8]) -> Result<Answer, Error> {
    match received {
        [b'S'] => Ok(Answer::Accepted),
        [b'N'] => Ok(Answer::Refused),
        [b'S' | b'N', ..] => Err(Error::AfterNegotiation),
        [b'E', ..] => Err(Error::ErrorBeforeTls),
        [first, ..] => Err(Error::NotPostgres { first: *first }),
        [] => Err(Error::NotPostgres { first: 0 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_s_or_n_is_an_answer() {
        assert_eq!(answer(b"S"), Ok(Answer::Accepted));
        assert_eq!(answer(b"N"), Ok(Answer::Refused));
        assert_eq!(answer(b"SR"), Err(Error::AfterNegotiation));
        assert_eq!(answer(b"NR"), Err(Error::AfterNegotiation));
        assert_eq!(answer(b"E\0"), Err(Error::ErrorBeforeTls));
        assert_eq!(answer(b"H"), Err(Error::NotPostgres { first: b'H' }));
    }
}
