//! The job, which is the program and all that descends from it: how it is signalled, stopped and reaped.

use std::io;

use nix::sys::signal::Signal as NixSignal;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, kill_process_group, test_kill_process_group, wait,
};

use super::descendants::{Process, descendants, is_exhaustion};
use super::exit::Status;
use super::spawn::{Start, spawn};

/// A started program and its descendants.
#[derive(Debug)]
pub(super) struct Job {
    program: Pid,
    leads_group: bool,
    status: Option<Status>,
    /// Children that we had before: a shell's background jobs, where it has become us by exec. None of our business.
    preexisting_children: Vec<Pid>,
    /// Who has been stopped by us, and is to be continued by us.
    stopped: Vec<Pid>,
    /// Who has been asked to end.
    asked: Vec<Pid>,
    is_childless: bool,
}

impl Job {
    /// Starts the program.
    pub(super) fn start(start: Start<'_>) -> io::Result<Self> {
        adopt_orphans();
        // Most have no children before; to read the whole process table for that would be long.
        let preexisting_children = match wait(WaitOptions::NOHANG) {
            Err(Errno::CHILD) => Vec::new(),
            _ => match descendants(&[]) {
                Err(error) if is_exhaustion(&error) => return Err(error),
                found => found.unwrap_or_default().into_iter().map(|process| process.pid).collect(),
            },
        };
        let leads_group = !start.in_our_group;
        Ok(Self {
            program: spawn(start)?,
            leads_group,
            status: None,
            preexisting_children,
            stopped: Vec::new(),
            asked: Vec::new(),
            is_childless: false,
        })
    }

    pub(super) fn pid(&self) -> i32 {
        self.program.as_raw_nonzero().get()
    }

    /// Sends a signal to the program's process group, or to the program alone where it is in ours.
    pub(super) fn signal(&self, signal: Signal) {
        // ESRCH: all are gone. EPERM: what is left has changed its user and is not ours to signal.
        if self.leads_group {
            let _ = kill_process_group(self.program, signal);
        } else if self.status.is_none() {
            let _ = kill_process(self.program, signal);
        }
    }

    /// Stops the program and all its descendants, except those that are stopped already.
    pub(super) fn stop(&mut self) {
        if is_alone_and_cannot_see() {
            return signal_all(NixSignal::SIGSTOP);
        }
        let Ok(mut running) = self.running() else {
            // Without a process table there is no telling who was stopped already.
            return self.signal(Signal::STOP);
        };
        // What is forked during a walk is found by the next one; to stop takes a moment.
        let mut signalled = Vec::new();
        for _ in 0..MAX_WALKS {
            running.retain(|pid| !signalled.contains(pid));
            if running.is_empty() {
                break;
            }
            for pid in &running {
                let _ = kill_process(*pid, Signal::STOP);
            }
            signalled.append(&mut running);
            running = self.running().unwrap_or_default();
        }
        signalled.retain(|pid| !self.stopped.contains(pid));
        self.stopped.append(&mut signalled);
    }

    /// Continues whom [`Job::stop`] has stopped.
    pub(super) fn resume(&mut self) {
        if is_alone_and_cannot_see() {
            return signal_all(NixSignal::SIGCONT);
        }
        if self.stopped.is_empty() {
            return self.signal(Signal::CONT);
        }
        let all = descendants(&self.preexisting_children).unwrap_or_default();
        let left = |pid: &Pid| all.iter().any(|process| process.pid == *pid);
        for pid in self.stopped.drain(..).filter(left) {
            let _ = kill_process(pid, Signal::CONT);
        }
    }

    /// Who of the job is neither stopped nor a zombie.
    fn running(&self) -> io::Result<Vec<Pid>> {
        let all = descendants(&self.preexisting_children)?;
        Ok(all.into_iter().filter(|process| !process.is_still).map(|process| process.pid).collect())
    }

    /// Asks the program and all its descendants to end.
    pub(super) fn terminate(&mut self) {
        if is_alone_and_cannot_see() {
            signal_all(NixSignal::SIGTERM);
            return signal_all(NixSignal::SIGCONT);
        }
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
        self.asked.push(self.program);
        // What is forked while we walk is found in the next walk.
        let _ = (0..MAX_WALKS).find(|_| !self.ask(|_| true));
    }

