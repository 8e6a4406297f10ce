//! The table of exit codes: the program's own, or what went wrong (sysexits.h, timeout(1), env(1)).

use std::process::ExitCode;

use crate::proto::ErrorKind;

/// How heimdall ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// All is done; also help and version.
    Success,
    /// The program's own exit status.
    Program(u8),
    /// The program was killed by this signal.
    Signalled(u8),
    /// What was asked for could not be printed: 1, as for most programs.
    NotWritten,
    /// `--is-held-here` says no: 1, as for grep(1), and what a probe takes for no.
    NotHere,
    /// A bad option or value.
    Usage,
    /// No usable server.
    Unavailable,
    /// The lock was lost, and the program has been stopped.
    Lost,
    /// The lock is held elsewhere; the code that `-E` says.
    Busy(u8),
    /// A protocol violation, or a server on which the lock would not exclude.
    Protocol,
    /// Authentication failed or is not allowed.
    Authentication,
    /// A bad connection string, or a bad file that it names.
    Configuration,
    /// `--timeout` ran out.
    TimedOut,
    /// The program can't be executed.
    NotExecutable,
    /// The program isn't found.
    NotFound,
}

impl Exit {
    /// As after SIGTERM, where no program runs that has a status of its own.
    pub(super) fn terminated() -> Self {
        Self::Signalled(15)
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// By itself, with this code.
    Exited(u8),
    /// By this signal.
    Signalled(u8),
}

/// `-E` where it is not given: `EX_TEMPFAIL`.
pub(super) const DEFAULT_BUSY: u8 = 75;

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Protocol => Self::Protocol,
            ErrorKind::Authentication => Self::Authentication,
            ErrorKind::Configuration => Self::Configuration,
            ErrorKind::Unavailable => Self::Unavailable,
        }
    }
}

impl From<Status> for Exit {
    fn from(status: Status) -> Self {
        match status {
            Status::Exited(code) => Self::Program(code),
            Status::Signalled(signal) => Self::Signalled(signal),
        }
    }
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => 0,
            Exit::Program(code) | Exit::Busy(code) => code,
            Exit::Signalled(signal) => signal.saturating_add(128),
            Exit::NotWritten | Exit::NotHere => 1,
            Exit::Usage => 64,
            Exit::Unavailable => 69,
            Exit::Lost => 74,
            Exit::Protocol => 76,
            Exit::Authentication => 77,
            Exit::Configuration => 78,
            Exit::TimedOut => 124,
            Exit::NotExecutable => 126,
            Exit::NotFound => 127,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(u8::from(exit))
    }
}
