//! A simulated heimdall that has the lock: what `cli::supervise` and `lock::Guard` do between the rules, which are the
//! product's, its loop included.

use std::time::Duration;

use heimdall::internals::heartbeat::Heartbeat;
use heimdall::internals::holding::{Holding, Kept, Then as HoldingThen};
use heimdall::internals::restart::{End, Next};
use heimdall::internals::rules::{
    Action, Cause, Event, ExitReason, Heard, Left, News, Received, Supervised, Supervision, Terms, Then,
};
use heimdall::internals::timeouts::RELEASE_TIMEOUT;
use heimdall::lock::Moment;

use super::faults::{Fault, SILENT_LOSSES};
use super::mutants::Mutant;
use super::network::{ToClient, ToServer};
use super::postgres::{Answer, Statement};
use super::run::{Afterwards, Exit, Halt, Run, Stage};
use super::world::{Event as WorldEvent, World};

impl World {
    /// Holds the lock until the program may start.
    pub fn hold(&mut self, run: usize, now: Moment) {
        self.runs[run].stage = Stage::Holding { until: Some(now) };
        self.hold_on(run, now);
    }

    /// One round of the loop of `cli::hold`; tells whether there is more to do at once.
    pub fn hold_on(&mut self, run: usize, now: Moment) -> bool {
        let this = &self.runs[run];
        let (lease, is_restarted) = (self.setting.lease, this.course.count() > 0);
        let until = match this.course.start_at() {
            _ if is_restarted && self.has(Mutant::RestartsAtOnce) => now,
            _ if is_restarted && self.has(Mutant::RestartsWithoutTheRuleOfAFailover) => this.backed_off,
            until => until,
        };
        if is_restarted && self.has(Mutant::DoesNotWatchAKeptLock) && now < until {
            self.runs[run].stage = Stage::Holding { until: Some(until) };
            return false;
        }
        let then = if is_restarted && self.has(Mutant::DoesNotWatchAKeptLock) {
            Ok(HoldingThen::Start)
        } else {
            Holding { lease, until }.round(&mut Watched { world: self, run }, now)
        };
        match then {
            Ok(HoldingThen::Wait(until)) => {
                self.runs[run].stage = Stage::Holding { until };
                return false;
            }
            Ok(HoldingThen::Confirm) if self.has(Mutant::TrustsALateAnswer) && until <= now => {
                self.start_program(run, now);
            }
            Ok(HoldingThen::Confirm) if self.has(Mutant::TakesTheLoginForSilence) && now < until => {
                let _ = Supervised::start_heartbeat(&mut Watched { world: self, run }, now);
            }
            Ok(HoldingThen::Confirm) => self.confirm(run, now),
            Ok(HoldingThen::Start) => self.start_program(run, now),
            Ok(HoldingThen::GiveBack) => self.release(run, Afterwards::Exit(Exit::Ended), now),
            Err(Lost) => {
                self.judge_patience(run);
                self.lose_before_start(run, now);
            }
        }
        true
    }

    /// The program starts, and the rules begin to watch it.
    pub fn supervise(&mut self, run: usize) {
        let lease = self.setting.lease;
        let this = &mut self.runs[run];
        this.job_connection = this.connection;
        let options = this.options;
        this.course.started();
        let restarts = this.course.restarts();
        self.start_job(run);
        let terms = Terms {
            timeout: options.timeout.filter(|_| !self.has(Mutant::ForgetsTheTimeout)),
            kill_after: options.kill_after,
            // For the mistake, the rules are told of a lease that is longer.
            lease: if self.has(Mutant::KillsAfterAWholeLease) { lease * 10 / 7 } else { lease },
            min_hold: if self.has(Mutant::ForgetsToHold) { Duration::ZERO } else { options.min_hold },
            drains: options.drains && !self.has(Mutant::DoesNotDrain),
            sweeps: restarts && !self.has(Mutant::LeavesTheRest),
            is_group_shared: options.is_on_terminal,
            has_command: options.on_lost.is_some(),
        };
        let supervision = Supervision::begin(terms, &mut Watched { world: self, run });
        self.runs[run].supervision = Some(supervision);
        self.runs[run].stage = Stage::Supervising { until: None };
        if restarts {
            self.ambush_by(&[Fault::Ask], run, 4, lease / 2);
        }
    }

