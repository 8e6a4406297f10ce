//! Decodes every message that a server may send to a client of the simple query protocol.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::authentication::{self, Authentication};
use super::error::Error;
use super::frame::Frame;
use super::reader::{Malformed, Reader};
use super::server::ServerMessage;
use super::text::printable;
use super::version::Version;

/// A message from the server, under its name in the protocol documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendMessage {
    /// `R`: any of the Authentication messages.
    Authentication(Authentication),
    /// `K`: the backend's process id; the cancel key is not kept.
    BackendKeyData {
        /// The process id.
        pid: i32,
        /// The key's length, in bytes.
        key_length: usize,
    },
    /// `C`: a statement is done.
    CommandComplete,
    /// `D`: one row.
    DataRow(Row),
    /// `I`: the query was empty.
    EmptyQueryResponse,
    /// `E`.
    ErrorResponse(ServerMessage),
    /// `v`: the server asks for an older minor version, or does not know an option.
    NegotiateProtocolVersion {
        /// The newest version the server speaks.
        version: Version,
        /// The options it does not know.
        unknown: Vec<Bytes>,
    },
    /// `N`.
    NoticeResponse(ServerMessage),
    /// `A`: for LISTEN, which we never send; a pooler may forward one.
    NotificationResponse,
    /// `S`: a run-time parameter of the session.
    ParameterStatus {
        /// Its name.
        name: Bytes,
        /// Its value.
        value: Bytes,
    },
    /// `Z`.
    ReadyForQuery(Transaction),
    /// `T`: what the rows look like; all of them are text to us.
    RowDescription,
}

/// The transaction status in `ReadyForQuery`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// `I`: none open.
    Idle,
    /// `T` or `E`: one is open.
    Open,
}

/// One row: its columns in text format, `None` for NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(Vec<Option<Bytes>>);

impl Row {
    /// How many columns it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many bytes its columns had in the message, with the length of each.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|column| size_of::<i32>() + column.as_ref().map_or(0, Bytes::len)).sum()
    }

    /// Returns the text of a column; `None` where it is NULL, absent or not UTF-8.
    #[must_use]
    pub fn text(&self, column: usize) -> Option<&str> {
        std::str::from_utf8(self.0.get(column)?.as_ref()?).ok()
    }

    /// Returns the value of a column; `None` also where it is no such value.
    #[must_use]
    pub fn parse<T: FromStr>(&self, column: usize) -> Option<T> {
        self.text(column)?.parse().ok()
    }

    /// Returns the value of a column of type `boolean`; `None` also where it is of another type.
    #[must_use]
    pub fn flag(&self, column: usize) -> Option<bool> {
        match self.text(column)? {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        }
    }
}

impl BackendMessage {
    /// Decodes one message.
    ///
    /// # Errors
    /// An unknown type byte, and a body that is not exactly what its type requires.
    pub fn decode(frame: &Frame) -> Result<Self, Error> {
        let name = name(frame.tag).ok_or(Error::UnknownMessage { tag: frame.tag })?;
        let mut reader = Reader::new(&frame.body);
        decode_body(frame, &mut reader)
            .and_then(|message| reader.finish().map(|()| message))
            .map_err(|malformed| Error::Malformed { message: name, malformed })
    }
}

fn decode_body(frame: &Frame, reader: &mut Reader<'_>) -> Result<BackendMessage, Malformed> {
    let slice = |part: &[u8]| frame.body.slice_ref(part);
    Ok(match frame.tag {
        b'R' => BackendMessage::Authentication(authentication::read(frame, reader)?),
        b'K' => BackendMessage::BackendKeyData { pid: reader.int32()?, key_length: reader.rest().len() },
        b'C' => {
            reader.string()?;
            BackendMessage::CommandComplete
        }
        b'D' => {
            let mut columns = Vec::new();
            for _ in 0..count(reader.int16()?.into())? {
                columns.push(match reader.int32()? {
                    -1 => None,
                    length => Some(slice(reader.bytes(count(length)?)?)),
                });
            }
            BackendMessage::DataRow(Row(columns))
        }
        b'I' => BackendMessage::EmptyQueryResponse,
        b'E' => BackendMessage::ErrorResponse(ServerMessage::read(reader)?),
        b'N' => BackendMessage::NoticeResponse(ServerMessage::read(reader)?),
        b'v' => {
            let version = reader.int32()?.into();
            let mut unknown = Vec::new();
            for _ in 0..count(reader.int32()?)? {
                unknown.push(slice(reader.string()?));
            }
            BackendMessage::NegotiateProtocolVersion { version, unknown }
        }
        b'A' => {
            reader.int32()?;
            reader.string()?;
            reader.string()?;
            BackendMessage::NotificationResponse
        }
        b'S' => {
            BackendMessage::ParameterStatus { name: slice(reader.string()?), value: slice(reader.string()?) }
        }
        b'Z' => BackendMessage::ReadyForQuery(match reader.byte()? {
            b'I' => Transaction::Idle,
            b'T' | b'E' => Transaction::Open,
            _ => return Err(Malformed::BadValue),
        }),
        b'T' => {
            for _ in 0..count(reader.int16()?.into())? {
                reader.string()?;
                // Table, column number, type, size, modifier and format.
                reader.bytes(4 + 2 + 4 + 2 + 4 + 2)?;
            }
            BackendMessage::RowDescription
        }
        _ => return Err(Malformed::BadValue),
    })
}

/// A count is never trusted for an allocation: each counted item must be there to be pushed.
fn count(number: i32) -> Result<usize, Malformed> {
    usize::try_from(number).map_err(|_| Malformed::BadCount)
}

