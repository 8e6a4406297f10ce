//! Every SQL statement that heimdall sends or shows, and no way to send another one.

use std::time::Duration;

use super::key::Key;
use super::line::Line;
use super::request::{LockRequest, Mode};
pub use super::settings::Settings;
use super::settings::heir_timeout;
use super::token::{self, Flush, Sources};
pub use super::turn::Turn;
use crate::proto::Query;

/// All that is ever sent as a Query. Keys are integers, so there is nothing to quote. Functions, operators, types and
/// views are named with their schema, so that no `search_path` can put others in their place; COALESCE, CASE, EXISTS and
/// ORDER BY look nothing up by a name.
///
/// No statement runs in the role's default isolation level: a serializable, read-only and deferrable transaction waits for
/// a safe snapshot before it does anything. Nor does the role's `statement_timeout` apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Tries once to take the first free lock; one row, its columns as in `acquire`.
    Acquire {
        /// Which lock.
        request: LockRequest,
        /// Where it is tried. Unless the session is ours, a transaction is left open, though not that of the attempt: a
        /// pooler gives a session that is inside one to no one else, so the next message reaches the same session.
        owner: Owner,
        /// In which order with those who wait.
        turn: Turn,
        /// What the token is drawn from.
        sources: Sources,
    },
    /// After an attempt has failed: which of its functions the server lets us draw a token from; one row, its columns as in
    /// `sources`. If the session is ours, nothing of the attempt stays in it.
    Sources(Owner),
    /// Since when the server has kept its locks; one row, its columns as in `age`. A pooler's session stays in its transaction.
    Age(Owner),
    /// Ends the transaction that [`Statement::Acquire`] has left open.
    Commit,
    /// The same, and from then on settings of the session are in force as they were in that transaction; one row, its columns
    /// as in `settings`.
    Keep(Settings),
    /// Puts settings into force; one row, its columns as in `settings`. Settings for a transaction are preceded by the end
    /// of the one that is open and the beginning of another, which is left open.
    Settings(Settings),
    /// Asks for a sign of life. Without a key it is an empty query, which needs no snapshot and has no row; with the key of the
    /// session's bell (`lock/bell`) it is also asked whether that rings, and answered by one row, its columns as in `ping`.
    Ping(Option<Key>),
    /// Who rings this bell and may be heeded: rows with columns as in `askers`.
    Askers(Key),
    /// Gives the lock back; one row, its column as in `release`. Unless the session is ours, the open transaction is ended
    /// first, in the same message.
    Release {
        /// Which lock.
        key: Key,
        /// How it was taken.
        mode: Mode,
        /// Where.
        owner: Owner,
    },
    /// Settings that would matter to a session that holds a lock, and that the role, the database or the server has others
    /// than PostgreSQL's own of; rows with columns as in `role_settings`.
    RoleSettings,
    /// Who holds these locks, and who waits for them; rows with columns as in `holders`.
    Holders(Vec<Key>),
    /// The same of those who hold them, and whether we may have them stop; rows with columns as in `stoppable`.
    Stoppable(Vec<Key>),
    /// Rings these bells, as far as no one else has them alone; one row, its columns as in `ring`.
    Ring(Vec<Key>),
    /// As [`Statement::Holders`] for a client that has not asked for a lock, of these locks or of any of this database: one
    /// row, its columns as in `acquire` as far as `STANDBY`, and then those rows.
    List(Option<Vec<Key>>),
}

/// Whose session of the server a statement runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Ours: we are connected to the server itself.
    Us,
    /// Ours or a pooler's: the first answer shows which.
    Unknown,
    /// A pooler's: other clients had it before, and may have left locks in it.
    Pooler,
}

/// What a holder says of itself in front of a statement, where those who may end its session see it (`pg_stat_activity`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It can be asked to stop.
    Heeds,
    /// It was asked, and is about to.
    Stops,
}

impl Mark {
    /// Both ways to say it.
    pub const ALL: [Self; 2] = [Self::Heeds, Self::Stops];

    /// As it stands in front of a statement.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Heeds => "/* heimdall heeds --stop */ ",
            Self::Stops => "/* heimdall is stopping */ ",
        }
    }
}

impl Statement {
    /// As it is sent.
    #[must_use]
    pub fn query(&self) -> Query {
        Query::new(&self.sql())
    }

