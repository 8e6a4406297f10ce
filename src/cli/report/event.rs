//! The transitions of a run, each told as one line for a person or one JSON object for a program.

use std::fmt;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use super::json::Value;
use super::who::{Held, asker_fields, coarse, held_or_kept, holder_fields, who_asks, who_holds};
use crate::cli::exit::Status;
use crate::cli::rules::action::Why;
use crate::cli::rules::settle::Reason;
use crate::cli::signals;
use crate::lock::bell::Asker;
use crate::lock::{Guard, Holder, Lost, Moment, Sources};

/// What has just happened. The names and fields of the JSON form are documented in docs/events.md, and stay.
pub(in crate::cli) enum Event<'a> {
    Ignored {
        parameters: &'a [&'static str],
    },
    Connecting,
    Connected {
        server_address: &'a str,
    },
    Waiting {
        holders: &'a [Holder],
        waited: Duration,
    },
    Unavailable {
        reason: &'a str,
    },
    Acquired {
        guard: &'a Guard,
        waited: Duration,
    },
    Busy {
        holders: &'a [Holder],
        waited: Duration,
    },
    Started {
        pid: i32,
    },
    Signalled {
        signal: Signal,
    },
    Draining,
    Suspended {
        why: Why,
    },
    Resumed {
        why: Why,
    },
    Lost {
        lost: &'a Lost,
        held: Duration,
        when: String,
    },
    Stopping {
        cause: &'a str,
        signal: Signal,
    },
    Exited {
        status: Status,
        ran: Duration,
    },
    Released {
        held: Duration,
    },
    /// After an end of the program's own, how it ended.
    Restarting {
        pause: Duration,
        keeps_lock: bool,
        count: u32,
        ended: Option<Status>,
    },
    Settling {
        reason: Reason,
        pause: Duration,
    },
    Asked {
        asker: &'a Asker,
    },
    Asking {
        holder: &'a Holder,
    },
    Stopped {
        holder: &'a Holder,
        waited: Duration,
    },
    Gone {
        holder: &'a Holder,
        waited: Duration,
    },
    Free,
}

/// How much is told; each level tells also what the ones before it tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli) enum Level {
    /// `--quiet`: errors, and what heimdall does to the job.
    Quiet,
    /// Also a busy lock, and warnings.
    Normal,
    /// `--verbose`: also a line for each transition.
    Verbose,
    /// `--debug`: also every message on the wire.
    Debug,
}

impl<'a> Event<'a> {
    /// The lock that was acquired at that moment was lost just now.
    pub(in crate::cli) fn lost(lost: &'a Lost, acquired: Moment) -> Self {
        let when = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self::Lost { lost, held: Moment::now().since(acquired), when }
    }
}

