//! What the server says in SCRAM (RFC 5802 §7), read strictly: every attribute in its place, once; and what can be
//! wrong with it.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A server-first-message: `r=NONCE,s=SALT,i=COUNT`.
pub(super) struct ServerFirst<'a> {
    /// The message as it came; the proofs cover these bytes.
    pub(super) raw: &'a str,
    /// Ours and the server's part, not yet told apart.
    pub(super) nonce: &'a str,
    /// Not empty.
    pub(super) salt: Vec<u8>,
    /// At most [`MAX_ITERATIONS`].
    pub(super) iterations: NonZeroU32,
}

impl<'a> ServerFirst<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, Error> {
        let raw = text(message)?;
        let mut attributes = raw.split(',');
        let nonce = value(&mut attributes, "r=")?;
        let salt = STANDARD.decode(value(&mut attributes, "s=")?).map_err(|_| Error::Malformed)?;
        let iterations = iterations(value(&mut attributes, "i=")?)?;
        extensions(attributes)?;
        Ok(Self { raw, nonce, salt, iterations })
    }
}

/// The signature in a server-final-message `v=SIGNATURE`; a message `e=REASON` is
/// [`Error::Refused`].
pub(super) fn server_signature(message: &[u8]) -> Result<Vec<u8>, Error> {
    let text = text(message)?;
    if let Some(reason) = text.strip_prefix("e=") {
        // The RFC's reasons are ASCII words; anything else would only be there to confuse a terminal.
        return Err(Error::Refused(reason.chars().filter(|c| matches!(c, ' '..='~')).collect()));
    }
    let mut attributes = text.split(',');
    let signature = STANDARD.decode(value(&mut attributes, "v=")?).map_err(|_| Error::Malformed)?;
    extensions(attributes)?;
    Ok(signature)
}

fn text(message: &[u8]) -> Result<&str, Error> {
    if message.len() > MAX_MESSAGE || message.contains(&0) {
        return Err(Error::Malformed);
    }
    str::from_utf8(message).map_err(|_| Error::Malformed)
}

/// The value of the next attribute, which has to be the one called `name`.
fn value<'a>(attributes: &mut impl Iterator<Item = &'a str>, name: &str) -> Result<&'a str, Error> {
    let attribute = attributes.next().ok_or(Error::Malformed)?;
    match attribute.strip_prefix(name) {
        Some(value) if !value.is_empty() => Ok(value),
        None if attribute.starts_with("m=") => Err(Error::MandatoryExtension),
        _ => Err(Error::Malformed),
    }
}

/// `posit-number`: no sign, no leading zero.
fn iterations(digits: &str) -> Result<NonZeroU32, Error> {
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::Malformed);
    }
    digits.parse().ok().filter(|count: &NonZeroU32| count.get() <= MAX_ITERATIONS).ok_or(Error::Iterations)
}

/// Extensions are optional to understand, but must look like one (`attr-val`) and not repeat what
/// SCRAM itself defines.
fn extensions<'a>(attributes: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    for attribute in attributes {
        match attribute.as_bytes() {
            [b'm', b'=', ..] => return Err(Error::MandatoryExtension),
            [name, b'=', _, ..] if name.is_ascii_alphabetic() && !DEFINED.contains(name) => {}
            _ => return Err(Error::Malformed),
        }
    }
    Ok(())
}

/// Why an exchange failed. The server is at fault in all of them but, perhaps, `Refused`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message doesn't follow the grammar of RFC 5802 §7.
    #[error("malformed SCRAM message from the server")]
    Malformed,
    /// The server asks for an extension (`m=`), of which none is defined.
    #[error("the server demands an unknown SCRAM extension")]
    MandatoryExtension,
    /// The server's nonce isn't ours with something added (RFC 5802 §5.1, `r`).
    #[error("the server's SCRAM nonce does not continue ours")]
    Nonce,
    /// The server asks for more than [`MAX_ITERATIONS`].
    #[error("the server demands more than {MAX_ITERATIONS} SCRAM iterations")]
    Iterations,
    /// The server says why it ends the exchange (`e=`), here in printable ASCII.
    #[error("the server ended the SCRAM exchange: {0}")]
    Refused(String),
    /// The server doesn't know the password, or the messages were tampered with.
    #[error("the server did not prove that it knows the password")]
    Signature,
}