    /// The same, behind what the session says of itself.
    #[must_use]
    pub fn marked(&self, mark: Option<Mark>) -> Query {
        Query::new(&(mark.map_or("", Mark::text).to_owned() + &self.sql()))
    }

    fn sql(&self) -> String {
        match self {
            Self::Acquire { request, owner: Owner::Us, turn, sources } => {
                alone(&acquire(request, Owner::Us, *turn, *sources))
            }
            Self::Acquire { request, owner, turn, sources } => {
                let attempt = acquire(request, *owner, *turn, *sources);
                let settings = set_known(&Settings::of_attempt(request.lease()));
                format!("{BEGIN}; {NO_TIMEOUT}; {attempt}; COMMIT; {BEGIN}; {NO_TIMEOUT}; {settings}")
            }
            Self::Sources(owner) => alone(&sources(*owner)),
            Self::Age(Owner::Us) => alone(AGE),
            Self::Age(_) => AGE.to_owned(),
            Self::Commit => "COMMIT".to_owned(),
            // The role's time-out would be in force again from the end of one transaction until it is switched off in the next.
            Self::Keep(settings) => format!("SET statement_timeout = 0; COMMIT; {}", alone(&set(settings))),
            Self::Settings(settings) if settings.is_local() => {
                format!("COMMIT; {BEGIN}; {NO_TIMEOUT}; {}", set(settings))
            }
            Self::Settings(settings) => alone(&set(settings)),
            Self::Ping(None) => "-- heimdall: a sign of life".to_owned(),
            Self::Ping(Some(bell)) => format!("/* heimdall: a sign of life */ {}", hasty(&rings(*bell))),
            Self::Askers(bell) => hasty(&askers(*bell)),
            Self::Release { key, mode, owner: Owner::Us } => alone(&release(*key, *mode)),
            Self::Release { key, mode, owner: _ } => format!("COMMIT; {}", alone(&release(*key, *mode))),
            Self::RoleSettings => alone(ROLE_SETTINGS),
            Self::Holders(keys) => alone(&holders(Some(keys), "")),
            Self::Stoppable(keys) => alone(&holders(Some(keys), STOPPABLE)),
            Self::Ring(bells) => alone(&ring(bells)),
            Self::List(keys) => alone(&format!(
                "SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(); {}",
                holders(keys.as_deref(), "")
            )),
        }
    }
}

/// In a transaction of its own, as the statements of one Query are.
fn alone(select: &str) -> String {
    format!("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {NO_TIMEOUT}; {select}")
}

/// The same, where a holder's next sign of life must not wait for it: not for a lock on a table of the catalog, for instance.
/// The shortest lease gives the server 667 ms.
fn hasty(select: &str) -> String {
    format!("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 500; {select}")
}

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const NO_TIMEOUT: &str = "SET LOCAL statement_timeout = 0";