pub(super) fn name(tag: u8) -> Option<&'static str> {
    Some(match tag {
        b'R' => "Authentication",
        b'K' => "BackendKeyData",
        b'C' => "CommandComplete",
        b'D' => "DataRow",
        b'I' => "EmptyQueryResponse",
        b'E' => "ErrorResponse",
        b'N' => "NoticeResponse",
        b'v' => "NegotiateProtocolVersion",
        b'A' => "NotificationResponse",
        b'S' => "ParameterStatus",
        b'Z' => "ReadyForQuery",
        b'T' => "RowDescription",
        _ => return None,
    })
}

/// As transcripts and `--debug` show it; exchanges of secrets are named, not shown.
impl fmt::Display for BackendMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authentication(authentication) => authentication.fmt(f),
            Self::BackendKeyData { pid, .. } => write!(f, "BackendKeyData pid={pid}"),
            Self::CommandComplete => f.write_str("CommandComplete"),
            Self::DataRow(Row(columns)) => {
                f.write_str("DataRow")?;
                columns.iter().try_for_each(|column| match column {
                    Some(text) => write!(f, " {}", printable(text)),
                    None => f.write_str(" NULL"),
                })
            }
            Self::EmptyQueryResponse => f.write_str("EmptyQueryResponse"),
            Self::ErrorResponse(message) => write!(f, "ErrorResponse {message}"),
            Self::NegotiateProtocolVersion { version, unknown } => {
                write!(f, "NegotiateProtocolVersion {version}")?;
                unknown.iter().try_for_each(|option| write!(f, " {}", printable(option)))
            }
            Self::NoticeResponse(message) => write!(f, "NoticeResponse {message}"),
            Self::NotificationResponse => f.write_str("NotificationResponse"),
            Self::ParameterStatus { name, value } => {
                write!(f, "ParameterStatus {}={}", printable(name), printable(value))
            }
            Self::ReadyForQuery(Transaction::Idle) => f.write_str("ReadyForQuery idle"),
            Self::ReadyForQuery(Transaction::Open) => f.write_str("ReadyForQuery in transaction"),
            Self::RowDescription => f.write_str("RowDescription"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(tag: u8, body: &'static [u8]) -> Result<String, Error> {
        BackendMessage::decode(&Frame { tag, body: Bytes::from_static(body) }).map(|m| m.to_string())
    }

    #[test]
    fn every_message_is_decoded() {
        for (tag, body, expected) in [
            (b'R', &b"\0\0\0\0"[..], "AuthenticationOk"),
            (b'R', b"\0\0\0\x03", "AuthenticationCleartextPassword"),
            (b'R', b"\0\0\0\x05salt", "AuthenticationMD5Password"),
            (b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0", "AuthenticationSASL SCRAM-SHA-256"),
            (b'R', b"\0\0\0\x0br=x", "AuthenticationSASLContinue"),
            (b'R', b"\0\0\0\x0cv=x", "AuthenticationSASLFinal"),
            (b'R', b"\0\0\0\x07", "Authentication GSSAPI"),
            (b'K', b"\0\0\0\x2a\x01\x02\x03\x04", "BackendKeyData pid=42"),
            (b'C', b"SELECT 1\0", "CommandComplete"),
            (b'D', b"\0\x02\0\0\0\x01t\xff\xff\xff\xff", "DataRow t NULL"),
            (b'I', b"", "EmptyQueryResponse"),
            (b'E', b"SERROR\0C42501\0Mno\0\0", "ErrorResponse ERROR: no [42501]"),
            (b'N', b"SNOTICE\0Mwell\0\0", "NoticeResponse NOTICE: well"),
            (b'v', b"\0\x03\0\0\0\0\0\x01_pq_.x\0", "NegotiateProtocolVersion 3.0 _pq_.x"),
            (b'A', b"\0\0\0\x01channel\0payload\0", "NotificationResponse"),
            (b'S', b"TimeZone\0UTC\0", "ParameterStatus TimeZone=UTC"),
            (b'Z', b"I", "ReadyForQuery idle"),
            (b'Z', b"T", "ReadyForQuery in transaction"),
            (b'T', b"\0\x01pid\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0", "RowDescription"),
        ] {
            assert_eq!(decode(tag, body).unwrap(), expected);
        }
    }

    #[test]
    fn a_body_must_be_exactly_what_its_type_requires() {
        for (tag, body) in [
            (b'R', &b"\0\0\0\0x"[..]),
            (b'R', b"\0\0\0\x63"),
            (b'R', b"\0\0\0\x05sal"),
            (b'R', b"\0\0\0\x0aSCRAM-SHA-256\0"),
            (b'K', b"\0\0\0"),
            (b'C', b"SELECT 1"),
            (b'C', b"SELECT 1\0x"),
            (b'D', b"\x7f\xff"),
            (b'D', b"\xff\xff"),
            (b'D', b"\0\x01\xff\xff\xff\xfe"),
            (b'D', b"\0\x01\x7f\xff\xff\xffx"),
            (b'I', b"x"),
            (b'E', b"SERROR\0"),
            (b'v', b"\0\x03\0\0\xff\xff\xff\xff"),
            (b'S', b"name\0"),
            (b'Z', b"X"),
            (b'Z', b""),
            (b'T', b"\0\x01pid\0"),
        ] {
            assert!(matches!(decode(tag, body), Err(Error::Malformed { .. })), "{tag} {body:?}");
        }
        assert!(matches!(decode(b'?', b""), Err(Error::UnknownMessage { tag: b'?' })));
    }
}