/// The most iterations a server may have us do, at worst a few seconds of work; PostgreSQL's default is
/// 4096. Before it has proved anything, a server could otherwise keep us busy for hours.
pub const MAX_ITERATIONS: u32 = 1_000_000;

/// libpq takes no authentication message above 2000 bytes (`fe-connect.c`, `PQconnectPoll`).
const MAX_MESSAGE: usize = 2000;

/// The attributes of RFC 5802 §5.1, each of which has one place in one message.
const DEFINED: &[u8] = b"anmrcsipve";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_first_is_read_strictly() {
        let table: [(&[u8], Error); 25] = [
            (b"", Error::Malformed),
            (b"r=a", Error::Malformed),
            (b"r=a,s=AAAA", Error::Malformed),
            (b"r=,s=AAAA,i=1", Error::Malformed),
            (b"r=a,s=,i=1", Error::Malformed),
            (b"r=a,s=AAAA,i=", Error::Malformed),
            (b"r=a,s=AAA,i=1", Error::Malformed),
            (b"r=a,s=AA==A,i=1", Error::Malformed),
            (b"r=a,s=AB==,i=1", Error::Malformed),
            (b"r=a,s=AA A,i=1", Error::Malformed),
            (b"s=AAAA,r=a,i=1", Error::Malformed),
            (b"r=a,r=a,s=AAAA,i=1", Error::Malformed),
            (b"r=a,s=AAAA,i=1,i=2", Error::Malformed),
            (b"r=a,s=AAAA,i=1,", Error::Malformed),
            (b"r=a,s=AAAA,i=1,x", Error::Malformed),
            (b"r=a,s=AAAA,i=1,x=", Error::Malformed),
            (b"r=a,s=AAAA,i=1,1=x", Error::Malformed),
            (b"r=a,s=AAAA,i=1\0", Error::Malformed),
            (b"r=\xff,s=AAAA,i=1", Error::Malformed),
            (b"r=a,s=AAAA,i=+1", Error::Malformed),
            (b"r=a,s=AAAA,i=0", Error::Malformed),
            (b"r=a,s=AAAA,i=1000001", Error::Iterations),
            (b"r=a,s=AAAA,i=99999999999999999999", Error::Iterations),
            (b"m=x,r=a,s=AAAA,i=1", Error::MandatoryExtension),
            (b"r=a,s=AAAA,i=1,x=y,m=z", Error::MandatoryExtension),
        ];
        for (message, expected) in table {
            assert_eq!(ServerFirst::parse(message).err(), Some(expected), "{}", message.escape_ascii());
        }
        assert_eq!(ServerFirst::parse(&[b'r'; MAX_MESSAGE + 1]).err(), Some(Error::Malformed));
    }

    #[test]
    fn optional_extensions_are_ignored() {
        let first = ServerFirst::parse(b"r=a=b,s=AAEC,i=1000000,x=y=z,q=\xc3\xbc").unwrap();
        assert_eq!((first.nonce, first.iterations.get()), ("a=b", MAX_ITERATIONS));
        assert_eq!(first.salt, [0, 1, 2]);
        assert_eq!(server_signature(b"v=AAEC,x=y"), Ok(vec![0, 1, 2]));
    }

    #[test]
    fn server_final_is_read_strictly() {
        let refused = |reason: &str| Error::Refused(reason.to_owned());
        let table: [(&[u8], Error); 8] = [
            (b"", Error::Malformed),
            (b"v=", Error::Malformed),
            (b"v=AAA", Error::Malformed),
            (b"v=AAAA,v=AAAA", Error::Malformed),
            (b"x=y,v=AAAA", Error::Malformed),
            (b"v=AAAA,m=x", Error::MandatoryExtension),
            (b"e=invalid-proof", refused("invalid-proof")),
            (b"e=\x1b[31mred\n\xe2\x80\xaeder", refused("[31mredder")),
        ];
        for (message, expected) in table {
            assert_eq!(server_signature(message), Err(expected), "{}", message.escape_ascii());
        }
    }
}
