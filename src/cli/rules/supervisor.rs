//! The rules of supervision: what is done to the program, and when. No process, socket, clock or output in here: events go in,
//! actions come out.

use std::time::Duration;

use super::action::{
    Action, Actions, Cause, Event, ExitReason, Left, News, Reason, Signal, Terms, Then, Why,
};
use crate::cli::exit::Status;
use crate::lock::Moment;
use crate::lock::heartbeat::Heartbeat;

/// Where a run stands.
///
/// One rule holds whatever happens to this host: the job may run for less than three quarters of a lease after the last
/// answer. The server frees the lock after a whole lease.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, or a line that was told")]
pub struct Supervisor {
    terms: Terms,
    started: Moment,
    /// When `--timeout` runs out.
    deadline: Option<Moment>,
    /// When the server was asked what it has answered last.
    last_answered: Moment,
    state: State,
    /// How the program has ended.
    ended: Option<Status>,
    is_lost: bool,
    /// Whether someone has asked for the job's end.
    is_asked: bool,
    /// Whether the user knows that processes are waited for which the program has left.
    is_draining: bool,
    /// Whether the user knows that there may be processes that can't be seen.
    is_explained: bool,
    hold_until: Moment,
}

/// What heimdall is about to do to the job; each deadline is acted upon once.
#[derive(Debug, Clone, Copy)]
enum State {
    Running,
    /// heimdall was asked to stop, and has passed that on: the program has until then to stop by itself, as it may want to
    /// tidy up its terminal before.
    Stopping {
        signal: Signal,
        until: Moment,
    },
    /// The job is stopped until a fresh answer says that the lock is still ours.
    Suspended {
        why: Why,
        /// Whether the program is to go on even if it was stopped by others, as was heimdall.
        wakes_program: bool,
    },
    Terminating {
        kill_at: Moment,
        /// `None` where the program has ended, and what it has left is to.
        cause: Option<Cause>,
    },
    Killing {
        cause: Option<Cause>,
    },
    /// Nothing is left to be done but to hold the lock for as long as `--min-hold` says.
    Over(ExitReason),
}

impl Supervisor {
    /// The program has just started; the server was asked at `last_answered` what it has answered last.
    pub fn new(terms: Terms, last_answered: Moment, now: Moment) -> Self {
        Self {
            terms,
            started: now,
            deadline: terms.timeout.map(|timeout| now.after(timeout)),
            last_answered,
            state: State::Running,
            ended: None,
            is_draining: false,
            is_lost: false,
            is_asked: false,
            is_explained: false,
            hold_until: now.after(terms.min_hold),
        }
    }

    /// Returns what to do about an event.
    pub fn step(&mut self, event: Event, now: Moment) -> Actions {
        let mut actions = Vec::new();
        match event {
            Event::Woken => _ = self.is_woken_late(now, &mut actions),
            Event::Tick => self.tick(now, &mut actions),
            Event::Signal(signal) => self.pass_on(signal, now, &mut actions),
            Event::Typed(signal) => self.typed(signal, now, &mut actions),
            Event::TypedStop(signal) => self.typed_stop(signal, &mut actions),
            Event::Stop(signal) => self.stop(signal, now, &mut actions),
            Event::Stopped(signal) => self.stopped(signal, &mut actions),
            Event::StopTakenBack => self.take_back_stop(),
            Event::Continued => self.go_on(now, &mut actions),
            Event::Ended(status) => self.end(status, now, &mut actions),
            Event::Reaped => self.look(&mut actions),
            Event::Answered(asked) => self.answer(asked, now, &mut actions),
            Event::Lost => self.lose(now, &mut actions),
            Event::Asked => self.heed(now, &mut actions),
            Event::Left(left) => self.find(left, now, &mut actions),
            Event::Followed => self.hold_until = now,
        }
        Actions { now: actions, then: self.then(now) }
    }

    fn pass_on(&mut self, signal: Signal, now: Moment, actions: &mut Vec<Action>) {
        if signal == Signal::CONT {
            self.take_back_stop();
        }
        match self.state {
            State::Over(_) if !HARMLESS.contains(&signal) => self.hold_until = now,
            State::Over(_) => {}
            // It goes on when the lock is known to be ours.
            State::Suspended { why, .. } if signal == Signal::CONT => {
                self.state = State::Suspended { why, wakes_program: true };
            }
            _ => {
                actions.push(Action::Signal(signal));
                // Also who is stopped obeys, as with timeout(1).
                if ENDING.contains(&signal) && !self.is_suspended() {
                    actions.push(Action::Wake);
                }
                actions.push(Action::Tell(News::Signalled(signal)));
            }
        }
    }

