//! The one loop while the program runs: it waits for the socket, signals and timers at once.

use std::os::fd::AsFd;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal};

use super::event::Event;
use super::exit::{Exit, Status};
use super::program::Program;
use super::report::Report;
use super::signals::{Signals, Taken};
use super::timer::Timer;
use crate::lock::{Guard, Heard, Lost, Moment};

/// How the supervision ended; in all cases but the first no process of the program is left.
#[derive(Debug, Clone, Copy)]
pub(super) enum ExitReason {
    /// The program ended by itself, or by a signal that was not ours.
    Ended(Status),
    /// `--timeout` ran out.
    TimedOut,
    /// The lock was lost.
    Lost,
}

impl From<ExitReason> for Exit {
    fn from(reason: ExitReason) -> Self {
        match reason {
            ExitReason::Ended(status) => status.into(),
            ExitReason::TimedOut => Self::TimedOut,
            ExitReason::Lost => Self::Lost,
        }
    }
}

/// The times that the loop keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From now to the end of the program; `None` is never.
    pub(super) timeout: Option<Duration>,
    /// From SIGTERM to SIGKILL.
    pub(super) kill_after: Duration,
    /// How long the server holds the lock once it hears nothing of us.
    pub(super) lease: Duration,
    /// From now to the release of the lock, at least.
    pub(super) min_hold: Duration,
}

/// What the loop waits for.
pub(super) struct Events<'a> {
    pub(super) guard: &'a mut Guard,
    pub(super) signals: &'a mut Signals,
    pub(super) timer: &'a Timer,
}

/// Waits for the end of the program, and sees to it that the program ends when the lock is lost.
pub(super) fn supervise(
    program: &mut Program,
    events: &mut Events<'_>,
    limits: Limits,
    report: &Report,
) -> ExitReason {
    let now = Moment::now();
    let mut supervisor = Supervisor {
        program,
        limits,
        report,
        acquired: events.guard.acquired(),
        started: now,
        state: State::Running { deadline: limits.timeout.map(|timeout| now.after(timeout)) },
        hold_until: now.after(limits.min_hold),
        is_lost: false,
        has_more: true,
        refused: None,
        is_explained: false,
    };
    supervisor.listen(events.guard);
    if !supervisor.is_lost
        && let Err(lost) = events.guard.start_heartbeat(limits.lease, now)
    {
        supervisor.lose(&lost);
    }
    loop {
        supervisor.tick(events.guard);
        if let Some(exit_reason) = supervisor.exit_reason() {
            return exit_reason;
        }
        supervisor.wait(events);
    }
}

struct Supervisor<'a> {
    program: &'a mut Program,
    limits: Limits,
    report: &'a Report,
    acquired: Moment,
    started: Moment,
    state: State,
    hold_until: Moment,
    is_lost: bool,
    /// The server may have said more than was looked at: at first what came along with its last answer.
    has_more: bool,
    /// A process that can't be killed, and of which the user knows.
    refused: Option<Pid>,
    /// Whether the user knows that there may be processes that can't be seen.
    is_explained: bool,
}

/// What heimdall is about to do to the program; each deadline is acted upon once.
#[derive(Clone, Copy)]
enum State {
    Running {
        deadline: Option<Moment>,
    },
    Terminating {
        kill_at: Moment,
        cause: Cause,
    },
    Killing {
        cause: Cause,
    },
    /// Nothing is left to be done but to hold the lock for as long as `--min-hold` says.
    Over(ExitReason),
}

#[derive(Clone, Copy)]
enum Cause {
    TimedOut,
    Lost,
}

