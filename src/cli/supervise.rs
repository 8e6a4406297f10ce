//! The one loop while the program runs: it waits for the socket, signals and timers at once.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::program::{Program, Status};
use super::report::Report;
use super::signals::Signals;
use crate::lock::{Guard, Lost};

/// How the supervision ended; in all cases but the first no process of the group is left.
#[derive(Debug)]
pub(super) enum Ending {
    /// The program ended by itself, or by a signal that was not ours.
    Ended(Status),
    /// `--timeout` ran out.
    TimedOut,
    /// The lock was lost.
    Lost,
}

/// The times that the loop keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From now to the end of the program; `None` is never.
    pub(super) timeout: Option<Duration>,
    /// From SIGTERM to SIGKILL.
    pub(super) kill_after: Duration,
}

/// Waits for the end of the program, and sees to it that the program ends when the lock is lost.
pub(super) fn supervise(
    program: &Program,
    guard: &mut Guard,
    signals: &mut Signals,
    limits: Limits,
    report: Report,
) -> Ending {
    let deadline = limits.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut watch = Watch {
        program,
        limits,
        report,
        state: State::Running { deadline },
        ended: None,
        is_lost: false,
        has_more: true,
    };
    loop {
        watch.tick();
        if let Some(ending) = watch.ending() {
            return ending;
        }
        let ready = watch.wait(guard, signals);
        if ready.signals {
            let (child, forward) = signals.take();
            for signal in forward {
                watch.report.transition(format_args!("passing on signal {}", signal.as_raw()));
                program.signal(signal);
            }
            if child {
                watch.ended = watch.ended.or_else(|| program.reap());
            }
        }
        if ready.socket {
            watch.hear(guard);
        }
    }
}

struct Watch<'a> {
    program: &'a Program,
    limits: Limits,
    report: Report,
    state: State,
    ended: Option<Status>,
    is_lost: bool,
    /// The server may have said more than was looked at: at first what came along with its last answer.
    has_more: bool,
}

/// What heimdall is about to do to the program; each deadline is acted upon once.
#[derive(Clone, Copy)]
enum State {
    Running { deadline: Option<Instant> },
    Terminating { kill_at: Option<Instant>, cause: Cause },
    Killing { cause: Cause },
}

#[derive(Clone, Copy)]
enum Cause {
    TimedOut,
    Lost,
}

#[derive(Default)]
struct Ready {
    signals: bool,
    socket: bool,
}

impl Watch<'_> {
    fn tick(&mut self) {
        let now = Instant::now();
        match self.state {
            State::Running { deadline: Some(deadline) } if deadline <= now && self.ended.is_none() => {
                self.report.error("--timeout ran out; stopping the program");
                self.stop(Cause::TimedOut);
            }
            State::Terminating { kill_at: Some(kill_at), cause } if kill_at <= now => {
                self.report.warning("the program did not end after SIGTERM; killing it");
                self.program.signal(Signal::KILL);
                self.state = State::Killing { cause };
            }
            _ => {}
        }
    }

    fn ending(&self) -> Option<Ending> {
        let status = self.ended?;
        match self.state {
            State::Running { .. } => Some(Ending::Ended(status)),
            State::Terminating { cause, .. } | State::Killing { cause } if !self.program.is_group_alive() => {
                Some(match cause {
                    Cause::TimedOut => Ending::TimedOut,
                    Cause::Lost => Ending::Lost,
                })
            }
            _ => None,
        }
    }

    /// One thing at a time, so that a server that never stops talking can't keep us from all else.
    fn hear(&mut self, guard: &mut Guard) {
        let heard = guard.heard();
        self.has_more = matches!(heard, Ok(Some(_)));
        match heard {
            Ok(Some(notice)) => self.report.transition(format_args!("the server says: {notice}")),
            Ok(None) => {}
            Err(lost) => self.lose(&lost),
        }
    }

    fn lose(&mut self, lost: &Lost) {
        self.is_lost = true;
        match self.state {
            // The program ended while the news came in: it never ran without the lock.
            State::Running { .. } if self.ended.is_some() => {}
            State::Running { .. } => {
                self.report.error(format_args!("the lock is lost: {lost}; stopping the program"));
                self.stop(Cause::Lost);
            }
            _ => self.report.warning(format_args!("the lock is lost: {lost}")),
        }
    }

    fn stop(&mut self, cause: Cause) {
        self.program.terminate();
        let kill_at = Instant::now().checked_add(self.limits.kill_after);
        self.state = State::Terminating { kill_at, cause };
    }

    fn wait(&self, guard: &Guard, signals: &Signals) -> Ready {
        let mut fds = vec![PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
        // A lost socket is readable for ever and would make the loop spin.
        if !self.is_lost {
            fds.push(PollFd::from_borrowed_fd(guard.as_fd(), PollFlags::IN));
        }
        let left = if self.has_more { Some(Duration::ZERO) } else { self.until_next_timer() };
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        if poll(&mut fds, timeout.as_ref()).is_err() {
            // EINTR: the signal is in its pipe, and the next round finds it.
            return Ready::default();
        }
        let is_ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        Ready { signals: is_ready(0), socket: is_ready(1) || self.has_more }
    }

    fn until_next_timer(&self) -> Option<Duration> {
        let timer = match self.state {
            State::Running { deadline } => deadline,
            State::Terminating { kill_at, .. } => kill_at,
            State::Killing { .. } => None,
        };
        let left = timer.map(|at| at.saturating_duration_since(Instant::now()));
        // What is left of the group behind its leader is nobody's child of ours: its end is no event.
        let is_waiting_for_group = self.ended.is_some();
        if is_waiting_for_group { Some(left.unwrap_or(GROUP_CHECK).min(GROUP_CHECK)) } else { left }
    }
}

/// How often it is looked whether the group is empty, once its leader has ended.
const GROUP_CHECK: Duration = Duration::from_millis(20);
