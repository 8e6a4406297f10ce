//! `--metrics`: what has happened, counted for Prometheus in its text format. No file and no clock in here.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::event::Event;
use crate::cli::exit::Status;
use crate::cli::options::name::{Lock, Name};
use crate::cli::rules::action::{Cause, ExitReason};
use crate::lock::Lost;

/// How the metrics of one lock change, some dozens; by series, such as `heimdall_waits_total{name="nightly"}`, each once.
pub(super) type Changes = Vec<(String, Change)>;

/// How one series changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    Add(Number),
    Set(Number),
}

/// What a series counts: seconds or things, exact to a billionth and never negative. Floating-point numbers, which
/// Prometheus takes all for, would bring 20 KB of code to read and write them.
type Number = Duration;

const NONE: Number = Duration::ZERO;

const ONE: Number = Duration::from_secs(1);

/// What heimdall has to remember from one event to the next.
#[derive(Debug)]
pub(super) struct Counting {
    /// The labels of each series.
    labels: String,
    is_held: bool,
}

impl Counting {
    pub(super) fn of(lock: &Lock) -> Self {
        let (namespace, name) = match &lock.name {
            Name::Named { namespace, name } => (namespace.as_str(), name.as_str()),
            Name::Key(_) => ("", ""),
        };
        let mut labels = String::new();
        for (label, value) in [("namespace", namespace), ("name", name), ("key", &lock.key().to_string())] {
            // Writing to a string can't fail.
            let _ = write!(labels, "{label}=\"{}\",", escaped(value));
        }
        Self { labels, is_held: false }
    }

    /// Has every counter there from the beginning, as Prometheus sees no increase in one that appears.
    pub(super) fn beginning(&self) -> Changes {
        let mut changes = Changes::new();
        for name in [
            "held",
            "waits_total",
            "wait_seconds_total",
            "turned_away_total",
            "run_seconds_total",
            "restarts_total",
        ] {
            changes.push((self.series(name, None), Change::Add(NONE)));
        }
        for result in RESULTS {
            changes.push((self.series("runs_total", Some(("result", result))), Change::Add(NONE)));
        }
        for reason in REASONS {
            changes.push((self.series("losses_total", Some(("reason", reason))), Change::Add(NONE)));
        }
        changes
    }

    /// Returns what an event changes; `now` counts from 1970.
    pub(super) fn changes(&mut self, event: &Event<'_>, now: Duration) -> Changes {
        let mut changes = Changes::new();
        let mut change = |name, label, change| {
            changes.push((self.series(name, label), change));
        };
        match event {
            // The lock was given back, which the server has not confirmed.
            Event::Connecting if self.is_held => {
                change("held", None, Change::Set(NONE));
                self.is_held = false;
            }
            Event::Acquired { guard, waited } => {
                change("held", None, Change::Set(ONE));
                change("held_since_timestamp_seconds", None, Change::Set(now));
                change("fencing_token", None, Change::Set(Number::from_secs(guard.token())));
                if !waited.is_zero() {
                    change("waits_total", None, Change::Add(ONE));
                    change("wait_seconds_total", None, Change::Add(*waited));
                }
                self.is_held = true;
            }
            Event::Busy { waited, .. } => {
                change("turned_away_total", None, Change::Add(ONE));
                if !waited.is_zero() {
                    change("waits_total", None, Change::Add(ONE));
                    change("wait_seconds_total", None, Change::Add(*waited));
                }
            }
            Event::Lost { lost, .. } => {
                change("held", None, Change::Set(NONE));
                change("losses_total", Some(("reason", reason(lost))), Change::Add(ONE));
                self.is_held = false;
            }
            Event::Released { .. } => {
                change("held", None, Change::Set(NONE));
                self.is_held = false;
            }
            Event::Restarting { .. } => change("restarts_total", None, Change::Add(ONE)),
            _ => {}
        }
        changes
    }

