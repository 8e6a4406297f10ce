//! A simulated heimdall until it has the lock: what `cli::wait` and `lock::acquire` do between the rules, which are the
//! product's.

use std::time::Duration;

use heimdall::internals::heartbeat::Heartbeat;
use heimdall::internals::line::Turn;
use heimdall::internals::rules::{Found, Next, Waiter};
use heimdall::internals::timeouts::ANSWER_TIMEOUT;
use heimdall::lock::Moment;

use super::faults::PAUSES;
use super::holder::MOMENT;
use super::mutants::Mutant;
use super::network::{Between, ToClient, ToServer};
use super::postgres::{Answer, Grant, Statement};
use super::run::{Exit, Stage};
use super::time::Time;
use super::world::World;

impl World {
    /// Connects, with the statement that tries the lock.
    pub fn try_anew(&mut self, run: usize, now: Moment) {
        self.judge_attempt(run, now);
        let this = &mut self.runs[run];
        let timeout = this.waiter.get_or_insert_with(|| Waiter::new(this.course.limit(), now)).patience(now);
        this.inbox.clear();
        this.is_closed = false;
        this.asked = now;
        this.unanswered = 1;
        let timeout = timeout.map_or(CONNECT_TIMEOUT, |timeout| timeout.min(CONNECT_TIMEOUT));
        this.stage = Stage::Connecting { deadline: now.after(timeout) };
        let waits = this.course.limit() != Some(Duration::ZERO);
        this.turn = if waits { Turn::First } else { Turn::Any };
        this.tries_since = Time::NEVER;
        self.tell(|_| format!("heimdall {run} connects"));
        let statement = self.acquire(run);
        // Of a server that asks others who we are.
        let login = self.dice.once_in(6).then(|| self.dice.between(Duration::ZERO, self.setting.lease));
        let connection = self.connect(run, login.unwrap_or_default(), statement);
        self.runs[run].connection = Some(connection);
        self.ambush(run, 6, self.setting.lease / 3);
    }

    /// Tries again on the same connection, as `Contender::take_turn`.
    pub fn retry(&mut self, run: usize, overtakes: bool, now: Moment) {
        self.runs[run].turn = self.runs[run].turn.again(overtakes);
        let longest = ANSWER_TIMEOUT.min(Heartbeat::patience(self.setting.lease));
        let timeout = self.runs[run].waiter.as_ref().and_then(|waiter| waiter.patience(now));
        let timeout = timeout.map_or(longest, |timeout| timeout.min(longest));
        let statement = self.acquire(run);
        self.ask(run, statement, now);
        self.runs[run].stage = Stage::Trying { deadline: now.after(timeout) };
    }

    fn acquire(&self, run: usize) -> Statement {
        let this = &self.runs[run];
        let lease = self.lease_of_server().filter(|_| this.turn.is_outside());
        Statement::Acquire { mode: this.options.mode, turn: this.turn, lease }
    }

    /// The answer to a try; tells whether something was done.
    pub fn hear(&mut self, run: usize, deadline: Moment, now: Moment) -> bool {
        match self.runs[run].inbox.pop_front() {
            Some(ToClient::Answer(Answer::Acquired(Some(grant), _))) => {
                self.tell(|_| format!("heimdall {run} has the lock: {grant}"));
                self.runs[run].unanswered -= 1;
                self.runs[run].grant = Some(grant);
                self.judge_read(run);
                self.settle(run, grant, now);
            }
            Some(ToClient::Answer(Answer::Acquired(None, is_heir))) => {
                self.runs[run].unanswered -= 1;
                self.stay(run, is_heir);
                self.find(run, self.busy(run), now);
            }
            // To settings, which came before.
            Some(ToClient::Answer(_)) => self.runs[run].unanswered -= 1,
            Some(ToClient::Closed | ToClient::Reset) => self.find(run, Found::Unavailable, now),
            None if deadline <= now => {
                self.tell(|_| format!("heimdall {run} gets no answer"));
                self.find(run, Found::Unavailable, now);
            }
            None => return false,
        }
        true
    }

    /// As `Contender::stay`.
    fn stay(&mut self, run: usize, is_heir: bool) {
        let now = self.now;
        let is_pooled = self.hosts[self.runs[run].host].between == Between::Pooler;
        let this = &mut self.runs[run];
        let was_behind = this.turn != Turn::Heir;
        this.turn = this.turn.next(is_heir, is_pooled);
        this.tries_since = this.tries_since.min(now);
        if was_behind && this.turn == Turn::Heir {
            self.ambush_by(&PAUSES, run, 3, self.setting.lease / 2);
        }
    }

