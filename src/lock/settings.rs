//! The settings of the session that holds a lock: nothing of the server's ends it without cause, and TCP ends it when the
//! client has vanished.

use std::fmt::Write;
use std::mem;
use std::time::Duration;

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
    Holder,
    Waiter,
    /// A holder's, for one transaction of a pooler's session.
    Transaction,
}

impl Settings {
    /// For a session of our own, on a server of this major version: settings of the role or the database that would end
    /// it are switched off, and TCP gives up a client that it has not heard from for a `lease`, and not before (`man 7
    /// tcp`: with `TCP_USER_TIMEOUT`, that is when the first keepalive probe is due after it). There is no lease where
    /// there is no TCP.
    #[must_use]
    pub fn of_session(version: u32, lease: Option<Duration>) -> Self {
        let mut values = vec![
            ("statement_timeout", 0, 0),
            ("idle_session_timeout", IDLE_SESSION_TIMEOUT, 0),
            ("transaction_timeout", 17, 0),
        ];
        values.extend(lease.into_iter().flat_map(tcp));
        Self::new(version, values, Purpose::Holder)
    }

    /// For the session of one who waits for a lock: TCP gives it up as that of a holder.
    #[must_use]
    pub fn of_waiter(version: u32, lease: Option<Duration>) -> Self {
        Self::new(version, lease.into_iter().flat_map(tcp).collect(), Purpose::Waiter)
    }

    /// For the transaction that an attempt leaves open, on a server of any version.
    #[must_use]
    pub fn of_attempt(lease: Option<Duration>) -> Self {
        let mut values = vec![("transaction_timeout", 17, 0)];
        values.extend(lease.into_iter().flat_map(tcp));
        Self::new(u32::MAX, values, Purpose::Transaction)
    }

    /// For one transaction of a pooler's session, which others use afterwards. TCP ends at the pooler.
    #[must_use]
    pub fn of_transaction(version: u32) -> Self {
        Self::new(
            version,
            vec![("statement_timeout", 0, 0), ("transaction_timeout", 17, 0)],
            Purpose::Transaction,
        )
    }

    /// Of each setting: its name, the first version that has it, and its value.
    fn new(version: u32, values: Vec<Value>, purpose: Purpose) -> Self {
        let values = values
            .into_iter()
            .filter(|(_, since, _)| version >= *since)
            .map(|(name, _, value)| (name, value.to_string()));
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

    /// Whether the session's name is to tell since when it holds the lock.
    pub(super) fn stamps(&self) -> bool {
        self.purpose == Purpose::Holder
    }

    /// Compares the values in force with those asked for; the first one is in this column of the row. Returns what
    /// differs, as text.
    fn differences(&self, row: &Row, first_column: usize) -> Option<String> {
        let mut text = String::new();
        for ((name, wanted), column) in self.values().zip(first_column..) {
            let value = row.text(column).unwrap_or("unknown");
            if value != wanted {
                let separator = if text.is_empty() { "" } else { ", " };
                // Writing to a string can't fail.
                let _ =
                    write!(text, "{separator}{name} is {} instead of {wanted}", printable(value.as_bytes()));
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

/// A name, the first version that has it, and a value.
type Value = (&'static str, u32, u128);

/// What has TCP end a session that it has not heard from for a lease.
fn tcp(lease: Duration) -> [Value; 4] {
    let seconds = lease.as_secs();
    let idle = (seconds / 2).max(1);
    let interval = (seconds / 6).max(1);
    let count = seconds.saturating_sub(idle).div_ceil(interval);
    [
        ("tcp_keepalives_idle", 0, u128::from(idle)),
        ("tcp_keepalives_interval", 0, u128::from(interval)),
        ("tcp_keepalives_count", 0, u128::from(count)),
        ("tcp_user_timeout", 12, lease.as_millis()),
    ]
}

/// The first version that has it.
pub(super) const IDLE_SESSION_TIMEOUT: u32 = 14;

/// Returns how long an heir may say nothing, before the server makes room for the next one.
pub(super) fn heir_timeout(lease: Option<Duration>) -> Duration {
    lease.map_or(HEIR_TIMEOUT, |lease| lease.min(HEIR_TIMEOUT))
}

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
    pub(super) fn answered(&mut self, row: &Row, first_column: usize) -> Option<String> {
        let is_news = !mem::replace(&mut self.is_answered, true);
        self.settings.differences(row, first_column).filter(|_| is_news)
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
    use super::*;

    #[test]
    fn a_server_is_not_told_of_parameters_that_it_lacks() {
        let names = |settings: Settings| -> Vec<&str> { settings.values().map(|(name, _)| name).collect() };
        let tcp = ["tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count"];
        let lease = Some(Duration::from_secs(60));
        assert_eq!(names(Settings::of_session(11, lease)), [&["statement_timeout"][..], &tcp].concat());
        let timeouts = ["statement_timeout", "idle_session_timeout", "transaction_timeout"];
        assert_eq!(names(Settings::of_session(17, None)), timeouts);
        assert_eq!(names(Settings::of_transaction(17)), ["statement_timeout", "transaction_timeout"]);
    }

    #[test]
    fn tcp_ends_a_silent_session_at_the_lease_and_not_before() {
        let settings = Settings::of_session(15, Some(Duration::from_secs(60)));
        let values: Vec<(&str, &str)> =
            settings.values().filter(|(name, _)| name.starts_with("tcp_")).collect();
        let expected = [
            ("tcp_keepalives_idle", "30"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
            ("tcp_user_timeout", "60000"),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn who_waits_is_bound_by_the_lease_and_an_heir_by_its_silence_too() {
        let lease = |seconds| Some(Duration::from_secs(seconds));
        let names = |settings: &Settings| settings.values().map(|(name, _)| name).collect::<Vec<_>>();
        let holder = Settings::of_session(15, lease(60));
        assert!(names(&holder).ends_with(&names(&Settings::of_waiter(15, lease(60)))));
        assert_eq!(names(&Settings::of_waiter(15, lease(60))).len(), 4);
        assert_eq!(names(&Settings::of_waiter(15, None)), [""; 0]);
        assert_eq!([lease(60), lease(2), None].map(heir_timeout), [5, 2, 5].map(Duration::from_secs));
    }

    #[test]
    fn settings_are_asked_for_some_times_at_once_and_then_later() {
        let mut attempt = Attempt::new(Settings::of_transaction(15));
        for _ in 1..HASTY_TRIES {
            assert_eq!(attempt.failed(), Some(Retry::AtOnce));
        }
        assert_eq!(attempt.failed(), Some(Retry::Later { is_news: true }));
        assert_eq!(attempt.failed(), Some(Retry::Later { is_news: false }));
    }
}
