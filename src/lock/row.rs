//! What the server answers to an attempt at the lock, read from its row.

use super::key::Key;
use super::request::LockRequest;
use super::sql;
use super::token::{self, Flush, Sources, Token};
use crate::proto::Row;

/// The row that answers [`Statement::Acquire`](sql::Statement::Acquire).
pub(super) struct AcquireRow {
    pub(super) pid: i32,
    pub(super) is_standby: bool,
    /// Whether the session's transactions can't write; only looked at where the server has not reported it by itself.
    pub(super) is_read_only: Option<bool>,
    /// Whether nothing was tried, since the session has the lock already.
    pub(super) is_already_held: bool,
    pub(super) granted: Option<Granted>,
    /// What the server sees of the connection.
    pub(super) ends: Option<String>,
    pub(super) is_heir: bool,
}

/// The lock that is ours.
#[derive(Clone, Copy)]
pub(super) struct Granted {
    pub(super) key: Key,
    pub(super) slot: u16,
    pub(super) token: Token,
}

impl AcquireRow {
    /// Reads it; `None` where it makes no sense.
    pub(super) fn read(row: &Row, request: &LockRequest, sources: Sources) -> Option<Self> {
        let slot: i32 = row.parse(sql::acquire::SLOT)?;
        let is_already_held = slot == sql::acquire::ALREADY_HELD;
        let granted = match u16::try_from(slot) {
            Ok(0) => None,
            Ok(slot) if row.flag(sql::acquire::KEPT)? => {
                Some(Granted { key: request.key(slot)?, slot, token: read_token(row, sources)? })
            }
            Err(_) if is_already_held => None,
            Ok(_) | Err(_) => return None,
        };
        Some(Self {
            pid: row.parse(sql::acquire::PID)?,
            is_standby: row.flag(sql::acquire::STANDBY)?,
            is_read_only: row.text(sql::acquire::READ_ONLY).map(|text| text == "on"),
            is_already_held,
            granted,
            ends: row.text(sql::acquire::ENDS).map(str::to_owned),
            is_heir: row.flag(sql::acquire::HEIR).unwrap_or(false),
        })
    }
}

fn read_token(row: &Row, sources: Sources) -> Option<Token> {
    let timeline = match row.text(sql::acquire::WAL_FILE) {
        Some(wal_file) => token::timeline(wal_file)?,
        None if sources.timeline => return None,
        None => 0,
    };
    let version = row.parse(sql::acquire::VERSION)?;
    let number = token::number(version, timeline, row.parse(sql::acquire::XID)?)?;
    Some(Token { number, system_identifier: row.parse(sql::acquire::SYSTEM_IDENTIFIER), sources })
}

/// Reads the row that answers [`Statement::Sources`](sql::Statement::Sources).
pub(super) fn read_sources(row: &Row) -> Option<Sources> {
    let flush = match (row.flag(sql::sources::MESSAGE)?, row.flag(sql::sources::LARGE_OBJECT)?) {
        (true, _) => Flush::Message,
        (false, true) => Flush::LargeObject,
        (false, false) => Flush::None,
    };
    Some(Sources {
        flush,
        timeline: row.flag(sql::sources::TIMELINE)?,
        system_identifier: row.flag(sql::sources::SYSTEM_IDENTIFIER)?,
    })
}