    /// One round of the loop of `cli::supervise`; tells whether there is more to do at once.
    pub fn go_round(&mut self, run: usize) -> bool {
        let Some(mut supervision) = self.runs[run].supervision.take() else { return false };
        if std::mem::take(&mut self.runs[run].is_continued) {
            let now = self.moment(run);
            let watched = &mut Watched { world: self, run };
            if watched.has(Mutant::GoesOnBlindly) {
                supervision.feed(watched, Event::Answered(now));
            }
            supervision.feed(watched, Event::Continued);
        }
        let received = self.runs[run].received.pop_front();
        let then = supervision.round(&mut Watched { world: self, run }, received, true);
        let has_more = supervision.has_more() || !self.runs[run].received.is_empty();
        self.runs[run].supervision = Some(supervision);
        if self.runs[run].halt == Halt::Itself || self.runs[run].has_ended() {
            return false;
        }
        match then {
            Then::Exit(reason) => self.end_supervision(run, reason),
            Then::Wait(until) => self.runs[run].stage = Stage::Supervising { until },
        }
        has_more && matches!(self.runs[run].stage, Stage::Supervising { .. })
    }

    fn end_supervision(&mut self, run: usize, reason: ExitReason) {
        let now = self.moment(run);
        self.judge_term_end(run);
        let is_lost = matches!(reason, ExitReason::Stopped(Cause::Lost, _));
        let end = self.end(run, reason);
        let (ran, has_lost) = (self.runs[run].ran, self.runs[run].is_lost);
        match self.runs[run].course.ended(end, ran, has_lost, now) {
            Next::Exit | Next::GiveUp(_) if is_lost => self.exit(run, Exit::Lost),
            Next::Exit | Next::GiveUp(_) => self.release(run, Afterwards::Exit(exit_of(reason)), now),
            Next::Again { pause, keeps_lock } => {
                self.tell(|_| format!("heimdall {run} starts its program again after {pause:?}, {end:?}"));
                let this = &mut self.runs[run];
                this.end_term();
                (this.backed_off, this.waiter) = (now.after(pause), None);
                if keeps_lock {
                    self.hold(run, now);
                    self.wake_soon(run);
                    self.ambush(run, 3, pause);
                } else if has_lost {
                    self.wait_again(run, now);
                } else {
                    self.release(run, Afterwards::Wait, now);
                }
            }
        }
    }

    fn end(&self, run: usize, reason: ExitReason) -> End {
        let starts_again = self.runs[run].is_asked && self.has(Mutant::StartsAgainThoughAsked);
        let is_asked = self.runs[run].is_hurried && !starts_again;
        match reason {
            _ if is_asked => End::Asked,
            ExitReason::Ended(status) | ExitReason::Stopped(Cause::Asked, status) => End::Ended(status),
            ExitReason::Stopped(Cause::TimedOut, _) => End::TimedOut,
            ExitReason::Stopped(Cause::Lost, _) => End::Lost,
        }
    }

    /// From nothing, at that moment.
    pub fn wait_again(&mut self, run: usize, at: Moment) {
        self.hang_up(run);
        let this = &mut self.runs[run];
        (this.waiter, this.grant, this.heartbeat) = (None, None, None);
        this.stage = Stage::Pausing { until: at };
        self.wake_soon(run);
    }

    fn release(&mut self, run: usize, then: Afterwards, now: Moment) {
        let slot = self.runs[run].grant.unwrap().slot;
        if !self.ask(run, Statement::Release { slot }, now) || self.has(Mutant::DoesNotWaitForTheRelease) {
            return self.released(run, then, false);
        }
        self.runs[run].stage = Stage::Releasing { then, deadline: now.after(RELEASE_TIMEOUT) };
    }

    fn released(&mut self, run: usize, then: Afterwards, is_confirmed: bool) {
        match then {
            Afterwards::Exit(exit) => self.leave(run, exit),
            Afterwards::Wait => {
                let now = self.moment(run);
                if !is_confirmed {
                    self.judge_break(run);
                }
                self.runs[run].course.released(is_confirmed, now);
                if let Some(connection) = self.runs[run].connection {
                    self.send(connection, ToServer::Terminate);
                }
                self.wait_again(run, self.runs[run].course.start_at());
            }
        }
    }

    /// The answer to the release; tells whether something was done.
    pub fn hear_release(&mut self, run: usize, then: Afterwards, deadline: Moment, now: Moment) -> bool {
        match self.runs[run].inbox.pop_front() {
            Some(ToClient::Answer(Answer::Released(was_held))) => {
                self.judge_release(run);
                self.released(run, then, was_held);
            }
            Some(ToClient::Answer(_)) => {}
            Some(ToClient::Closed | ToClient::Reset) => self.released(run, then, false),
            None if deadline <= now => self.released(run, then, false),
            None => return false,
        }
        true
    }
}

