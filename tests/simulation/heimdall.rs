//! A simulated heimdall: when it gets the processor, what it does then, and how it ends.

use std::time::Duration;

use heimdall::internals::heartbeat::Heartbeat;
use heimdall::internals::rules::{Found, Received};
use heimdall::lock::Moment;

use super::mutants::Mutant;
use super::network::{ToClient, ToServer};
use super::postgres::Statement;
use super::run::{Afterwards, Exit, Halt, Stage};
use super::time::Time;
use super::world::{Event, World};

/// Getting the processor.
impl World {
    pub fn moment(&self, run: usize) -> Moment {
        self.hosts[self.runs[run].host].clock.at(self.now)
    }

    /// Something is ready that it waits for.
    pub fn wake_soon(&mut self, run: usize) {
        self.wake_at(run, self.now);
    }

    fn wake_at(&mut self, run: usize, time: Time) {
        // A busy host makes it wait now and then.
        let most = if self.dice.once_in(30) { MAX_LATENCY } else { LATENCY };
        let time = time.max(self.now).after(self.dice.between(Duration::from_micros(10), most));
        if time < self.runs[run].wakes_at {
            let this = &mut self.runs[run];
            this.wakes_at = time;
            this.wake += 1;
            let wake = this.wake;
            self.schedule_at(time, Event::Wake(run, wake));
        }
    }

    pub fn wake(&mut self, run: usize, wake: u32) {
        let this = &mut self.runs[run];
        if this.wake != wake {
            return;
        }
        this.wakes_at = Time::NEVER;
        if !self.can_run(run) {
            return;
        }
        while self.advance(run) {}
        if let Some(until) = self.timer(run).filter(|_| self.can_run(run)) {
            let time = self.hosts[self.runs[run].host].clock.when(until);
            self.wake_at(run, time);
        }
    }

    fn can_run(&self, run: usize) -> bool {
        let this = &self.runs[run];
        !this.has_ended() && this.halt == Halt::None && !self.hosts[this.host].is_down()
    }

    /// It was stopped, or its host was suspended, and is not any more.
    pub fn resume(&mut self, run: usize) {
        if self.can_run(run) {
            self.wake_soon(run);
        }
    }

    /// SIGCONT, where it is stopped: to heimdall, and to all of its job where that was stopped with it.
    pub fn go_on(&mut self, run: usize) {
        let halt = std::mem::replace(&mut self.runs[run].halt, Halt::None);
        if halt == Halt::None {
            return;
        }
        self.tell(|_| format!("heimdall {run} is continued"));
        self.runs[run].resumed = self.now;
        match halt {
            Halt::Heimdall => self.runs[run].resumed_alone = self.now,
            // A shell continues the whole process group.
            Halt::Itself if self.runs[run].options.is_on_terminal => self.wake_program(run),
            _ => {}
        }
        self.runs[run].is_continued |= halt == Halt::Itself;
        self.resume(run);
        self.resume_job(run);
    }

    /// What has come for it.
    pub fn receive(&mut self, run: usize, connection: usize, message: ToClient) {
        if self.runs[run].connection != Some(connection) {
            return;
        }
        let is_end = matches!(message, ToClient::Closed | ToClient::Reset);
        if is_end {
            self.judge_learned(run);
        }
        let this = &mut self.runs[run];
        this.is_closed |= is_end;
        this.inbox.push_back(message);
        self.wake_soon(run);
    }

    fn timer(&self, run: usize) -> Option<Moment> {
        let this = &self.runs[run];
        match this.stage {
            Stage::Pausing { until } | Stage::Listening { until, .. } => Some(until),
            Stage::Connecting { deadline }
            | Stage::Trying { deadline }
            | Stage::Confirming { deadline }
            | Stage::Releasing { deadline, .. } => Some(deadline),
            Stage::Holding { until } => until,
            Stage::Starting { at } => Some(at),
            Stage::Supervising { until } => {
                let tick = this.heartbeat.as_ref().filter(|_| !this.is_lost).map(Heartbeat::next);
                until.into_iter().chain(tick).min()
            }
            Stage::Ended(_) => None,
        }
    }