    /// Asks those to end that have escaped [`Job::terminate`] and lost their parent since. Other newcomers are
    /// the last words of processes that are about to end.
    pub(super) fn terminate_orphans(&mut self) {
        let ours = rustix::process::getpid().as_raw_nonzero().get();
        self.ask(|process| process.parent == ours);
    }

    /// Asks some of those to end that have not been asked; tells whether there were any.
    fn ask(&mut self, which: impl Fn(&Process) -> bool) -> bool {
        let all = descendants(&self.preexisting_children).unwrap_or_default();
        let new: Vec<Process> = all
            .into_iter()
            .filter(|process| !self.is_in_group(process) && !self.asked.contains(&process.pid))
            .filter(which)
            .collect();
        for process in &new {
            // Also a stopped one hears it, as with timeout(1).
            let _ = kill_process(process.pid, Signal::TERM);
            let _ = kill_process(process.pid, Signal::CONT);
            self.asked.push(process.pid);
        }
        !new.is_empty()
    }

    fn is_in_group(&self, process: &Process) -> bool {
        self.leads_group && process.group == self.pid()
    }

    /// Kills the program and all its descendants; returns one that may not be signalled, if there is one.
    pub(super) fn kill(&self) -> Option<Pid> {
        if is_alone_and_cannot_see() {
            signal_all(NixSignal::SIGKILL);
            return None;
        }
        self.signal(Signal::KILL);
        let mut killed = Vec::new();
        let mut refused = None;
        for _ in 0..MAX_WALKS {
            let all = descendants(&self.preexisting_children).unwrap_or_default();
            let new: Vec<Pid> =
                all.into_iter().map(|process| process.pid).filter(|pid| !killed.contains(pid)).collect();
            if new.is_empty() {
                break;
            }
            for pid in &new {
                if kill_process(*pid, Signal::KILL) == Err(Errno::PERM) {
                    refused = Some(*pid);
                }
            }
            killed.extend(new);
        }
        refused
    }

    /// Whether descendants that have left the program's group can't be seen, and so not be stopped.
    pub(super) fn cannot_see_descendants(&self) -> bool {
        ADOPTS && !rustix::process::getpid().is_init() && descendants(&self.preexisting_children).is_err()
    }

    /// Reaps all children that have ended, our own and those that have lost their parents.
    pub(super) fn reap(&mut self) {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, ended))) if pid == self.program => self.status = status(ended),
                Ok(Some((pid, _))) => self.preexisting_children.retain(|child| *child != pid),
                Ok(None) => return,
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.is_childless = true;
                    return;
                }
            }
        }
    }

    /// How the program ended, once it has been reaped.
    pub(super) fn status(&self) -> Option<Status> {
        self.status
    }

    /// Whether the program or a descendant of it is left.
    pub(super) fn is_left(&self) -> bool {
        if self.is_childless {
            // Who has lost its parent has become our child, where the system does that.
            return !ADOPTS && self.leads_group && test_kill_process_group(self.program) != Err(Errno::SRCH);
        }
        self.preexisting_children.is_empty()
            || descendants(&self.preexisting_children).map_or(true, |left| !left.is_empty())
    }
}

fn status(status: rustix::process::WaitStatus) -> Option<Status> {
    let exited = status.exit_status().and_then(|code| u8::try_from(code).ok()).map(Status::Exited);
    let signalled =
        || status.terminating_signal().and_then(|signal| u8::try_from(signal).ok()).map(Status::Signalled);
    exited.or_else(signalled)
}

/// From now on a descendant that loses its parent becomes our child, so that none is lost to us
/// (`man 2 PR_SET_CHILD_SUBREAPER`).
#[cfg(target_os = "linux")]
fn adopt_orphans() {
    // Linux has this since 3.4.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

#[cfg(not(target_os = "linux"))]
fn adopt_orphans() {}

/// Whether we are process 1, so that all processes we could signal are the program's, and can't see them.
fn is_alone_and_cannot_see() -> bool {
    rustix::process::getpid().is_init() && descendants(&[]).is_err()
}

/// Signals every process but us that we may signal (`man 2 kill`).
fn signal_all(signal: NixSignal) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(-1), signal);
}

/// A tree that forks while it is walked comes to its end in a few walks; one that never does must not keep us from
/// all else. The next look at it goes on.
const MAX_WALKS: usize = 100;

const ADOPTS: bool = cfg!(target_os = "linux");
