//! What is to be locked: one key or the first free one of several, exclusively or shared.

use std::time::Duration;

use super::key::Key;
use super::lease;

/// Whether holders exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One holder.
    Exclusive,
    /// Any number of holders, while there is no exclusive one.
    Shared,
}

impl Mode {
    pub(super) const ALL: [Self; 2] = [Self::Exclusive, Self::Shared];
}

/// The keys of which the first free one is taken, and how. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRequest {
    first: Key,
    others: Vec<Key>,
    mode: Mode,
    lease: Option<Duration>,
    heeds_stop: bool,
}

impl LockRequest {
    /// More slots than anyone needs, and few enough for one statement.
    pub const MAX_SLOTS: u16 = 1000;

    /// One key.
    #[must_use]
    pub fn one(key: Key, mode: Mode) -> Self {
        Self { first: key, others: Vec::new(), mode, lease: None, heeds_stop: false }
    }

    /// Up to so many holders at once, one at least and [`LockRequest::MAX_SLOTS`] at most: slot 1 of a name is the name itself,
    /// slot i is `NAME#i`.
    #[must_use]
    pub fn slots(namespace: &str, name: &str, count: u16) -> Self {
        let others = (2..=count.min(Self::MAX_SLOTS)).map(|slot| Key::slot(namespace, name, slot)).collect();
        Self {
            first: Key::named(namespace, name),
            others,
            mode: Mode::Exclusive,
            lease: None,
            heeds_stop: false,
        }
    }

    /// The same, where the server is to free the lock so long after this host has vanished, from the moment on at which it is
    /// granted. Otherwise it knows of a lease once [`Guard::start_heartbeat`](super::Guard::start_heartbeat) was called, and
    /// keeps the lock of a host that vanishes before for as long as its TCP does, which may be hours. A lease that is shorter
    /// than [`MIN_LEASE`](super::MIN_LEASE) or longer than [`MAX_LEASE`](super::MAX_LEASE) counts as that one.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease: Some(lease::bounded(lease)), ..self }
    }

    /// The same, for a holder that can be asked to stop: it looks at [`Guard::asker`](super::Guard::asker).
    #[cfg(feature = "cli")]
    pub(crate) fn heeding_stop(self) -> Self {
        Self { heeds_stop: true, ..self }
    }

    /// All keys, in the order in which they are tried.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }

    /// The key of a slot, the first of which is 1.
    #[must_use]
    pub fn key(&self, slot: u16) -> Option<Key> {
        self.keys().nth(usize::from(slot.checked_sub(1)?))
    }

    pub(super) fn lease(&self) -> Option<Duration> {
        self.lease
    }

    pub(super) fn heeds_stop(&self) -> bool {
        self.heeds_stop
    }

    /// Whether holders exclude each other.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_1_is_the_name_and_slot_i_has_its_number() {
        let slots = LockRequest::slots("joker", "test", 3);
        assert_eq!(slots.key(1), Some(Key::named("joker", "test")));
        assert_eq!(slots.key(3), Some(Key::named("joker", "test#3")));
        assert_eq!((slots.key(0), slots.key(4)), (None, None));
        let count = |count| LockRequest::slots("joker", "test", count).keys().count();
        assert_eq!([0, 1, 3, 1000, 1001, u16::MAX].map(count), [1, 1, 3, 1000, 1000, 1000]);
    }
}
