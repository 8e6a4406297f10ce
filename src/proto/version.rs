//! Versions of the protocol: which one a conversation has, and what a server may make of the one asked for.

use std::fmt;

use bytes::Bytes;

use super::text::printable;

/// A version as the wire has it: major << 16 | minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(i32);

impl Version {
    /// Since server version 7.4.
    pub const V3_0: Version = Version(3 << 16);
    /// Since server version 18: longer cancel keys.
    pub const V3_2: Version = Version(3 << 16 | 2);

    /// As the wire has it.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }

    /// What a `NegotiateProtocolVersion` makes of this version, which was asked for without any option.
    ///
    /// # Errors
    /// Anything but an older version that there is and that is not below `oldest`.
    pub(super) fn negotiated(
        self,
        oldest: Version,
        offered: Version,
        unknown: &[Bytes],
    ) -> Result<Version, NegotiationError> {
        if offered > self {
            Err(NegotiationError::Higher)
        } else if offered < Self::V3_0 {
            Err(NegotiationError::Older)
        } else if offered == NEVER_WAS {
            Err(NegotiationError::NeverWas)
        } else if let Some(name) = unknown.first() {
            Err(NegotiationError::Unrequested(printable(name)))
        } else if offered == self {
            Err(NegotiationError::NoChange)
        } else if offered < oldest {
            Err(NegotiationError::BelowOldest { offered, oldest })
        } else {
            Ok(offered)
        }
    }

    /// Checks the length of a cancel key, in bytes.
    ///
    /// # Errors
    /// One that this version does not have.
    pub(super) fn allow_key(self, length: usize) -> Result<(), NegotiationError> {
        match length {
            4 => Ok(()),
            ..=MAX_KEY if length > 4 && self > Self::V3_0 => Ok(()),
            _ => Err(NegotiationError::CancelKey { version: self, length }),
        }
    }
}

impl From<i32> for Version {
    fn from(number: i32) -> Self {
        Self(number)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 >> 16, self.0 & 0xFFFF)
    }
}

/// What is wrong with a server's answer to the version asked for, in libpq's words (`fe-protocol3.c`,
/// `pqGetNegotiateProtocolVersion3` and `getBackendKeyData`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// It wants a newer version.
    #[error("{INVALID}: server requested downgrade to a higher-numbered version")]
    Higher,
    /// It wants one before 3.0.
    #[error("{INVALID}: server requested downgrade to pre-3.0 protocol version")]
    Older,
    /// It wants 3.1.
    #[error("{INVALID}: server requested downgrade to non-existent 3.1 protocol version")]
    NeverWas,
    /// It wants what was asked for.
    #[error("{INVALID}: server negotiated but asks for no changes")]
    NoChange,
    /// It does not know an option that no one has asked for; its name, fit to print.
    #[error("{INVALID}: server reported an unsupported parameter that was not requested (\"{0}\")")]
    Unrequested(String),
    /// It does not speak the oldest version that the user allows.
    #[error(
        "server only supports protocol version {offered}, but \"min_protocol_version\" was set to {oldest}"
    )]
    BelowOldest {
        /// The newest version it speaks.
        offered: Version,
        /// The user's.
        oldest: Version,
    },
    /// It gives out a cancel key of a length that the version does not have.
    #[error(
        "received invalid BackendKeyData message: cancel key with length {length} not allowed in protocol version \
         {version} (must be {} bytes)", key_lengths(*.version)
    )]
    CancelKey {
        /// The version.
        version: Version,
        /// The length, in bytes.
        length: usize,
    },
}

fn key_lengths(version: Version) -> &'static str {
    if version > Version::V3_0 { "4 to 256" } else { "4" }
}

const INVALID: &str = "received invalid protocol negotiation message";

const NEVER_WAS: Version = Version(3 << 16 | 1);

/// The longest cancel key of 3.2 (documentation, "`BackendKeyData`").
const MAX_KEY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_key_has_4_bytes_and_since_3_2_up_to_256() {
        for (version, allowed, refused) in [
            (Version::V3_0, &[4][..], &[0, 3, 5, 32, 256][..]),
            (Version::V3_2, &[4, 5, 32, 256], &[0, 3, 257]),
        ] {
            assert!(allowed.iter().all(|&length| version.allow_key(length).is_ok()), "{version}");
            assert!(refused.iter().all(|&length| version.allow_key(length).is_err()), "{version}");
        }
    }
}
