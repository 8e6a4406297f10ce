//! What a server reports: its error and notice messages, and the facts of the session.

use std::fmt;

use super::reader::{Malformed, Reader};
use super::text::printable;

/// An `ErrorResponse` or `NoticeResponse` (protocol documentation, "Error and Notice Message Fields").
/// All text has been made fit to print.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerMessage {
    /// `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE`, …; not localised since version 9.6.
    pub severity: String,
    /// The SQLSTATE, five characters.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// More about the problem.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ServerMessage {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut read = Self::default();
        let mut unlocalised = None;
        loop {
            let field = reader.byte()?;
            if field == 0 {
                break;
            }
            let text = printable(reader.string()?);
            match field {
                b'S' => read.severity = text,
                b'V' => unlocalised = Some(text),
                b'C' => read.code = text,
                b'M' => read.message = text,
                b'D' => read.detail = Some(text),
                b'H' => read.hint = Some(text),
                // "Frontends should silently ignore fields of unrecognized type."
                _ => {}
            }
        }
        if let Some(severity) = unlocalised {
            read.severity = severity;
        }
        Ok(read)
    }

    /// Whether the server ends the session with this message.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, " (hint: {hint})")?;
        }
        if !self.code.is_empty() {
            write!(f, " [{}]", self.code)?;
        }
        Ok(())
    }
}

/// The facts that matter for a lock, of all that a server reports while a session lives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Server {
    /// The process id of `BackendKeyData`: of the backend, or of whatever stands in front of it.
    pub pid: Option<i32>,
    /// How the client has proved who it is, as `require_auth` calls it, or the SASL mechanism; `None` where the server has not
    /// asked.
    pub login: Option<&'static str>,
    /// `ParameterStatus` `server_version`.
    pub version: Option<String>,
    /// `ParameterStatus` `in_hot_standby`, which servers report since version 14.
    pub in_hot_standby: Option<bool>,
    /// `ParameterStatus` `default_transaction_read_only`, which servers report since version 14.
    pub default_transaction_read_only: Option<bool>,
    /// Whether `ParameterStatus` `crdb_version` was sent: this is CockroachDB, whose advisory locks
    /// exclude no one.
    pub is_cockroach: bool,
}

impl Server {
    /// The number that the version begins with; 0 where it begins with none.
    #[must_use]
    pub fn major_version(&self) -> u32 {
        let version = self.version.as_deref().unwrap_or_default();
        let number = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        number.parse().unwrap_or(0)
    }

    /// Whether this is no server but the console of `PgBouncer`, from which it is managed.
    #[must_use]
    pub fn is_console(&self) -> bool {
        self.version.as_deref().is_some_and(|version| version.ends_with("/bouncer"))
    }

    /// Records a `ParameterStatus`; one that we have no use for is dropped, so that a peer can't fill our memory with
    /// parameters.
    pub(super) fn note(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"server_version" => self.version = Some(printable(value)),
            b"in_hot_standby" => self.in_hot_standby = switch(value),
            b"default_transaction_read_only" => self.default_transaction_read_only = switch(value),
            b"crdb_version" => self.is_cockroach = true,
            _ => {}
        }
    }
}

fn switch(value: &[u8]) -> Option<bool> {
    match value {
        b"on" => Some(true),
        b"off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Result<ServerMessage, Malformed> {
        let mut reader = Reader::new(body);
        let message = ServerMessage::read(&mut reader)?;
        reader.finish().map(|()| message)
    }

    #[test]
    fn an_error_reads_as_one_line() {
        let message =
            read(b"SFATAAL\0VFATAL\0C28P01\0Mpassword\nfailed\0Dthe \x1b[1mdetail\0Htry again\0Zunknown\0\0");
        let message = message.unwrap();
        assert!(message.is_fatal());
        assert_eq!(message.to_string(), "FATAL: password failed (the [1mdetail) (hint: try again) [28P01]");
    }

    #[test]
    fn a_server_says_whether_it_can_be_written() {
        let mut server = Server::default();
        assert_eq!((server.in_hot_standby, server.default_transaction_read_only), (None, None));
        server.note(b"in_hot_standby", b"off");
        server.note(b"default_transaction_read_only", b"on");
        assert_eq!((server.in_hot_standby, server.default_transaction_read_only), (Some(false), Some(true)));
        server.note(b"in_hot_standby", b"perhaps");
        assert_eq!(server.in_hot_standby, None);
    }

    #[test]
    fn the_major_version_is_the_number_in_front() {
        let mut server = Server::default();
        assert_eq!(server.major_version(), 0);
        for (version, major) in
            [("15.18 (Debian 15.18-0+deb12u1)", 15), ("18beta1", 18), ("9.6.24", 9), ("devel", 0)]
        {
            server.note(b"server_version", version.as_bytes());
            assert_eq!(server.major_version(), major, "{version}");
        }
    }

    #[test]
    fn a_message_without_its_end_is_malformed() {
        assert_eq!(read(b"SFATAL\0"), Err(Malformed::Short));
        assert_eq!(read(b"SFATAL"), Err(Malformed::Unterminated));
        assert_eq!(read(b"\0x"), Err(Malformed::Trailing));
    }
}