fn exit_of(reason: ExitReason) -> Exit {
    match reason {
        ExitReason::Stopped(Cause::TimedOut | Cause::Lost, _) => Exit::TimedOut,
        ExitReason::Ended(_) | ExitReason::Stopped(Cause::Asked, _) => Exit::Ended,
    }
}

/// The lock is lost.
struct Lost;

/// A run whose program is there.
struct Watched<'a> {
    world: &'a mut World,
    run: usize,
}

impl Watched<'_> {
    fn this(&mut self) -> &mut Run {
        &mut self.world.runs[self.run]
    }

    fn heartbeat(&mut self) -> &mut Heartbeat {
        self.this().heartbeat.as_mut().unwrap()
    }

    fn has(&self, mutant: Mutant) -> bool {
        self.world.has(mutant)
    }

    fn is_halted(&self) -> bool {
        self.world.runs[self.run].halt == Halt::Itself
    }

    fn ping(&mut self, statement: Statement, now: Moment) -> Result<(), Lost> {
        self.heartbeat().sent(now);
        if !self.world.ask(self.run, statement, now) {
            return Err(Lost);
        }
        if self.has(Mutant::CountsFromTheQuestion) {
            self.heartbeat().renew(now);
        }
        self.world.ambush(self.run, 30, MOMENT);
        Ok(())
    }

    /// Whether the server has been silent for too long.
    fn is_late(&mut self, now: Moment) -> bool {
        self.heartbeat().silence(now).is_some()
    }

    /// Tells whether an answer says, for the first time, that heimdall is to stop.
    fn hears_asker(&mut self, answer: Answer) -> bool {
        if self.this().is_asked {
            return false;
        }
        let is_asked = match answer {
            Answer::Rings => {
                self.this().hears_bell = !self.has(Mutant::IsDeaf);
                self.has(Mutant::HeedsStrangers)
            }
            Answer::Asked(is_asked) => is_asked,
            _ => false,
        };
        if is_asked {
            self.world.heed(self.run);
            if self.has(Mutant::FreesTheLockFirst) {
                let (slot, now) = (self.this().grant.unwrap().slot, self.now());
                self.world.ask(self.run, Statement::Release { slot }, now);
            }
        }
        is_asked
    }

    /// Everything that was asked is answered.
    fn hear_all(&mut self) {
        self.world.judge_heard(self.run);
        if self.has(Mutant::CountsFromTheAnswer) {
            let (lease, now) = (self.world.setting.lease, self.now());
            *self.heartbeat() = Heartbeat::new(lease, now);
        } else {
            self.heartbeat().answered();
        }
    }
}

