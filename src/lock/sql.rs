//! Every SQL statement that heimdall sends or shows, and no way to send another one.

use std::time::Duration;

use super::key::Key;
use super::request::{LockRequest, Mode};
use crate::proto::Query;

/// All that is ever sent as a Query. Keys are integers, so there is nothing to quote. Functions, operators, types and
/// views are named with their schema, so that no `search_path` can put others in their place; COALESCE, CASE and ORDER BY
/// look nothing up by a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Tries once to take the first free lock; one row, its columns as in `acquire`.
    Acquire(LockRequest),
    /// Makes the session last for as long as the client is heard of, and a lease longer; one row with the
    /// backend's process id first.
    Settings {
        /// How long the server holds the lock after the client has vanished, in TCP's terms; `None` where TCP ends
        /// at a pooler.
        lease: Option<Duration>,
        /// The server's major version; a parameter that it lacks is left out.
        version: u32,
    },
    /// Asks for a sign of life; one row with the backend's process id.
    Ping,
    /// Gives the lock back; one row, `t` where it was held.
    Release(Key, Mode),
    /// Who holds these locks, or any of this database, and who waits for them; rows with columns as in `holders`.
    Holders(Option<Vec<Key>>),
}

impl Statement {
    /// As it is sent.
    #[must_use]
    pub fn query(&self) -> Query {
        Query::new(&self.sql())
    }

    fn sql(&self) -> String {
        match self {
            Self::Acquire(request) => acquire(request),
            Self::Settings { lease, version } => settings(*lease, *version),
            Self::Ping => "SELECT pg_catalog.pg_backend_pid()".to_owned(),
            Self::Release(key, mode) => {
                format!("SELECT pg_catalog.pg_advisory_unlock{}({key})", suffix(*mode))
            }
            Self::Holders(keys) => holders(keys.as_deref()),
        }
    }
}

/// The column of the rows that answer [`Statement::Settings`] and [`Statement::Ping`]: `pg_backend_pid()`.
pub const PID: usize = 0;

/// The column of the row that answers [`Statement::Release`].
pub mod release {
    /// `t` where the lock was held.
    pub const WAS_HELD: usize = 0;
}

/// The inner query is evaluated first, whole and once: OFFSET 0 and its volatile functions keep the planner from
/// folding it into the outer one. So nothing is locked on a standby, and the token is drawn only after the lock
/// was granted. CASE stops at the first slot that is granted.
fn acquire(request: &LockRequest) -> String {
    let try_lock = format!("pg_catalog.pg_try_advisory_lock{}", suffix(request.mode()));
    let slots = request
        .keys()
        .zip(1..)
        .fold(String::new(), |slots, (key, slot)| slots + &format!(" WHEN {try_lock}({key}) THEN {slot}"));
    format!(
        "SELECT pid, standby, slot, CASE WHEN slot OPERATOR(pg_catalog.>) 0 THEN pg_catalog.txid_current() END, \
         pg_catalog.current_setting('transaction_read_only') \
         FROM (SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.pg_is_in_recovery() AS standby, \
         CASE WHEN pg_catalog.pg_is_in_recovery() THEN 0{slots} ELSE 0 END AS slot OFFSET 0) AS attempt"
    )
}

/// The columns of the row that answers [`Statement::Acquire`].
pub mod acquire {
    /// `pg_backend_pid()`.
    pub const PID: usize = 0;
    /// `t` on a standby, where nothing was tried.
    pub const STANDBY: usize = 1;
    /// The number of the lock that is ours, from 1; 0 where none is.
    pub const SLOT: usize = 2;
    /// `txid_current()` where a lock is ours, else NULL.
    pub const TOKEN: usize = 3;
    /// `on` where the session's transactions can't write, else `off`.
    pub const READ_ONLY: usize = 4;
}

/// What PostgreSQL's functions for shared locks have at the end of their names.
fn suffix(mode: Mode) -> &'static str {
    match mode {
        Mode::Exclusive => "",
        Mode::Shared => "_shared",
    }
}

/// Settings of the role or the database that would end the session are switched off for it, and TCP gives up a
/// client that is not heard of for a lease, and not before (`man 7 tcp`: with `TCP_USER_TIMEOUT`, that is when
/// the first keepalive probe is due after it).
fn settings(lease: Option<Duration>, version: u32) -> String {
    let mut settings =
        vec![("statement_timeout", 0, 0), ("idle_session_timeout", 14, 0), ("transaction_timeout", 17, 0)];
    if let Some(lease) = lease {
        let seconds = lease.as_secs();
        let idle = (seconds / 2).max(1);
        let interval = (seconds / 6).max(1);
        let count = seconds.saturating_sub(idle).div_ceil(interval);
        settings.extend([
            ("tcp_keepalives_idle", 0, u128::from(idle)),
            ("tcp_keepalives_interval", 0, u128::from(interval)),
            ("tcp_keepalives_count", 0, u128::from(count)),
            ("tcp_user_timeout", 12, lease.as_millis()),
        ]);
    }
    settings
        .into_iter()
        .filter(|(_, since, _)| version >= *since)
        .fold("SELECT pg_catalog.pg_backend_pid()".to_owned(), |sql, (name, _, value)| {
            sql + &format!(", pg_catalog.set_config('{name}', '{value}', false)")
        })
}

