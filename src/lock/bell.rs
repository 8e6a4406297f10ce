//! How the holder of a lock is asked to stop its work: by a second key, which belongs to its session and to the lock.
//!
//! Who asks holds that key, shared, in a session named [`ASKER`](sql::ASKER), until the lock is free. The holder tries the
//! key with each sign of life that it asks for. If it can't have it, it asks who does: only a session whose role may end the
//! holder's session anyway, as it has the privileges of the holder's role or is a superuser, is believed.

use sha2::{Digest, Sha256};

use super::key::Key;
use super::line::{bytes, first_half};
use super::sql;
use crate::proto::Row;
use crate::proto::text::printable;

/// Returns the key by which this session of the server is asked to stop what it does under this lock.
#[must_use]
pub fn bell(key: Key, backend_pid: i32) -> Key {
    let hash = Sha256::new()
        .chain_update(bytes(key))
        .chain_update(backend_pid.to_be_bytes())
        .chain_update(b"heimdall: is asked to stop");
    Key::Single(first_half(&hash.finalize()))
}

/// Who has asked, as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asker {
    /// The process of the server.
    pub(crate) pid: i32,
    /// The role that it has logged in as.
    pub(crate) role: String,
    /// Its `application_name`, fit to print.
    pub(crate) application: String,
    /// The client's address, or `local` for a Unix socket, where our role may see it.
    pub(crate) client: Option<String>,
}

impl Asker {
    /// Reads one row of the answer to [`Statement::Askers`](sql::Statement::Askers).
    pub(super) fn read(row: &Row) -> Option<Self> {
        let text = |column| Some(printable(row.text(column)?.as_bytes()));
        Some(Self {
            pid: row.parse(sql::askers::PID)?,
            role: text(sql::askers::ROLE)?,
            application: text(sql::askers::APPLICATION)?,
            client: text(sql::askers::CLIENT),
        })
    }
}

/// What the holder of a lock knows of its bell.
#[derive(Debug)]
pub(super) struct Bell {
    pub(super) key: Key,
    /// The statement whose answer is awaited.
    asked: Asked,
    /// Whether the key was not to be had, and it is not known yet who has it.
    has_rung: bool,
    asker: Option<Asker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Other,
    /// Whether the bell rings.
    Bell,
    /// Who rings it.
    Askers,
}

impl Bell {
    pub(super) fn new(key: Key, backend_pid: i32) -> Self {
        Self { key: bell(key, backend_pid), asked: Asked::Other, has_rung: false, asker: None }
    }

    /// Who has asked.
    pub(super) fn asker(&self) -> Option<&Asker> {
        self.asker.as_ref()
    }

    /// Whether it is to be asked who rings.
    pub(super) fn has_rung(&self) -> bool {
        self.has_rung
    }

    /// Something was asked that has nothing to do with it.
    pub(super) fn sent_other(&mut self) {
        self.asked = Asked::Other;
    }

    /// A sign of life was asked for.
    pub(super) fn sent_ping(&mut self) {
        self.asked = Asked::Bell;
    }

    /// It was asked who rings. Until the next sign of life that is enough, whoever it is.
    pub(super) fn sent_question(&mut self) {
        (self.asked, self.has_rung) = (Asked::Askers, false);
    }

    /// Reads a row of an answer; tells whether it was one to a question of the bell's.
    pub(super) fn read(&mut self, row: &Row) -> bool {
        match self.asked {
            Asked::Other => return false,
            Asked::Bell => self.has_rung = row.flag(sql::ping::RINGS) == Some(true) && self.asker.is_none(),
            Asked::Askers if self.asker.is_none() => self.asker = Asker::read(row),
            Asked::Askers => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_session_has_a_bell_of_its_own_for_each_lock() {
        let locks = [Key::Pair(1, 2), Key::Single(1), Key::from_pg_locks(1, 2, 1)];
        let bells = locks.iter().flat_map(|lock| [7, 8].map(|pid| bell(*lock, pid).to_string()));
        assert_eq!(bells.collect::<BTreeSet<_>>().len(), 6);
    }

    /// Computed once with sha256sum: other versions must find the same key.
    #[test]
    fn the_key_of_a_bell_stays_the_same() {
        assert_eq!(bell(Key::named("joker", "test"), 42), Key::Single(4_046_389_859_018_671_757));
    }
}
