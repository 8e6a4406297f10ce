//! `--on-lost`: what a shell runs when the lock is lost, beside the stopping of the job.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use super::exit::Status;
use super::job::Job;
use super::report::{Report, os_error_text};
use super::spawn::Start;
use crate::net::Moment;

/// A command for the shell, to be run at most once.
pub(super) struct OnLost<'a> {
    /// What the shell is started with; `None` where there is no such command, or none any more.
    start: Option<Start<'a>>,
    /// How long it may take.
    limit: Duration,
    /// When it is killed, once it runs.
    ends_at: Option<Moment>,
}

impl<'a> OnLost<'a> {
    /// `start` starts the shell. The command has a quarter of the lease: the job, too, is gone three quarters of a lease
    /// after the last answer where silence has told of the loss.
    pub(super) fn new(start: Option<Start<'a>>, lease: Duration) -> Self {
        Self { start, limit: lease / 4, ends_at: None }
    }

    /// Starts the command; the job has been asked to end before.
    pub(super) fn start(&mut self, now: Moment, job: &mut Job, report: &Report) {
        let Some(start) = self.start.take() else { return };
        match job.start_beside(start) {
            Ok(()) => self.ends_at = Some(now.after(self.limit)),
            Err(error) => report.warning(format_args!(
                "cannot run the --on-lost command with {SHELL}: {}",
                os_error_text(&error)
            )),
        }
    }

    /// When the command is killed.
    pub(super) fn ends_at(&self) -> Option<Moment> {
        self.ends_at
    }

    /// Kills the command if its time is over.
    pub(super) fn tick(&mut self, now: Moment, job: &Job, report: &Report) {
        if self.ends_at.is_some_and(|ends_at| ends_at <= now) {
            self.ends_at = None;
            job.kill_beside();
            report.warning(format_args!(
                "killed the --on-lost command, which has run for {:.1?}, a quarter of the lease",
                self.limit
            ));
        }
    }

    /// The command has ended.
    pub(super) fn ended(&mut self, status: Status, report: &Report) {
        // Who has killed it has said so.
        let Some(_) = self.ends_at.take() else { return };
        match status {
            Status::Exited(0) => {}
            Status::Exited(code) => {
                report.warning(format_args!("the --on-lost command ended with exit code {code}"));
            }
            Status::Signalled(signal) => {
                report.warning(format_args!("the --on-lost command was killed by signal {signal}"));
            }
        }
    }
}

/// Returns the words that have the shell run a command.
pub(super) fn shell(command: &OsStr) -> (&'static OsStr, [OsString; 2]) {
    (OsStr::new(SHELL), ["-c".into(), command.to_owned()])
}

const SHELL: &str = "/bin/sh";
