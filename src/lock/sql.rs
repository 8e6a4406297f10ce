//! Every SQL statement that heimdall sends or shows, and no way to send another one.

use super::key::Key;
use crate::proto;

/// All that is ever sent as a Query. Keys are integers, so there is nothing to quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// Tries once to take the lock; one row, its columns as in [`acquire`].
    Acquire(Key),
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