/// The inner query is evaluated first, whole and once: OFFSET 0 and its volatile functions keep the planner from
/// folding it into the outer one. So nothing is locked on a standby, and the token is drawn only after the lock
/// was granted. CASE stops at the first slot that is granted. Who is granted one leaves the line in the same statement.
///
/// What is granted there ends with the transaction, and the session takes it over once all has been done that can fail, which
/// the server does from left to right: a statement that fails leaves no lock behind. What follows where a lock is granted
/// only reads the connection's addresses, gives up the place in the line and sets a time-out.
fn acquire(request: &LockRequest, owner: Owner, turn: Turn, sources: Sources) -> String {
    let suffix = suffix(request.mode());
    let slots = request.keys().zip(1..).fold(String::new(), |sql, (key, slot)| {
        sql + &format!(" WHEN pg_catalog.pg_try_advisory_xact_lock{suffix}({key}) THEN {slot}")
    });
    let keep = request.keys().zip(1..).fold(String::new(), |sql, (key, slot)| {
        sql + &format!(
            " WHEN slot OPERATOR(pg_catalog.=) {slot} THEN pg_catalog.pg_try_advisory_lock{suffix}({key})"
        )
    });
    // A session is granted once more what it holds already, whichever client took it.
    let reentrant = match owner {
        Owner::Us | Owner::Unknown => String::new(),
        Owner::Pooler => {
            let keys: Vec<Key> = request.keys().collect();
            format!(
                " WHEN EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE {} AND l.granted \
                 AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()) THEN {}",
                condition("l.", Some(&keys)),
                acquire::ALREADY_HELD
            )
        }
    };
    let line = Line::of(request);
    let waiters = line.waiters(request.mode());
    let heir = heir(line.heir, turn);
    let is_heir = if heir.is_empty() { "" } else { "heir, " };
    let waits = match turn {
        Turn::Any | Turn::Heir | Turn::Stay { overtakes: true } => "",
        Turn::First | Turn::Enter | Turn::Stay { overtakes: false } => " WHEN NOT heir THEN 0",
    };
    let leave = match turn {
        Turn::Any | Turn::First => String::new(),
        Turn::Enter | Turn::Stay { .. } | Turn::Heir => {
            place(line.heir, waiters, turn) + &bind_heir(request.lease())
        }
    };
    let if_granted = |value: &str| format!("CASE WHEN {GRANTED} THEN {value} END");
    format!(
        "SELECT pid, standby, slot, {}, pg_catalog.current_setting('transaction_read_only'), \
         pg_catalog.current_setting('server_version_num'), {}, {}, CASE{keep} END, {ENDS}{leave} \
         FROM (SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.pg_is_in_recovery() AS standby, {is_heir}\
         CASE WHEN pg_catalog.pg_is_in_recovery() THEN 0{waits}{reentrant}{slots} ELSE 0 END AS slot{heir} OFFSET 0) AS attempt",
        if_granted(&xid(sources.flush)),
        if_granted(if sources.timeline { WAL_FILE } else { "NULL" }),
        if_granted(if sources.system_identifier { SYSTEM_IDENTIFIER } else { "NULL" }),
    )
}

const GRANTED: &str = "slot OPERATOR(pg_catalog.>) 0";

/// Who is the heir, from where the attempt selects it. It is evaluated before the attempt, as that is before the token.
fn heir(heir: Key, turn: Turn) -> String {
    let heir = match turn {
        Turn::Any => return String::new(),
        Turn::First | Turn::Enter | Turn::Stay { .. } => {
            format!("pg_catalog.pg_try_advisory_xact_lock({heir})")
        }
        Turn::Heir => "true".to_owned(),
    };
    format!(
        " FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN false ELSE {heir} END AS heir OFFSET 0) AS line"
    )
}

/// Whether the session is the heir after the attempt, and its place in the line, which it gives up where it is granted the
/// lock. As with the lock, what is new is the session's at the end.
fn place(heir: Key, waiters: Key, turn: Turn) -> String {
    let is_heir = match turn {
        Turn::Heir => {
            format!("CASE WHEN {GRANTED} THEN NOT pg_catalog.pg_advisory_unlock({heir}) ELSE heir END")
        }
        _ => format!(
            "CASE WHEN {GRANTED} THEN false WHEN heir THEN pg_catalog.pg_try_advisory_lock({heir}) END"
        ),
    };
    let waits = match turn {
        Turn::Enter => {
            format!(
                "CASE WHEN {GRANTED} OR standby THEN NULL ELSE pg_catalog.pg_try_advisory_lock_shared({waiters}) END"
            )
        }
        _ => format!("CASE WHEN {GRANTED} THEN pg_catalog.pg_advisory_unlock_shared({waiters}) END"),
    };
    format!(", {is_heir}, {waits}")
}

/// From the very statement on that makes it the heir, the server ends the session of one that does not try for so long, where
/// it can (from PostgreSQL 14 on). Once it has the lock, it has as long as the lease, until it says what else binds it.
fn bind_heir(lease: Option<Duration>) -> String {
    let [holder, heir] = [lease.unwrap_or_default(), heir_timeout(lease)].map(|timeout| timeout.as_millis());
    format!(
        ", CASE WHEN pg_catalog.current_setting('idle_session_timeout', true) IS NOT NULL THEN \
         CASE WHEN {GRANTED} THEN pg_catalog.set_config('idle_session_timeout', '{holder}', false) \
         WHEN heir THEN pg_catalog.set_config('idle_session_timeout', '{heir}', false) END END"
    )
}

