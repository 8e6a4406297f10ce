//! The line of those who wait for the same lock: two keys of their own, which no other lock can have.

use sha2::{Digest, Sha256};

use super::key::Key;
use super::request::{LockRequest, Mode};

/// Where one stands who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The heir: it holds the heir's key, and alone tries the lock often.
    Heir,
    /// Behind the heir, whose key it tries.
    Behind,
    /// Not in the line: it does not wait in turn, or its session is a pooler's, where nothing can be held from one try to the
    /// next.
    Outside,
}

/// The keys of a line: advisory locks that say who waits for the same keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Held by the heir.
    pub heir: Key,
    /// Held, shared, by all who wait for an exclusive lock, so that others can see them.
    exclusive: Key,
    /// By those who wait for a shared one.
    shared: Key,
}

impl Line {
    /// Returns the line of those who want the same keys as this request, exclusive or shared.
    #[must_use]
    pub fn of(request: &LockRequest) -> Self {
        Self::from_hash(&request.keys().fold(Sha256::new(), |hash, key| hash.chain_update(bytes(key))))
    }

    /// Returns the lines for one slot of a name, for two, and so on.
    pub(super) fn of_slots(namespace: &str, name: &str) -> impl Iterator<Item = Self> {
        (1..=LockRequest::MAX_SLOTS).scan(Sha256::new(), move |hash, slot| {
            hash.update(bytes(Key::slot(namespace, name, slot)));
            Some(Self::from_hash(hash))
        })
    }

    /// Returns the key held by all who wait to lock in this mode.
    #[must_use]
    pub fn waiters(&self, mode: Mode) -> Key {
        match mode {
            Mode::Exclusive => self.exclusive,
            Mode::Shared => self.shared,
        }
    }

    fn from_hash(wanted: &Sha256) -> Self {
        let key = |purpose: &[u8]| Key::Single(first_half(&wanted.clone().chain_update(purpose).finalize()));
        Self {
            heir: key(b"heimdall: is the heir"),
            exclusive: key(b"heimdall: waits"),
            shared: key(b"heimdall: waits to share"),
        }
    }
}

/// Keys of either kind, none of which looks like another's.
pub(super) fn bytes(key: Key) -> [u8; 10] {
    let (classid, objid, objsubid) = key.in_pg_locks();
    let mut bytes = [0; 10];
    let parts = classid.to_be_bytes().into_iter().chain(objid.to_be_bytes()).chain(objsubid.to_be_bytes());
    bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
    bytes
}

/// The first 64 bits.
pub(super) fn first_half(hash: &[u8]) -> i64 {
    hash.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_set_of_keys_has_a_line_of_its_own() {
        let plain = Line::of(&LockRequest::one(Key::named("joker", "test"), Mode::Exclusive));
        assert_eq!(plain, Line::of(&LockRequest::one(Key::named("joker", "test"), Mode::Shared)));
        let slots = (1..=3).map(|count| Line::of(&LockRequest::slots("joker", "test", count)));
        let slots: Vec<Line> = slots.collect();
        assert_eq!(slots[0], plain);
        assert_eq!(Line::of_slots("joker", "test").take(3).collect::<Vec<_>>(), slots);
        let single = Line::of(&LockRequest::one(Key::from_pg_locks(1, 2, 1), Mode::Exclusive));
        let pair = Line::of(&LockRequest::one(Key::from_pg_locks(1, 2, 2), Mode::Exclusive));
        let keys = |line: Line| [line.heir, line.exclusive, line.shared].map(|key| key.to_string());
        let all: BTreeSet<String> = slots.into_iter().chain([single, pair]).flat_map(keys).collect();
        assert_eq!(all.len(), 15);
    }

    /// Computed once with sha256sum: other versions must find the same keys.
    #[test]
    fn the_keys_of_a_line_stay_the_same() {
        let line = Line::of(&LockRequest::one(Key::named("joker", "test"), Mode::Exclusive));
        assert_eq!(
            (line.heir, line.exclusive),
            (Key::Single(3_574_656_592_502_234_719), Key::Single(-2_002_224_405_474_595_434))
        );
    }
}
