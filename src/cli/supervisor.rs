//! The rules of supervision: what is done to the program, and when. No process, socket, clock or output in here; plain
//! data goes in and out, so that a test can play any schedule.

use std::time::Duration;

use rustix::process::Signal;

use super::exit::Status;
use crate::lock::Moment;

/// The times that the rules keep.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the start to the end of the program; `None` is never.
    pub(super) timeout: Option<Duration>,
    /// From SIGTERM to SIGKILL.
    pub(super) kill_after: Duration,
    /// How long the server holds the lock once it hears nothing of us.
    pub(super) lease: Duration,
    /// From the start of the program to the release of the lock, at least.
    pub(super) min_hold: Duration,
}

/// What can happen while the program runs, and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Time has passed.
    Tick,
    /// A signal came for heimdall alone.
    Signal(Signal),
    /// A signal was typed at the terminal, whose whole foreground got it, the program too.
    Typed,
    /// The program has ended.
    Ended(Status),
    /// The lock is lost; where the server has fallen silent, for so long.
    Lost { silence: Option<Duration> },
    /// The answer to [`Action::Look`].
    Left(Left),
}

/// Whether a process of the job is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    No,
    Yes,
    /// The process table can't be read.
    Unknown,
}

/// What to do now, in this order, and what after that.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Actions {
    pub(super) now: Vec<Action>,
    pub(super) then: Then,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Pass the signal on to the program.
    Signal(Signal),
    /// Ask the whole job to end.
    Terminate,
    /// Ask those to end that [`Action::Terminate`] has missed, and that have lost their parent since.
    TerminateOrphans,
    /// Kill the whole job.
    Kill,
    /// See whether a process of the job is left.
    Look,
    /// Tell the user.
    Tell(News),
}

/// What the user is told, always after it was done: the reader of standard error may be slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    Signalled(Signal),
    Lost,
    Terminated(Cause),
    Killed,
    Exited {
        status: Status,
        ran: Duration,
    },
    /// heimdall waits for processes that it can't see.
    Blind,
}

/// What to do once nothing is left to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Wait for an event; where none comes by that moment, the event is [`Event::Tick`].
    Wait(Option<Moment>),
    /// All is over.
    Exit(ExitReason),
}

/// How the supervision ended; in all cases but the first no process of the job is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitReason {
    /// The program ended by itself, or by a signal that was not ours.
    Ended(Status),
    /// heimdall has stopped the job.
    Stopped(Cause),
}

/// Why the job is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// `--timeout` ran out.
    TimedOut,
    /// The lock was lost.
    Lost,
}

/// Where a run stands.
#[derive(Debug)]
pub(super) struct Supervisor {
    limits: Limits,
    started: Moment,
    state: State,
    has_ended: bool,
    is_lost: bool,
    /// Whether the user knows that there may be processes that can't be seen.
    is_explained: bool,
    hold_until: Moment,
}

/// What heimdall is about to do to the job; each deadline is acted upon once.
#[derive(Debug, Clone, Copy)]
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

impl Supervisor {
    /// The program has just started.
    pub(super) fn new(limits: Limits, now: Moment) -> Self {
        Self {
            limits,
            started: now,
            state: State::Running { deadline: limits.timeout.map(|timeout| now.after(timeout)) },
            has_ended: false,
            is_lost: false,
            is_explained: false,
            hold_until: now.after(limits.min_hold),
        }
    }

    /// Returns what to do about an event.
    pub(super) fn step(&mut self, event: Event, now: Moment) -> Actions {
        let mut actions = Vec::new();
        match (event, self.state) {
            // Only heimdall is left to obey, and all it does is hold the lock.
            (Event::Signal(_) | Event::Typed, State::Over(_)) => self.hold_until = now,
            (Event::Signal(signal), _) => {
                actions.extend([Action::Signal(signal), Action::Tell(News::Signalled(signal))]);
            }
            (Event::Ended(status), _) => self.end(status, now, &mut actions),
            (Event::Lost { silence }, _) => self.lose(silence, now, &mut actions),
            (Event::Tick, State::Running { deadline: Some(deadline) }) if deadline <= now => {
                self.terminate(Cause::TimedOut, self.limits.kill_after, now, &mut actions);
                actions.push(Action::Tell(News::Terminated(Cause::TimedOut)));
            }
            // The job has ended when all its processes have; until the program has, there is no need to look.
            (Event::Tick, State::Terminating { .. } | State::Killing { .. }) if self.has_ended => {
                actions.push(Action::Look);
            }
            (Event::Left(Left::No), State::Terminating { cause, .. } | State::Killing { cause }) => {
                self.state = State::Over(ExitReason::Stopped(cause));
            }
            (Event::Tick | Event::Left(_), _) => self.insist(event, now, &mut actions),
            (Event::Typed, _) => {}
        }
        Actions { now: actions, then: self.then(now) }
    }

