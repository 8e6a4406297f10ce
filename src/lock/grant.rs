//! What the server has granted: which lock, in which session, with which fencing token.

use super::key::Key;
use super::request::Mode;
use super::sql::Owner;
use super::token::{Sources, Token};

/// A lock that was granted, as whoever holds it can tell.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    pub(super) key: Key,
    pub(super) mode: Mode,
    pub(super) owner: Owner,
    pub(super) slot: u16,
    pub(super) backend_pid: i32,
    pub(super) token: Token,
}

impl Grant {
    /// The lock's key.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key
    }

    /// Whether holders exclude each other.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Which of the wanted locks it is, from 1.
    #[must_use]
    pub fn slot(&self) -> u16 {
        self.slot
    }

    /// The process id of the backend that holds the lock.
    #[must_use]
    pub fn backend_pid(&self) -> i32 {
        self.backend_pid
    }

    /// The fencing token, drawn after the lock was granted: it grows from holder to holder, also across crashes, promotions and
    /// upgrades of the server, and is below 2^63.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token.number
    }

    /// Which cluster the token is of, where that is known: tokens of different clusters are not comparable.
    #[must_use]
    pub fn system_identifier(&self) -> Option<u64> {
        self.token.system_identifier
    }

    /// What the token was drawn from: [`Sources::ALL`] but for a server that refuses our role a function.
    #[must_use]
    pub fn token_sources(&self) -> Sources {
        self.token.sources
    }
}