impl Supervisor<'_> {
    fn tick(&mut self, guard: &mut Guard) {
        let now = Moment::now();
        if !self.is_lost
            && let Err(lost) = guard.tick(now)
        {
            self.lose(&lost);
        }
        let is_left = || self.program.is_left();
        match (self.state, self.program.status()) {
            (State::Running { .. }, Some(status)) => self.state = State::Over(ExitReason::Ended(status)),
            (State::Terminating { cause, .. } | State::Killing { cause }, Some(_)) if !is_left() => {
                self.state = State::Over(match cause {
                    Cause::TimedOut => ExitReason::TimedOut,
                    Cause::Lost => ExitReason::Lost,
                });
            }
            (State::Running { deadline: Some(deadline) }, None) if deadline <= now => {
                self.terminate(Cause::TimedOut, self.limits.kill_after);
                self.tell_of_term("--timeout ran out");
            }
            (State::Terminating { kill_at, cause }, _) if kill_at <= now => {
                self.state = State::Killing { cause };
                self.kill();
                let cause = "it did not end after SIGTERM";
                self.report.event(&Event::Stopping { cause, signal: Signal::KILL.as_raw() });
            }
            (State::Terminating { .. }, _) => self.program.terminate_orphans(),
            (State::Killing { .. }, _) => {
                self.kill();
                self.explain();
            }
            _ => {}
        }
    }

    fn exit_reason(&self) -> Option<ExitReason> {
        match self.state {
            State::Over(exit_reason) if self.is_lost || self.hold_until <= Moment::now() => Some(exit_reason),
            _ => None,
        }
    }

    fn wait(&mut self, events: &mut Events<'_>) {
        // A lost socket is readable for ever and would make the loop spin.
        let socket = (!self.is_lost).then(|| events.guard.as_fd());
        let until = if self.has_more { Some(Moment::now()) } else { self.next_timer(events.guard) };
        let [signals, socket] = events.timer.wait([Some(events.signals.as_fd()), socket], until);
        if signals {
            self.obey(events.signals.take());
        }
        if socket || (self.has_more && !self.is_lost) {
            self.listen(events.guard);
        }
    }

    fn obey(&mut self, taken: Taken) {
        if matches!(self.state, State::Over(_)) {
            // Nobody is left to tell but ourselves.
            if taken.typed || !taken.forward.is_empty() {
                self.hold_until = Moment::now();
            }
            return self.reap();
        }
        for signal in taken.forward {
            self.program.signal(signal);
            self.report.event(&Event::Signalled { signal: signal.as_raw() });
        }
        if taken.child {
            self.reap();
        }
    }

    fn reap(&mut self) {
        let had_ended = self.program.status().is_some();
        self.program.reap();
        if let Some(status) = self.program.status().filter(|_| !had_ended) {
            self.report.event(&Event::Exited { status, ran: Moment::now().since(self.started) });
        }
    }

    /// One thing at a time, so that a server that never stops talking can't keep us from all else.
    fn listen(&mut self, guard: &mut Guard) {
        let heard = guard.poll();
        self.has_more = matches!(heard, Ok(Heard::Something | Heard::Notice(_)));
        match heard {
            Ok(Heard::Notice(notice)) => self.report.notice(notice),
            Ok(_) => {}
            Err(lost) => self.lose(&lost),
        }
    }

    fn lose(&mut self, lost: &Lost) {
        self.is_lost = true;
        self.has_more = false;
        // It may have ended while the news came in: then it never ran without the lock.
        self.reap();
        // A server that has fallen silent frees the lock a lease after it has heard of us for the last time: by three
        // quarters of that the program is gone, and to be gone takes time too. Any other loss is known at once.
        let kill_after = match lost {
            Lost::Silent(silence) => {
                self.limits.kill_after.min((self.limits.lease * 7 / 10).saturating_sub(*silence))
            }
            _ => self.limits.kill_after,
        };
        let is_running = self.program.status().is_none();
        match &mut self.state {
            State::Running { .. } if is_running => self.terminate(Cause::Lost, kill_after),
            State::Terminating { kill_at, .. } => *kill_at = (*kill_at).min(Moment::now().after(kill_after)),
            _ => {}
        }
        let when = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        self.report.event(&Event::Lost { lost, held: Moment::now().since(self.acquired), when });
        if is_running && matches!(self.state, State::Terminating { cause: Cause::Lost, .. }) {
            self.tell_of_term("the lock is lost");
        }
    }

    /// Acts first and talks later: whoever reads our standard error may take his time.
    fn terminate(&mut self, cause: Cause, kill_after: Duration) {
        self.program.terminate();
        self.state = State::Terminating { kill_at: Moment::now().after(kill_after), cause };
    }

    fn tell_of_term(&self, cause: &'static str) {
        self.report.event(&Event::Stopping { cause, signal: Signal::TERM.as_raw() });
    }

    fn kill(&mut self) {
        let refused = self.program.kill();
        if refused.is_some() && refused != self.refused {
            self.refused = refused;
            let pid = refused.map_or(0, Pid::as_raw_pid);
            self.report.warning(format_args!(
                "process {pid} of the program belongs to another user and can't be killed; waiting for its end"
            ));
        }
    }

    /// Tells once why heimdall waits, where it can't do more.
    fn explain(&mut self) {
        if !self.is_explained && self.program.status().is_some() && self.program.cannot_see_descendants() {
            self.is_explained = true;
            self.report.warning(
                "the process table can't be read; waiting for what may be left of the program outside of its group",
            );
        }
    }

    fn next_timer(&self, guard: &Guard) -> Option<Moment> {
        let ping = guard.next_tick().filter(|_| !self.is_lost);
        let state = match self.state {
            State::Over(_) => Some(self.hold_until),
            State::Running { deadline } => deadline,
            State::Terminating { kill_at, .. } => Some(kill_at),
            State::Killing { .. } => None,
        };
        // The end of a process that is not our child is no event: one of the group, where orphans are not adopted.
        let is_stopping = matches!(self.state, State::Terminating { .. } | State::Killing { .. });
        let is_waiting_for_others = is_stopping && self.program.status().is_some();
        let check = is_waiting_for_others.then(|| Moment::now().after(DESCENDANT_POLL));
        [ping, state, check].into_iter().flatten().min()
    }
}

/// How often it is looked whether descendants are left, once the program has ended.
const DESCENDANT_POLL: Duration = Duration::from_millis(20);