/// A transaction id that is not given out again, even after a crash: a transaction that has written something to the log
/// waits at its end until that is on the disk, whatever the role's `synchronous_commit` says. Not until it is on a standby,
/// which may be missing. The program starts at `ReadyForQuery`, which comes after the end of the transaction; the one that
/// is left open is another.
fn xid(flush: Flush) -> String {
    let write = match flush {
        Flush::Message => "pg_catalog.pg_logical_emit_message(true, 'heimdall', '')",
        Flush::LargeObject => "pg_catalog.lo_unlink(pg_catalog.lo_create(0))",
        Flush::None => return "pg_catalog.txid_current()".to_owned(),
    };
    format!(
        "CASE WHEN {write} IS NOT NULL \
         AND pg_catalog.set_config('synchronous_commit', 'local', true) IS NOT NULL \
         THEN pg_catalog.txid_current() END"
    )
}

/// What the server sees of the connection: nothing, but no NULL, on a Unix socket.
const ENDS: &str = "pg_catalog.concat_ws(' ', pg_catalog.host(pg_catalog.inet_client_addr()), pg_catalog.inet_client_port(), \
     pg_catalog.host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port())";

const WAL_FILE: &str = "pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn())";
const SYSTEM_IDENTIFIER: &str = "(SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c)";

/// The columns of the row that answers [`Statement::Acquire`].
pub mod acquire {
    /// `pg_backend_pid()`.
    pub const PID: usize = 0;
    /// `t` on a standby, where nothing was tried.
    pub const STANDBY: usize = 1;
    /// The number of the lock that is ours, from 1; 0 where none is.
    pub const SLOT: usize = 2;
    /// `txid_current()` where a lock is ours, else NULL.
    pub const XID: usize = 3;
    /// `on` where the session's transactions can't write, else `off`.
    pub const READ_ONLY: usize = 4;
    /// `server_version_num`: not that of the login, which a pooler may remember from before an upgrade.
    pub const VERSION: usize = 5;
    /// The name of a WAL file, which begins with the timeline, where a lock is ours and that is known, else NULL.
    pub const WAL_FILE: usize = 6;
    /// `system_identifier` where a lock is ours and that is known, else NULL.
    pub const SYSTEM_IDENTIFIER: usize = 7;
    /// `t` where a lock is ours, else NULL.
    pub const KEPT: usize = 8;
    /// The address and the port of the client and of the server, as the server sees them; empty on a Unix socket.
    pub const ENDS: usize = 9;
    /// `t` where the session is the heir afterwards; only there for one who is in the line.
    pub const HEIR: usize = 10;

    /// In place of a slot: nothing was tried, since the pooler's session holds the lock already.
    pub const ALREADY_HELD: i32 = -1;
}

/// A function that is missing has no privileges either; `pg_logical_emit_message` has one argument more from version 17 on.
fn sources(owner: Owner) -> String {
    let may_call = |functions: &[&str]| {
        let each = functions.iter().map(|function| {
            format!(
                "COALESCE(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pg_catalog.{function}'), \
                 'EXECUTE'), false)"
            )
        });
        each.collect::<Vec<_>>().join(" AND ")
    };
    let emit = "pg_logical_emit_message(boolean,pg_catalog.text,pg_catalog.text";
    // An attempt that fails in the line leaves its place there.
    let leave = if owner == Owner::Us { ", pg_catalog.pg_advisory_unlock_all()" } else { "" };
    format!(
        "SELECT {} OR {}, {}, {}, {}{leave}",
        may_call(&[&format!("{emit})")]),
        may_call(&[&format!("{emit},boolean)")]),
        may_call(&["lo_create(pg_catalog.oid)", "lo_unlink(pg_catalog.oid)"]),
        may_call(&["pg_current_wal_insert_lsn()", "pg_walfile_name(pg_catalog.pg_lsn)"]),
        may_call(&["pg_control_system()"]),
    )
}

/// The columns of the row that answers [`Statement::Sources`], each `t` where all functions for it may be called.
pub mod sources {
    /// For [`Flush::Message`](super::Flush::Message).
    pub const MESSAGE: usize = 0;
    /// For [`Flush::LargeObject`](super::Flush::LargeObject).
    pub const LARGE_OBJECT: usize = 1;
    /// For the timeline.
    pub const TIMELINE: usize = 2;
    /// For the system identifier.
    pub const SYSTEM_IDENTIFIER: usize = 3;
}