    /// While the program is there, it is for the program to obey. After that heimdall stands for it, in a shell's eyes.
    fn typed(&mut self, signal: Signal, now: Moment, actions: &mut Vec<Action>) {
        if self.ended.is_none() {
            return;
        }
        actions.push(Action::Note(signal));
        if matches!(self.state, State::Over(_)) {
            self.hold_until = now;
        } else {
            actions.extend([Action::SignalElsewhere(signal), Action::Tell(News::Signalled(signal))]);
        }
    }

    fn stop(&mut self, signal: Signal, now: Moment, actions: &mut Vec<Action>) {
        match self.state {
            State::Running => {
                self.state = State::Stopping { signal, until: now.after(STOP_GRACE) };
                actions.push(Action::Signal(signal));
            }
            State::Suspended { .. } => self.stop_all(signal, actions),
            State::Over(_) => actions.push(Action::StopOurselves(signal)),
            // What is to end ends first.
            State::Stopping { .. } | State::Terminating { .. } | State::Killing { .. } => {}
        }
    }

    /// No one would continue heimdall once more.
    fn take_back_stop(&mut self) {
        if matches!(self.state, State::Stopping { .. }) {
            self.state = State::Running;
        }
    }

    /// While the program is there, heimdall stops when the program does, which may ignore it. After that a shell waits for
    /// heimdall alone to stop, as it waits for what the program has left.
    fn typed_stop(&mut self, signal: Signal, actions: &mut Vec<Action>) {
        match (self.ended, self.state) {
            (Some(_), State::Running) => self.stop_all(signal, actions),
            (Some(_), State::Over(_)) => actions.push(Action::StopOurselves(signal)),
            _ => {}
        }
    }

    /// In a shell's eyes heimdall is the program: it stops when the program does, and by the same signal.
    fn stopped(&mut self, by: Signal, actions: &mut Vec<Action>) {
        match self.state {
            State::Stopping { signal, .. } => self.stop_all(signal, actions),
            State::Running if self.terms.is_group_shared && STOPPING.contains(&by) => {
                self.stop_all(by, actions);
            }
            _ => {}
        }
    }

    /// The program never runs while heimdall is stopped.
    fn stop_all(&mut self, signal: Signal, actions: &mut Vec<Action>) {
        let why = Why::Signal(signal);
        self.state = State::Suspended { why, wakes_program: true };
        actions.extend([Action::Stop, Action::Tell(News::Suspended(why)), Action::StopOurselves(signal)]);
    }

    fn go_on(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.is_fresh(now) {
            self.resume(now, actions);
        } else if self.is_suspended() {
            // What is in heimdall's process group has been continued with it.
            actions.extend([Action::Stop, Action::Renew]);
        }
    }

    fn resume(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let State::Suspended { why, wakes_program } = self.state else { return };
        self.state = State::Running;
        actions.push(Action::Resume);
        if wakes_program {
            actions.push(Action::Wake);
        }
        actions.push(Action::Tell(News::Resumed(why)));
        if self.is_asked {
            self.heed(now, actions);
        } else {
            self.look(actions);
        }
    }

    /// Whether the last answer is fresh enough for a stopped job to go on.
    fn is_fresh(&self, now: Moment) -> bool {
        Heartbeat::is_fresh(self.last_answered, self.terms.lease, now)
    }

    /// What a host that wakes up late does first: the job might run beside the next holder's. Tells whether there was
    /// something to do.
    fn is_woken_late(&mut self, now: Moment, actions: &mut Vec<Action>) -> bool {
        if now < self.job_ends_at() {
            return false;
        }
        match self.state {
            State::Running | State::Stopping { .. } => {
                let why = Why::Silence(now.since(self.last_answered));
                self.state = State::Suspended { why, wakes_program: false };
                // It may turn out at once that the lock is lost: so the server is asked last.
                actions.extend([Action::Stop, Action::Tell(News::Suspended(why)), Action::Renew]);
            }
            State::Terminating { cause, .. } => {
                self.state = State::Killing { cause };
                actions.extend([Action::Kill, Action::Tell(News::Killed(Reason::Late))]);
            }
            State::Suspended { .. } | State::Killing { .. } | State::Over(_) => return false,
        }
        true
    }

    fn tick(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.is_woken_late(now, actions) {
            return;
        }
        match self.state {
            // Someone else may have let it go on.
            State::Suspended { .. } => actions.push(Action::Stop),
            State::Running | State::Stopping { .. }
                if self.deadline.is_some_and(|deadline| deadline <= now) =>
            {
                self.terminate(Cause::TimedOut, now, actions);
            }
            State::Stopping { signal, until } if until <= now => self.stop_all(signal, actions),
            State::Over(_) => {}
            _ if self.ended.is_some() => self.look(actions),
            _ => self.insist(now, actions),
        }
    }

