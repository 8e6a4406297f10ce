//! What is to be locked, as the user calls it.

use std::fmt;

use crate::lock::{Key, LockRequest, Mode};

/// A lock or several, and how to hold them.
#[derive(Debug)]
pub(super) struct Lock {
    pub(super) name: Name,
    pub(super) mode: Mode,
    pub(super) slots: u16,
}

/// One lock, or the first of several slots.
#[derive(Debug)]
pub(super) enum Name {
    Named { namespace: String, name: String },
    Key(Key),
}

impl Name {
    /// Reads what was typed; `None` if it is no name.
    pub(super) fn from_typed(
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
    pub(super) fn key(&self) -> Key {
        match &self.name {
            Name::Named { namespace, name } => Key::named(namespace, name),
            Name::Key(key) => *key,
        }
    }

    /// Returns the name as messages show it, with control characters escaped.
    pub(super) fn short(&self) -> String {
        match &self.name {
            Name::Named { namespace, name } => {
                format!("{}/{}", namespace.escape_debug(), name.escape_debug())
            }
            Name::Key(key) => format!("with key {key}"),
        }
    }

    /// Returns what to ask of the server.
    pub(super) fn request(&self) -> LockRequest {
        match &self.name {
            Name::Named { namespace, name } if self.slots > 1 => {
                LockRequest::slots(namespace, name, self.slots)
            }
            _ => LockRequest::one(self.key(), self.mode),
        }
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
pub(super) const MAX_SLOTS: u16 = LockRequest::MAX_SLOTS;