/// A server that was started without recovery has replayed nothing. One that was promoted, or has recovered from a crash of
/// one of its processes, which its start time does not tell, makes a checkpoint soon after.
const AGE: &str = "SELECT \
     CAST(pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.pg_postmaster_start_time()) \
     OPERATOR(pg_catalog.*) 1000) AS bigint), \
     pg_catalog.pg_last_wal_replay_lsn() IS NOT NULL, \
     CAST(pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) c.checkpoint_time) \
     OPERATOR(pg_catalog.*) 1000) AS bigint), \
     c.timeline_id, pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) \
     FROM pg_catalog.pg_control_checkpoint() AS c";

/// The columns of the row that answers [`Statement::Age`].
pub mod age {
    /// For how many milliseconds it has run.
    pub const START: usize = 0;
    /// `t` where it has recovered since then, or was promoted.
    pub const HAS_RECOVERED: usize = 1;
    /// How many milliseconds ago its last checkpoint began.
    pub const CHECKPOINT: usize = 2;
    /// The timeline of that.
    pub const CHECKPOINT_TIMELINE: usize = 3;
    /// The name of a WAL file, which begins with the timeline of now.
    pub const WAL_FILE: usize = 4;
}

/// What PostgreSQL's functions for shared locks have at the end of their names.
fn suffix(mode: Mode) -> &'static str {
    match mode {
        Mode::Exclusive => "",
        Mode::Shared => "_shared",
    }
}

fn set(settings: &Settings) -> String {
    let is_local = settings.is_local();
    let set =
        settings.values().fold("SELECT pg_catalog.pg_backend_pid()".to_owned(), |sql, (name, value)| {
            sql + &format!(", pg_catalog.set_config('{name}', '{value}', {is_local})")
        });
    settings.stamp().map_or_else(|| set.clone(), |token| format!("{set}, {}", stamp(token)))
}

/// Adds to the name of heimdall's session the moment and the fencing token, each where there is room for it, so that others
/// see since when it holds the lock and with which (`cli/report/session_name.rs`); a pooler's session has no name of ours. It
/// follows the values, where no one looks at what it returns.
fn stamp(token: u64) -> String {
    const NAME: &str = "pg_catalog.current_setting('application_name')";
    let fits = |most: usize| format!("pg_catalog.octet_length({NAME}) OPERATOR(pg_catalog.<=) {most}");
    let (moment, token_too) = (fits(stamp::ROOM), fits(stamp::ROOM - stamp::TOKEN));
    format!(
        "CASE WHEN pg_catalog.strpos({NAME}, 'heimdall:') OPERATOR(pg_catalog.=) 1 AND {moment} \
         THEN pg_catalog.set_config('application_name', pg_catalog.concat({NAME}, ' @', \
         pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())), \
         CASE WHEN {token_too} THEN '#{}' END), false) END",
        token::short(token)
    )
}

/// What the server keeps of a session's name, in bytes.
pub mod stamp {
    /// All of it (`NAMEDATALEN` - 1).
    pub const WHOLE: usize = 63;
    /// ` @` and the seconds since 1970, which have ten digits until the year 2286.
    pub const MOMENT: usize = 12;
    /// `#` and a token, which has at most thirteen digits to the base of 36.
    pub const TOKEN: usize = 14;
    /// How long a name may be to which the moment is added.
    pub const ROOM: usize = WHOLE - MOMENT;
}

/// Those that a server of whatever version has, for a transaction; no row.
fn set_known(settings: &Settings) -> String {
    let values: Vec<String> =
        settings.values().map(|(name, value)| format!("('{name}', '{value}')")).collect();
    format!(
        "SELECT FROM (VALUES {}) AS setting(name, value) \
         WHERE CASE WHEN pg_catalog.current_setting(name, true) IS NOT NULL \
         THEN pg_catalog.set_config(name, value, true) IS NULL END",
        values.join(", ")
    )
}

/// The columns of the row that answers [`Statement::Settings`].
pub mod settings {
    /// `pg_backend_pid()`.
    pub const PID: usize = 0;
    /// The first value that is in force; the others follow.
    pub const FIRST_VALUE: usize = 1;
}

