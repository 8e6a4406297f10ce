//! How a run is supervised: in which order it is looked at what has come, and what the rules are told of it. The job and the
//! lock are someone else's, so that a simulation plays the same rounds as a real run.

use std::collections::VecDeque;

use rustix::process::Signal;

use super::action::{Action, Event, ExitReason, Terms, Then};
use super::beside::{Act, Beside};
use super::supervisor::Supervisor;
use crate::lock::Moment;

/// A job and the lock that it runs under.
pub trait Supervised {
    /// Why a lock is lost.
    type Lost;

    /// What the clock shows.
    fn now(&self) -> Moment;

    /// Does what the rules say, but for [`Action::Renew`]; returns what they are to be told of it.
    fn act(&mut self, action: Action) -> Option<Event>;

    /// Reaps children; returns what there is to tell of them.
    fn reap(&mut self) -> Vec<Event>;

    /// When the server was asked what it has answered last.
    fn last_answered(&self) -> Moment;

    /// Begins to ask for signs of life.
    ///
    /// # Errors
    /// The lock is lost.
    fn start_heartbeat(&mut self, now: Moment) -> Result<(), Self::Lost>;

    /// Reads one thing that the server has sent, without waiting.
    ///
    /// # Errors
    /// The lock is lost.
    fn listen(&mut self) -> Result<Heard, Self::Lost>;

    /// Asks the server for a sign of life, where that is due.
    ///
    /// # Errors
    /// The lock is lost.
    fn tick(&mut self, now: Moment) -> Result<(), Self::Lost>;

    /// Asks the server for a fresh sign of life, however long it has been silent.
    ///
    /// # Errors
    /// The lock is lost.
    fn renew(&mut self, now: Moment) -> Result<(), Self::Lost>;

    /// Starts the command of `--on-lost` beside the job.
    fn start_beside(&mut self);

    /// Kills it.
    fn kill_beside(&mut self);

    /// Whether it runs.
    fn is_beside_left(&self) -> bool;

    /// Notes why the lock is lost, before the rules know that it is.
    fn lose(&mut self, lost: Self::Lost);
}

/// What the server has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Nothing,
    /// Something, after which there may be more.
    Something,
    /// That someone who may do so has asked that the job be stopped; there may be more.
    Asked,
}

/// A signal that came, or what came with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// A child may have ended, stopped or gone on.
    Child,
    /// A signal for us alone, to be passed on.
    Sent(Signal),
    /// A signal for us alone that asks us to stop.
    Stop(Signal),
    /// A signal that was typed at the terminal, whose whole foreground group got it, the program too.
    Typed(Signal),
    /// The same, of one that stops who gets it.
    TypedStop(Signal),
    /// A SIGCONT for our whole group: the program has got it too.
    StopTakenBack,
}

/// The supervision of one run.
#[derive(Debug)]
pub struct Supervision {
    supervisor: Supervisor,
    /// What runs beside the job once the lock is lost.
    beside: Beside,
    /// The last answer that the rules know of.
    last_answered: Moment,
    /// Once the lock is lost, no more is said to the server.
    is_lost: bool,
    /// The connection may hold more than was read: at first, what came along with the answer that granted the lock.
    has_more: bool,
    /// What the rules say to do next.
    then: Then,
}

impl Supervision {
    /// The program has just started.
    pub fn begin<S: Supervised>(terms: Terms, supervised: &mut S) -> Self {
        let now = supervised.now();
        let last_answered = supervised.last_answered();
        let supervisor = Supervisor::new(terms, last_answered, now);
        let mut this = Self {
            supervisor,
            beside: Beside::new(terms.has_command, terms.lease),
            last_answered,
            is_lost: false,
            has_more: true,
            then: Then::Wait(None),
        };
        this.ask(supervised, |supervised| supervised.start_heartbeat(now));
        // If this host was suspended as the program started, the job must not go on.
        this.feed(supervised, Event::Woken);
        this.listen(supervised);
        this
    }

    /// Whether the connection may hold more than was read, so that the next round does not wait for it.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether the lock is lost, also where the program had ended before.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// How the run has ended, though the lock may still be held.
    pub fn over(&self) -> Option<ExitReason> {
        self.supervisor.over()
    }

