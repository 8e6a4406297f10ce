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
    /// Another child has ended.
    Reaped,
    /// The server has answered what it was asked at that moment: it held the lock for us then.
    Answered(Moment),
    /// The lock is lost.
    Lost,
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
    /// Stop the whole job, so that it does nothing until [`Action::Resume`].
    Stop,
    /// Let the processes go on that [`Action::Stop`] has stopped.
    Resume,
    /// Ask the server for a fresh answer, however long it has been silent.
    Renew,
    /// Ask the whole job to end; who is stopped goes on.
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
    Exited {
        status: Status,
        ran: Duration,
    },
    Lost,
    /// The job is stopped, as the server has not been heard of for so long.
    Suspended {
        silence: Duration,
    },
    /// The job goes on.
    Resumed,
    Terminated(Cause),
    Killed(Reason),
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
    /// heimdall has ended the job.
    Stopped(Cause),
}

/// Why the job is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// `--timeout` ran out.
    TimedOut,
    /// The lock was lost.
    Lost,
}

/// Why the job is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// It did not end after SIGTERM.
    Stubborn,
    /// It has no time left in which to end by itself.
    Late,
}

/// Where a run stands.
///
/// One rule holds whatever happens to this host: the job may run for less than three quarters of a lease after the last
/// answer. The server frees the lock after a whole lease.
#[derive(Debug)]
pub(super) struct Supervisor {
    limits: Limits,
    started: Moment,
    /// When `--timeout` runs out.
    deadline: Option<Moment>,
    /// When the server was asked what it has answered last.
    last_answered: Moment,
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
    Running,
    /// The job is stopped until a fresh answer says that the lock is still ours.
    Suspended,
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
    /// The program has just started; the server was asked at `last_answered` what it has answered last.
    pub(super) fn new(limits: Limits, last_answered: Moment, now: Moment) -> Self {
        Self {
            limits,
            started: now,
            deadline: limits.timeout.map(|timeout| now.after(timeout)),
            last_answered,
            state: State::Running,
            has_ended: false,
            is_lost: false,
            is_explained: false,
            hold_until: now.after(limits.min_hold),
        }
    }

    /// Returns what to do about an event.
    pub(super) fn step(&mut self, event: Event, now: Moment) -> Actions {
        let mut actions = Vec::new();
        match event {
            Event::Tick => self.tick(now, &mut actions),
            Event::Signal(_) | Event::Typed if matches!(self.state, State::Over(_)) => {
                // Only heimdall is left to obey, and all it does is hold the lock.
                self.hold_until = now;
            }
            // It comes with the answer.
            Event::Signal(Signal::CONT) if matches!(self.state, State::Suspended) => {}
            Event::Signal(signal) => {
                actions.extend([Action::Signal(signal), Action::Tell(News::Signalled(signal))]);
            }
            Event::Typed => {}
            Event::Ended(status) => self.end(status, now, &mut actions),
            Event::Reaped => self.look(&mut actions),
            Event::Answered(asked) => self.answer(asked, now, &mut actions),
            Event::Lost => self.lose(now, &mut actions),
            Event::Left(left) => self.find(left, now, &mut actions),
        }
        Actions { now: actions, then: self.then(now) }
    }

    /// What a host that wakes up late does first: the job might run beside the next holder's.
    fn tick(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let is_late = now >= self.job_ends_at();
        match self.state {
            State::Running if is_late => {
                self.state = State::Suspended;
                let silence = now.since(self.last_answered);
                actions.extend([Action::Stop, Action::Renew, Action::Tell(News::Suspended { silence })]);
            }
            // Someone else may have let it go on.
            State::Suspended => actions.push(Action::Stop),
            State::Terminating { cause, .. } if is_late => {
                self.state = State::Killing { cause };
                actions.extend([Action::Kill, Action::Tell(News::Killed(Reason::Late))]);
            }
            State::Running if self.deadline.is_some_and(|deadline| deadline <= now) => {
                let kill_at = now.after(self.limits.kill_after);
                self.state = State::Terminating { kill_at, cause: Cause::TimedOut };
                actions.extend([Action::Terminate, Action::Tell(News::Terminated(Cause::TimedOut))]);
            }
            State::Terminating { .. } | State::Killing { .. } if self.has_ended => self.look(actions),
            _ => self.insist(now, actions),
        }
    }

