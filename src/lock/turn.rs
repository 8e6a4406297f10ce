//! The rules of the line of those who wait: when each tries the lock, and where it stands. No server in here.

use super::line::Place;

/// When a session tries the lock that others wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// At once, whoever waits.
    Any,
    /// At once if there is no heir. Nothing is held when the transaction has ended.
    First,
    /// It enters the line, tries the heir's key and, where that is granted, the lock.
    Enter,
    /// In the line already, it tries the heir's key and, where that is granted, the lock.
    Stay {
        /// Whether it tries the lock also where it is not the heir.
        overtakes: bool,
    },
    /// It is the heir. The key is not tried again: it would have to be given up as often as it was granted.
    Heir,
}

impl Turn {
    /// Returns how to try again once in the line, overtaking its heir or not.
    #[must_use]
    pub fn again(self, overtakes: bool) -> Self {
        match self {
            Self::Stay { .. } => Self::Stay { overtakes },
            turn => turn,
        }
    }

    /// Returns the next turn of one that was not granted the lock; `is_heir` is what the server has answered. A pooler's
    /// session keeps nothing from one try to the next.
    #[must_use]
    pub fn next(self, is_heir: bool, is_pooled: bool) -> Self {
        match self {
            Self::Any => Self::Any,
            _ if is_pooled => Self::Any,
            Self::First => Self::Enter,
            Self::Enter | Self::Stay { .. } | Self::Heir if is_heir => Self::Heir,
            Self::Enter | Self::Stay { .. } | Self::Heir => Self::Stay { overtakes: false },
        }
    }

    /// Returns the turn after an attempt that has failed, and left the session with nothing that it held in the line.
    #[must_use]
    pub fn after_failure(self) -> Self {
        match self {
            Self::Any | Self::First => self,
            Self::Enter | Self::Stay { .. } | Self::Heir => Self::Enter,
        }
    }

    /// Whether nothing is held in the line yet.
    #[must_use]
    pub fn is_outside(self) -> bool {
        matches!(self, Self::Any | Self::First)
    }

    /// Returns where one stands whose turn this is.
    #[must_use]
    pub fn place(self) -> Place {
        match self {
            Self::Any => Place::Outside,
            Self::Heir => Place::Heir,
            Self::First | Self::Enter | Self::Stay { .. } => Place::Behind,
        }
    }
}