    /// Returns what the end of a run changes, whose program ran for so long; `now` counts from 1970.
    pub(super) fn over(&self, reason: ExitReason, ran: Duration, now: Duration) -> Changes {
        let (result, last) = match reason {
            ExitReason::Ended(Status::Exited(0)) => ("success", "last_success_timestamp_seconds"),
            ExitReason::Ended(_) => ("failure", LAST_FAILURE),
            ExitReason::Stopped(Cause::TimedOut, _) => ("timeout", LAST_FAILURE),
            ExitReason::Stopped(Cause::Lost, _) => ("lost", LAST_FAILURE),
            ExitReason::Stopped(Cause::Asked, _) => ("asked", LAST_FAILURE),
        };
        Changes::from([
            (self.series("runs_total", Some(("result", result))), Change::Add(ONE)),
            (self.series("run_seconds_total", None), Change::Add(ran)),
            (self.series(last, None), Change::Set(now)),
        ])
    }

    /// Returns what the end of heimdall changes: nothing is held any more, whether the server has confirmed that or not.
    pub(super) fn end(&self) -> Changes {
        let held = self.is_held.then(|| (self.series("held", None), Change::Set(NONE)));
        held.into_iter().collect()
    }

    /// Returns what a heartbeat changes that was answered after so long.
    pub(super) fn heartbeat(&self, round_trip: Duration) -> Changes {
        let name = "heartbeat_round_trip_seconds";
        let mut changes = Changes::new();
        for (bound, text) in BUCKETS {
            let count = if round_trip <= bound { ONE } else { NONE };
            changes.push((self.series(&format!("{name}_bucket"), Some(("le", text))), Change::Add(count)));
        }
        changes.push((self.series(&format!("{name}_sum"), None), Change::Add(round_trip)));
        changes.push((self.series(&format!("{name}_count"), None), Change::Add(ONE)));
        changes
    }

    fn series(&self, name: &str, label: Option<(&str, &str)>) -> String {
        let label = label.map(|(label, value)| format!("{label}=\"{value}\","));
        let labels = [self.labels.as_str(), label.as_deref().unwrap_or_default()].concat();
        format!("{PREFIX}{name}{{{}}}", labels.trim_end_matches(','))
    }
}

/// Adds later changes to earlier ones.
pub(super) fn extend(earlier: &mut Changes, later: Changes) {
    for (series, change) in later {
        let Some((_, entry)) = earlier.iter_mut().find(|(known, _)| *known == series) else {
            earlier.push((series, change));
            continue;
        };
        *entry = match (*entry, change) {
            (Change::Add(before), Change::Add(more)) => Change::Add(before.saturating_add(more)),
            (Change::Set(before), Change::Add(more)) => Change::Set(before.saturating_add(more)),
            (_, Change::Set(value)) => Change::Set(value),
        };
    }
}

/// Whether a file's text is nothing but metrics of heimdall's, of whichever version.
pub(super) fn are_ours(text: &str) -> bool {
    let is_ours = |line: &str| {
        ["", "# HELP ", "# TYPE "]
            .iter()
            .any(|before| line.strip_prefix(before).is_some_and(|line| line.starts_with(PREFIX)))
    };
    text.lines().all(is_ours)
}

/// Returns the file's new text. Series of other locks stay as they are; those that this version does not know go.
pub(super) fn merge(old: &str, changes: &Changes) -> String {
    let samples = old.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        Some((series, number(value)?))
    });
    let mut values: BTreeMap<&str, Number> = samples.collect();
    for (series, change) in changes {
        let value = values.entry(series).or_insert(NONE);
        *value = match change {
            Change::Add(more) => value.saturating_add(*more),
            Change::Set(value) => *value,
        };
    }
    let mut text = String::new();
    for (name, kind, help) in FAMILIES {
        let is_member = |series: &str| {
            let rest = series.strip_prefix(PREFIX).and_then(|series| series.strip_prefix(name));
            rest.and_then(|rest| rest.split('{').next()).is_some_and(|suffix| match kind {
                "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
                _ => suffix.is_empty(),
            })
        };
        let mut members: Vec<_> = values.iter().filter(|(series, _)| is_member(series)).collect();
        if !members.is_empty() {
            let _ = writeln!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
        }
        members.sort_by(|(one, _), (other, _)| in_order(one).cmp(&in_order(other)));
        for (series, value) in members {
            let _ = writeln!(text, "{series} {}", decimal(*value));
        }
    }
    text
}

