//! Processes below heimdall that don't belong to the job: those of a shell that has become heimdall by `exec`.

use std::env;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, wait};

use super::descendants::{descendants, environment, has_open, is_exhaustion};

/// The children that heimdall had before it started the program, and what they leave to it.
#[derive(Debug, Default)]
pub(super) struct PreexistingChildren {
    /// Those that were there before the program; they may have started others since.
    pids: Vec<Pid>,
    /// heimdall's own environment, one `NAME=VALUE` each; `None` where there were no such children.
    environment: Option<Vec<Vec<u8>>>,
    /// What the program inherits and others can't have, as the process table shows it.
    inherited: Option<PathBuf>,
}

impl PreexistingChildren {
    /// Finds those that are there now, before the program is, which is to inherit this.
    pub(super) fn find(inherited: Option<BorrowedFd<'_>>) -> io::Result<Self> {
        // Most have no children before; to read the whole process table for that would be long.
        if matches!(wait(WaitOptions::NOHANG), Err(Errno::CHILD)) {
            return Ok(Self::default());
        }
        let pids = match descendants(|_| false) {
            Err(error) if is_exhaustion(&error) => return Err(error),
            found => found.unwrap_or_default().into_iter().map(|process| process.pid).collect(),
        };
        let environment =
            env::vars_os().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
        let inherited =
            inherited.and_then(|fd| fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok());
        Ok(Self { pids, environment: Some(environment.collect()), inherited })
    }

    /// Whether there have ever been any, so that a child of heimdall need not be the job's.
    pub(super) fn have_been(&self) -> bool {
        self.environment.is_some()
    }

    /// Notes that a child has ended.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.pids.retain(|child| *child != pid);
    }

    /// Whether this child of heimdall, which is not the program, is one of these or was left by one of these.
    ///
    /// No process table tells who has left an orphan. But what the program starts has the connection that it has inherited, or the
    /// program's environment, with the variables of this run; and others have the environment that heimdall was started in, without
    /// them. One that has none of these is the job's.
    pub(super) fn include(&self, child: Pid) -> bool {
        if self.pids.contains(&child) {
            return true;
        }
        let Some(ours) = &self.environment else { return false };
        if self.inherited.as_ref().is_some_and(|file| has_open(child, file)) {
            return false;
        }
        let theirs = environment(child).unwrap_or_default();
        let theirs: Vec<&[u8]> = theirs.split(|byte| *byte == 0).collect();
        let is_known = |variable: &[u8]| ours.iter().any(|ours| ours == variable);
        let is_of_this_run = |variable: &&[u8]| variable.starts_with(TOKEN) && !is_known(variable);
        theirs.iter().any(|variable| is_known(variable)) && !theirs.iter().any(is_of_this_run)
    }
}

/// What every program under a lock has, and no two have the same.
const TOKEN: &[u8] = b"HEIMDALL_FENCING_TOKEN=";
