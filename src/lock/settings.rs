//! The settings of the session that holds a lock: nothing of the server's ends it without cause, and what keeps the server's
//! half of the lease ends it when the client has vanished.

use std::mem;
use std::time::Duration;

use super::half::{IDLE_SESSION_TIMEOUT, ServersHalf};
use crate::proto::Row;
use crate::proto::text::printable;

/// Which settings are to be in force, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    values: Vec<(&'static str, String)>,
    purpose: Purpose,
}

/// Whose settings they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// With this fencing token.
    Holder(u64),
    Waiter,
    /// A holder's, for one transaction of a pooler's session.
    Transaction,
}

impl Settings {
    /// For a session of our own, on a server of this major version: settings of the role or the database that would end it
    /// are switched off, and what keeps the server's half of the `lease` is switched on. TCP gives up a client that it has
    /// not heard from for a lease, and not before (`man 7 tcp`: with `TCP_USER_TIMEOUT`, that is when the first keepalive
    /// probe is due after it). The session's name is to tell since when it holds the lock, and with which fencing token.
    #[must_use]
    pub fn of_session(version: u32, lease: Option<Duration>, half: &ServersHalf, token: u64) -> Self {
        let idle = lease.filter(|_| matches!(half, ServersHalf::IdleSession(_)));
        let mut values = vec![
            ("statement_timeout", 0, "0".to_owned()),
            (IDLE_SESSION, IDLE_SESSION_TIMEOUT, shown(idle)),
            ("transaction_timeout", 17, "0".to_owned()),
        ];
        values.extend(lease.filter(|_| half.has_tcp()).into_iter().flat_map(tcp));
        Self::new(version, values, Purpose::Holder(token))
    }

    /// For the session of one who waits for a lock: TCP gives it up as that of a holder, or the server where it does not try;
    /// no time-out of the role's ends it between two tries.
    #[must_use]
    pub fn of_waiter(version: u32, lease: Option<Duration>, half: &ServersHalf) -> Self {
        let idle = lease.filter(|_| matches!(half, ServersHalf::IdleSession(_)));
        let idle = shown(idle.map(|lease| lease.max(WAITER_TIMEOUT)));
        let mut values = vec![(IDLE_SESSION, IDLE_SESSION_TIMEOUT, idle)];
        values.extend(lease.filter(|_| half.has_tcp()).into_iter().flat_map(tcp));
        Self::new(version, values, Purpose::Waiter)
    }

    /// For the transaction that an attempt leaves open, on a server of any version. Whatever is in between, it ends with the
    /// lease, unless we say anything before.
    #[must_use]
    pub fn of_attempt(lease: Option<Duration>) -> Self {
        let mut values =
            vec![(IDLE_TRANSACTION, 0, shown(lease)), ("transaction_timeout", 17, "0".to_owned())];
        values.extend(lease.into_iter().flat_map(tcp));
        Self::new(u32::MAX, values, Purpose::Transaction)
    }

    /// For one transaction of a pooler's session, which others use afterwards. TCP ends at the pooler, so the server counts
    /// from our last message.
    #[must_use]
    pub fn of_transaction(version: u32, lease: Option<Duration>) -> Self {
        let off = || "0".to_owned();
        let values = vec![
            ("statement_timeout", 0, off()),
            ("transaction_timeout", 17, off()),
            (IDLE_TRANSACTION, 0, shown(lease)),
        ];
        Self::new(version, values, Purpose::Transaction)
    }

    /// Of each setting: its name, the first version that has it, and its value.
    fn new(version: u32, values: Vec<Value>, purpose: Purpose) -> Self {
        let values = values
            .into_iter()
            .filter(|(_, since, _)| version >= *since)
            .map(|(name, _, value)| (name, value));
        Self { values: values.collect(), purpose }
    }

    /// The names and values, in the order in which they are set.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Whether they end with the transaction.
    pub(super) fn is_local(&self) -> bool {
        self.purpose == Purpose::Transaction
    }

    /// The fencing token that the session's name is to tell, beside since when it holds the lock.
    pub(super) fn stamp(&self) -> Option<u64> {
        match self.purpose {
            Purpose::Holder(token) => Some(token),
            Purpose::Waiter | Purpose::Transaction => None,
        }
    }