    fn end(&mut self, status: Status, now: Moment, actions: &mut Vec<Action>) {
        self.has_ended = true;
        if matches!(self.state, State::Running { .. }) {
            self.state = State::Over(ExitReason::Ended(status));
        }
        actions.push(Action::Tell(News::Exited { status, ran: now.since(self.started) }));
    }

    fn lose(&mut self, silence: Option<Duration>, now: Moment, actions: &mut Vec<Action>) {
        self.is_lost = true;
        // A silent server frees the lock a lease after it last heard from us. By three quarters of that the job must be
        // gone, and dying takes time too. Any other loss is known at once.
        let kill_after = silence.map_or(self.limits.kill_after, |silence| {
            self.limits.kill_after.min((self.limits.lease * 7 / 10).saturating_sub(silence))
        });
        match &mut self.state {
            State::Running { .. } => {
                self.terminate(Cause::Lost, kill_after, now, actions);
                actions.extend([Action::Tell(News::Lost), Action::Tell(News::Terminated(Cause::Lost))]);
            }
            State::Terminating { kill_at, .. } => {
                *kill_at = (*kill_at).min(now.after(kill_after));
                actions.push(Action::Tell(News::Lost));
            }
            State::Killing { .. } | State::Over(_) => actions.push(Action::Tell(News::Lost)),
        }
    }

    fn terminate(&mut self, cause: Cause, kill_after: Duration, now: Moment, actions: &mut Vec<Action>) {
        self.state = State::Terminating { kill_at: now.after(kill_after), cause };
        actions.push(Action::Terminate);
    }

    /// Goes on stopping what is left of a job that is to end.
    fn insist(&mut self, event: Event, now: Moment, actions: &mut Vec<Action>) {
        match self.state {
            State::Terminating { kill_at, cause } if kill_at <= now => {
                self.state = State::Killing { cause };
                actions.extend([Action::Kill, Action::Tell(News::Killed)]);
            }
            State::Terminating { .. } => actions.push(Action::TerminateOrphans),
            State::Killing { .. } => {
                actions.push(Action::Kill);
                if event == Event::Left(Left::Unknown) && !self.is_explained {
                    self.is_explained = true;
                    actions.push(Action::Tell(News::Blind));
                }
            }
            State::Running { .. } | State::Over(_) => {}
        }
    }

    fn then(&self, now: Moment) -> Then {
        // The end of a process that is not our child is no event: one of the group, on systems where heimdall does not
        // adopt orphans.
        let look_at = self.has_ended.then(|| now.after(DESCENDANT_POLL));
        match self.state {
            State::Running { deadline } => Then::Wait(deadline),
            State::Terminating { kill_at, .. } => {
                Then::Wait(Some(look_at.map_or(kill_at, |look_at| look_at.min(kill_at))))
            }
            State::Killing { .. } => Then::Wait(look_at),
            State::Over(reason) if self.is_lost || self.hold_until <= now => Then::Exit(reason),
            State::Over(_) => Then::Wait(Some(self.hold_until)),
        }
    }
}

