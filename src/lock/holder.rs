//! Who holds a lock and who waits for it, as far as this role may see.

use std::collections::BTreeSet;

use super::key::Key;
use super::line::Line;
use super::request::{LockRequest, Mode};
use super::sql;
use crate::proto::Row;
use crate::proto::text::printable;

/// A session that holds an advisory lock or waits for one. What the role may not see is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Holder {
    /// The lock's key.
    pub key: Key,
    /// Whether others may hold it too.
    pub is_shared: bool,
    /// Whether it is held; otherwise it is waited for.
    pub is_granted: bool,
    /// Whether it is the next to get the lock, of the heimdalls that wait for it; or has the heir's key at least.
    pub is_heir: bool,
    /// The backend's process id; a prepared transaction has none.
    pub pid: Option<i32>,
    /// Its `application_name`, fit to print.
    pub application: Option<String>,
    /// The client's address, or `local` for a Unix socket.
    pub client: Option<String>,
    /// When the session began, in RFC 3339.
    pub connected: Option<String>,
}

/// Shows those who wait in a line as that: in place of its keys they have that of the lock, or of the first slot. Who has the
/// heir's key and does not wait is shown with that key.
pub(super) fn in_line(sessions: Vec<Holder>, request: Option<&LockRequest>) -> Vec<Holder> {
    let stands = Stands::all(&sessions, request);
    let pids = |is_meant: fn(&Stands) -> bool| -> BTreeSet<i32> {
        let stands_so = |session: &&Holder| Stands::of(session, &stands).is_some_and(is_meant);
        sessions.iter().filter(stands_so).filter_map(|session| session.pid).collect()
    };
    let heirs = pids(|stands| matches!(stands, Stands::Heir));
    let waiters = pids(|stands| matches!(stands, Stands::Waiter(..)));
    let is_in = |pids: &BTreeSet<i32>, session: &Holder| session.pid.is_some_and(|pid| pids.contains(&pid));
    let mut all: Vec<Holder> = sessions
        .into_iter()
        .filter_map(|session| match Stands::of(&session, &stands) {
            None => Some(session),
            Some(Stands::Heir) => (!is_in(&waiters, &session)).then_some(session),
            Some(Stands::Waiter(key, mode)) => Some(Holder {
                key: *key,
                is_shared: *mode == Mode::Shared,
                is_granted: false,
                is_heir: is_in(&heirs, &session),
                ..session
            }),
        })
        .collect();
    let place = |session: &Holder| (session.key.in_pg_locks(), !session.is_granted, !session.is_heir);
    all.sort_by(|one, other| place(one).cmp(&place(other)).then_with(|| one.connected.cmp(&other.connected)));
    all
}

/// What it means to hold a key of a line.
enum Stands {
    Heir,
    /// Waits for this key, or for one of several of which this is the first.
    Waiter(Key, Mode),
}

impl Stands {
    /// Of the keys that are held, in order, those of lines: of the request, or of every lock that is held or whose name a
    /// session bears.
    fn all(sessions: &[Holder], request: Option<&LockRequest>) -> Vec<(InPgLocks, Self)> {
        let mut held: Vec<InPgLocks> = sessions.iter().map(|session| session.key.in_pg_locks()).collect();
        held.sort_unstable();
        let mut stands = Vec::new();
        let mut add = |first: Key, line: Line| {
            let all = Mode::ALL.map(|mode| (line.waiters(mode), Self::Waiter(first, mode)));
            for (key, stand) in all.into_iter().chain([(line.heir, Self::Heir)]) {
                let key = key.in_pg_locks();
                if held.binary_search(&key).is_ok() {
                    stands.push((key, stand));
                }
            }
        };
        if let Some(request) = request {
            request.keys().take(1).for_each(|first| add(first, Line::of(request)));
        } else {
            for session in sessions {
                add(session.key, Line::of(&LockRequest::one(session.key, Mode::Exclusive)));
            }
            let mut names: Vec<_> = sessions.iter().flat_map(Holder::names).take(MAX_NAMES).collect();
            names.sort_unstable();
            names.dedup();
            for (namespace, name) in names {
                Line::of_slots(namespace, name).for_each(|line| add(Key::named(namespace, name), line));
            }
        }
        stands.sort_by_key(|(key, _)| *key);
        stands
    }

    /// What it means to hold the key of this session, if anything.
    fn of<'a>(session: &Holder, all: &'a [(InPgLocks, Self)]) -> Option<&'a Self> {
        let found = all.binary_search_by_key(&session.key.in_pg_locks(), |(key, _)| *key).ok()?;
        all.get(found).map(|(_, stands)| stands)
    }
}

type InPgLocks = (u32, u32, u16);

/// Of how many names it is looked for who waits for their slots: each takes a thousand hashes.
const MAX_NAMES: usize = 100;

impl Holder {
    /// A session that holds this key exclusively and is called that; an empty name is none.
    #[cfg(all(test, feature = "cli"))]
    pub(crate) fn example(key: Key, application: &str) -> Self {
        Self {
            key,
            is_shared: false,
            is_granted: true,
            is_heir: false,
            pid: Some(42),
            application: Some(application.to_owned()).filter(|name| !name.is_empty()),
            client: None,
            connected: None,
        }
    }

    /// Returns what the namespace and the name may be that the session tells in its `application_name`, before its place and
    /// the moment.
    fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let application = self.application.as_deref().unwrap_or_default();
        let text = without_word(application.strip_prefix("heimdall:").unwrap_or_default(), '@');
        let text = without_word(text, ':');
        text.match_indices('/').filter_map(|(at, _)| {
            let (namespace, name) = text.split_at_checked(at)?;
            Some((namespace, name.strip_prefix('/')?))
        })
    }

    /// Reads one row of the answer to [`Statement::Holders`](sql::Statement::Holders).
    pub(crate) fn read(row: &Row) -> Option<Self> {
        Some(Self {
            key: Key::from_pg_locks(
                row.parse(sql::holders::CLASSID)?,
                row.parse(sql::holders::OBJID)?,
                row.parse(sql::holders::OBJSUBID)?,
            ),
            is_shared: row.flag(sql::holders::SHARED)?,
            is_granted: row.flag(sql::holders::GRANTED)?,
            is_heir: false,
            pid: row.parse(sql::holders::PID),
            application: text(row, sql::holders::APPLICATION, MAX_APPLICATION)
                .filter(|name| !name.is_empty()),
            client: text(row, sql::holders::CLIENT, MAX_CLIENT),
            connected: text(row, sql::holders::CONNECTED, MAX_MOMENT),
        })
    }
}

/// Cuts off the last word if it has this mark in it.
fn without_word(text: &str, mark: char) -> &str {
    text.rsplit_once(' ').filter(|(_, word)| word.contains(mark)).map_or(text, |(rest, _)| rest)
}

/// Fit to print, and no longer than so many characters.
fn text(row: &Row, column: usize, most: usize) -> Option<String> {
    Some(printable(row.text(column)?.as_bytes()).chars().take(most).collect())
}

/// Twice as long as PostgreSQL's names are (`NAMEDATALEN`), which a build may have longer.
const MAX_APPLICATION: usize = 128;

/// As long as an address can be (`INET6_ADDRSTRLEN`).
const MAX_CLIENT: usize = 46;

/// Longer than any moment in RFC 3339, to the second.
const MAX_MOMENT: usize = 32;
