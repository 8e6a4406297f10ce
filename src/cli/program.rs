//! The program as a process group: how it is started, signalled and reaped.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpid};

/// A started program, the leader of a process group of its own.
#[derive(Debug)]
pub(super) struct Program {
    leader: Pid,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// By itself, with this code.
    Exited(u8),
    /// By this signal.
    Signalled(u8),
}

impl Program {
    /// Starts the program with standard streams, working directory and environment as ours, but for the
    /// `variables`; one without a value is taken away.
    pub(super) fn start(
        program: &OsString,
        arguments: &[OsString],
        variables: Vec<(&'static str, Option<String>)>,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).process_group(0);
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let child = command.spawn()?;
        let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Self { leader: leader.ok_or(io::ErrorKind::InvalidData)? })
    }

    pub(super) fn pid(&self) -> i32 {
        self.leader.as_raw_nonzero().get()
    }

    /// Sends a signal to the whole group; one that is gone needs none.
    pub(super) fn signal(&self, signal: Signal) {
        match kill_process_group(self.leader, signal) {
            // ESRCH: all are gone. EPERM: what is left has changed its user and is not ours to signal.
            Ok(()) | Err(_) => {}
        }
    }

    /// Asks the group to end; also a stopped one hears it (as timeout(1) does).
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    /// How the program ended, once it has.
    pub(super) fn reap(&self) -> Option<Status> {
        let (_, status) = waitpid(Some(self.leader), WaitOptions::NOHANG).ok().flatten()?;
        let exited = status.exit_status().and_then(|code| u8::try_from(code).ok()).map(Status::Exited);
        let signalled = || {
            status.terminating_signal().and_then(|signal| u8::try_from(signal).ok()).map(Status::Signalled)
        };
        exited.or_else(signalled)
    }

    /// Whether a process of the group is left.
    pub(super) fn is_group_alive(&self) -> bool {
        test_kill_process_group(self.leader) != Err(Errno::SRCH)
    }
}
