//! A simulated heimdall that has the lock: what `cli::supervise` and `lock::Guard` do between the rules, which are the
//! product's, its loop included.

use std::time::Duration;

use heimdall::internals::heartbeat::Heartbeat;
use heimdall::internals::rules::{
    Action, Cause, Event, ExitReason, Left, Received, Supervised, Supervision, Terms, Then,
};
use heimdall::lock::Moment;

use super::faults::Fault;
use super::mutants::Mutant;
use super::network::ToClient;
use super::postgres::{Answer, Statement};
use super::run::{Exit, Halt, Run, Stage};
use super::world::{Event as WorldEvent, World};

impl World {
    /// The program starts, and the rules begin to watch it.
    pub fn supervise(&mut self, run: usize) {
        let lease = self.setting.lease;
        let this = &mut self.runs[run];
        this.job_connection = this.connection;
        let options = this.options;
        self.start_job(run);
        let terms = Terms {
            timeout: options.timeout.filter(|_| !self.has(Mutant::ForgetsTheTimeout)),
            kill_after: options.kill_after,
            // For the mistake, the rules are told of a lease that is longer.
            lease: if self.has(Mutant::KillsAfterAWholeLease) { lease * 10 / 7 } else { lease },
            min_hold: if self.has(Mutant::ForgetsToHold) { Duration::ZERO } else { options.min_hold },
            drains: options.drains && !self.has(Mutant::DoesNotDrain),
            sweeps: false,
            is_group_shared: options.is_on_terminal,
        };
        let supervision = Supervision::begin(terms, &mut Watched { world: self, run });
        self.runs[run].supervision = Some(supervision);
        self.runs[run].stage = Stage::Supervising { until: None };
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
        if reason == ExitReason::Stopped(Cause::Lost) {
            return self.exit(run, Exit::Lost);
        }
        let slot = self.runs[run].grant.unwrap().slot;
        if !self.ask(run, Statement::Release { slot }, now) || self.has(Mutant::DoesNotWaitForTheRelease) {
            return self.leave(run, exit_of(reason));
        }
        self.runs[run].stage = Stage::Releasing { reason, deadline: now.after(RELEASE_TIMEOUT) };
    }

    /// The answer to the release; tells whether something was done.
    pub fn hear_release(&mut self, run: usize, reason: ExitReason, deadline: Moment, now: Moment) -> bool {
        match self.runs[run].inbox.pop_front() {
            Some(ToClient::Answer(Answer::Released(_))) => {
                self.judge_release(run);
                self.leave(run, exit_of(reason));
            }
            Some(ToClient::Answer(_)) => {}
            Some(ToClient::Closed | ToClient::Reset) => self.leave(run, exit_of(reason)),
            None if deadline <= now => self.leave(run, exit_of(reason)),
            None => return false,
        }
        true
    }
}

fn exit_of(reason: ExitReason) -> Exit {
    if matches!(reason, ExitReason::Ended(_)) { Exit::Ended } else { Exit::TimedOut }
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
        Ok(())
    }

    /// Whether the server has been silent for too long.
    fn is_late(&mut self, now: Moment) -> bool {
        self.heartbeat().silence(now).is_some()
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
                self.world.ambush(3, self.world.setting.lease / 2);
                if self.world.now >= self.world.setting.quiet_at {
                    // Whoever has stopped it had no chance to continue it yet.
                    self.world
                        .schedule(self.world.setting.lease, WorldEvent::Mended(Fault::StopHeimdall, run));
                }
            }
            // The supervision does that itself.
            Action::Renew => {}
            Action::Terminate => self.world.terminate_job(run),
            Action::TerminateOrphans => self.world.terminate_orphans(run),
            Action::Kill if self.has(Mutant::NeverKills) => {}
            Action::Kill => self.world.kill_job(run),
            Action::Look => {
                let spares_rest = self.has(Mutant::LooksAtTheProgramAlone);
                let is_left = self.this().job.as_ref().is_some_and(|job| job.is_left() && !spares_rest);
                return Some(Event::Left(if is_left { Left::Yes } else { Left::No }));
            }
            Action::Tell(news) => self.world.tell(|_| format!("heimdall {run}: {news:?}")),
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

    fn listen(&mut self) -> Result<bool, Lost> {
        if self.is_halted() {
            return Ok(false);
        }
        match self.this().inbox.pop_front() {
            None => return Ok(false),
            Some(ToClient::Answer(_)) => {
                let this = self.this();
                this.unanswered -= 1;
                if this.unanswered == 0 && this.heartbeat.is_some() {
                    self.hear_all();
                }
            }
            Some(ToClient::Closed | ToClient::Reset) => return Err(Lost),
        }
        Ok(!self.this().inbox.is_empty())
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
        if self.heartbeat().is_due(now) { self.ping(Statement::Ping, now) } else { Ok(()) }
    }

    fn renew(&mut self, now: Moment) -> Result<(), Lost> {
        self.heartbeat().renew(now);
        self.ping(Statement::Ping, now)
    }

    fn lose(&mut self, Lost: Lost) {
        self.this().is_lost = true;
        self.world.ambush(6, MOMENT);
    }
}

/// How soon after an important moment something may break.
pub const MOMENT: Duration = Duration::from_millis(3);

/// As in the product.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);
