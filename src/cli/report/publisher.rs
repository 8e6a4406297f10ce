//! Tells of what happens elsewhere than on standard error: in the files of `--metrics` and `--status-file`, and to the
//! service manager.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::event::Event;
use super::files::{Files, Paths};
use super::json::Value;
use super::metrics::{Changes, Counting};
use super::notify::{Notify, Ready, SOCKET};
use super::standing::Standing;
use crate::cli::options::name::Lock;
use crate::cli::rules::action::ExitReason;
use crate::lock::Moment;
use crate::net::os_error_text;

/// Who is to be told.
#[derive(Debug)]
pub(in crate::cli) struct Audience {
    pub(in crate::cli) files: Paths,
    pub(in crate::cli) ready: Ready,
    /// Whether it is the program that tells the service manager that it is ready.
    pub(in crate::cli) passes_notify: bool,
}

/// What is told, and where.
#[derive(Debug)]
pub(super) struct Publisher {
    files: Option<Files>,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    counting: Option<Counting>,
    standing: Option<Standing>,
    facts: Vec<(&'static str, Value)>,
    manager: Option<Manager>,
}

/// The service manager, and what it is told.
#[derive(Debug)]
struct Manager {
    notify: Notify,
    ready: Ready,
    /// Whether heimdall itself says that it is ready, and has not yet.
    is_awaited: bool,
    /// How heimdall came by the lock, in words.
    acquired: String,
}

impl Publisher {
    pub(super) fn new(
        audience: &Audience,
        lock: &Lock,
        warn: impl Fn(String) + Clone + Send + 'static,
    ) -> Self {
        let paths = &audience.files;
        let counting = paths.metrics.as_ref().map(|_| Counting::of(lock));
        let standing = paths.status.as_ref().map(|_| Standing::new());
        let mut files = None;
        if counting.is_some() || standing.is_some() {
            match Files::open(paths.clone(), warn.clone()) {
                Ok(open) => files = Some(open),
                Err(error) => {
                    warn(format!("cannot write any file: {}", os_error_text(&error)));
                }
            }
        }
        if let (Some(files), Some(counting)) = (&files, &counting) {
            files.metrics(counting.beginning());
        }
        let manager = Notify::of_environment().and_then(|notify| match notify {
            Ok(notify) => Some(Manager {
                notify,
                ready: audience.ready,
                is_awaited: !audience.passes_notify,
                acquired: String::new(),
            }),
            Err(error) => {
                warn(format!("cannot use {SOCKET}: {}", os_error_text(&error)));
                None
            }
        });
        Self { files, told: Mutex::new(Told { counting, standing, facts: Vec::new(), manager }) }
    }

    /// Tells of a transition, which `text` says in words; `facts` are what is known of the lock.
    pub(super) fn event(
        &self,
        event: &Event<'_>,
        text: impl Fn() -> String,
        facts: &[(&'static str, Value)],
    ) {
        let mut told = self.lock();
        let told = &mut *told;
        if let Some(manager) = &mut told.manager {
            manager.event(event, &text());
        }
        let Some(files) = &self.files else { return };
        let now = SystemTime::now();
        if let Some(counting) = &mut told.counting {
            files.metrics(counting.changes(event, since_1970(now)));
        }
        if let Some(standing) = &mut told.standing
            && standing.note(event, &rfc_3339(now))
        {
            facts.clone_into(&mut told.facts);
            files.status(standing.text(facts, std::process::id()));
        }
    }

    /// Gives the service manager a sign of life, if one is due; returns when the next one is.
    pub(super) fn alive(&self) -> Option<Moment> {
        self.lock().manager.as_mut()?.notify.alive(Moment::now())
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells that the server has answered a heartbeat after so long.
    pub(super) fn heartbeat(&self, round_trip: Duration) {
        self.count(|counting| counting.heartbeat(round_trip));
    }

    /// Tells how a run has ended in which the program ran for so long.
    pub(super) fn over(&self, reason: ExitReason, ran: Duration) {
        self.count(|counting| counting.over(reason, ran, since_1970(SystemTime::now())));
    }

    fn count(&self, changes: impl FnOnce(&Counting) -> Changes) {
        let told = self.lock();
        if let (Some(files), Some(counting)) = (&self.files, &told.counting) {
            files.metrics(changes(counting));
        }
    }

    /// Waits until all is told, no longer than that.
    pub(super) fn flush(&self, limit: Duration) {
        self.files.iter().for_each(|files| files.flush(limit));
    }

    /// Tells that heimdall is about to end.
    pub(super) fn close(&self) {
        let mut told = self.lock();
        let told = &mut *told;
        told.manager.iter_mut().for_each(|manager| manager.notify.stopping());
        let Some(files) = &self.files else { return };
        if let Some(counting) = &told.counting {
            files.metrics(counting.end());
        }
        if let Some(standing) = &mut told.standing {
            standing.end(&rfc_3339(SystemTime::now()));
            files.status(standing.text(&told.facts, std::process::id()));
        }
    }
}

impl Manager {
    fn event(&mut self, event: &Event<'_>, text: &str) {
        let is_ready = match event {
            Event::Waiting { .. } => self.ready == Ready::Waiting,
            Event::Started { .. } => true,
            _ => false,
        };
        if is_ready && std::mem::take(&mut self.is_awaited) {
            self.notify.ready();
        }
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        match event {
            // Part of what goes on, and not all of it.
            Event::Connected { .. } | Event::Signalled { .. } => {}
            Event::Acquired { .. } => self.acquired = format!("{now}: {text}"),
            Event::Started { .. } => self.notify.status(&format!("{}; {text}", self.acquired)),
            _ => self.notify.status(&format!("{now}: {text}")),
        }
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn rfc_3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