/// How often to look whether processes are left, once the program has ended.
const DESCENDANT_POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        timeout: None,
        kill_after: Duration::from_secs(10),
        lease: Duration::from_secs(60),
        min_hold: Duration::ZERO,
    };
    const SILENT: Event = Event::Lost { silence: Some(Duration::from_secs(30)) };
    const CLOSED: Event = Event::Lost { silence: None };
    const ENDED: Event = Event::Ended(Status::Exited(3));

    /// Plays events at these seconds after the start, and asserts what is done then.
    fn play(limits: Limits, schedule: &[(u64, Event, &[Action], Next)]) {
        let start = Moment::now();
        let at = |seconds| start.after(Duration::from_secs(seconds));
        let mut supervisor = Supervisor::new(limits, start);
        for (second, event, actions, next) in schedule {
            let then = match *next {
                Next::Never => Then::Wait(None),
                Next::At(second) => Then::Wait(Some(at(second))),
                Next::Soon => Then::Wait(Some(at(*second).after(DESCENDANT_POLL))),
                Next::Exit(reason) => Then::Exit(reason),
            };
            let expected = Actions { now: actions.to_vec(), then };
            assert_eq!(supervisor.step(*event, at(*second)), expected, "{event:?} at {second} s");
        }
    }

    /// When the next tick is due.
    enum Next {
        Never,
        At(u64),
        Soon,
        Exit(ExitReason),
    }

    fn exited(ran: u64) -> Action {
        Action::Tell(News::Exited { status: Status::Exited(3), ran: Duration::from_secs(ran) })
    }

    #[test]
    fn a_program_that_ends_ends_the_run_with_its_status() {
        let end = Next::Exit(ExitReason::Ended(Status::Exited(3)));
        play(LIMITS, &[(0, Event::Tick, &[], Next::Never), (5, ENDED, &[exited(5)], end)]);
    }

    #[test]
    fn a_signal_is_passed_on_once_and_then_told_and_one_that_was_typed_is_not() {
        let passed = [Action::Signal(Signal::USR1), Action::Tell(News::Signalled(Signal::USR1))];
        play(
            LIMITS,
            &[
                (1, Event::Signal(Signal::USR1), &passed, Next::Never),
                (2, Event::Typed, &[], Next::Never),
                (3, Event::Tick, &[], Next::Never),
            ],
        );
    }

    #[test]
    fn a_lost_lock_terminates_the_job_and_kills_it_and_waits_until_nothing_is_left() {
        let lost = [Action::Terminate, Action::Tell(News::Lost), Action::Tell(News::Terminated(Cause::Lost))];
        let killed = [Action::Kill, Action::Tell(News::Killed)];
        play(
            LIMITS,
            &[
                (1, CLOSED, &lost, Next::At(11)),
                (2, Event::Tick, &[Action::TerminateOrphans], Next::At(11)),
                (3, ENDED, &[exited(3)], Next::Soon),
                (4, Event::Tick, &[Action::Look], Next::Soon),
                (4, Event::Left(Left::Yes), &[Action::TerminateOrphans], Next::Soon),
                (11, Event::Tick, &[Action::Look], Next::At(11)),
                (11, Event::Left(Left::Yes), &killed, Next::Soon),
                (12, Event::Tick, &[Action::Look], Next::Soon),
                (12, Event::Left(Left::Yes), &[Action::Kill], Next::Soon),
                (13, Event::Left(Left::No), &[], Next::Exit(ExitReason::Stopped(Cause::Lost))),
            ],
        );
    }

    #[test]
    fn a_silent_server_leaves_less_time_than_kill_after() {
        let lost = [Action::Terminate, Action::Tell(News::Lost), Action::Tell(News::Terminated(Cause::Lost))];
        let patient = Limits { kill_after: Duration::from_secs(300), ..LIMITS };
        play(patient, &[(40, SILENT, &lost, Next::At(40 + 42 - 30))]);
        play(patient, &[(40, CLOSED, &lost, Next::At(340))]);
    }

    #[test]
    fn the_timeout_stops_the_job_and_a_loss_meanwhile_hurries_but_changes_no_reason() {
        let limits =
            Limits { timeout: Some(Duration::from_secs(20)), kill_after: Duration::from_secs(60), ..LIMITS };
        let over = [Action::Terminate, Action::Tell(News::Terminated(Cause::TimedOut))];
        play(
            limits,
            &[
                (19, Event::Tick, &[], Next::At(20)),
                (20, Event::Tick, &over, Next::At(80)),
                (30, SILENT, &[Action::Tell(News::Lost)], Next::At(42)),
                (31, ENDED, &[exited(31)], Next::Soon),
                (31, Event::Left(Left::No), &[], Next::Exit(ExitReason::Stopped(Cause::TimedOut))),
            ],
        );
    }

    #[test]
    fn that_processes_can_not_be_seen_is_told_once_and_only_when_all_else_is_done() {
        let limits = Limits { kill_after: Duration::ZERO, ..LIMITS };
        let lost = [Action::Terminate, Action::Tell(News::Lost), Action::Tell(News::Terminated(Cause::Lost))];
        let (unknown, blind) = (Event::Left(Left::Unknown), Action::Tell(News::Blind));
        play(
            limits,
            &[
                (1, CLOSED, &lost, Next::At(1)),
                (1, ENDED, &[exited(1)], Next::At(1)),
                (1, unknown, &[Action::Kill, Action::Tell(News::Killed)], Next::Soon),
                (2, unknown, &[Action::Kill, blind], Next::Soon),
                (3, unknown, &[Action::Kill], Next::Soon),
            ],
        );
    }

    #[test]
    fn the_lock_is_held_for_min_hold_unless_a_signal_comes_or_it_is_lost() {
        let limits = Limits { min_hold: Duration::from_secs(60), ..LIMITS };
        let end = || Next::Exit(ExitReason::Ended(Status::Exited(3)));
        let exited = [exited(1)];
        let held = || (1, ENDED, &exited[..], Next::At(60));
        play(limits, &[held(), (60, Event::Tick, &[], end())]);
        play(limits, &[held(), (2, Event::Signal(Signal::TERM), &[], end())]);
        play(limits, &[held(), (2, Event::Typed, &[], end())]);
        play(limits, &[held(), (2, CLOSED, &[Action::Tell(News::Lost)], end())]);
    }
}