/// What a session begins with, as this message has changed some of it for itself.
const ROLE_SETTINGS: &str = "SELECT name, reset_val, unit FROM pg_catalog.pg_settings \
     WHERE reset_val OPERATOR(pg_catalog.<>) boot_val AND name OPERATOR(pg_catalog.=) ANY (ARRAY['statement_timeout', \
     'lock_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', \
     'default_transaction_isolation', 'default_transaction_read_only', 'default_transaction_deferrable', \
     'synchronous_commit', 'search_path']) ORDER BY 1";

/// The columns of the rows that answer [`Statement::RoleSettings`].
pub mod role_settings {
    /// Its name.
    pub const NAME: usize = 0;
    /// Its value where nothing is done about it.
    pub const VALUE: usize = 1;
    /// Its unit; NULL where it has none.
    pub const UNIT: usize = 2;
}

fn release(key: Key, mode: Mode) -> String {
    format!("SELECT pg_catalog.pg_advisory_unlock{}({key})", suffix(mode))
}

/// The column of the row that answers [`Statement::Release`].
pub mod release {
    /// `t` where the lock was held.
    pub const WAS_HELD: usize = 0;
}

/// Whether someone has the key, of which nothing is held when the transaction has ended.
fn rings(bell: Key) -> String {
    format!("SELECT pg_catalog.pg_backend_pid(), NOT pg_catalog.pg_try_advisory_xact_lock({bell})")
}

/// The columns of the row that answers [`Statement::Ping`], where it has one.
pub mod ping {
    /// Whether the bell rings; the first column is `pg_backend_pid()`.
    pub const RINGS: usize = 1;
}

/// Role and name stand in the same entry of the server's list of its processes, so that they are those of one session. That
/// it is the one which has the key follows from its name: no process begins to ask between two looks that was someone else's
/// at the first. The role is that of the login, which no `SET ROLE` changes; a superuser has the privileges of every role.
fn askers(bell: Key) -> String {
    format!(
        "SELECT pg_catalog.pg_backend_pid(), a.pid, a.usename, a.application_name, \
         CASE WHEN a.backend_start IS NOT NULL THEN \
         COALESCE(pg_catalog.host(a.client_addr), 'local') END \
         FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid \
         JOIN pg_catalog.pg_stat_activity AS us ON us.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() \
         WHERE {} AND l.granted AND pg_catalog.strpos(a.application_name, '{ASKER}') OPERATOR(pg_catalog.=) 1 \
         AND pg_catalog.pg_has_role(a.usesysid, us.usesysid, 'USAGE') ORDER BY 2 LIMIT 1",
        condition("l.", Some(&[bell]))
    )
}

/// The columns of the rows that answer [`Statement::Askers`]; the first is `pg_backend_pid()`.
pub mod askers {
    /// The asking backend's process id.
    pub const PID: usize = 1;
    /// The role that it has logged in as.
    pub const ROLE: usize = 2;
    /// `application_name`.
    pub const APPLICATION: usize = 3;
    /// The client's address, or `local`; NULL where the role may not see it.
    pub const CLIENT: usize = 4;
}

/// What the name of a session begins with that asks a holder to stop.
pub const ASKER: &str = "heimdall --stop";

/// Shared, so that several may ask. The session has its name before it has a key, also where the user has called it something
/// else.
fn ring(bells: &[Key]) -> String {
    let name = format!(
        "CASE WHEN pg_catalog.strpos(pg_catalog.current_setting('application_name'), '{ASKER}') OPERATOR(pg_catalog.<>) 1 \
         THEN pg_catalog.set_config('application_name', '{ASKER}', false) END"
    );
    bells.iter().fold(format!("SELECT {name}"), |sql, bell| {
        sql + &format!(", pg_catalog.pg_try_advisory_lock_shared({bell})")
    })
}

/// The columns of the row that answers [`Statement::Ring`].
pub mod ring {
    /// Whether the first bell rings now; the others follow.
    pub const FIRST: usize = 1;
}

/// What follows the columns of `holders`. `query` is hidden from those who may not end the session.
const STOPPABLE: &str = ", a.usename, pg_catalog.pg_has_role(SESSION_USER, a.usesysid, 'USAGE'), \
     pg_catalog.left(a.query, 40)";

