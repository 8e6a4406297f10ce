//! Every SQL statement that heimdall sends or shows, and no way to send another one.

use std::time::Duration;

use super::key::Key;
use crate::proto;

/// All that is ever sent as a Query. Keys are integers, so there is nothing to quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Tries once to take the lock; one row, its columns as in [`acquire`].
    Acquire(Key),
    /// Makes the session last for as long as the client is heard of, and a `lease` longer; one row with the
    /// backend's process id first.
    Keep {
        /// How long the server holds the lock after the client has vanished.
        lease: Duration,
        /// The server's major version; a parameter that it lacks is left out.
        version: u32,
    },
    /// Asks for a sign of life; one row with the backend's process id.
    Beat,
    /// Gives the lock back; one row, `t` where it was held.
    Release(Key),
}

impl proto::Statement for Statement {
    fn sql(&self) -> String {
        match self {
            // The inner query is evaluated first, whole and once: OFFSET 0 and its volatile functions keep the
            // planner from folding it into the outer one. So nothing is locked on a standby, and the token
            // is drawn only after the lock was granted.
            Self::Acquire(key) => format!(
                "SELECT pid, standby, granted, CASE WHEN granted THEN txid_current() END \
                 FROM (SELECT pg_backend_pid() AS pid, pg_is_in_recovery() AS standby, \
                 CASE WHEN pg_is_in_recovery() THEN false ELSE pg_try_advisory_lock({key}) END AS granted \
                 OFFSET 0) AS attempt"
            ),
            Self::Keep { lease, version } => keep(*lease, *version),
            Self::Beat => "SELECT pg_backend_pid()".to_owned(),
            Self::Release(key) => format!("SELECT pg_advisory_unlock({key})"),
        }
    }
}

/// The columns of the row that answers [`Statement::Acquire`].
pub mod acquire {
    /// `pg_backend_pid()`.
    pub const PID: usize = 0;
    /// `t` on a standby, where nothing was tried.
    pub const STANDBY: usize = 1;
    /// `t` where the lock is ours.
    pub const GRANTED: usize = 2;
    /// `txid_current()` where the lock is ours, else NULL.
    pub const TOKEN: usize = 3;
}

/// Settings of the role or the database that would end the session are switched off for it, and TCP gives up a
/// client that is not heard of for a lease, and not before (`man 7 tcp`: with `TCP_USER_TIMEOUT`, that is when
/// the first keepalive probe is due after it).
fn keep(lease: Duration, version: u32) -> String {
    let seconds = lease.as_secs();
    let idle = (seconds / 2).max(1);
    let interval = (seconds / 6).max(1);
    let count = (seconds - idle).div_ceil(interval);
    let settings = [
        ("statement_timeout", 0, 0),
        ("idle_session_timeout", 14, 0),
        ("transaction_timeout", 17, 0),
        ("tcp_keepalives_idle", 0, u128::from(idle)),
        ("tcp_keepalives_interval", 0, u128::from(interval)),
        ("tcp_keepalives_count", 0, u128::from(count)),
        ("tcp_user_timeout", 12, lease.as_millis()),
    ];
    settings
        .into_iter()
        .filter(|(_, since, _)| version >= *since)
        .fold("SELECT pg_backend_pid()".to_owned(), |sql, (name, _, value)| {
            sql + &format!(", set_config('{name}', '{value}', false)")
        })
}

/// What a person types into psql to see the lock: never sent by heimdall.
#[must_use]
pub fn find(key: Key) -> String {
    let (classid, objid, objsubid) = key.in_pg_locks();
    format!(
        "SELECT * FROM pg_locks WHERE locktype = 'advisory' \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND classid = {classid} AND objid = {objid} AND objsubid = {objsubid};"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Statement as _;

    #[test]
    fn a_key_of_either_kind_calls_the_function_of_its_kind() {
        assert_eq!(Statement::Release(Key::Pair(1, -2)).sql(), "SELECT pg_advisory_unlock(1,-2)");
        assert_eq!(
            Statement::Release(Key::Single(i64::MIN)).sql(),
            "SELECT pg_advisory_unlock(-9223372036854775808)"
        );
    }
}