    /// Goes on ending a job that is to end.
    fn insist(&mut self, now: Moment, actions: &mut Vec<Action>) {
        match self.state {
            State::Terminating { kill_at, cause } if kill_at <= now => {
                self.state = State::Killing { cause };
                actions.extend([Action::Kill, Action::Tell(News::Killed(Reason::Stubborn))]);
            }
            State::Terminating { .. } => actions.push(Action::TerminateOrphans),
            State::Killing { .. } => actions.push(Action::Kill),
            State::Running | State::Suspended | State::Over(_) => {}
        }
    }

    fn end(&mut self, status: Status, now: Moment, actions: &mut Vec<Action>) {
        self.has_ended = true;
        actions.push(Action::Tell(News::Exited { status, ran: now.since(self.started) }));
        if matches!(self.state, State::Running | State::Suspended) {
            self.state = State::Over(ExitReason::Ended(status));
        }
        self.look(actions);
    }

    /// A job that is to end has ended when all its processes have; until the program has, there is no need to look.
    fn look(&self, actions: &mut Vec<Action>) {
        if self.has_ended && matches!(self.state, State::Terminating { .. } | State::Killing { .. }) {
            actions.push(Action::Look);
        }
    }

    fn find(&mut self, left: Left, now: Moment, actions: &mut Vec<Action>) {
        let is_killed = matches!(self.state, State::Killing { .. });
        match self.state {
            State::Terminating { cause, .. } | State::Killing { cause } if left == Left::No => {
                self.state = State::Over(ExitReason::Stopped(cause));
            }
            _ => self.insist(now, actions),
        }
        if is_killed && left == Left::Unknown && !self.is_explained {
            self.is_explained = true;
            actions.push(Action::Tell(News::Blind));
        }
    }

    fn answer(&mut self, asked: Moment, now: Moment, actions: &mut Vec<Action>) {
        self.last_answered = asked;
        // It may be the late answer to an old question.
        let is_fresh = now < asked.after(self.limits.lease / FRESH);
        if is_fresh && matches!(self.state, State::Suspended) {
            self.state = State::Running;
            actions.extend([Action::Resume, Action::Tell(News::Resumed)]);
        }
    }

    fn lose(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.is_lost = true;
        let ends_at = self.job_ends_at();
        let latest = ends_at.min(now.after(self.limits.kill_after));
        let cause = Cause::Lost;
        let news = match &mut self.state {
            State::Running | State::Suspended if ends_at <= now => {
                self.state = State::Killing { cause };
                actions.push(Action::Kill);
                Some(News::Killed(Reason::Late))
            }
            State::Running | State::Suspended => {
                self.state = State::Terminating { kill_at: latest, cause };
                actions.push(Action::Terminate);
                Some(News::Terminated(cause))
            }
            State::Terminating { kill_at, .. } => {
                *kill_at = latest.min(*kill_at);
                None
            }
            State::Killing { .. } | State::Over(_) => None,
        };
        actions.push(Action::Tell(News::Lost));
        actions.extend(news.map(Action::Tell));
    }

    /// When the job has to be gone; to kill it takes time too.
    fn job_ends_at(&self) -> Moment {
        self.last_answered.after(self.limits.lease * 7 / 10)
    }

    fn then(&self, now: Moment) -> Then {
        // The end of a process that is not our child is no event: one of the group, on systems where heimdall does not
        // adopt orphans.
        let look_at = self.has_ended.then(|| now.after(POLL));
        match self.state {
            State::Running => Then::Wait(self.deadline),
            State::Suspended => Then::Wait(Some(now.after(POLL))),
            State::Terminating { kill_at, .. } => Then::Wait(look_at.into_iter().chain([kill_at]).min()),
            State::Killing { .. } => Then::Wait(look_at),
            State::Over(reason) if self.is_lost || self.hold_until <= now => Then::Exit(reason),
            State::Over(_) => Then::Wait(Some(self.hold_until)),
        }
    }
}

