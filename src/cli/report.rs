//! heimdall's own lines on standard error.

use std::fmt;
use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How much is told; each level tells also what the ones before it tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// `--quiet`: errors only.
    Quiet,
    /// Also a busy lock, and warnings.
    Normal,
    /// `--verbose`: also a line for each transition.
    Verbose,
    /// `--debug`: also every message on the wire.
    Debug,
}

/// Writes the lines that its level lets through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    level: Level,
}

impl Report {
    pub(super) fn new(level: Level) -> Self {
        Self { level }
    }

    /// What ends heimdall.
    pub(super) fn error(self, text: impl fmt::Display) {
        self.line(Level::Quiet, &text);
    }

    /// What a user should know.
    pub(super) fn warning(self, text: impl fmt::Display) {
        self.line(Level::Normal, &text);
    }

    /// A transition.
    pub(super) fn transition(self, text: impl fmt::Display) {
        self.line(Level::Verbose, &text);
    }

    /// A message on the wire; `direction` is `>` to the server and `<` from it.
    pub(super) fn message(self, direction: char, text: impl fmt::Display) {
        self.line(Level::Debug, &format_args!("{direction} {text}"));
    }

    pub(super) fn is_debug(self) -> bool {
        self.level >= Level::Debug
    }

    fn line(self, level: Level, text: &dyn fmt::Display) {
        if level > self.level {
            return;
        }
        let text = text.to_string();
        let lines =
            text.split_terminator('\n').fold(String::new(), |lines, line| lines + PREFIX + line + "\n");
        let mut stderr = io::stderr();
        if has_room(&stderr) {
            // Nowhere is left to tell that standard error is closed or full, and the program must go on.
            drop(stderr.write_all(lines.as_bytes()));
        }
    }
}

/// Whether a line can be written without waiting for a reader who does not read, such as a pager or a stopped
/// terminal: the lock has to be watched meanwhile.
fn has_room(stderr: &io::Stderr) -> bool {
    let mut fd = [PollFd::new(stderr, PollFlags::OUT)];
    !matches!(poll(&mut fd, Some(&PATIENCE)), Ok(0))
}

/// How long a reader may be busy with something else.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// What tells heimdall's lines from the program's.
const PREFIX: &str = "heimdall: ";
