//! Which sessions are accepted (`target_session_attrs`).

use super::error::Error;
use crate::conninfo::TargetSessionAttrs;

/// Refuses a session that is not what was asked for, by what is known so far.
///
/// Servers before version 14 report nothing of this at login; there it comes with the answer to the first statement.
pub(super) fn check(
    wanted: TargetSessionAttrs,
    is_standby: Option<bool>,
    is_read_only: Option<bool>,
) -> Result<(), Error> {
    match (wanted, is_read_only) {
        (TargetSessionAttrs::Any, _) => Ok(()),
        // No lock is taken on a standby, though its sessions can't write.
        _ if is_standby == Some(true) => Err(standby(wanted)),
        (TargetSessionAttrs::ReadWrite, Some(true)) => Err(Error::Unsuitable(READ_ONLY)),
        (TargetSessionAttrs::ReadOnly, Some(false)) => Err(Error::Unsuitable("session is not read-only")),
        _ => Ok(()),
    }
}

/// Why a standby is not accepted, in libpq's own text.
pub(super) fn standby(wanted: TargetSessionAttrs) -> Error {
    Error::Unsuitable(match wanted {
        TargetSessionAttrs::ReadWrite => READ_ONLY,
        _ => "server is in hot standby mode",
    })
}

const READ_ONLY: &str = "session is read-only";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_session_is_known_by_what_its_server_reports() {
        use TargetSessionAttrs::{Any, Primary, ReadOnly, ReadWrite};

        let (read_only, standby) = ("session is read-only", "server is in hot standby mode");
        let writable = "session is not read-only";
        for (is_standby, is_read_only, expected) in [
            (Some(false), Some(false), [None, None, Some(writable), None]),
            (Some(false), Some(true), [None, Some(read_only), None, None]),
            (Some(true), Some(false), [None, Some(read_only), Some(standby), Some(standby)]),
            (Some(true), Some(true), [None, Some(read_only), Some(standby), Some(standby)]),
            (None, None, [None; 4]),
        ] {
            for (wanted, expected) in [Any, ReadWrite, ReadOnly, Primary].into_iter().zip(expected) {
                let found = check(wanted, is_standby, is_read_only).err().map(|error| error.to_string());
                assert_eq!(found.as_deref(), expected, "{wanted}: {is_standby:?} {is_read_only:?}");
            }
        }
    }
}