    /// Looks at everything once, also at the clock; reads from the connection if it is readable. Returns what to do then.
    pub fn round<S: Supervised>(
        &mut self,
        supervised: &mut S,
        received: impl IntoIterator<Item = Received>,
        is_readable: bool,
    ) -> Then {
        // Before anything else: if this host wakes up late, the job must not go on.
        self.feed(supervised, Event::Woken);
        for received in received {
            match received {
                Received::Child => self.reap(supervised),
                Received::Typed(signal) => self.feed(supervised, Event::Typed(signal)),
                Received::TypedStop(signal) => self.feed(supervised, Event::TypedStop(signal)),
                Received::Sent(signal) => self.feed(supervised, Event::Signal(signal)),
                Received::Stop(signal) => self.feed(supervised, Event::Stop(signal)),
                Received::StopTakenBack => self.feed(supervised, Event::StopTakenBack),
            }
        }
        // What has come, such as the program's end, may have been there before what is due now.
        self.feed(supervised, Event::Tick);
        if is_readable || self.has_more {
            self.listen(supervised);
        }
        let now = supervised.now();
        // A suspension in the midst of all this is no silence of the server's.
        self.feed(supervised, Event::Woken);
        self.ask(supervised, |supervised| supervised.tick(now));
        self.tend_beside(supervised)
    }

    /// The job comes first: nothing is done beside it before it has been asked to end, and heimdall ends when both have.
    fn tend_beside<S: Supervised>(&mut self, supervised: &mut S) -> Then {
        match self.beside.tick(self.is_lost, supervised.is_beside_left(), supervised.now()) {
            Some(Act::Start) => supervised.start_beside(),
            Some(Act::Kill) => supervised.kill_beside(),
            None => {}
        }
        let ends_at = self.beside.ends_at();
        match self.then {
            Then::Exit(_) if supervised.is_beside_left() => Then::Wait(ends_at),
            Then::Exit(reason) => Then::Exit(reason),
            Then::Wait(until) => Then::Wait(until.into_iter().chain(ends_at).min()),
        }
    }

