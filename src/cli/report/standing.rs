//! `--status-file`: where heimdall stands, in one JSON object. No file and no clock in here.

use super::event::Event;
use super::json::{self, Value};
use crate::cli::options::name::Lock;
use crate::lock::Key;

/// Where heimdall stands, as it follows from the events.
#[derive(Debug)]
pub(super) struct Standing {
    state: &'static str,
    /// Where it stood last without being suspended.
    awake: &'static str,
    /// When it came to stand there, and when the lock was taken, in RFC 3339.
    since: String,
    held_since: Option<String>,
    program: Option<i32>,
    restarts: u32,
}

impl Standing {
    pub(super) fn new() -> Self {
        Self {
            state: "connecting",
            awake: "connecting",
            since: String::new(),
            held_since: None,
            program: None,
            restarts: 0,
        }
    }

    /// Notes an event; tells whether it has changed anything.
    pub(super) fn note(&mut self, event: &Event<'_>, now: &str) -> bool {
        let state = match event {
            Event::Connecting => {
                // Perhaps for the lock that was given back, which the server has not confirmed.
                self.held_since = None;
                "connecting"
            }
            Event::Waiting { .. } | Event::Unavailable { .. } => "waiting",
            Event::Busy { .. } => "busy",
            Event::Acquired { .. } => {
                self.held_since = Some(now.to_owned());
                "held"
            }
            Event::Settling { .. } => "settling",
            Event::Started { pid } => {
                self.program = Some(*pid);
                RUNNING
            }
            Event::Draining => "draining",
            Event::Suspended { .. } => SUSPENDED,
            // The program may have ended before, and what it has left be waited for.
            Event::Resumed { .. } => self.awake,
            Event::Stopping { .. } => "stopping",
            Event::Lost { .. } => {
                self.held_since = None;
                "lost"
            }
            Event::Exited { .. } => {
                self.program = None;
                if self.held_since.is_some() { "held" } else { "lost" }
            }
            Event::Released { .. } => {
                self.held_since = None;
                "released"
            }
            Event::Restarting { count, .. } => {
                self.restarts = *count;
                "restarting"
            }
            _ => return false,
        };
        self.come_to(state, now);
        true
    }

    /// Notes that heimdall is about to end.
    pub(super) fn end(&mut self, now: &str) {
        self.held_since = None;
        self.come_to("ended", now);
    }

    fn come_to(&mut self, state: &'static str, now: &str) {
        self.state = state;
        if state != SUSPENDED {
            self.awake = state;
        }
        now.clone_into(&mut self.since);
    }

    /// Returns the object; `facts` are of this host, the lock and the session that has it.
    pub(super) fn text(&self, facts: &[(&'static str, Value)], process: u32) -> String {
        let mut fields = vec![
            ("state", Value::from(self.state)),
            ("since", Value::from(self.since.as_str())),
            ("held", Value::Flag(self.held_since.is_some())),
            ("process", Value::Number(process.into())),
        ];
        fields.extend(self.held_since.iter().map(|since| ("held_since", Value::from(since.as_str()))));
        fields.extend(self.program.map(|pid| ("program", Value::Number(pid.into()))));
        fields.push(("restarts", Value::Number(self.restarts.into())));
        fields.extend(
            facts.iter().filter(|(name, _)| self.held_since.is_some() || !OF_SESSION.contains(name)).cloned(),
        );
        json::object(&fields) + "\n"
    }
}

/// Returns the state in such an object.
pub(in crate::cli) fn state(text: &str) -> Option<&str> {
    Some(text.strip_prefix(r#"{"state":""#)?.split_once('"')?.0)
}

/// Whether such an object is of this lock, or of any slot of it.
pub(in crate::cli) fn is_of(lock: &Lock, text: &str) -> bool {
    // Within a name, a quotation mark stands behind a backslash.
    let has = |key: Key| text.contains(&format!(r#""key":"{key}""#));
    has(lock.key()) || lock.all_slots().into_iter().any(has)
}

/// The state in which the lock is held, and the program runs under it.
pub(in crate::cli) const RUNNING: &str = "running";

const SUSPENDED: &str = "suspended";

/// Known while the lock is held.
const OF_SESSION: [&str; 2] = ["pid", "token"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::exit::Status;
    use crate::cli::rules::action::Why;

    #[test]
    fn who_connects_again_for_a_lock_whose_release_was_not_confirmed_holds_none() {
        let mut standing = Standing { held_since: Some("then".to_owned()), ..Standing::new() };
        assert!(standing.note(&Event::Connecting, "now"));
        let text = standing.text(&[("token", Value::Number(7))], 42);
        let expected = r#"{"state":"connecting","since":"now","held":false,"process":42,"restarts":0}"#;
        assert_eq!(text, format!("{expected}\n"));
        assert_eq!(state(&text), Some("connecting"));
        assert_eq!(["", "{}", r#"{"state":7}"#, r#"{"state":""#].map(state), [None; 4]);
    }

    #[test]
    fn who_goes_on_stands_where_it_stood_before_it_was_suspended() {
        let why = || Why::Silence(Duration::from_secs(1));
        let ended = || Event::Exited { status: Status::Exited(0), ran: Duration::ZERO };
        for (before, expected) in [
            (vec![Event::Started { pid: 7 }], RUNNING),
            (vec![Event::Started { pid: 7 }, ended(), Event::Draining], "draining"),
            (vec![Event::Started { pid: 7 }, Event::Suspended { why: why() }, ended()], "held"),
        ] {
            let mut standing = Standing { held_since: Some("then".to_owned()), ..Standing::new() };
            let around = [Event::Suspended { why: why() }, Event::Suspended { why: why() }];
            for event in before.into_iter().chain(around).chain([Event::Resumed { why: why() }]) {
                assert!(standing.note(&event, "now"));
            }
            assert_eq!(state(&standing.text(&[], 42)), Some(expected));
        }
    }
}