/// A role that may not see others' sessions gets NULL for `backend_start`; the address is NULL for Unix sockets too.
fn holders(keys: Option<&[Key]>) -> String {
    format!(
        "SELECT l.classid, l.objid, l.objsubid, l.mode OPERATOR(pg_catalog.=) 'ShareLock', l.granted, l.pid, a.application_name, \
         CASE WHEN a.backend_start IS NOT NULL THEN \
         COALESCE(pg_catalog.host(a.client_addr), 'local') END, \
         pg_catalog.to_char(pg_catalog.timezone('UTC', a.backend_start), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
         FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid \
         WHERE {} ORDER BY 1, 2, 3, l.granted DESC, a.backend_start",
        condition("l.", keys)
    )
}

/// The columns of the rows that answer [`Statement::Holders`].
pub mod holders {
    /// `pg_locks.classid`.
    pub const CLASSID: usize = 0;
    /// `pg_locks.objid`.
    pub const OBJID: usize = 1;
    /// `pg_locks.objsubid`.
    pub const OBJSUBID: usize = 2;
    /// `t` for a shared lock.
    pub const SHARED: usize = 3;
    /// `t` where it is held, `f` where it is waited for.
    pub const GRANTED: usize = 4;
    /// The backend's process id; NULL for a prepared transaction.
    pub const PID: usize = 5;
    /// `application_name`.
    pub const APPLICATION: usize = 6;
    /// The client's address, or `local`; NULL where the role may not see it.
    pub const CLIENT: usize = 7;
    /// `backend_start` in RFC 3339; NULL where the role may not see it.
    pub const SINCE: usize = 8;
}

/// What a person types into psql to see the locks: never sent by heimdall.
#[must_use]
pub fn find(keys: &[Key]) -> String {
    format!("SELECT * FROM pg_catalog.pg_locks WHERE {};", condition("", Some(keys)))
}

/// What a person types into psql to end the sessions that hold the locks: never sent by heimdall.
#[must_use]
pub fn terminate(keys: &[Key]) -> String {
    format!(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_locks WHERE granted AND {};",
        condition("", Some(keys))
    )
}

fn condition(table: &str, keys: Option<&[Key]>) -> String {
    let condition = format!(
        "{table}locktype OPERATOR(pg_catalog.=) 'advisory' AND {table}database OPERATOR(pg_catalog.=) \
         (SELECT oid FROM pg_catalog.pg_database \
         WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())"
    );
    let Some(keys) = keys else { return condition };
    let halves = keys.iter().map(|key| key.in_pg_locks()).map(|(classid, objid, objsubid)| {
        format!(
            "{table}classid OPERATOR(pg_catalog.=) '{classid}'::pg_catalog.oid \
             AND {table}objid OPERATOR(pg_catalog.=) '{objid}'::pg_catalog.oid \
             AND {table}objsubid OPERATOR(pg_catalog.=) {objsubid}"
        )
    });
    let halves: Vec<String> = halves.collect();
    match halves.as_slice() {
        [one] => format!("{condition} AND {one}"),
        several => format!("{condition} AND ({})", several.join(" OR ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_either_kind_calls_the_function_of_its_kind() {
        assert_eq!(
            Statement::Release(Key::Pair(1, -2), Mode::Exclusive).sql(),
            "SELECT pg_catalog.pg_advisory_unlock(1,-2)"
        );
        assert_eq!(
            Statement::Release(Key::Single(i64::MIN), Mode::Shared).sql(),
            "SELECT pg_catalog.pg_advisory_unlock_shared(-9223372036854775808)"
        );
    }

    #[test]
    fn slots_are_tried_one_after_the_other_in_one_statement() {
        let sql = Statement::Acquire(LockRequest::slots("joker", "test", 2)).sql();
        let tries = " WHEN pg_catalog.pg_try_advisory_lock(856429646,-1137964055) THEN 1 \
                     WHEN pg_catalog.pg_try_advisory_lock(856429646,-158328310) THEN 2 ELSE";
        assert!(sql.contains(tries), "{sql}");
    }

    #[test]
    fn a_server_is_not_told_of_parameters_that_it_lacks() {
        let lease = Some(Duration::from_secs(60));
        let old = Statement::Settings { lease, version: 11 }.sql();
        assert!(old.contains("'tcp_keepalives_idle', '30'") && !old.contains("tcp_user_timeout"), "{old}");
        let new = Statement::Settings { lease, version: 17 }.sql();
        assert!(new.contains("'tcp_user_timeout', '60000'") && new.contains("transaction_timeout"), "{new}");
        let pooled = Statement::Settings { lease: None, version: 17 }.sql();
        assert!(!pooled.contains("tcp_") && pooled.contains("idle_session_timeout"), "{pooled}");
    }
}
