//! Cuts received bytes into messages, with every length checked before anything is buffered for it.

use bytes::{Buf, Bytes, BytesMut};

use super::error::Error;
use super::text::printable;

/// The largest message accepted once logged in, without its type byte. The rows that heimdall asks for
/// are tiny; the longest honest message is a notice with its detail.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// The lengths that libpq accepts for `R` and `v` before the login is done (fe-connect.c, `PQconnectPoll`).
pub const LOGIN_LENGTHS: std::ops::RangeInclusive<usize> = 8..=2000;

/// The lengths of an `E` before the login is done; any other "length" is the text of an error in the
/// format of protocol 2 (fe-connect.c, `MAX_ERRLEN`).
pub const LOGIN_ERROR_LENGTHS: std::ops::RangeInclusive<usize> = 8..=30_000;

/// The most bytes waited for in search of the end of such an old text.
const MAX_OLD_ERROR: usize = 1024;

/// Which messages may come now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before `AuthenticationOk`: only `R`, `E` and `v` from a peer that has proved nothing.
    Login,
    /// After it.
    Session,
}

/// One whole message: its type byte and its body, without the length.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// The type byte.
    pub tag: u8,
    /// What follows the length.
    pub body: Bytes,
}

/// Takes the first message off `buffer`; `None` until it is there as a whole.
///
/// # Errors
/// A peer that speaks no PostgreSQL, and a length that no honest message has: as soon as its five bytes
/// of header are there, never after buffering for it.
pub fn take(buffer: &mut BytesMut, phase: Phase) -> Result<Option<Frame>, Error> {
    let Some(&tag) = buffer.first() else { return Ok(None) };
    if phase == Phase::Login && !matches!(tag, b'R' | b'E' | b'v') {
        return Err(Error::NotPostgres { first: tag });
    }
    let Some((_, [a, b, c, d])) = header(buffer) else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let lengths = match (phase, tag) {
        (Phase::Login, b'E') if !LOGIN_ERROR_LENGTHS.contains(&length) => return old_error(buffer),
        (Phase::Login, b'E') => LOGIN_ERROR_LENGTHS,
        (Phase::Login, _) => LOGIN_LENGTHS,
        (Phase::Session, _) => LENGTH_FIELD..=MAX_MESSAGE,
    };
    if !lengths.contains(&length) {
        let (least, most) = lengths.into_inner();
        return Err(Error::BadLength { tag, length, least, most });
    }
    if buffer.len() <= length {
        return Ok(None);
    }
    let mut body = buffer.split_to(1 + length).freeze();
    body.advance(1 + LENGTH_FIELD);
    Ok(Some(Frame { tag, body }))
}

fn header(buffer: &BytesMut) -> Option<(u8, [u8; LENGTH_FIELD])> {
    let (tag, rest) = buffer.split_first()?;
    Some((*tag, *rest.first_chunk()?))
}

fn old_error(buffer: &BytesMut) -> Result<Option<Frame>, Error> {
    let text = buffer.get(1..).unwrap_or_default();
    match text.iter().position(|&byte| byte == 0) {
        Some(end) => Err(Error::OldServer { text: printable(text.get(..end).unwrap_or_default()) }),
        None if text.len() < MAX_OLD_ERROR => Ok(None),
        None => Err(Error::NotPostgres { first: b'E' }),
    }
}

/// The length counts itself.
const LENGTH_FIELD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn take_from(bytes: &[u8], phase: Phase) -> Result<Option<Frame>, Error> {
        take(&mut BytesMut::from(bytes), phase)
    }

    #[test]
    fn a_message_comes_only_as_a_whole() {
        let whole = b"Z\0\0\0\x05I";
        for cut in 0..whole.len() {
            assert_eq!(take_from(&whole[..cut], Phase::Session).unwrap(), None);
        }
        let frame = take_from(whole, Phase::Session).unwrap().unwrap();
        assert_eq!((frame.tag, &frame.body[..]), (b'Z', &b"I"[..]));
    }

    #[test]
    fn lengths_are_refused_from_the_header_alone() {
        for (header, phase) in [
            (&b"R\0\0\0\x07"[..], Phase::Login),
            (b"R\0\0\x07\xd1", Phase::Login),
            (b"v\xff\xff\xff\xff", Phase::Login),
            (b"Z\0\0\0\x03", Phase::Session),
            (b"D\0\x01\0\x01", Phase::Session),
            (b"E\x7f\xff\xff\xff", Phase::Session),
        ] {
            assert!(matches!(take_from(header, phase), Err(Error::BadLength { .. })), "{header:?}");
        }
        let error = take_from(b"Z\0\0\0\x03", Phase::Session).unwrap_err().to_string();
        assert_eq!(error, "the server sent a message of type 0x5a and length 3 (4 to 65536 is accepted)");
    }

    #[test]
    fn a_peer_of_another_protocol_is_known_by_its_first_byte() {
        for greeting in ["HTTP/1.1 400 Bad Request\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\0"] {
            assert!(matches!(take_from(greeting.as_bytes(), Phase::Login), Err(Error::NotPostgres { .. })));
        }
    }

    #[test]
    fn an_error_of_protocol_2_is_read_to_its_end_or_its_cap() {
        let old = take_from(b"Eunsupported frontend protocol\n\0", Phase::Login);
        assert!(matches!(old, Err(Error::OldServer { text }) if text == "unsupported frontend protocol "));
        assert_eq!(take_from(b"Eunsupp", Phase::Login).unwrap(), None);
        let endless = [b'E'; 2000];
        assert!(matches!(take_from(&endless, Phase::Login), Err(Error::NotPostgres { .. })));
    }
}