    fn terminate(&mut self, cause: Cause, now: Moment, actions: &mut Vec<Action>) {
        let kill_at = now.after(self.terms.kill_after);
        self.state = State::Terminating { kill_at, cause: Some(cause) };
        actions.extend([Action::Terminate, Action::Tell(News::Terminated(cause))]);
    }

    /// The lock is freed as soon as nothing of the job is left, and no sooner.
    fn heed(&mut self, now: Moment, actions: &mut Vec<Action>) {
        (self.is_asked, self.hold_until) = (true, now);
        match self.state {
            State::Running | State::Stopping { .. } => {
                self.terminate(Cause::Asked, now, actions);
                self.look(actions);
            }
            // To end, a job that stands still goes on: not before the lock is known to be ours.
            State::Suspended { .. } | State::Terminating { .. } | State::Killing { .. } | State::Over(_) => {}
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
            State::Running | State::Stopping { .. } | State::Suspended { .. } | State::Over(_) => {}
        }
    }

    fn end(&mut self, status: Status, now: Moment, actions: &mut Vec<Action>) {
        self.ended = Some(status);
        let is_over = self.may_go_on() && !self.terms.drains && !self.terms.sweeps;
        // What it has left needs no lock from now on, so that it may go on also where the lease may be over.
        if is_over && self.is_suspended() {
            actions.push(Action::Resume);
        }
        actions.push(Action::Tell(News::Exited { status, ran: now.since(self.started) }));
        if is_over {
            self.finish(ExitReason::Ended(status), now, actions);
        }
        self.look(actions);
    }

    /// The job has ended when all its processes have; until the program has, there is no need to look.
    fn look(&self, actions: &mut Vec<Action>) {
        if self.ended.is_some() && !matches!(self.state, State::Over(_)) {
            actions.push(Action::Look);
        }
    }

    fn find(&mut self, left: Left, now: Moment, actions: &mut Vec<Action>) {
        let is_draining = self.may_go_on() && self.terms.drains;
        let is_killed = matches!(self.state, State::Killing { .. });
        match (self.state, self.ended) {
            (
                State::Terminating { cause: Some(cause), .. } | State::Killing { cause: Some(cause) },
                Some(status),
            ) if left == Left::No => self.finish(ExitReason::Stopped(cause, status), now, actions),
            (_, Some(status)) if left == Left::No => self.finish(ExitReason::Ended(status), now, actions),
            // Who is asked to end goes on: not before the lock is known to be ours.
            _ if self.may_go_on() && !self.is_suspended() && self.terms.sweeps && !self.terms.drains => {
                self.sweep(now, actions);
            }
            _ => self.insist(now, actions),
        }
        if is_draining && left != Left::No && !self.is_draining {
            self.is_draining = true;
            actions.push(Action::Tell(News::Draining));
        }
        if (is_killed || is_draining) && left == Left::Unknown && !self.is_explained {
            self.is_explained = true;
            actions.push(Action::Tell(News::Blind));
        }
    }

    /// Only before the lock is given back is it held for `--min-hold`.
    fn finish(&mut self, reason: ExitReason, now: Moment, actions: &mut Vec<Action>) {
        self.state = State::Over(reason);
        if self.terms.sweeps && now < self.hold_until {
            actions.push(Action::Follow(reason));
        }
    }

    fn sweep(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.state = State::Terminating { kill_at: now.after(self.terms.kill_after), cause: None };
        actions.extend([Action::Terminate, Action::Tell(News::Swept)]);
    }

    fn answer(&mut self, asked: Moment, now: Moment, actions: &mut Vec<Action>) {
        self.last_answered = asked;
        // It may be the late answer to an old question.
        if self.is_fresh(now) {
            self.resume(now, actions);
        }
    }