/// An answer is fresh for this part of a lease, which is as long as the server may take to answer.
const FRESH: u32 = 3;

/// How often to look at the job's processes where no event tells of them: whether any is left, once the program has ended,
/// and whether all stand still, while they are to.
const POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    const LIMITS: Limits = Limits {
        timeout: None,
        kill_after: Duration::from_secs(10),
        lease: Duration::from_secs(60),
        min_hold: Duration::ZERO,
    };
    const ENDED: Event = Event::Ended(Status::Exited(3));
    const ENDS: Next = Next::Exit(ExitReason::Ended(Status::Exited(3)));
    const LOST: [Action; 3] =
        [Action::Terminate, Action::Tell(News::Lost), Action::Tell(News::Terminated(Cause::Lost))];
    const LOST_LATE: [Action; 3] =
        [Action::Kill, Action::Tell(News::Lost), Action::Tell(News::Killed(Reason::Late))];

    static START: LazyLock<Moment> = LazyLock::new(Moment::now);

    fn at(second: u64) -> Moment {
        START.after(Duration::from_secs(second))
    }

    /// Plays events at these seconds after the start, and asserts what is done then and when the next tick is due. The
    /// server has answered at second 0.
    fn play(limits: Limits, schedule: &[(u64, Event, &[Action], Next)]) {
        let mut supervisor = Supervisor::new(limits, at(0), at(0));
        for (second, event, actions, next) in schedule {
            let then = match *next {
                Next::Never => Then::Wait(None),
                Next::At(second) => Then::Wait(Some(at(second))),
                Next::Soon => Then::Wait(Some(at(*second).after(POLL))),
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
        play(LIMITS, &[(0, Event::Tick, &[], Next::Never), (5, ENDED, &[exited(5)], ENDS)]);
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
        let killed = [Action::Kill, Action::Tell(News::Killed(Reason::Stubborn))];
        play(
            LIMITS,
            &[
                (1, Event::Lost, &LOST, Next::At(11)),
                (2, Event::Tick, &[Action::TerminateOrphans], Next::At(11)),
                (3, Event::Reaped, &[], Next::At(11)),
                (3, ENDED, &[exited(3), Action::Look], Next::Soon),
                (3, Event::Left(Left::Yes), &[Action::TerminateOrphans], Next::Soon),
                (4, Event::Reaped, &[Action::Look], Next::Soon),
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
    fn by_three_quarters_of_a_lease_after_the_last_answer_the_job_is_killed_however_long_kill_after_is() {
        let limits = Limits { kill_after: Duration::from_secs(300), ..LIMITS };
        play(limits, &[(30, Event::Lost, &LOST, Next::At(42))]);
        play(
            limits,
            &[(30, Event::Answered(at(29)), &[], Next::Never), (50, Event::Lost, &LOST, Next::At(29 + 42))],
        );
    }

    #[test]
    fn who_wakes_up_when_the_lock_is_lost_gets_only_the_time_that_is_left() {
        play(LIMITS, &[(41, Event::Tick, &[], Next::Never), (41, Event::Lost, &LOST, Next::At(42))]);
    }

    #[test]
    fn who_wakes_up_later_is_stopped_before_anything_else_and_killed_unless_an_answer_is_fresh() {
        let silence = Duration::from_secs(120);
        let stopped = [Action::Stop, Action::Renew, Action::Tell(News::Suspended { silence })];
        let continued = [Action::Resume, Action::Tell(News::Resumed)];
        let usr1 = [Action::Signal(Signal::USR1), Action::Tell(News::Signalled(Signal::USR1))];
        let wakes_up = || (120, Event::Tick, &stopped[..], Next::Soon);
        play(
            LIMITS,
            &[
                wakes_up(),
                (121, Event::Tick, &[Action::Stop], Next::Soon),
                (121, Event::Signal(Signal::USR1), &usr1, Next::Soon),
                (121, Event::Signal(Signal::CONT), &[], Next::Soon),
                (121, Event::Answered(at(10)), &[], Next::Soon),
                (122, Event::Answered(at(120)), &continued, Next::Never),
                (123, Event::Tick, &[], Next::Never),
            ],
        );
        play(LIMITS, &[wakes_up(), (140, Event::Lost, &LOST_LATE, Next::Never)]);
        play(LIMITS, &[wakes_up(), (121, ENDED, &[exited(121)], ENDS)]);
    }

    #[test]
    fn who_wakes_up_late_while_the_job_is_terminated_kills_it() {
        let limits =
            Limits { timeout: Some(Duration::from_secs(5)), kill_after: Duration::from_secs(300), ..LIMITS };
        let over = [Action::Terminate, Action::Tell(News::Terminated(Cause::TimedOut))];
        let killed = [Action::Kill, Action::Tell(News::Killed(Reason::Late))];
        play(limits, &[(5, Event::Tick, &over, Next::At(305)), (42, Event::Tick, &killed, Next::Never)]);
    }

    #[test]
    fn the_timeout_waits_while_the_job_is_stopped() {
        let limits = Limits { timeout: Some(Duration::from_secs(60)), ..LIMITS };
        let silence = Duration::from_secs(70);
        let stopped = [Action::Stop, Action::Renew, Action::Tell(News::Suspended { silence })];
        let continued = [Action::Resume, Action::Tell(News::Resumed)];
        let over = [Action::Terminate, Action::Tell(News::Terminated(Cause::TimedOut))];
        play(
            limits,
            &[
                (70, Event::Tick, &stopped, Next::Soon),
                (71, Event::Answered(at(70)), &continued, Next::At(60)),
                (71, Event::Tick, &over, Next::At(81)),
            ],
        );
    }

    #[test]
    fn the_timeout_ends_the_job_and_a_loss_meanwhile_hurries_but_changes_no_reason() {
        let limits =
            Limits { timeout: Some(Duration::from_secs(20)), kill_after: Duration::from_secs(60), ..LIMITS };
        let over = [Action::Terminate, Action::Tell(News::Terminated(Cause::TimedOut))];
        play(
            limits,
            &[
                (19, Event::Tick, &[], Next::At(20)),
                (20, Event::Tick, &over, Next::At(80)),
                (30, Event::Lost, &[Action::Tell(News::Lost)], Next::At(42)),
                (31, ENDED, &[exited(31), Action::Look], Next::Soon),
                (31, Event::Left(Left::No), &[], Next::Exit(ExitReason::Stopped(Cause::TimedOut))),
            ],
        );
    }

    #[test]
    fn that_processes_can_not_be_seen_is_told_once_and_only_when_all_else_is_done() {
        let limits = Limits { kill_after: Duration::ZERO, ..LIMITS };
        let killed = [Action::Kill, Action::Tell(News::Killed(Reason::Stubborn))];
        let (unknown, blind) = (Event::Left(Left::Unknown), Action::Tell(News::Blind));
        play(
            limits,
            &[
                (1, Event::Lost, &LOST, Next::At(1)),
                (1, ENDED, &[exited(1), Action::Look], Next::At(1)),
                (1, unknown, &killed, Next::Soon),
                (2, unknown, &[Action::Kill, blind], Next::Soon),
                (3, unknown, &[Action::Kill], Next::Soon),
            ],
        );
    }

    #[test]
    fn the_lock_is_held_for_min_hold_unless_a_signal_comes_or_it_is_lost() {
        let limits = Limits { min_hold: Duration::from_secs(60), ..LIMITS };
        let exited = [exited(1)];
        let held = || (1, ENDED, &exited[..], Next::At(60));
        play(limits, &[held(), (60, Event::Tick, &[], ENDS)]);
        play(limits, &[held(), (2, Event::Signal(Signal::TERM), &[], ENDS)]);
        play(limits, &[held(), (2, Event::Typed, &[], ENDS)]);
        play(limits, &[held(), (2, Event::Lost, &[Action::Tell(News::Lost)], ENDS)]);
    }
}