impl Event<'_> {
    /// Returns the name in JSON.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ignored { .. } => "ignored",
            Self::Connecting => "connecting",
            Self::Connected { .. } => "connected",
            Self::Waiting { .. } => "waiting",
            Self::Unavailable { .. } => "unavailable",
            Self::Acquired { .. } => "acquired",
            Self::Busy { .. } => "busy",
            Self::Started { .. } => "started",
            Self::Signalled { .. } => "signalled",
            Self::Draining => "draining",
            Self::Suspended { .. } => "suspended",
            Self::Resumed { .. } => "resumed",
            Self::Lost { .. } => "lost",
            Self::Stopping { .. } => "stopping",
            Self::Exited { .. } => "exited",
            Self::Released { .. } => "released",
            Self::Restarting { .. } => "restarting",
            Self::Settling { .. } => "settling",
            Self::Asked { .. } => "asked",
            Self::Asking { .. } => "asking",
            Self::Stopped { .. } => "stopped",
            Self::Gone { .. } => "gone",
            Self::Free => "free",
        }
    }

    /// Returns the lowest level at which a person is told.
    pub(super) fn level(&self) -> Level {
        match self {
            // What heimdall itself does to the job is never done without a word.
            Self::Lost { .. }
            | Self::Suspended { why: Why::Silence(_) }
            | Self::Resumed { why: Why::Silence(_) }
            | Self::Asked { .. }
            | Self::Stopping { .. } => Level::Quiet,
            Self::Busy { .. }
            | Self::Waiting { .. }
            | Self::Unavailable { .. }
            | Self::Restarting { .. }
            | Self::Settling { .. }
            | Self::Asking { .. }
            | Self::Stopped { .. }
            | Self::Gone { .. }
            | Self::Free => Level::Normal,
            Self::Acquired { waited, .. } if !waited.is_zero() => Level::Normal,
            _ => Level::Verbose,
        }
    }

    /// Whether a line that is redrawn in place says it already, by appearing or by disappearing.
    pub(super) fn is_drawn(&self) -> bool {
        matches!(self, Self::Waiting { .. } | Self::Unavailable { .. } | Self::Acquired { .. })
    }

    /// Returns the fields in JSON, except those that all lines have.
    pub(super) fn fields(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Connecting | Self::Draining | Self::Resumed { .. } | Self::Free => vec![],
            Self::Ignored { parameters } => vec![("parameters", Value::from(parameters.join(", ")))],
            Self::Connected { server_address } => vec![("server", Value::from(*server_address))],
            Self::Unavailable { reason } => vec![("reason", Value::from(*reason))],
            Self::Waiting { holders, waited } | Self::Busy { holders, waited } => {
                let mut fields = vec![("waited", Value::Seconds(*waited))];
                fields.extend(holders.first().map(holder_fields).unwrap_or_default());
                fields
            }
            Self::Acquired { guard, waited } => {
                let mut fields =
                    vec![("slot", Value::Number(guard.slot().into())), ("waited", Value::Seconds(*waited))];
                let cluster = guard.system_identifier().map(|cluster| cluster.to_string());
                fields.extend(cluster.map(|cluster| ("system_identifier", Value::Text(cluster))));
                let lacks = Some(guard.token_sources().to_string()).filter(|lacks| !lacks.is_empty());
                fields.extend(lacks.map(|lacks| ("token_lacks", Value::Text(lacks))));
                fields
            }
            Self::Started { pid } => vec![("process", Value::Number((*pid).into()))],
            Self::Signalled { signal } => vec![("signal", Value::Number(signal.as_raw().into()))],
            Self::Suspended { why: Why::Silence(silence) } => vec![("silence", Value::Seconds(*silence))],
            Self::Suspended { why: Why::Signal(signal) } => {
                vec![("signal", Value::Number(signal.as_raw().into()))]
            }
            Self::Lost { lost, held, .. } => {
                vec![("reason", Value::from(lost.to_string())), ("held", Value::Seconds(*held))]
            }
            Self::Stopping { cause, signal } => {
                vec![("cause", Value::from(*cause)), ("signal", Value::Number(signal.as_raw().into()))]
            }
            Self::Exited { status: Status::Exited(code), ran } => {
                vec![("code", Value::Number((*code).into())), ("ran", Value::Seconds(*ran))]
            }
            Self::Exited { status: Status::Signalled(signal), ran } => {
                vec![("signal", Value::Number((*signal).into())), ("ran", Value::Seconds(*ran))]
            }
            Self::Released { held } => vec![("held", Value::Seconds(*held))],
            Self::Restarting { pause, count, .. } => {
                vec![("pause", Value::Seconds(*pause)), ("restarts", Value::Number((*count).into()))]
            }
            Self::Settling { reason, pause } => {
                vec![("cause", Value::from(cause_to_settle(*reason))), ("pause", Value::Seconds(*pause))]
            }
            Self::Asked { asker } => asker_fields(asker),
            Self::Asking { holder } => holder_fields(holder),
            Self::Stopped { holder, waited } | Self::Gone { holder, waited } => {
                let mut fields = vec![("waited", Value::Seconds(*waited))];
                fields.extend(holder_fields(holder));
                fields
            }
        }
    }

    /// Returns the line for a person; `lock` is the lock's name.
    pub(super) fn text(&self, lock: &str) -> String {
        match self {
            Self::Ignored { parameters } => {
                format!(
                    "ignored what the connection string says to other programs: {}",
                    parameters.join(", ")
                )
            }
            Self::Connecting => format!("connecting for the lock {lock}"),
            Self::Connected { server_address } => format!("connected to the server {server_address}"),
            Self::Waiting { holders, waited } => {
                let words = format!(", {}", held_or_kept("held", holders));
                let held = Held(&words, holders);
                if waited.as_secs() == 0 {
                    format!("waiting for the lock {lock}{held}")
                } else {
                    format!("still waiting for the lock {lock} after {}{held}", coarse(*waited))
                }
            }
            Self::Unavailable { reason } => format!("waiting for the server: {reason}"),
            Self::Acquired { guard, waited } => format!(
                "acquired the lock {lock}, {}server process {}, fencing token {}{}{}",
                if guard.slot() > 1 { format!("slot {}, ", guard.slot()) } else { String::new() },
                guard.backend_pid(),
                guard.token(),
                Lacks(guard.token_sources()),
                if waited.is_zero() { String::new() } else { format!(", after {waited:.1?}") },
            ),
            Self::Busy { holders, waited } if waited.is_zero() => {
                format!("the lock {lock} is held elsewhere{}", Held(":", holders))
            }
            Self::Busy { holders, waited } => {
                let held = held_or_kept("held elsewhere", holders);
                format!("the lock {lock} is still {held} after {waited:.1?}{}", Held(":", holders))
            }
            Self::Started { pid } => format!("started the program, process {pid}"),
            Self::Signalled { signal } => format!("passed on signal {}", signal.as_raw()),
            Self::Draining => "holding the lock until what the program has left has ended".to_owned(),
            Self::Suspended { why: Why::Signal(signal) } => {
                format!("suspended the program, as signal {} stops heimdall", signal.as_raw())
            }
            Self::Suspended { why: Why::Silence(silence) } => format!(
                "suspended the program until the server answers, which was last heard of {silence:.1?} ago"
            ),
            Self::Resumed { .. } => format!("the lock {lock} is still ours; the program goes on"),
            Self::Lost { lost, held, when } => {
                format!("lost the lock {lock} at {when}, after {held:.1?}: {lost}")
            }
            Self::Stopping { cause, signal: Signal::KILL } => format!("killed the program: {cause}"),
            Self::Stopping { cause, signal } => {
                format!("sent {} to the program: {cause}", signals::name::name(*signal))
            }
            Self::Exited { status: Status::Exited(code), ran } => {
                format!("the program ended after {ran:.1?} with exit code {code}")
            }
            Self::Exited { status: Status::Signalled(signal), ran } => {
                format!("the program was killed after {ran:.1?} by signal {signal}")
            }
            Self::Released { held } => format!("released the lock {lock} after {held:.1?}"),
            Self::Restarting { pause, keeps_lock: true, ended, .. } => {
                format!("starting the program again in {pause:.0?}, under the same lock{}", After(*ended))
            }
            Self::Restarting { ended, .. } => {
                format!("going back to waiting for the lock {lock}{}", After(*ended))
            }
            Self::Settling { reason, pause } => format!(
                "holding the lock {lock}, and starting the program in {pause:.1?}: {}, and the job of a holder that it \
                 has forgotten may still be on its way out",
                cause_to_settle(*reason)
            ),
            Self::Asked { asker } => format!("asked to stop by {}, as role {}", who_asks(asker), asker.role),
            Self::Asking { holder } => {
                format!("asked {} to stop its job and free the lock {lock}", who_holds(holder))
            }
            Self::Stopped { holder, waited } => {
                format!("{} has stopped and freed the lock {lock}, after {waited:.1?}", who_holds(holder))
            }
            Self::Gone { holder, waited } => format!(
                "{} no longer holds the lock {lock}, after {waited:.1?}; it has not said that it stopped its job, which may still run",
                who_holds(holder)
            ),
            Self::Free => format!("nothing to stop: the lock {lock} is held by no one"),
        }
    }
}

fn cause_to_settle(reason: Reason) -> &'static str {
    match reason {
        Reason::Broken => "the server has broken a session for the lock",
        Reason::FreshServer => "the server has started or been promoted less than a lease ago",
    }
}

/// Shows ` (made without: timeline)`, where the server refuses us anything.
struct Lacks(Sources);

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lacks = self.0.to_string();
        if lacks.is_empty() { Ok(()) } else { write!(f, " (made without: {lacks})") }
    }
}

/// Shows `: the program ended with exit code 3`, where it has ended by itself.
struct After(Option<Status>);

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(Status::Exited(code)) => write!(f, ": the program ended with exit code {code}"),
            Some(Status::Signalled(signal)) => write!(f, ": the program was killed by signal {signal}"),
        }
    }
}
