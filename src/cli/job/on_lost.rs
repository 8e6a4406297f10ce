//! `--on-lost`: what a shell runs when the lock is lost; the rules of `beside` say when.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use super::Job;
use super::spawn::Start;
use crate::cli::exit::Status;
use crate::cli::report::{Report, os_error_text};
use crate::cli::rules::beside;

/// A command for the shell.
pub(in crate::cli) struct OnLost<'a> {
    /// What the shell is started with; `None` where there is no such command, or none any more.
    start: Option<Start<'a>>,
    lease: Duration,
    is_killed: bool,
}

impl<'a> OnLost<'a> {
    /// `start` starts the shell.
    pub(in crate::cli) fn new(start: Option<Start<'a>>, lease: Duration) -> Self {
        Self { start, lease, is_killed: false }
    }

    /// Starts the command.
    pub(in crate::cli) fn start(&mut self, job: &mut Job, report: &Report) {
        let Some(start) = self.start.take() else { return };
        if let Err(error) = job.start_beside(start) {
            report.warning(format_args!(
                "cannot run the --on-lost command with {SHELL}: {}",
                os_error_text(&error)
            ));
        }
    }

    /// Kills the command.
    pub(in crate::cli) fn kill(&mut self, job: &Job, report: &Report) {
        self.is_killed = true;
        job.kill_beside();
        report.warning(format_args!(
            "killed the --on-lost command, which has run for {:.1?}, a quarter of the lease",
            beside::limit(self.lease)
        ));
    }

    /// The command has ended.
    pub(in crate::cli) fn ended(&self, status: Status, report: &Report) {
        match status {
            // Who has killed it has said so.
            _ if self.is_killed => {}
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
pub(in crate::cli) fn shell(command: &OsStr) -> (&'static OsStr, [OsString; 2]) {
    (OsStr::new(SHELL), ["-c".into(), command.to_owned()])
}

const SHELL: &str = "/bin/sh";
