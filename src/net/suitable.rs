//! Which sessions will do (`target_session_attrs`).

use super::error::Error;
use crate::conninfo::TargetSessionAttrs;
use crate::proto::Server;

/// Refuses a session that is not what was asked for, by what the server has reported at login.
///
/// Servers before version 14 report nothing of this. Whether they are standbys is asked together with the lock,
/// as everywhere; whether their sessions can write is not asked. So there `read-write` is the same as
/// `primary`, and `read-only` is refused.
pub(super) fn check(wanted: TargetSessionAttrs, server: &Server) -> Result<(), Error> {
    let is_standby = server.in_hot_standby == Some(true);
    match (wanted, server.default_transaction_read_only) {
        // No lock is taken on a standby, though its sessions can't write.
        (TargetSessionAttrs::ReadWrite | TargetSessionAttrs::ReadOnly | TargetSessionAttrs::Primary, _)
            if is_standby =>
        {
            Err(Error::standby(wanted))
        }
        (TargetSessionAttrs::ReadWrite, Some(true)) => Err(Error::Unsuitable(READ_ONLY)),
        (TargetSessionAttrs::ReadOnly, Some(false)) => Err(Error::Unsuitable("session is not read-only")),
        (TargetSessionAttrs::ReadOnly, None) => Err(Error::Unsuitable(
            "server does not report whether the session is read-only, as PostgreSQL 14 and later do",
        )),
        _ => Ok(()),
    }
}

impl Error {
    /// Why a standby will not do, in libpq's words.
    #[must_use]
    pub fn standby(wanted: TargetSessionAttrs) -> Self {
        Self::Unsuitable(match wanted {
            TargetSessionAttrs::ReadWrite => READ_ONLY,
            _ => "server is in hot standby mode",
        })
    }
}

const READ_ONLY: &str = "session is read-only";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_session_is_known_by_what_its_server_reports() {
        use TargetSessionAttrs::{Any, Primary, ReadOnly, ReadWrite};

        let (read_only, standby) = ("session is read-only", "server is in hot standby mode");
        let (writable, silent) = ("session is not read-only", "server does not report whether");
        for (in_hot_standby, default_transaction_read_only, expected) in [
            (Some(false), Some(false), [None, None, Some(writable), None]),
            (Some(false), Some(true), [None, Some(read_only), None, None]),
            (Some(true), Some(false), [None, Some(read_only), Some(standby), Some(standby)]),
            (Some(true), Some(true), [None, Some(read_only), Some(standby), Some(standby)]),
            (None, None, [None, None, Some(silent), None]),
        ] {
            let server = Server { in_hot_standby, default_transaction_read_only, ..Server::default() };
            for (wanted, expected) in [Any, ReadWrite, ReadOnly, Primary].into_iter().zip(expected) {
                let found = check(wanted, &server).err().map(|error| error.to_string());
                let fits = match (&found, expected) {
                    (Some(found), Some(expected)) => found.starts_with(expected),
                    (found, expected) => found.is_none() && expected.is_none(),
                };
                assert!(fits, "{wanted} of {server:?}: {found:?} and not {expected:?}");
            }
        }
    }
}
