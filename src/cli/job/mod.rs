//! The job, which is the program and all that descends from it: how it is signalled, stopped and reaped.

pub(super) mod descendants;
#[cfg(target_os = "linux")]
pub(super) mod listen;
pub(super) mod on_lost;
pub(super) mod preexisting;
pub(super) mod spawn;
pub(super) mod unrunnable;

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::signal::Signal as NixSignal;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, getpgrp, kill_process, kill_process_group, test_kill_process_group, wait,
};

use crate::cli::exit::Status;
use crate::cli::signals::bits::SignalBits;
use crate::cli::signals::witness::Witness;
use crate::net::Moment;
use descendants::{Process, descendants};
use preexisting::PreexistingChildren;
use spawn::{Start, spawn};

/// A started program and its descendants.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Job {
    program: Pid,
    /// What asks the job to end.
    stop_signal: Signal,
    leads_group: bool,
    status: Option<Status>,
    /// Whether the program is stopped, whoever has done that.
    is_stopped: bool,
    news: News,
    preexisting: PreexistingChildren,
    /// A child of heimdall that is none of the job's, until it has ended.
    beside: Option<Pid>,
    /// Where the program is in our group, as long as it runs.
    witness: Option<Witness>,
    /// Who has been stopped by us, and is to be continued by us.
    stopped: Vec<Pid>,
    /// Whether the program's group has been stopped by us, as there was no telling who of the job runs.
    is_group_stopped: bool,
    /// Who has been asked to end.
    asked: Vec<Pid>,
    is_childless: bool,
}

/// What is new of the program.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct News {
    pub(super) ended: Option<Status>,
    pub(super) stopped_by: Option<Signal>,
    /// What ran beside the job has ended.
    pub(super) beside_ended: Option<Status>,
}

impl Job {
    /// Starts the program, which this signal asks to end. Right before that, `may_start` is asked whether it may start, and
    /// `take_early` takes the signals that came to heimdall, which the program has not got. Returns `None` where it may not.
    pub(super) fn start(
        start: Start<'_>,
        stop_signal: Signal,
        may_start: &dyn Fn() -> bool,
        take_early: &mut dyn FnMut(),
    ) -> io::Result<Option<Self>> {
        adopt_orphans();
        let preexisting = PreexistingChildren::find(start.inherited)?;
        let leads_group = !start.in_our_group;
        // Without one, what is sent to the group reaches the program twice.
        let mut witness = if leads_group { None } else { Witness::start().ok() };
        let mut last = || {
            let may_start = may_start();
            if may_start {
                seen_by(&mut witness, take_early);
            }
            may_start
        };
        let Some(program) = spawn(start, &mut last)? else { return Ok(None) };
        Ok(Some(Self {
            program,
            stop_signal,
            witness,
            leads_group,
            status: None,
            is_stopped: false,
            news: News::default(),
            preexisting,
            beside: None,
            stopped: Vec::new(),
            is_group_stopped: false,
            asked: Vec::new(),
            is_childless: false,
        }))
    }

    pub(super) fn pid(&self) -> i32 {
        self.program.as_raw_nonzero().get()
    }

    /// What asks the job to end.
    pub(super) fn stop_signal(&self) -> Signal {
        self.stop_signal
    }

    /// Starts something that is none of the job's, in a process group of its own: it is stopped by
    /// [`Job::kill_beside`] alone.
    pub(super) fn start_beside(&mut self, start: Start<'_>) -> io::Result<()> {
        self.beside = spawn(start, &mut || true)?;
        Ok(())
    }

    /// Kills what [`Job::start_beside`] has started, and its process group.
    pub(super) fn kill_beside(&self) {
        if let Some(beside) = self.beside {
            send(-beside.as_raw_nonzero().get(), Signal::KILL);
        }
    }

    /// Whether what runs beside the job is left.
    pub(super) fn is_beside_left(&self) -> bool {
        self.beside.is_some()
    }

    /// Whether the program is in our process group.
    pub(super) fn is_group_shared(&self) -> bool {
        !self.leads_group
    }