    /// Does one thing, if there is one to do.
    fn advance(&mut self, run: usize) -> bool {
        let now = self.moment(run);
        match self.runs[run].stage {
            Stage::Pausing { until } if until <= now => self.try_anew(run, now),
            Stage::Connecting { deadline } | Stage::Trying { deadline } => {
                return self.hear(run, deadline, now);
            }
            Stage::Holding { .. } => return self.hold_on(run, now),
            Stage::Confirming { deadline } => return self.hear_confirmation(run, deadline, now),
            Stage::Listening { .. } if self.runs[run].is_closed => self.find(run, Found::Unavailable, now),
            Stage::Listening { until, overtakes } if until <= now => self.retry(run, overtakes, now),
            Stage::Starting { at } if at <= now => self.supervise(run),
            Stage::Supervising { .. } => return self.go_round(run),
            Stage::Releasing { then, deadline } => return self.hear_release(run, then, deadline, now),
            _ => return false,
        }
        true
    }

    /// Sends a statement; tells whether the connection still takes it.
    pub fn ask(&mut self, run: usize, statement: Statement, now: Moment) -> bool {
        let this = &mut self.runs[run];
        if this.is_closed {
            return false;
        }
        this.asked = now;
        this.unanswered += 1;
        if let Some(connection) = this.connection {
            self.send(connection, ToServer::Ask(statement));
        }
        true
    }
}

/// Signals, and the end.
impl World {
    /// A signal for heimdall alone.
    pub fn signal(&mut self, run: usize, received: Received) {
        match (self.runs[run].stage, received) {
            (Stage::Supervising { .. }, _) => {
                self.runs[run].is_hurried |= matches!(received, Received::Sent(_) | Received::Typed(_));
                self.runs[run].was_stopped |= matches!(received, Received::Stop(_) | Received::TypedStop(_));
                self.runs[run].received.push_back(received);
                self.wake_soon(run);
            }
            // It is about to end.
            (Stage::Releasing { then: Afterwards::Exit(_), .. }, _) => {}
            (_, Received::Sent(_)) => self.kill_heimdall(run),
            // It has the signal's usual effect, which is to stop it.
            _ if self.runs[run].halt == Halt::None => self.runs[run].halt = Halt::Heimdall,
            _ => {}
        }
    }

    pub fn exit(&mut self, run: usize, exit: Exit) {
        self.tell(|_| format!("heimdall {run} ends: {exit:?}"));
        self.runs[run].stage = Stage::Ended(exit);
        self.judge_exit(run, exit);
        if let Some(connection) = self.runs[run].connection
            && !self.has(Mutant::LeavesWithoutAWord)
        {
            self.close(connection);
        }
        self.start_another(run);
    }

    /// Whoever has started it starts another one.
    fn start_another(&mut self, run: usize) {
        self.ended = self.now;
        let pause = self.dice.between(Duration::ZERO, self.setting.lease / 4);
        let host = self.runs[run].host;
        self.schedule(pause, Event::Start(host));
    }

    /// SIGKILL to heimdall alone.
    pub fn kill_heimdall(&mut self, run: usize) {
        if self.runs[run].has_ended() {
            return;
        }
        self.runs[run].is_killed = true;
        self.runs[run].stage = Stage::Ended(Exit::Killed);
        self.judge_job(run);
        if let Some(connection) = self.runs[run].connection {
            self.close(connection);
        }
        self.orphan_job(run);
        self.start_another(run);
    }

    /// Its host has no power any more.
    pub fn erase(&mut self, run: usize) {
        self.erase_job(run);
        let this = &mut self.runs[run];
        this.is_killed = true;
        if !this.has_ended() {
            this.stage = Stage::Ended(Exit::Killed);
            self.start_another(run);
        }
    }
}

/// From readiness to running.
const LATENCY: Duration = Duration::from_micros(300);

/// On a host that has much to do.
pub const MAX_LATENCY: Duration = Duration::from_millis(10);
