//! Decodes the Authentication messages: what a server asks for before a login is done.

use std::fmt;

use bytes::Bytes;

use super::frame::Frame;
use super::reader::{Malformed, Reader};
use super::text::printable;

/// The message `R`, by its first field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// 0: logged in.
    Ok,
    /// 3.
    CleartextPassword,
    /// 5, with its salt.
    Md5Password([u8; 4]),
    /// 10: the SASL mechanisms offered.
    Sasl(Vec<Bytes>),
    /// 11.
    SaslContinue(Bytes),
    /// 12.
    SaslFinal(Bytes),
    /// A method that heimdall does not have: its name.
    Unsupported(&'static str),
}

pub(super) fn read(frame: &Frame, reader: &mut Reader<'_>) -> Result<Authentication, Malformed> {
    Ok(match reader.int32()? {
        0 => Authentication::Ok,
        2 => Authentication::Unsupported("Kerberos V5"),
        3 => Authentication::CleartextPassword,
        5 => Authentication::Md5Password(reader.array()?),
        6 => Authentication::Unsupported("SCM credentials"),
        7 => Authentication::Unsupported("GSSAPI"),
        8 => {
            reader.rest();
            Authentication::Unsupported("GSSAPI")
        }
        9 => Authentication::Unsupported("SSPI"),
        10 => {
            let mut mechanisms = Vec::new();
            loop {
                match reader.string()? {
                    b"" => break Authentication::Sasl(mechanisms),
                    mechanism => mechanisms.push(frame.body.slice_ref(mechanism)),
                }
            }
        }
        11 => Authentication::SaslContinue(frame.body.slice_ref(reader.rest())),
        12 => Authentication::SaslFinal(frame.body.slice_ref(reader.rest())),
        _ => return Err(Malformed::BadValue),
    })
}

/// As transcripts and `--debug` show it; exchanges of secrets are named, not shown.
impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("AuthenticationOk"),
            Self::CleartextPassword => f.write_str("AuthenticationCleartextPassword"),
            Self::Md5Password(_) => f.write_str("AuthenticationMD5Password"),
            Self::Sasl(mechanisms) => {
                f.write_str("AuthenticationSASL")?;
                mechanisms.iter().try_for_each(|mechanism| write!(f, " {}", printable(mechanism)))
            }
            Self::SaslContinue(_) => f.write_str("AuthenticationSASLContinue"),
            Self::SaslFinal(_) => f.write_str("AuthenticationSASLFinal"),
            Self::Unsupported(method) => write!(f, "Authentication {method}"),
        }
    }
}