impl Supervised for Watched<'_> {
    type Lost = Lost;

    fn now(&self) -> Moment {
        self.world.moment(self.run)
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        let run = self.run;
        match action {
            Action::Signal(signal) => self.world.signal_program(run, signal),
            Action::Wake => self.world.wake_program(run),
            Action::Stop if self.has(Mutant::StopsAlone) => {}
            Action::Stop => self.world.hold_job(run),
            Action::Resume => self.world.let_job_go_on(run),
            Action::StopOurselves(_) => {
                self.this().halt = Halt::Itself;
                self.world.tell(|_| format!("heimdall {run} is stopped"));
                self.world.judge_stop(run);
                let within = self.world.setting.lease / 4;
                self.world.ambush_by(&SILENT_LOSSES, run, 2, within);
                if self.world.now >= self.world.setting.quiet_at {
                    // Whoever has stopped it had no chance to continue it yet.
                    self.world
                        .schedule(self.world.setting.lease, WorldEvent::Mended(Fault::StopHeimdall, run));
                }
            }
            // The supervision renews itself; the program alone heeds signals here, and it has ended.
            Action::Renew | Action::SignalElsewhere(_) | Action::Note(_) => {}
            Action::Terminate => self.world.terminate_job(run),
            Action::TerminateOrphans => self.world.terminate_orphans(run),
            Action::Kill if self.has(Mutant::NeverKills) => {}
            Action::Kill => self.world.kill_job(run),
            Action::Look => {
                let spares_rest = self.has(Mutant::LooksAtTheProgramAlone);
                let is_left = self.this().job.as_ref().is_some_and(|job| job.is_left() && !spares_rest);
                return Some(Event::Left(if is_left { Left::Yes } else { Left::No }));
            }
            Action::Follow(reason) => {
                let end = self.world.end(run, reason);
                let this = self.this();
                return this.course.keeps_lock(end, this.ran).then_some(Event::Followed);
            }
            Action::Tell(news) => {
                if let News::Exited { ran, .. } = news {
                    self.this().ran = ran;
                }
                self.world.tell(|_| format!("heimdall {run}: {news:?}"));
            }
        }
        None
    }

    fn reap(&mut self) -> Vec<Event> {
        self.this().received.retain(|received| *received != Received::Child);
        self.this().job.as_mut().map(super::job::Job::reap).unwrap_or_default()
    }

    fn last_answered(&self) -> Moment {
        let this = &self.world.runs[self.run];
        if self.has(Mutant::CountsFromTheQuestion) {
            return this.asked;
        }
        this.heartbeat.as_ref().map_or(this.asked, Heartbeat::last_answered)
    }

    fn start_heartbeat(&mut self, now: Moment) -> Result<(), Lost> {
        // A lock that was held before the program has one.
        if self.this().heartbeat.is_some() {
            return Ok(());
        }
        let lease = self.world.setting.lease;
        let asked = self.this().asked;
        self.this().heartbeat = Some(Heartbeat::new(lease, asked));
        let lease = self.world.lease_of_server();
        let settings = Statement::Settings { lease };
        self.ping(settings, now)
    }

    fn listen(&mut self) -> Result<Heard, Lost> {
        if self.is_halted() {
            return Ok(Heard::Nothing);
        }
        match self.this().inbox.pop_front() {
            None if self.this().is_closed => return Err(Lost),
            None => return Ok(Heard::Nothing),
            Some(ToClient::Answer(answer)) => {
                let this = self.this();
                this.unanswered -= 1;
                if this.unanswered == 0 && this.heartbeat.is_some() {
                    self.hear_all();
                }
                if self.hears_asker(answer) {
                    return Ok(Heard::Asked);
                }
            }
            Some(ToClient::Closed | ToClient::Reset) => return Err(Lost),
        }
        Ok(if self.this().inbox.is_empty() { Heard::Nothing } else { Heard::Something })
    }

    fn tick(&mut self, now: Moment) -> Result<(), Lost> {
        if self.is_halted() {
            return Ok(());
        }
        while self.is_late(now) && !self.this().inbox.is_empty() {
            self.listen()?;
        }
        if self.is_late(now) {
            return Err(Lost);
        }
        if self.this().unanswered == 0 && std::mem::take(&mut self.this().hears_bell) {
            return self.ping(Statement::Askers, now);
        }
        if self.heartbeat().is_due(now) { self.ping(Statement::Ping, now) } else { Ok(()) }
    }

    fn renew(&mut self, now: Moment) -> Result<(), Lost> {
        self.heartbeat().renew(now);
        self.ping(Statement::Ping, now)
    }

    fn start_beside(&mut self) {
        if !self.has(Mutant::RunsTheCommandFirst) {
            self.world.start_beside(self.run);
        }
    }

    fn kill_beside(&mut self) {
        if !self.has(Mutant::LetsTheCommandRunOn) {
            self.world.kill_beside(self.run);
        }
    }

    fn is_beside_left(&self) -> bool {
        self.world.runs[self.run].beside.is_some()
    }

    fn lose(&mut self, Lost: Lost) {
        self.this().is_lost = true;
        self.world.judge_break(self.run);
        if self.has(Mutant::RunsTheCommandFirst) {
            self.world.start_beside(self.run);
        }
        self.world.ambush(self.run, 6, MOMENT);
    }
}

impl Kept for Watched<'_> {
    type Lost = Lost;

    fn last_answered(&self) -> Moment {
        Supervised::last_answered(self)
    }

    fn next_tick(&self) -> Option<Moment> {
        self.world.runs[self.run].heartbeat.as_ref().map(Heartbeat::next)
    }

    fn start_heartbeat(&mut self, now: Moment) -> Result<(), Lost> {
        Supervised::start_heartbeat(self, now)
    }

    fn process(&mut self, now: Moment) -> Result<(), Lost> {
        while self.listen()? != Heard::Nothing {}
        self.tick(now)
    }

    fn is_asked(&self) -> bool {
        self.world.runs[self.run].is_asked
    }
}

/// How soon after an important moment something may break.
pub const MOMENT: Duration = Duration::from_millis(3);