    fn busy(&self, run: usize) -> Found {
        Found::Busy { is_watched: false, place: self.runs[run].turn.place() }
    }

    /// Where the server may have forgotten a holder, the lock is held for a while before the program starts. `--settle` asks
    /// how long the server has been there; here the grant has told that, which is earlier.
    fn settle(&mut self, run: usize, grant: Grant, now: Moment) {
        let heeds_breaks = !self.has(Mutant::DoesNotWaitAfterABreak);
        let this = &mut self.runs[run];
        let broken = this.waiter.as_ref().and_then(Waiter::broken).filter(|_| heeds_breaks);
        this.course.acquired(broken);
        let age = this.course.asks_age().then_some(grant.age);
        this.course.settle(age, now);
        let until = this.course.start_at();
        if now < until {
            self.tell(|_| format!("heimdall {run} holds the lock for {:?} first", until.since(now)));
            self.ambush(run, 3, self.setting.lease / 2);
        }
        self.hold(run, now);
    }

    pub fn lose_before_start(&mut self, run: usize, now: Moment) {
        self.judge_break(run);
        let Some(pause) = self.runs[run].course.lost_before_start(now) else {
            return self.exit(run, Exit::Unavailable);
        };
        self.tell(|_| format!("heimdall {run} has lost the lock before the program was started"));
        self.judge_lost(run, now);
        let pause = if self.has(Mutant::TriesAgainAtOnce) { Duration::ZERO } else { pause };
        self.wait_again(run, now.after(pause));
    }

    /// As `Guard::confirm`, where the answer has come late.
    pub fn confirm(&mut self, run: usize, now: Moment) {
        let lease = self.setting.lease;
        self.tell(|_| format!("heimdall {run} asks again, since the answer has come late"));
        self.ask(run, Statement::Ping, now);
        self.runs[run].stage = Stage::Confirming { deadline: now.after(Heartbeat::patience(lease)) };
        self.ambush_by(&PAUSES, run, 1, MOMENT);
    }

    /// The answer to that; tells whether something was done.
    pub fn hear_confirmation(&mut self, run: usize, deadline: Moment, now: Moment) -> bool {
        match self.runs[run].inbox.pop_front() {
            Some(ToClient::Answer(_)) if deadline <= now && !self.has(Mutant::TrustsALateConfirmation) => {
                self.lose_before_start(run, now);
            }
            Some(ToClient::Answer(_)) => {
                self.runs[run].unanswered -= 1;
                self.judge_heard(run);
                if self.has(Mutant::TrustsALateConfirmation) {
                    self.start_program(run, now);
                } else {
                    self.hold(run, now);
                }
            }
            Some(ToClient::Closed | ToClient::Reset) => self.lose_before_start(run, now),
            None if deadline <= now => self.lose_before_start(run, now),
            None => return false,
        }
        true
    }

    pub fn start_program(&mut self, run: usize, now: Moment) {
        self.judge_decision(run);
        let spawn = self.dice.between(Duration::from_micros(200), Duration::from_millis(3));
        self.runs[run].stage = Stage::Starting { at: now.after(spawn) };
    }

    /// What follows from what was found.
    pub fn find(&mut self, run: usize, found: Found, now: Moment) {
        if found == Found::Unavailable {
            if !matches!(self.runs[run].stage, Stage::Connecting { .. } | Stage::Pausing { .. }) {
                self.judge_break(run);
            }
            self.hang_up(run);
        }
        let random = self.dice.next() as u32;
        let this = &mut self.runs[run];
        this.stage = match this.waiter.as_mut().unwrap().next(found, now, random) {
            Next::Ask { .. } => return self.find(run, found, now),
            Next::Try { pause, overtakes } => Stage::Listening { until: now.after(pause), overtakes },
            Next::Connect { pause } => Stage::Pausing { until: now.after(pause) },
            Next::GiveUp if found == Found::Unavailable => return self.exit(run, Exit::Unavailable),
            Next::GiveUp => return self.leave(run, Exit::Busy),
        };
    }

    /// Says Terminate and ends.
    pub fn leave(&mut self, run: usize, exit: Exit) {
        if let Some(connection) = self.runs[run].connection
            && !self.has(Mutant::LeavesWithoutAWord)
        {
            self.send(connection, ToServer::Terminate);
        }
        self.exit(run, exit);
    }

    /// Gives a connection up.
    pub fn hang_up(&mut self, run: usize) {
        if let Some(connection) = self.runs[run].connection.take()
            && !self.has(Mutant::KeepsOldConnections)
        {
            self.close(connection);
        }
    }
}

/// The default of `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