    fn lose(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.is_lost = true;
        let ends_at = self.job_ends_at();
        let latest = ends_at.min(now.after(self.terms.kill_after));
        let cause = Cause::Lost;
        let news = match &mut self.state {
            State::Running | State::Stopping { .. } | State::Suspended { .. } if ends_at <= now => {
                self.state = State::Killing { cause: Some(cause) };
                actions.push(Action::Kill);
                Some(News::Killed(Reason::Late))
            }
            State::Running | State::Stopping { .. } | State::Suspended { .. } => {
                self.state = State::Terminating { kill_at: latest, cause: Some(cause) };
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

    /// Whether the lock is held for something: for the program, or because an option says so.
    pub fn needs_lock(&self, now: Moment) -> bool {
        match self.state {
            State::Over(_) => now < self.hold_until,
            State::Terminating { cause, .. } | State::Killing { cause } => cause.is_some(),
            State::Running | State::Stopping { .. } | State::Suspended { .. } => {
                self.ended.is_none() || self.terms.drains
            }
        }
    }

    /// How the run has ended, though the lock may still be held for `--min-hold`.
    pub fn over(&self) -> Option<ExitReason> {
        match self.state {
            State::Over(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether nothing is to end the program yet.
    fn may_go_on(&self) -> bool {
        matches!(self.state, State::Running | State::Stopping { .. } | State::Suspended { .. })
    }

    /// Whether the job stands still.
    fn is_suspended(&self) -> bool {
        matches!(self.state, State::Suspended { .. })
    }

    /// When the job has to be gone; to kill it takes time too.
    fn job_ends_at(&self) -> Moment {
        self.last_answered.after(self.terms.lease * 7 / 10)
    }

    fn then(&self, now: Moment) -> Then {
        // The end of a process that is not our child is no event: one of the group, on systems where heimdall does not
        // adopt orphans.
        let look_at = |poll| self.ended.map(|_| now.after(poll));
        let earliest = |one: Option<Moment>, other: Option<Moment>| one.into_iter().chain(other).min();
        match self.state {
            State::Running => Then::Wait(earliest(self.deadline, look_at(DRAIN_POLL))),
            State::Stopping { until, .. } => Then::Wait(earliest(self.deadline, Some(until))),
            State::Suspended { .. } => Then::Wait(Some(now.after(POLL))),
            State::Terminating { kill_at, .. } => Then::Wait(earliest(Some(kill_at), look_at(POLL))),
            State::Killing { .. } => Then::Wait(look_at(POLL)),
            State::Over(reason) if self.is_lost || self.hold_until <= now => Then::Exit(reason),
            State::Over(_) => Then::Wait(Some(self.hold_until)),
        }
    }
}

/// What usually ends a program.
const ENDING: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::HUP];

/// What stops a program that a shell watches.
const STOPPING: [Signal; 3] = [Signal::TSTP, Signal::TTIN, Signal::TTOU];

/// What ends nothing by default.
const HARMLESS: [Signal; 3] = [Signal::CONT, Signal::WINCH, Signal::URG];

/// How long a program may take to stop by itself.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// How often to look whether processes are left that may take their time.
const DRAIN_POLL: Duration = Duration::from_secs(1);

/// How often to look at the job's processes where no event tells of them: whether any is left, once the program has ended,
/// and whether all stand still, while they are to.
const POLL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    const TERMS: Terms = Terms {
        timeout: None,
        kill_after: Duration::from_secs(10),
        lease: Duration::from_secs(60),
        min_hold: Duration::ZERO,
        drains: false,
        sweeps: false,
        is_group_shared: true,
        has_command: false,
    };
    const ENDED: Event = Event::Ended(Status::Exited(3));
    const ENDS: Next = Next::Exit(ExitReason::Ended(Status::Exited(3)));
    const HEEDED: Next = Next::Exit(ExitReason::Stopped(Cause::Asked, Status::Exited(3)));
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
    fn play(terms: Terms, schedule: &[(u64, Event, &[Action], Next)]) {
        let mut supervisor = Supervisor::new(terms, at(0), at(0));
        for (second, event, actions, next) in schedule {
            let then = match *next {
                Next::Never => Then::Wait(None),
                Next::At(second) => Then::Wait(Some(at(second))),
                Next::Soon => Then::Wait(Some(at(*second).after(POLL))),
                Next::Grace => Then::Wait(Some(at(*second).after(STOP_GRACE))),
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
        Grace,
        Exit(ExitReason),
    }

    /// What is done first by who wakes up so many seconds after the last answer.
    fn suspended(silence: u64) -> [Action; 3] {
        let why = Why::Silence(Duration::from_secs(silence));
        [Action::Stop, Action::Tell(News::Suspended(why)), Action::Renew]
    }

    fn exited(ran: u64) -> Action {
        Action::Tell(News::Exited { status: Status::Exited(3), ran: Duration::from_secs(ran) })
    }

    #[test]
    fn a_program_that_ends_ends_the_run_with_its_status() {
        play(TERMS, &[(0, Event::Tick, &[], Next::Never), (5, ENDED, &[exited(5)], ENDS)]);
    }

    #[test]
    fn a_signal_is_passed_on_once_and_then_told_and_one_that_was_typed_is_not() {
        let passed = [Action::Signal(Signal::USR1), Action::Tell(News::Signalled(Signal::USR1))];
        play(
            TERMS,
            &[
                (1, Event::Signal(Signal::USR1), &passed, Next::Never),
                (2, Event::Typed(Signal::INT), &[], Next::Never),
                (3, Event::Tick, &[], Next::Never),
            ],
        );
    }

    #[test]
    fn a_lost_lock_terminates_the_job_and_kills_it_and_waits_until_nothing_is_left() {
        let killed = [Action::Kill, Action::Tell(News::Killed(Reason::Stubborn))];
        play(
            TERMS,
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
                (
                    13,
                    Event::Left(Left::No),
                    &[],
                    Next::Exit(ExitReason::Stopped(Cause::Lost, Status::Exited(3))),
                ),
            ],
        );
    }

    #[test]
    fn by_three_quarters_of_a_lease_after_the_last_answer_the_job_is_killed_however_long_kill_after_is() {
        let terms = Terms { kill_after: Duration::from_secs(300), ..TERMS };
        play(terms, &[(30, Event::Lost, &LOST, Next::At(42))]);
        play(
            terms,
            &[(30, Event::Answered(at(29)), &[], Next::Never), (50, Event::Lost, &LOST, Next::At(29 + 42))],
        );
    }

    #[test]
    fn who_wakes_up_when_the_lock_is_lost_gets_only_the_time_that_is_left() {
        play(TERMS, &[(41, Event::Tick, &[], Next::Never), (41, Event::Lost, &LOST, Next::At(42))]);
    }

    #[test]
    fn who_wakes_up_later_is_stopped_before_anything_else_and_killed_unless_an_answer_is_fresh() {
        let why = Why::Silence(Duration::from_secs(120));
        let stopped = suspended(120);
        let continued = [Action::Resume, Action::Wake, Action::Tell(News::Resumed(why))];
        let usr1 = [Action::Signal(Signal::USR1), Action::Tell(News::Signalled(Signal::USR1))];
        let wakes_up = || (120, Event::Tick, &stopped[..], Next::Soon);
        play(
            TERMS,
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
        play(TERMS, &[wakes_up(), (140, Event::Lost, &LOST_LATE, Next::Never)]);
    }

    #[test]
    fn who_wakes_up_late_while_the_job_is_terminated_kills_it() {
        let terms =
            Terms { timeout: Some(Duration::from_secs(5)), kill_after: Duration::from_secs(300), ..TERMS };
        let over = [Action::Terminate, Action::Tell(News::Terminated(Cause::TimedOut))];
        let killed = [Action::Kill, Action::Tell(News::Killed(Reason::Late))];
        play(terms, &[(5, Event::Tick, &over, Next::At(305)), (42, Event::Tick, &killed, Next::Never)]);
    }

    #[test]
    fn the_timeout_waits_while_the_job_is_stopped() {
        let terms = Terms { timeout: Some(Duration::from_secs(60)), ..TERMS };
        let why = Why::Silence(Duration::from_secs(70));
        let stopped = suspended(70);
        let continued = [Action::Resume, Action::Tell(News::Resumed(why))];
        let over = [Action::Terminate, Action::Tell(News::Terminated(Cause::TimedOut))];
        play(
            terms,
            &[
                (70, Event::Tick, &stopped, Next::Soon),
                (71, Event::Answered(at(70)), &continued, Next::At(60)),
                (71, Event::Tick, &over, Next::At(81)),
            ],
        );
    }

    #[test]
    fn what_a_late_program_has_left_goes_on_at_its_end_as_it_needs_no_lock() {
        let suspended = suspended(70);
        play(
            TERMS,
            &[(70, Event::Tick, &suspended, Next::Soon), (70, ENDED, &[Action::Resume, exited(70)], ENDS)],
        );
    }

    #[test]
    fn what_a_late_program_has_left_is_not_asked_to_end_before_the_lock_is_known_to_be_ours() {
        let terms = Terms { sweeps: true, ..TERMS };
        let looks = [exited(70), Action::Look];
        let why = Why::Silence(Duration::from_secs(70));
        let goes_on = [Action::Resume, Action::Tell(News::Resumed(why)), Action::Look];
        let swept = [Action::Terminate, Action::Tell(News::Swept)];
        let suspended = suspended(70);
        let late = || {
            [
                (70, Event::Tick, &suspended[..], Next::Soon),
                (70, ENDED, &looks, Next::Soon),
                (70, Event::Left(Left::Yes), &[], Next::Soon),
            ]
        };
        let [tick, ended, left] = late();
        play(
            terms,
            &[
                tick,
                ended,
                left,
                (71, Event::Answered(at(70)), &goes_on, Next::At(72)),
                (71, Event::Left(Left::Yes), &swept, Next::Soon),
            ],
        );
        let [tick, ended, left] = late();
        play(terms, &[tick, ended, left, (71, Event::Lost, &LOST_LATE, Next::Soon)]);
    }

    #[test]
    fn the_timeout_does_not_wait_for_a_program_that_does_not_stop() {
        let terms = Terms { timeout: Some(Duration::from_secs(5)), ..TERMS };
        let pass_on = [Action::Signal(Signal::TSTP)];
        let over = [Action::Terminate, Action::Tell(News::Terminated(Cause::TimedOut))];
        play(
            terms,
            &[
                (5, Event::Stop(Signal::TSTP), &pass_on, Next::At(5)),
                (5, Event::Tick, &over, Next::At(15)),
                (5, Event::Stopped(Signal::TSTP), &[], Next::At(15)),
            ],
        );
    }

    #[test]
    fn the_timeout_ends_the_job_and_a_loss_meanwhile_hurries_but_changes_no_reason() {
        let terms =
            Terms { timeout: Some(Duration::from_secs(20)), kill_after: Duration::from_secs(60), ..TERMS };
        let over = [Action::Terminate, Action::Tell(News::Terminated(Cause::TimedOut))];
        play(
            terms,
            &[
                (19, Event::Tick, &[], Next::At(20)),
                (20, Event::Tick, &over, Next::At(80)),
                (30, Event::Lost, &[Action::Tell(News::Lost)], Next::At(42)),
                (31, ENDED, &[exited(31), Action::Look], Next::Soon),
                (
                    31,
                    Event::Left(Left::No),
                    &[],
                    Next::Exit(ExitReason::Stopped(Cause::TimedOut, Status::Exited(3))),
                ),
            ],
        );
    }

    #[test]
    fn that_processes_can_not_be_seen_is_told_once_and_only_when_all_else_is_done() {
        let terms = Terms { kill_after: Duration::ZERO, ..TERMS };
        let killed = [Action::Kill, Action::Tell(News::Killed(Reason::Stubborn))];
        let (unknown, blind) = (Event::Left(Left::Unknown), Action::Tell(News::Blind));
        play(
            terms,
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
        let terms = Terms { min_hold: Duration::from_secs(60), ..TERMS };
        let exited = [exited(1)];
        let held = || (1, ENDED, &exited[..], Next::At(60));
        play(terms, &[held(), (60, Event::Tick, &[], ENDS)]);
        play(terms, &[held(), (2, Event::Signal(Signal::TERM), &[], ENDS)]);
        let noted = [Action::Note(Signal::INT)];
        play(terms, &[held(), (2, Event::Typed(Signal::INT), &noted, ENDS)]);
        play(terms, &[held(), (2, Event::Lost, &[Action::Tell(News::Lost)], ENDS)]);
    }

    #[test]
    fn the_lock_is_not_held_for_min_hold_where_another_program_follows_under_it() {
        let terms = Terms { min_hold: Duration::from_secs(60), sweeps: true, ..TERMS };
        let left = [exited(1), Action::Look];
        let follow = [Action::Follow(ExitReason::Ended(Status::Exited(3)))];
        let ended = || (1, ENDED, &left[..], Next::At(2));
        let over = || (1, Event::Left(Left::No), &follow[..], Next::At(60));
        play(terms, &[ended(), over(), (1, Event::Followed, &[], ENDS)]);
        play(terms, &[ended(), over(), (60, Event::Tick, &[], ENDS)]);
    }

    #[test]
    fn who_is_asked_to_stop_ends_the_whole_job_and_then_the_run_with_the_programs_status() {
        let terms = Terms { min_hold: Duration::from_secs(300), ..TERMS };
        let stopped = [Action::Terminate, Action::Tell(News::Terminated(Cause::Asked))];
        let killed = [Action::Kill, Action::Tell(News::Killed(Reason::Stubborn))];
        play(
            terms,
            &[
                (1, Event::Asked, &stopped, Next::At(11)),
                (2, Event::Asked, &[], Next::At(11)),
                (3, ENDED, &[exited(3), Action::Look], Next::Soon),
                (3, Event::Left(Left::Yes), &[Action::TerminateOrphans], Next::Soon),
                (11, Event::Left(Left::Yes), &killed, Next::Soon),
                (12, Event::Left(Left::No), &[], HEEDED),
            ],
        );
    }

    #[test]
    fn who_is_asked_to_stop_what_it_drains_or_while_it_only_holds_the_lock_does_not_go_on_holding_it() {
        let stopped = [Action::Terminate, Action::Tell(News::Terminated(Cause::Asked)), Action::Look];
        let draining = [Action::Tell(News::Draining)];
        play(
            Terms { drains: true, ..TERMS },
            &[
                (1, ENDED, &[exited(1), Action::Look], Next::At(2)),
                (1, Event::Left(Left::Yes), &draining, Next::At(2)),
                (5, Event::Asked, &stopped, Next::Soon),
                (5, Event::Left(Left::No), &[], HEEDED),
            ],
        );
        play(
            Terms { min_hold: Duration::from_secs(60), ..TERMS },
            &[(1, ENDED, &[exited(1)], Next::At(60)), (2, Event::Asked, &[], ENDS)],
        );
    }

    #[test]
    fn a_job_that_stands_still_is_asked_to_end_once_the_lock_is_known_to_be_ours() {
        let why = Why::Silence(Duration::from_secs(120));
        let suspended = suspended(120);
        let goes_on = [
            Action::Resume,
            Action::Tell(News::Resumed(why)),
            Action::Terminate,
            Action::Tell(News::Terminated(Cause::Asked)),
        ];
        play(
            TERMS,
            &[
                (120, Event::Tick, &suspended, Next::Soon),
                (121, Event::Asked, &[], Next::Soon),
                (122, Event::Answered(at(121)), &goes_on, Next::At(132)),
            ],
        );
    }

    #[test]
    fn a_signal_that_usually_ends_a_program_wakes_one_that_is_stopped() {
        let told = Action::Tell(News::Signalled(Signal::TERM));
        play(
            TERMS,
            &[(
                1,
                Event::Signal(Signal::TERM),
                &[Action::Signal(Signal::TERM), Action::Wake, told],
                Next::Never,
            )],
        );
    }

    #[test]
    fn asked_to_stop_heimdall_stops_once_all_of_the_job_has_and_goes_on_before_it() {
        let why = Why::Signal(Signal::TSTP);
        let pass_on = [Action::Signal(Signal::TSTP)];
        let asked = || (1, Event::Stop(Signal::TSTP), &pass_on[..], Next::Grace);
        let stops = [Action::Stop, Action::Tell(News::Suspended(why)), Action::StopOurselves(Signal::TSTP)];
        let goes_on = [Action::Resume, Action::Wake, Action::Tell(News::Resumed(why))];
        let stopped = |by| (1, Event::Stopped(by), &stops[..], Next::Soon);
        // The program stops by itself, or does not.
        play(TERMS, &[asked(), stopped(Signal::STOP), (9, Event::Continued, &goes_on, Next::Never)]);
        play(
            TERMS,
            &[asked(), (2, Event::Tick, &stops, Next::Soon), (9, Event::Continued, &goes_on, Next::Never)],
        );
        // It is the program that was stopped, perhaps by a key, and heimdall follows it.
        play(TERMS, &[stopped(Signal::TSTP), (9, Event::Continued, &goes_on, Next::Never)]);
        play(TERMS, &[(1, Event::Stopped(Signal::STOP), &[], Next::Never)]);
    }

    #[test]
    fn asked_to_go_on_before_it_has_stopped_heimdall_does_not_stop() {
        let pass_on = [Action::Signal(Signal::TSTP)];
        let goes_on = [Action::Signal(Signal::CONT), Action::Tell(News::Signalled(Signal::CONT))];
        let asked = || (1, Event::Stop(Signal::TSTP), &pass_on[..], Next::Grace);
        // It is to pass that on, or the program has got it too.
        play(TERMS, &[asked(), (1, Event::Signal(Signal::CONT), &goes_on, Next::Never)]);
        play(
            TERMS,
            &[asked(), (1, Event::StopTakenBack, &[], Next::Never), (2, Event::Tick, &[], Next::Never)],
        );
    }

    #[test]
    fn who_goes_on_late_looks_at_the_lease_before_the_job_goes_on() {
        let why = Why::Signal(Signal::TSTP);
        let stops = [Action::Stop, Action::Tell(News::Suspended(why)), Action::StopOurselves(Signal::TSTP)];
        let goes_on = [Action::Resume, Action::Wake, Action::Tell(News::Resumed(why))];
        let late = || {
            [
                (1, Event::Stopped(Signal::TSTP), &stops[..], Next::Soon),
                (600, Event::Continued, &[Action::Stop, Action::Renew][..], Next::Soon),
            ]
        };
        let [first, second] = late();
        play(TERMS, &[first, second, (601, Event::Answered(at(600)), &goes_on, Next::Never)]);
        let [first, second] = late();
        play(TERMS, &[first, second, (601, Event::Lost, &LOST_LATE, Next::Never)]);
    }

    #[test]
    fn a_job_that_is_to_end_is_not_stopped() {
        let terms = Terms { min_hold: Duration::from_secs(60), ..TERMS };
        play(
            terms,
            &[(1, Event::Lost, &LOST, Next::At(11)), (2, Event::Stop(Signal::TSTP), &[], Next::At(11))],
        );
        let stops = [Action::StopOurselves(Signal::TSTP)];
        play(
            terms,
            &[
                (1, ENDED, &[exited(1)], Next::At(60)),
                (2, Event::Stop(Signal::TSTP), &stops, Next::At(60)),
                (3, Event::Signal(Signal::CONT), &[], Next::At(60)),
                (4, Event::Continued, &[], Next::At(60)),
            ],
        );
    }

    #[test]
    fn what_is_typed_stops_heimdall_where_no_program_is_left_to_stop() {
        let stop_all = [
            Action::Stop,
            Action::Tell(News::Suspended(Why::Signal(Signal::TSTP))),
            Action::StopOurselves(Signal::TSTP),
        ];
        let drains = Terms { drains: true, ..TERMS };
        play(
            drains,
            &[
                (1, Event::TypedStop(Signal::TSTP), &[], Next::Never),
                (2, ENDED, &[exited(2), Action::Look], Next::At(3)),
                (2, Event::Left(Left::Yes), &[Action::Tell(News::Draining)], Next::At(3)),
                (2, Event::TypedStop(Signal::TSTP), &stop_all, Next::Soon),
            ],
        );
        let holds = Terms { min_hold: Duration::from_secs(60), ..TERMS };
        let stops = [Action::StopOurselves(Signal::TSTP)];
        let over = (1, ENDED, &[exited(1)][..], Next::At(60));
        play(holds, &[over, (2, Event::TypedStop(Signal::TSTP), &stops, Next::At(60))]);
    }

    #[test]
    fn what_a_program_leaves_is_stopped_before_the_next_one_starts() {
        let terms = Terms { sweeps: true, ..TERMS };
        let left = [exited(1), Action::Look];
        let ended = || (1, ENDED, &left[..], Next::At(2));
        let swept = [Action::Terminate, Action::Tell(News::Swept)];
        let killed = [Action::Kill, Action::Tell(News::Killed(Reason::Stubborn))];
        play(terms, &[ended(), (1, Event::Left(Left::No), &[], ENDS)]);
        play(
            terms,
            &[
                ended(),
                (1, Event::Left(Left::Yes), &swept, Next::Soon),
                (11, Event::Tick, &[Action::Look], Next::At(11)),
                (11, Event::Left(Left::Yes), &killed, Next::Soon),
                (12, Event::Reaped, &[Action::Look], Next::Soon),
                (12, Event::Left(Left::No), &[], ENDS),
            ],
        );
        let hurries = [Action::Tell(News::Lost)];
        play(
            terms,
            &[
                ended(),
                (1, Event::Left(Left::Yes), &swept, Next::Soon),
                (2, Event::Lost, &hurries, Next::Soon),
            ],
        );
        let drains = Terms { drains: true, ..terms };
        play(drains, &[ended(), (1, Event::Left(Left::Yes), &[Action::Tell(News::Draining)], Next::At(2))]);
    }

    #[test]
    fn a_lock_that_drains_is_held_and_watched_until_the_whole_job_has_ended() {
        let terms = Terms { drains: true, timeout: Some(Duration::from_secs(20)), ..TERMS };
        let left = [exited(1), Action::Look];
        let ended = || (1, ENDED, &left[..], Next::At(2));
        let draining = || (1, Event::Left(Left::Yes), &[Action::Tell(News::Draining)][..], Next::At(2));
        play(terms, &[ended(), (1, Event::Left(Left::No), &[], ENDS)]);
        let int = Signal::INT;
        let typed = [Action::Note(int), Action::SignalElsewhere(int), Action::Tell(News::Signalled(int))];
        play(terms, &[ended(), draining(), (1, Event::Typed(int), &typed, Next::At(2))]);
        let looks = [Action::Look];
        play(
            terms,
            &[
                ended(),
                draining(),
                (2, Event::Tick, &looks, Next::At(3)),
                (2, Event::Left(Left::Yes), &[], Next::At(3)),
                (2, Event::Reaped, &looks, Next::At(3)),
                (2, Event::Left(Left::No), &[], ENDS),
            ],
        );
        play(terms, &[ended(), draining(), (2, Event::Lost, &LOST, Next::Soon)]);
        let over = [Action::Terminate, Action::Tell(News::Terminated(Cause::TimedOut))];
        play(terms, &[ended(), draining(), (20, Event::Tick, &over, Next::Soon)]);
    }
}
