//! Tells of what happens elsewhere than on standard error: in the files of `--metrics` and `--status-file`.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::event::Event;
use super::files::{Files, Paths};
use super::json::Value;
use super::metrics::Counting;
use super::name::Lock;
use super::standing::Standing;
use crate::net::os_error_text;

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
}

impl Publisher {
    pub(super) fn new(paths: &Paths, lock: &Lock, warn: impl Fn(String) + Clone + Send + 'static) -> Self {
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
        Self { files, told: Mutex::new(Told { counting, standing, facts: Vec::new() }) }
    }

    /// Tells of a transition; `facts` are what is known of the lock.
    pub(super) fn event(&self, event: &Event<'_>, facts: &[(&'static str, Value)]) {
        let Some(files) = &self.files else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let told = &mut *told;
        let now = SystemTime::now();
        if let Some(counting) = &mut told.counting {
            let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            files.metrics(counting.changes(event, since_1970));
        }
        if let Some(standing) = &mut told.standing
            && standing.note(event, &rfc_3339(now))
        {
            facts.clone_into(&mut told.facts);
            files.status(standing.text(facts, std::process::id()));
        }
    }

    /// Tells that the server has answered a heartbeat after so long.
    pub(super) fn heartbeat(&self, round_trip: Duration) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(files), Some(counting)) = (&self.files, &told.counting) {
            files.metrics(counting.heartbeat(round_trip));
        }
    }

    /// Waits until all is told, no longer than that.
    pub(super) fn flush(&self, limit: Duration) {
        self.files.iter().for_each(|files| files.flush(limit));
    }

    /// Tells that heimdall is about to end, and waits until all is told, no longer than that.
    pub(super) fn close(&self, limit: Duration) {
        let Some(files) = &self.files else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let told = &mut *told;
        if let Some(standing) = &mut told.standing {
            standing.end(&rfc_3339(SystemTime::now()));
            files.status(standing.text(&told.facts, std::process::id()));
        }
        files.flush(limit);
    }
}

fn rfc_3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