    /// Sends a signal to the program's process group, or to the program alone where it is in ours. Once the program has
    /// ended, it is for all that it has left.
    pub(super) fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            return send(self.target(), signal);
        }
        let Ok(all) = self.all() else { return self.signal_unseen(signal) };
        for left in all {
            let _ = kill_process(left.pid, signal);
        }
    }

    /// Sends a signal to those that the program has left and that are not in our process group.
    pub(super) fn signal_elsewhere(&self, signal: Signal) {
        let ours = getpgrp().as_raw_nonzero().get();
        for left in self.all().unwrap_or_default().iter().filter(|left| left.group != ours) {
            let _ = kill_process(left.pid, signal);
        }
    }

    /// What is readable when a signal has come to the group, or to its witness.
    pub(super) fn witness(&self) -> Option<BorrowedFd<'_>> {
        self.witness.as_ref().map(Witness::as_fd)
    }

    /// Hears of that, when it is readable.
    pub(super) fn hear_witness(&mut self) {
        self.witness.iter_mut().for_each(Witness::hear);
    }

    /// Returns the signals that were sent since the last call to heimdall's whole group, where the program has got them too.
    /// `take` takes those of heimdall, so that none comes between.
    pub(super) fn sent_to_group(&mut self, take: &mut dyn FnMut()) -> SignalBits {
        let sent = seen_by(&mut self.witness, take);
        // What stops a process takes back the SIGCONT before it, which must not go on its way to the program here.
        let stops = [Signal::TSTP, Signal::TTIN, Signal::TTOU].iter().any(|stop| sent.contain(stop.as_raw()));
        if stops { sent.with(SignalBits::of(Signal::CONT)) } else { sent }
    }

    /// Continues the program and its process group, where it leads one, if any of them is stopped; or what it has left of the
    /// kind.
    pub(super) fn wake(&mut self) {
        // It may have been continued together with us.
        self.collect();
        if self.is_stopped {
            return send(self.target(), Signal::CONT);
        }
        match self.all() {
            // Of a group that was told to stop, the program may have gone on, and others not. Who goes on already is to get
            // no second SIGCONT.
            Ok(all) => {
                let is_meant = |process: &&Process| {
                    process.is_still && (self.status.is_some() || self.is_in_group(process))
                };
                for process in all.iter().filter(is_meant) {
                    let _ = kill_process(process.pid, Signal::CONT);
                }
            }
            Err(_) if self.status.is_some() => self.signal_unseen(Signal::CONT),
            Err(_) => {}
        }
    }

    /// Whom a signal reaches all at once, as kill(2) has it: the program's process group, or the program.
    fn target(&self) -> i32 {
        if self.leads_group { -self.pid() } else { self.pid() }
    }

    fn signal_target(&self, signal: Signal) {
        if self.status.is_none() || self.is_group_left() {
            send(self.target(), signal);
        }
    }

    /// Whether the program's group has members of the job, as far as anyone can tell. The number of a program that has ended
    /// may be another's by now, and so may that of its group once it is empty.
    fn is_group_left(&self) -> bool {
        let is_left = |all: Vec<Process>| all.iter().any(|process| self.is_in_group(process));
        self.leads_group && self.all().map_or(true, is_left)
    }

    /// Signals what the program has left where that can't be seen: its group, or every process of a PID namespace that is ours.
    fn signal_unseen(&self, signal: Signal) {
        match NixSignal::try_from(signal.as_raw()) {
            Ok(signal) if rustix::process::getpid().is_init() => signal_all(signal),
            _ => self.signal_target(signal),
        }
    }

    /// Stops the program and all its descendants, except those that are stopped already.
    pub(super) fn stop(&mut self) {
        if is_alone_and_cannot_see() {
            return signal_all(NixSignal::SIGSTOP);
        }
        let Ok(mut running) = self.running() else {
            // Without a process table there is no telling who was stopped already.
            self.is_group_stopped = true;
            return self.signal_target(Signal::STOP);
        };
        // What is forked during a walk is found by the next one, and to stop takes a moment.
        let limit = Moment::now().after(STOP_TIMEOUT);
        let mut signalled = Vec::new();
        while !running.is_empty() && Moment::now() < limit {
            running.retain(|pid| !signalled.contains(pid));
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
        if mem::take(&mut self.is_group_stopped) {
            self.signal_target(Signal::CONT);
        }
        // Who stands still has ended only if it was killed: where no one can tell, it is still there.
        let all = self.all();
        let is_left = |pid: &Pid| all.as_ref().map_or(true, |all| all.iter().any(|left| left.pid == *pid));
        for pid in self.stopped.drain(..).filter(is_left) {
            let _ = kill_process(pid, Signal::CONT);
        }
    }

    /// All processes of the job, zombies included.
    fn all(&self) -> io::Result<Vec<Process>> {
        let is_ours = |child| {
            self.beside == Some(child) || self.witness.as_ref().is_some_and(|witness| witness.pid() == child)
        };
        descendants(|child| is_ours(child) || (!self.is_program(child) && self.preexisting.include(child)))
    }

    /// Whether it is the program; once that was reaped, its number may be another's.
    fn is_program(&self, pid: Pid) -> bool {
        pid == self.program && self.status.is_none()
    }

    /// Who of the job is neither stopped nor a zombie.
    fn running(&self) -> io::Result<Vec<Pid>> {
        let all = self.all()?;
        Ok(all.into_iter().filter(|process| !process.is_still).map(|process| process.pid).collect())
    }

    /// Asks the program and all its descendants to end.
    pub(super) fn terminate(&mut self) {
        if is_alone_and_cannot_see() {
            let signal = NixSignal::try_from(self.stop_signal.as_raw()).unwrap_or(NixSignal::SIGTERM);
            signal_all(signal);
            return signal_all(NixSignal::SIGCONT);
        }
        self.signal_target(self.stop_signal);
        self.signal_target(Signal::CONT);
        self.asked.extend(self.status.is_none().then_some(self.program));
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
        let all = self.all().unwrap_or_default();
        let new: Vec<Process> = all
            .into_iter()
            .filter(|process| !self.is_in_group(process) && !self.asked.contains(&process.pid))
            .filter(which)
            .collect();
        for process in &new {
            // Also a stopped one hears it, as with timeout(1).
            let _ = kill_process(process.pid, self.stop_signal);
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
        self.signal_target(Signal::KILL);
        let mut killed = Vec::new();
        let mut refused = None;
        for _ in 0..MAX_WALKS {
            let all = self.all().unwrap_or_default();
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

    /// Whether of what is left nothing can be seen that has left the program's group, and so not be stopped.
    pub(super) fn cannot_see_descendants(&self) -> bool {
        let sees_any = |_| self.all().is_ok_and(|all| !all.is_empty());
        ADOPTS && !rustix::process::getpid().is_init() && !(0..2).any(sees_any)
    }

    /// Reaps all children that have ended, our own and those that have lost their parents; returns what is new of the program.
    pub(super) fn reap(&mut self) -> News {
        self.collect();
        mem::take(&mut self.news)
    }

    fn collect(&mut self) {
        loop {
            match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED) {
                Ok(Some((pid, news))) if self.is_program(pid) => {
                    self.is_stopped = news.stopped();
                    self.status = status(news);
                    if self.status.is_some() {
                        self.witness = None;
                    }
                    self.news.ended = self.status;
                    self.news.stopped_by = news.stopping_signal().and_then(Signal::from_named_raw);
                }
                Ok(Some((_, news))) if news.stopped() || news.continued() => {}
                Ok(Some((pid, news))) if Some(pid) == self.beside => {
                    self.beside = None;
                    self.news.beside_ended = status(news);
                }
                Ok(Some((pid, _))) => {
                    self.preexisting.forget(pid);
                    self.witness.take_if(|witness| witness.pid() == pid).into_iter().for_each(Witness::bury);
                }
                Ok(None) => return,
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.is_childless = true;
                    return;
                }
            }
        }
    }

    /// Whether the program or a descendant of it is left.
    pub(super) fn is_left(&self) -> bool {
        if self.is_childless {
            // Who has lost its parent has become our child, where the system does that.
            return !ADOPTS && self.leads_group && test_kill_process_group(self.program) != Err(Errno::SRCH);
        }
        let is_alone = !self.preexisting.have_been() && self.beside.is_none();
        // One that forks and ends during a walk hides its child and itself, but not twice.
        is_alone || (0..2).any(|_| self.all().map_or(true, |left| !left.is_empty()))
    }
}

/// Returns what a witness has seen of the signals that `take` takes, and puts another one in its place that has seen none of
/// them, since what it has seen stays with it.
fn seen_by(witness: &mut Option<Witness>, take: &mut dyn FnMut()) -> SignalBits {
    take();
    let mut seen = SignalBits::default();
    for _ in 0..MAX_WITNESSES {
        let Some(last) = witness.take_if(|witness| !witness.seen().are_none()) else { break };
        *witness = Witness::start().ok();
        take();
        seen = seen.with(last.seen());
    }
    seen
}

fn status(status: rustix::process::WaitStatus) -> Option<Status> {
    let exited = status.exit_status().and_then(|code| u8::try_from(code).ok()).map(Status::Exited);
    let signalled =
        || status.terminating_signal().and_then(|signal| u8::try_from(signal).ok()).map(Status::Signalled);
    exited.or_else(signalled)
}

/// Sends a signal to a process, or to the process group -`target`.
fn send(target: i32, signal: Signal) {
    // ESRCH: all are gone. EPERM: what is left has changed its user and is not ours to signal.
    match Pid::from_raw(target.abs()) {
        Some(group) if target < 0 => drop(kill_process_group(group, signal)),
        Some(pid) => drop(kill_process(pid, signal)),
        None => {}
    }
}

/// Reaps what has been left to heimdall as process 1, before there is a job; elsewhere heimdall has no children then.
pub(super) fn reap_orphans() {
    if rustix::process::getpid().is_init() {
        while matches!(wait(WaitOptions::NOHANG), Ok(Some(_)) | Err(Errno::INTR)) {}
    }
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
    rustix::process::getpid().is_init() && descendants(|_| false).is_err()
}

/// Signals every process but us that we may signal (`man 2 kill`).
fn signal_all(signal: NixSignal) {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(-1), signal);
}

/// How long processes may take to stop; one that waits for a disk takes as long as the disk.
const STOP_TIMEOUT: Duration = Duration::from_millis(50);

/// A tree that forks while it is walked comes to its end in a few walks; one that never does must not keep us from
/// all else. The next look at it goes on.
const MAX_WALKS: usize = 100;

/// A group that never stops signalling itself must not keep us from all else.
const MAX_WITNESSES: usize = 10;

const ADOPTS: bool = cfg!(target_os = "linux");