/// Reads a number as [`decimal`] writes it; what is beyond a billionth is not read.
fn number(text: &str) -> Option<Number> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let billionths = format!("{part:0<9}");
    let billionths = billionths.get(..9).filter(|_| part.bytes().all(|digit| digit.is_ascii_digit()))?;
    Some(Duration::new(whole.parse().ok()?, billionths.parse().ok()?))
}

fn decimal(number: Number) -> String {
    let text = format!("{}.{:09}", number.as_secs(), number.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Where a series stands among others: the buckets of a histogram by their bounds, as the format wants it.
fn in_order(series: &str) -> (&str, Number) {
    match series.rsplit_once(",le=\"") {
        // The bound that is no number is +Inf.
        Some((rest, bound)) => (rest, number(bound.trim_end_matches("\"}")).unwrap_or(Number::MAX)),
        None => (series, Number::ZERO),
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn reason(lost: &Lost) -> &'static str {
    match lost {
        // The program has no thread that could panic beside it.
        Lost::Closed | Lost::Unwatched => "closed",
        Lost::Terminated(_) => "terminated",
        Lost::Broken(_) => "broken",
        Lost::Protocol(_) => "protocol",
        Lost::Silent(_) => "silent",
        Lost::OtherBackend(_) => "pooler",
    }
}

const PREFIX: &str = "heimdall_";

const LAST_FAILURE: &str = "last_failure_timestamp_seconds";

const RESULTS: [&str; 5] = ["success", "failure", "timeout", "lost", "asked"];

const REASONS: [&str; 6] = ["closed", "terminated", "broken", "protocol", "silent", "pooler"];

/// From a server next door to one that is about to be given up.
const BUCKETS: [(Duration, &str); 8] = [
    (Duration::from_millis(1), "0.001"),
    (Duration::from_millis(5), "0.005"),
    (Duration::from_millis(25), "0.025"),
    (Duration::from_millis(100), "0.1"),
    (Duration::from_millis(500), "0.5"),
    (Duration::from_millis(2500), "2.5"),
    (Duration::from_secs(10), "10"),
    (Duration::MAX, "+Inf"),
];

/// Of each metric: its name without the prefix, its type and what it says; in the order of the file.
const FAMILIES: [(&str, &str, &str); 13] = [
    ("held", "gauge", "Whether this host holds the lock: 1 or 0."),
    ("held_since_timestamp_seconds", "gauge", "When this host took the lock last."),
    ("fencing_token", "gauge", "The fencing token of the lock that this host took last."),
    ("waits_total", "counter", "How often the lock was waited for, with or without success."),
    ("wait_seconds_total", "counter", "How long the lock was waited for."),
    ("turned_away_total", "counter", "How often heimdall ended because the lock was held elsewhere."),
    ("losses_total", "counter", "How often a held lock was lost, by reason."),
    ("runs_total", "counter", "How often the program ended, by result."),
    ("run_seconds_total", "counter", "How long the program ran."),
    ("restarts_total", "counter", "How often the program was to be started again."),
    ("last_success_timestamp_seconds", "gauge", "When the program last ended with success."),
    (LAST_FAILURE, "gauge", "When the program last ended in another way."),
    ("heartbeat_round_trip_seconds", "histogram", "How long the server took to answer a heartbeat."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Mode;

    fn counting(name: &str) -> Counting {
        let name = Name::from_typed(None, Some("a\"b\\c\nd".to_owned()), Some(name.to_owned())).unwrap();
        Counting::of(&Lock { name, mode: Mode::Exclusive, slots: 1 })
    }

    #[test]
    fn a_file_goes_on_counting_and_keeps_the_series_of_other_locks() {
        let one = counting("one");
        let success = ExitReason::Ended(Status::Exited(0));
        let now = Duration::from_secs(1_700_000_000);
        let mut text = "heimdall_waits_total{} x\nheimdall_other 3\n".to_owned();
        for name in ["one", "other", "one"] {
            let counting = counting(name);
            let mut changes = counting.beginning();
            extend(&mut changes, counting.over(success, Duration::from_millis(1500), now));
            extend(&mut changes, counting.heartbeat(Duration::from_millis(7)));
            text = merge(&text, &changes);
        }
        let value = |series: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(series));
            line.map_or_else(|| panic!("{series} in {text}"), |value| value.trim_start().to_owned())
        };
        let runs = one.series("runs_total", Some(("result", "success")));
        let others = counting("other").series("runs_total", Some(("result", "success")));
        assert_eq!((value(&runs).as_str(), value(&others).as_str()), ("2", "1"));
        assert_eq!(value(&one.series("run_seconds_total", None)), "3");
        assert_eq!(value(&one.series("last_success_timestamp_seconds", None)), "1700000000");
        let bucket = |bound| value(&one.series("heartbeat_round_trip_seconds_bucket", Some(("le", bound))));
        assert_eq!(
            (bucket("0.005").as_str(), bucket("0.025").as_str(), bucket("+Inf").as_str()),
            ("0", "2", "2")
        );
        assert!(
            runs.starts_with("heimdall_runs_total{namespace=\"a\\\"b\\\\c\\nd\",name=\"one\",key=\""),
            "{runs}"
        );
        assert!(are_ours(&text) && !text.contains("heimdall_other"), "{text}");
        assert_eq!(merge(&text, &Changes::new()), text);
        let bounds: Vec<&str> =
            text.lines().filter_map(|line| line.split("le=\"").nth(1)?.split('"').next()).collect();
        let expected = ["0.001", "0.005", "0.025", "0.1", "0.5", "2.5", "10", "+Inf"];
        assert_eq!(bounds, [expected, expected].concat());
    }

    #[test]
    fn a_number_is_read_as_it_was_written() {
        for (text, again) in [
            ("0", Some("0")),
            ("100", Some("100")),
            ("1700000000.000000007", Some("1700000000.000000007")),
            ("18446744073709551615", Some("18446744073709551615")),
            ("0.5", Some("0.5")),
            ("3.", Some("3")),
            ("0.30000000000000004", Some("0.3")),
            ("", None),
            ("-1", None),
            ("1.5e3", None),
            ("1.-5", None),
            ("NaN", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(number(text).map(decimal).as_deref(), again, "{text}");
        }
    }

    #[test]
    fn a_program_that_is_stopped_has_not_succeeded() {
        let done = Status::Exited(0);
        for (reason, result) in [
            (ExitReason::Stopped(Cause::TimedOut, done), "timeout"),
            (ExitReason::Stopped(Cause::Lost, done), "lost"),
            (ExitReason::Stopped(Cause::Asked, done), "asked"),
            (ExitReason::Ended(Status::Exited(3)), "failure"),
            (ExitReason::Ended(Status::Signalled(15)), "failure"),
            (ExitReason::Ended(done), "success"),
        ] {
            let counting = counting("x");
            let changes = counting.over(reason, Duration::ZERO, Duration::ZERO);
            let has = |series: &String| changes.iter().any(|(changed, _)| changed == series);
            assert!(has(&counting.series("runs_total", Some(("result", result)))), "{changes:?}");
            let succeeded = has(&counting.series("last_success_timestamp_seconds", None));
            assert_eq!(succeeded, result == "success");
        }
    }
}