    /// Compares the values in force with those asked for; the first one is in this column of the row.
    fn differences(&self, row: &Row, first_column: usize) -> Differences {
        let different = |((name, wanted), column)| {
            let value = row.text(column).unwrap_or("unknown");
            let text = || format!("{name} is {} instead of {wanted}", printable(value.as_bytes()));
            (value != wanted).then(|| (name, text()))
        };
        let all = self.values().zip(first_column..).filter_map(different);
        let (of_tcp, others): (Vec<_>, Vec<_>) = all.partition(|(name, _)| name.starts_with("tcp_"));
        let text = |all: Vec<(&str, String)>| {
            let all: Vec<String> = all.into_iter().map(|(_, text)| text).collect();
            (!all.is_empty()).then(|| all.join(", "))
        };
        Differences { of_tcp: text(of_tcp), others: text(others) }
    }
}

/// Which values are not in force, as text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// Time-outs of TCP, which not every system has.
    pub(super) of_tcp: Option<String>,
    pub(super) others: Option<String>,
}

impl Differences {
    /// All of them.
    pub(super) fn text(self) -> Option<String> {
        let all: Vec<String> = self.others.into_iter().chain(self.of_tcp).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

/// A name, the first version that has it, and a value.
type Value = (&'static str, u32, String);

/// What has TCP end a session that it has not heard from for a lease.
fn tcp(lease: Duration) -> [Value; 4] {
    let seconds = lease.as_secs();
    let idle = (seconds / 2).clamp(1, LONGEST_KEEPALIVE);
    let rest = seconds.saturating_sub(idle).max(1);
    let count = rest.div_ceil((seconds / 6).clamp(1, LONGEST_KEEPALIVE));
    // The last one is due at the end of the lease, or a few seconds later.
    let interval = rest.div_ceil(count);
    [
        ("tcp_keepalives_idle", 0, idle.to_string()),
        ("tcp_keepalives_interval", 0, interval.to_string()),
        ("tcp_keepalives_count", 0, count.to_string()),
        ("tcp_user_timeout", 12, lease.as_millis().to_string()),
    ]
}

/// The longest keepalive time and interval that Linux takes, in seconds (`MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL`).
const LONGEST_KEEPALIVE: u64 = 32_767;

/// Returns a time as PostgreSQL shows it, in the largest unit of which it is a whole number; `0` is never.
fn shown(time: Option<Duration>) -> String {
    let milliseconds = time.unwrap_or_default().as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
    match units.into_iter().find(|(unit, _)| milliseconds.is_multiple_of(*unit)) {
        _ if milliseconds == 0 => "0".to_owned(),
        Some((unit, name)) => format!("{}{name}", milliseconds / unit),
        None => format!("{milliseconds}ms"),
    }
}

const IDLE_SESSION: &str = "idle_session_timeout";
const IDLE_TRANSACTION: &str = "idle_in_transaction_session_timeout";

/// Returns how long an heir may say nothing, before the server makes room for the next one.
#[must_use]
pub fn heir_timeout(lease: Option<Duration>) -> Duration {
    lease.map_or(HEIR_TIMEOUT, |lease| lease.min(HEIR_TIMEOUT))
}

/// How long another one may say nothing, at least: many times the longest pause of those who wait.
pub const WAITER_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an heir may say nothing: many times its usual pause, and not too long for those behind it.
const HEIR_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings that are asked for until the server has answered which are in force.
#[derive(Debug)]
pub(super) struct Attempt {
    settings: Settings,
    is_answered: bool,
    failures: u32,
}

/// When settings that have failed are to be asked for again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Retry {
    AtOnce,
    Later {
        /// Whether it is the first time, of which a user should know.
        is_news: bool,
    },
}

impl Attempt {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, is_answered: false, failures: 0 }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the server has answered, be it that some are not in force.
    pub(super) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Reads the answer, with the first value in this column; returns what is not in force, unless that is known.
    pub(super) fn answered(&mut self, row: &Row, first_column: usize) -> Differences {
        let is_known = mem::replace(&mut self.is_answered, true);
        if is_known { Differences::default() } else { self.settings.differences(row, first_column) }
    }

    /// Counts a query that has failed; `None` where there was an answer before.
    pub(super) fn failed(&mut self) -> Option<Retry> {
        if self.is_answered {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        Some(match self.failures {
            ..HASTY_TRIES => Retry::AtOnce,
            failures => Retry::Later { is_news: failures == HASTY_TRIES },
        })
    }
}

/// How often in a row settings are asked for without a pause.
const HASTY_TRIES: u32 = 5;

#[cfg(test)]
mod tests {
    use super::super::half::NotTcp;
    use super::*;

    #[test]
    fn a_server_is_not_told_of_parameters_that_it_lacks() {
        let names = |settings: Settings| -> Vec<&str> { settings.values().map(|(name, _)| name).collect() };
        let tcp = ["tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count"];
        let lease = Some(Duration::from_secs(60));
        let direct = ServersHalf::Tcp;
        assert_eq!(
            names(Settings::of_session(11, lease, &direct, 0)),
            [&["statement_timeout"][..], &tcp].concat()
        );
        let timeouts = ["statement_timeout", "idle_session_timeout", "transaction_timeout"];
        assert_eq!(names(Settings::of_session(17, None, &direct, 0)), timeouts);
        let timeouts = ["statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout"];
        assert_eq!(names(Settings::of_transaction(17, lease)), timeouts);
    }

    #[test]
    fn tcp_ends_a_silent_session_at_the_lease_and_not_before() {
        let settings = Settings::of_session(15, Some(Duration::from_secs(60)), &ServersHalf::Tcp, 0);
        let values: Vec<(&str, &str)> =
            settings.values().filter(|(name, _)| name.starts_with("tcp_")).collect();
        let expected = [
            ("tcp_keepalives_idle", "30"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "60000"),
        ];
        assert_eq!(values, expected);
        for seconds in [2, 3, 7, 59, 65, 65_535, 65_536, 86_400, 24 * 86_400] {
            let values = tcp(Duration::from_secs(seconds)).map(|(_, _, value)| value.parse::<u64>().unwrap());
            let [idle, interval, count, _] = values;
            assert!(idle <= 32_767 && interval <= 32_767 && (1..=127).contains(&count), "{values:?}");
            let last = idle + interval * count;
            assert!((seconds..seconds + count).contains(&last), "{seconds}: {values:?}");
        }
    }

    #[test]
    fn where_tcp_ends_elsewhere_a_lease_of_silence_ends_the_session() {
        let lease = Some(Duration::from_millis(90_500));
        let value = |settings: Settings, name: &str| {
            let value =
                settings.values().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
            value.unwrap()
        };
        let half = ServersHalf::IdleSession(NotTcp::Proxy(None));
        assert_eq!(value(Settings::of_session(14, lease, &half, 0), IDLE_SESSION), "90500ms");
        assert_eq!(value(Settings::of_session(14, lease, &ServersHalf::Tcp, 0), IDLE_SESSION), "0");
        assert_eq!(value(Settings::of_session(14, None, &half, 0), IDLE_SESSION), "0");
        assert_eq!(value(Settings::of_transaction(14, lease), IDLE_TRANSACTION), "90500ms");
        assert_eq!(value(Settings::of_attempt(lease), IDLE_TRANSACTION), "90500ms");
        let seconds =
            [2, 60, 90, 7200, 86_400, 90_000].map(|seconds| shown(Some(Duration::from_secs(seconds))));
        assert_eq!(seconds, ["2s", "1min", "90s", "2h", "1d", "25h"]);
    }

    #[test]
    fn who_waits_is_bound_by_the_lease_and_an_heir_by_its_silence_too() {
        let lease = |seconds| Some(Duration::from_secs(seconds));
        let names = |settings: &Settings| settings.values().map(|(name, _)| name).collect::<Vec<_>>();
        let direct = ServersHalf::Tcp;
        let waiter = Settings::of_waiter(15, lease(60), &direct);
        assert_eq!(names(&Settings::of_session(15, lease(60), &direct, 0))[1..], names(&waiter));
        assert_eq!(names(&waiter).len(), 5);
        let alone = Settings::of_waiter(15, None, &direct);
        assert_eq!(alone.values().collect::<Vec<_>>(), [(IDLE_SESSION, "0")]);
        assert_eq!(names(&Settings::of_waiter(13, None, &direct)), [""; 0]);
        let proxied = ServersHalf::IdleSession(NotTcp::Proxy(None));
        let waiter = Settings::of_waiter(15, lease(6), &proxied);
        assert_eq!(waiter.values().collect::<Vec<_>>(), [(IDLE_SESSION, "1min")]);
        assert_eq!([lease(60), lease(2), None].map(heir_timeout), [5, 2, 5].map(Duration::from_secs));
    }

    #[test]
    fn settings_are_asked_for_some_times_at_once_and_then_later() {
        let mut attempt = Attempt::new(Settings::of_transaction(15, None));
        for _ in 1..HASTY_TRIES {
            assert_eq!(attempt.failed(), Some(Retry::AtOnce));
        }
        assert_eq!(attempt.failed(), Some(Retry::Later { is_news: true }));
        assert_eq!(attempt.failed(), Some(Retry::Later { is_news: false }));
    }
}
