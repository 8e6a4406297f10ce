//! What is to be locked, as the user calls it.

use std::fmt;

use crate::lock::{Holder, Key, LockRequest, Mode};

/// A lock or several, and how to hold them.
#[derive(Debug)]
pub(in crate::cli) struct Lock {
    pub(in crate::cli) name: Name,
    pub(in crate::cli) mode: Mode,
    pub(in crate::cli) slots: u16,
}

/// One lock, or the first of several slots.
#[derive(Debug)]
pub(in crate::cli) enum Name {
    Named { namespace: String, name: String },
    Key(Key),
}

impl Name {
    /// Reads what was typed; `None` if it is no name.
    pub(in crate::cli) fn from_typed(
        key: Option<Key>,
        namespace: Option<String>,
        name: Option<String>,
    ) -> Option<Self> {
        match (key, name) {
            (Some(key), _) => Some(Self::Key(key)),
            (None, Some(name)) => Some(Self::Named {
                namespace: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
                name,
            }),
            (None, None) => None,
        }
    }

    /// Whether it is a name without a letter, which no one means.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Named { name, .. } if name.is_empty())
    }
}

impl Lock {
    /// Returns the key of the first slot, which is that of the plain lock.
    pub(in crate::cli) fn key(&self) -> Key {
        match &self.name {
            Name::Named { namespace, name } => Key::named(namespace, name),
            Name::Key(key) => *key,
        }
    }

    /// Returns the name as messages show it, with control characters escaped.
    pub(in crate::cli) fn short(&self) -> String {
        match &self.name {
            Name::Named { namespace, name } => {
                format!("{}/{}", namespace.escape_debug(), name.escape_debug())
            }
            Name::Key(key) => format!("with key {key}"),
        }
    }

    /// Returns what to ask of the server.
    pub(in crate::cli) fn request(&self) -> LockRequest {
        match &self.name {
            Name::Named { namespace, name } if self.slots > 1 => {
                LockRequest::slots(namespace, name, self.slots)
            }
            _ => LockRequest::one(self.key(), self.mode),
        }
    }

    /// Returns the keys of all slots that this lock may have elsewhere; a raw key has none.
    pub(in crate::cli) fn all_slots(&self) -> Vec<Key> {
        match &self.name {
            Name::Named { namespace, name } => {
                LockRequest::slots(namespace, name, MAX_SLOTS).keys().collect()
            }
            Name::Key(_) => Vec::new(),
        }
    }

    /// Returns what to say where one of these holds such a slot beyond ours.
    pub(in crate::cli) fn further_slots(&self, holders: &[Holder]) -> Option<String> {
        let is_held = |key: &Key| holders.iter().any(|holder| holder.is_granted && holder.key == *key);
        let enough = self.all_slots().iter().rposition(is_held)? + 1;
        (enough > usize::from(self.slots))
            .then(|| format!("further slots of the lock {} are held: give --slots {enough}", self.short()))
    }
}

/// As messages show it to those who want to know all.
impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Name::Named { .. } => write!(f, "{} (key {})", self.short(), self.key()),
            Name::Key(_) => f.write_str(&self.short()),
        }
    }
}

/// The default of `--namespace`.
const DEFAULT_NAMESPACE: &str = "heimdall";

/// What `--slots` takes.
pub(in crate::cli) const MAX_SLOTS: u16 = LockRequest::MAX_SLOTS;
