//! A password in memory that no `Debug` prints.

use std::fmt;

/// What is printed where a secret stands.
pub(super) const MASK: &str = "********";

/// A password.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a password into custody.
    #[must_use]
    pub fn new(password: impl Into<String>) -> Secret {
        Secret(password.into())
    }

    /// The password itself, for the proof of identity and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_a_mask() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(********)");
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }
}