/// The columns of the rows that answer [`Statement::Stoppable`] besides those of `holders`.
pub mod stoppable {
    /// The role that the holder has logged in as.
    pub const ROLE: usize = 9;
    /// Whether we have its privileges.
    pub const MAY_STOP: usize = 10;
    /// What its last statement begins with, where we may see it.
    pub const QUERY: usize = 11;
}

/// A role that may not see others' sessions gets NULL for `backend_start`; the address is NULL for Unix sockets too. `more`
/// columns may follow.
fn holders(keys: Option<&[Key]>, more: &str) -> String {
    format!(
        "SELECT l.classid, l.objid, l.objsubid, l.mode OPERATOR(pg_catalog.=) 'ShareLock', l.granted, l.pid, a.application_name, \
         CASE WHEN a.backend_start IS NOT NULL THEN \
         COALESCE(pg_catalog.host(a.client_addr), 'local') END, \
         pg_catalog.to_char(pg_catalog.timezone('UTC', a.backend_start), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'){more} \
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
    pub const CONNECTED: usize = 8;
}

/// What a person types into psql to see who holds the locks: never sent by heimdall.
#[must_use]
pub fn find(keys: &[Key]) -> String {
    format!(
        "SELECT l.pid, a.usename, a.application_name, a.client_addr, a.backend_start \
         FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid \
         WHERE l.granted AND {};",
        condition("l.", Some(keys))
    )
}

fn condition(table: &str, keys: Option<&[Key]>) -> String {
    let condition = format!(
        "{table}locktype OPERATOR(pg_catalog.=) 'advisory' AND {table}database OPERATOR(pg_catalog.=) \
         (SELECT oid FROM pg_catalog.pg_database \
         WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())"
    );
    let Some(keys) = keys else { return condition };
    let halves: Vec<(u32, u32, u16)> = keys.iter().map(|key| key.in_pg_locks()).collect();
    // The slots of a name differ in the objid alone.
    let alike = halves.chunk_by(|one, next| (one.0, one.2) == (next.0, next.2)).map(|alike| {
        let objids: Vec<String> = alike.iter().map(|half| half.1.to_string()).collect();
        let (classid, _, objsubid) = alike.first().copied().unwrap_or_default();
        let objid = match objids.as_slice() {
            [one] => format!("'{one}'::pg_catalog.oid"),
            several => format!("ANY ('{{{}}}'::pg_catalog.oid[])", several.join(",")),
        };
        format!(
            "{table}classid OPERATOR(pg_catalog.=) '{classid}'::pg_catalog.oid \
             AND {table}objid OPERATOR(pg_catalog.=) {objid} \
             AND {table}objsubid OPERATOR(pg_catalog.=) {objsubid}"
        )
    });
    let alike: Vec<String> = alike.collect();
    match alike.as_slice() {
        [one] => format!("{condition} AND {one}"),
        several => format!("{condition} AND ({})", several.join(" OR ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_either_kind_calls_the_function_of_its_kind() {
        let release = |key, mode| Statement::Release { key, mode, owner: Owner::Us }.sql();
        let exclusive = release(Key::Pair(1, -2), Mode::Exclusive);
        assert!(exclusive.ends_with("; SELECT pg_catalog.pg_advisory_unlock(1,-2)"), "{exclusive}");
        let shared = release(Key::Single(i64::MIN), Mode::Shared);
        assert!(shared.ends_with(" pg_catalog.pg_advisory_unlock_shared(-9223372036854775808)"), "{shared}");
    }

    #[test]
    fn slots_are_tried_one_after_the_other_in_one_statement() {
        let request = LockRequest::slots("joker", "test", 2);
        let sources = Sources::ALL;
        let sql = Statement::Acquire { request, owner: Owner::Us, turn: Turn::Any, sources }.sql();
        let tries = " WHEN pg_catalog.pg_try_advisory_xact_lock(856429646,-1137964055) THEN 1 \
                     WHEN pg_catalog.pg_try_advisory_xact_lock(856429646,-158328310) THEN 2 ELSE";
        assert!(sql.contains(tries), "{sql}");
        let kept = " WHEN slot OPERATOR(pg_catalog.=) 2 THEN pg_catalog.pg_try_advisory_lock(856429646,-158328310) END";
        assert!(sql.contains(kept), "{sql}");
    }
}