    /// Tells the rules of an event, and has done what they say.
    pub fn feed<S: Supervised>(&mut self, supervised: &mut S, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let actions = self.supervisor.step(event, supervised.now());
            self.then = actions.then;
            for action in actions.now {
                if action == Action::Renew {
                    let now = supervised.now();
                    self.ask(supervised, |supervised| supervised.renew(now));
                } else {
                    events.extend(supervised.act(action));
                }
            }
        }
    }

    fn reap<S: Supervised>(&mut self, supervised: &mut S) {
        for event in supervised.reap() {
            self.feed(supervised, event);
        }
    }

    /// Reads one thing at a time, so that a server that never stops sending can't keep us from everything else.
    fn listen<S: Supervised>(&mut self, supervised: &mut S) {
        let heard = self.ask(supervised, Supervised::listen).unwrap_or(Heard::Nothing);
        self.has_more = heard != Heard::Nothing;
        if heard == Heard::Asked {
            self.feed(supervised, Event::Asked);
        }
    }

    /// Has something done with the lock, unless it is lost already; it may turn out to be lost now.
    fn ask<S: Supervised, T>(
        &mut self,
        supervised: &mut S,
        act: impl FnOnce(&mut S) -> Result<T, S::Lost>,
    ) -> Option<T> {
        if self.is_lost {
            return None;
        }
        match act(supervised) {
            Ok(done) => {
                let last_answered = supervised.last_answered();
                if last_answered != self.last_answered {
                    self.last_answered = last_answered;
                    self.feed(supervised, Event::Answered(last_answered));
                }
                Some(done)
            }
            Err(lost) => {
                supervised.lose(lost);
                self.is_lost = true;
                self.has_more = false;
                // The program may have ended meanwhile: then it never ran without the lock. Or it has stopped, which must not
                // stop heimdall now.
                let (stopped, ended): (Vec<Event>, Vec<Event>) =
                    supervised.reap().into_iter().partition(|event| matches!(event, Event::Stopped(_)));
                for event in ended {
                    self.feed(supervised, event);
                }
                if !self.supervisor.needs_lock(supervised.now()) {
                    self.beside.forget();
                }
                for event in [Event::Lost].into_iter().chain(stopped) {
                    self.feed(supervised, event);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::exit::Status;
    use crate::cli::rules::action::Left;

    const TERMS: Terms = Terms {
        timeout: Some(Duration::from_secs(2)),
        kill_after: Duration::from_secs(10),
        lease: Duration::from_secs(60),
        min_hold: Duration::ZERO,
        drains: false,
        sweeps: false,
        is_group_shared: false,
        has_command: true,
    };

    /// A job and a lock, to which things happen between two rounds.
    struct Played {
        now: Moment,
        /// How the program has ended, until that is reaped.
        ended: Option<Status>,
        is_lost: bool,
        done: Vec<Action>,
        is_beside_left: bool,
        /// For how long this host is suspended as the connection is read.
        sleeps: Duration,
        is_renewed: bool,
    }

    impl Supervised for Played {
        type Lost = ();

        fn now(&self) -> Moment {
            self.now
        }

        fn act(&mut self, action: Action) -> Option<Event> {
            self.done.extend(Some(action).filter(|action| !matches!(action, Action::Tell(_))));
            (action == Action::Look).then_some(Event::Left(Left::Yes))
        }

        fn reap(&mut self) -> Vec<Event> {
            self.ended.take().map(Event::Ended).into_iter().collect()
        }

        fn last_answered(&self) -> Moment {
            Moment::START
        }

        fn start_heartbeat(&mut self, _: Moment) -> Result<(), ()> {
            Ok(())
        }

        fn listen(&mut self) -> Result<Heard, ()> {
            self.now = self.now.after(self.sleeps);
            Ok(Heard::Nothing)
        }

        fn tick(&mut self, now: Moment) -> Result<(), ()> {
            let is_silent = !self.is_renewed && now >= Moment::START.after(TERMS.lease / 2);
            if self.is_lost || is_silent { Err(()) } else { Ok(()) }
        }

        fn renew(&mut self, _: Moment) -> Result<(), ()> {
            self.is_renewed = true;
            Ok(())
        }

        fn start_beside(&mut self) {
            self.is_beside_left = true;
        }

        fn kill_beside(&mut self) {}

        fn is_beside_left(&self) -> bool {
            self.is_beside_left
        }

        fn lose(&mut self, (): ()) {}
    }

    fn begin(terms: Terms) -> (Supervision, Played) {
        begin_at(Moment::START, terms)
    }

    fn begin_at(now: Moment, terms: Terms) -> (Supervision, Played) {
        let mut played = Played {
            now,
            ended: None,
            is_lost: false,
            done: Vec::new(),
            is_beside_left: false,
            sleeps: Duration::ZERO,
            is_renewed: false,
        };
        (Supervision::begin(terms, &mut played), played)
    }

    #[test]
    fn a_program_that_was_started_late_is_stopped_before_anything_else() {
        let (_, played) = begin_at(Moment::START.after(TERMS.lease * 3 / 4), TERMS);
        assert_eq!(played.done, [Action::Stop]);
    }

    #[test]
    fn a_host_that_is_suspended_in_the_midst_of_a_round_asks_before_the_lock_counts_as_lost() {
        let (mut supervision, mut played) = begin(Terms { timeout: None, ..TERMS });
        played.sleeps = TERMS.lease * 4 / 5;
        supervision.round(&mut played, [], true);
        assert_eq!((played.done, supervision.is_lost), (vec![Action::Stop], false));
    }

    const DONE: Status = Status::Exited(0);

    #[test]
    fn a_program_that_had_ended_when_its_timeout_ran_out_has_ended_by_itself() {
        let (mut supervision, mut played) = begin(TERMS);
        (played.now, played.ended) = (Moment::START.after(Duration::from_secs(3)), Some(DONE));
        let then = supervision.round(&mut played, [Received::Child], false);
        assert_eq!((then, played.done), (Then::Exit(ExitReason::Ended(DONE)), vec![]));
    }

    #[test]
    fn the_command_of_on_lost_runs_only_where_the_lock_was_held_for_something() {
        let holds = Terms { min_hold: Duration::from_secs(60), ..TERMS };
        let drains = Terms { drains: true, ..TERMS };
        let sweeps = Terms { sweeps: true, ..holds };
        for (terms, ended, runs) in [
            (TERMS, None, true),
            (TERMS, Some(DONE), false),
            (holds, Some(DONE), true),
            (drains, Some(DONE), true),
            (sweeps, Some(DONE), false),
        ] {
            let (mut supervision, mut played) = begin(terms);
            (played.ended, played.is_lost) = (ended, true);
            supervision.round(&mut played, [], false);
            assert_eq!(played.is_beside_left, runs, "{terms:?}");
        }
    }

    #[test]
    fn who_was_asked_to_go_on_before_it_would_stop_does_not_stop() {
        let (mut supervision, mut played) = begin(TERMS);
        supervision.round(&mut played, [Received::Stop(Signal::TSTP)], false);
        played.now = Moment::START.after(Duration::from_secs(1));
        supervision.round(&mut played, [Received::Sent(Signal::CONT)], false);
        assert_eq!(played.done, [Signal::TSTP, Signal::CONT].map(Action::Signal));
    }
}
