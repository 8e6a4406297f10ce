//! Who holds what by rights, and whether the promises are kept, after every event.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use heimdall::internals::timeouts::RELEASE_TIMEOUT;
use heimdall::lock::Moment;

use super::heimdall::MAX_LATENCY;
use super::holder::MOMENT;
use super::job::DEATH;
use super::network::Between;
use super::postgres::{Grant, Mode, Session, State};
use super::run::{Exit, Halt, Run, Stage};
use super::time::Time;
use super::world::{Event, World};

/// What is known from above.
#[derive(Debug, Default)]
pub struct Judge {
    /// The first promise that was broken.
    pub violation: Option<String>,
    cases: BTreeMap<usize, Case>,
    /// When each heimdall last noticed that a session was over in which it held the lock or waited for it.
    breaks: BTreeMap<usize, Moment>,
    terms: BTreeMap<usize, Term>,
    /// How often each has lost the lock before its program started, in a row, and when it did last.
    lost: BTreeMap<usize, (u32, Moment)>,
    last_token: u64,
    /// What README names as exceptions: how often two jobs ran at once, and how long at most, in leases.
    pub excused: BTreeMap<Excuse, (u32, f64)>,
    pub jobs: u32,
    pub exits: BTreeMap<Exit, u32>,
}

/// One heimdall and its lock.
#[derive(Debug)]
struct Case {
    session: usize,
    slot: usize,
    token: u64,
    /// When heimdall has read that the lock is granted.
    read: Option<Time>,
    /// When its job began.
    started: Option<Time>,
    lost: Option<(Time, Loss)>,
    /// When its host heard that the session is over.
    learned: Option<Time>,
    /// When the statement was sent that was answered last.
    heard: Moment,
    /// Since when its job has run beside one that holds the lock by rights.
    beside: Option<Time>,
}

/// The programs of one heimdall, one after the other, by its host's clock.
#[derive(Debug)]
struct Term {
    ended: Option<Moment>,
    /// Until the program's own end.
    ran: Duration,
    /// How many in a row have run for less than a minute.
    in_a_row: u32,
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Its client has said so, or has closed the connection.
    Left,
    /// Its client was silent for too long.
    Expired,
    /// By the server's doing, or the network's.
    Taken,
    /// The server has crashed, or another has taken its place.
    Forgotten,
}

/// Why a job may run that does not hold the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excuse {
    /// The server has taken the lock away, and the job is being stopped.
    Taken,
    /// heimdall was stopped, or its host was, and has just gone on.
    Woken,
    /// heimdall alone is stopped.
    Stopped,
    /// heimdall was killed.
    Orphaned,
    /// There is none.
    None,
}

/// As README says it.
impl fmt::Display for Excuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "the server had taken the lock away, and the job was being stopped",
            Self::Woken => "heimdall had just got the processor back",
            Self::Stopped => "heimdall was stopped, and not its job",
            Self::Orphaned => "heimdall had been killed",
            Self::None => "none",
        })
    }
}

impl World {
    /// The server has granted a lock.
    pub fn judge_grant(&mut self, run: usize, session: usize, grant: Grant, is_heir: bool) {
        if is_heir {
            self.complain(format!("heimdall {run} has the lock, and is its own heir"));
        }
        let heard = self.runs[run].asked;
        let Grant { slot, token, .. } = grant;
        let case = Case {
            session,
            slot,
            token,
            read: None,
            started: None,
            lost: None,
            learned: None,
            heard,
            beside: None,
        };
        // Not where heimdall has given up this connection, and connected again.
        if self.runs[run].connection == Some(self.server.sessions[session].connection) {
            if self.is_running(run) {
                self.complain(format!("heimdall {run} gets the lock anew while its last job runs"));
            }
            self.judge.cases.insert(run, case);
        }
        let last = std::mem::replace(&mut self.judge.last_token, token);
        if last >= token {
            let last = Grant { token: last, ..grant };
            self.complain(format!("heimdall {run} gets {grant} after someone else got {last}"));
        }
        self.ambush(run, 6, MOMENT);
    }

    /// heimdall has lost the lock before its program started, and waits for it again.
    pub fn judge_lost(&mut self, run: usize, now: Moment) {
        let times = self.judge.lost.get(&run).map_or(0, |(times, _)| *times);
        self.judge.lost.insert(run, (times + 1, now));
    }

    /// It connects.
    pub fn judge_attempt(&mut self, run: usize, now: Moment) {
        if let Some((times, at)) = self.judge.lost.get(&run)
            && now < at.after(back_off(times - 1))
        {
            self.complain(format!(
                "heimdall {run} has lost the lock before its program, and is back at once"
            ));
        }
    }

    /// heimdall knows that the lock is granted.
    pub fn judge_read(&mut self, run: usize) {
        let now = self.now;
        if let Some(case) = self.judge.cases.get_mut(&run) {
            case.read = Some(now);
        }
    }

    /// A lock counts as lost before the program has started. However long the login took, a server that has just granted the
    /// lock is not silent: it has a sixth of a lease for its next answer at least.
    pub fn judge_patience(&mut self, run: usize) {
        let Some(read) = self.judge.cases.get(&run).and_then(|case| case.read) else { return };
        let this = &self.runs[run];
        let host = &self.hosts[this.host];
        let earliest = read.after(host.clock.takes(self.setting.lease / 6));
        let is_disturbed = this.is_closed || this.resumed.max(host.resumed) > read;
        if self.now.after(SLACK) < earliest && !is_disturbed {
            let time = self.now.since(read);
            self.complain(format!("heimdall {run} takes a server for silent {time:?} after it has the lock"));
        }
    }

    /// A session is over.
    pub fn judge_loss(&mut self, run: usize, session: usize, loss: Loss) {
        let now = self.now;
        if let Some(case) = self.judge.cases.get_mut(&run).filter(|case| case.session == session) {
            case.lost.get_or_insert((now, loss));
            self.judge_job(run);
        }
    }

    /// A host has heard that a session is over.
    pub fn judge_learned(&mut self, run: usize) {
        let now = self.now;
        if let Some(case) = self.judge.cases.get_mut(&run) {
            case.learned.get_or_insert(now);
            self.judge_job(run);
        }
    }

    /// A statement was answered, and heimdall knows it.
    pub fn judge_heard(&mut self, run: usize) {
        let asked = self.runs[run].asked;
        if let Some(case) = self.judge.cases.get_mut(&run) {
            case.heard = asked;
        }
    }

    /// heimdall has noticed that its session is over.
    pub fn judge_break(&mut self, run: usize) {
        let now = self.moment(run);
        self.judge.breaks.insert(run, now);
    }

    /// Its program has ended.
    pub fn judge_term_end(&mut self, run: usize) {
        let (now, ran) = (self.moment(run), self.runs[run].ran);
        if let Some(term) = self.judge.terms.get_mut(&run) {
            (term.ended, term.ran) = (Some(now), ran);
        }
    }

    /// Another one is about to start.
    pub fn judge_rest(&mut self, run: usize) {
        if self.runs[run].job.as_ref().is_some_and(super::job::Job::is_left) {
            self.complain(format!("heimdall {run} starts a program beside what its last one has left"));
        }
    }

    /// Whether it may start now: the rule of a failover, and `--restart`.
    fn judge_term(&mut self, run: usize) {
        let (now, lease) = (self.moment(run), self.setting.lease);
        let broken = self.judge.breaks.get(&run);
        if let Some(since) = broken.map(|broken| now.since(*broken)).filter(|since| *since < lease * 3 / 4) {
            self.complain(format!("heimdall {run} starts a program {since:?} after its session broke"));
        }
        let policy = self.runs[run].options.restart;
        let Some(last) = self.judge.terms.get(&run) else {
            self.judge.terms.insert(run, Term { ended: None, ran: Duration::ZERO, in_a_row: 0 });
            return;
        };
        let ended = last.ended.unwrap_or(now);
        let in_a_row = if last.ran < A_MINUTE { last.in_a_row } else { 0 };
        let (pause, usual) = (now.since(ended), back_off(in_a_row));
        self.judge.terms.insert(run, Term { ended: None, ran: Duration::ZERO, in_a_row: in_a_row + 1 });
        if policy.limit.is_some_and(|limit| limit <= in_a_row) {
            self.complain(format!("heimdall {run} starts its program again after {in_a_row} times in a row"));
        }
        if pause < usual {
            self.complain(format!(
                "heimdall {run} starts its program again after {pause:?} instead of {usual:?}"
            ));
        }
    }

    /// heimdall has decided to start its program.
    pub fn judge_decision(&mut self, run: usize) {
        let (now, lease) = (self.moment(run), self.setting.lease);
        let heard = self.judge.cases.get(&run).map_or(now, |case| case.heard);
        if now > heard.after(lease / 2) {
            let silence = now.since(heard);
            self.complain(format!(
                "heimdall {run} starts its program {silence:?} after the last sign of life"
            ));
        }
    }

    /// Whoever has the lock, no job runs for three quarters of a lease after the last answer. That is looked at now and then.
    pub fn judge_silence(&mut self, run: usize, started: Time) {
        let is_this_job = self.judge.cases.get(&run).is_some_and(|case| case.started == Some(started));
        if is_this_job && self.runs[run].job.as_ref().is_some_and(super::job::Job::is_left) {
            let latest = self.judge_overrun(run);
            let next = latest.max(self.now.after(self.setting.lease / 4));
            self.schedule_at(next, Event::JudgeSilence(run, started));
        }
    }

    /// Returns until when the job of a run may go on.
    fn judge_overrun(&mut self, run: usize) -> Time {
        let Some(case) = self.judge.cases.get(&run) else { return self.now };
        let this = &self.runs[run];
        let (host, lease) = (&self.hosts[this.host], self.setting.lease);
        let silent_at = host.clock.when(case.heard.after(lease * 3 / 4));
        let latest = silent_at.max(this.resumed).max(host.resumed).after(SLACK);
        let is_supervised = !this.is_killed && this.halt != Halt::Heimdall;
        if is_supervised && latest <= self.now && self.is_running(run) {
            let late = self.now.since(silent_at);
            self.complain(format!(
                "the job of heimdall {run} runs {late:?} too long after the last sign of life"
            ));
        }
        latest
    }

    /// The command of `--on-lost` starts: the stopping of the job does not wait for it.
    pub fn judge_beside(&mut self, run: usize) {
        if !self.runs[run].job.as_ref().is_none_or(super::job::Job::is_ending) {
            self.complain(format!("heimdall {run} runs the command of --on-lost before it stops its job"));
        }
    }

    /// The command of `--on-lost` ends, after a quarter of a lease at the latest.
    pub fn judge_beside_end(&mut self, run: usize) {
        let this = &self.runs[run];
        let Some((started, _)) = this.beside else { return };
        let host = &self.hosts[this.host];
        let latest = started.after(host.clock.takes(self.setting.lease / 4)).after(SLACK);
        let is_disturbed =
            this.resumed.max(host.resumed) > started || this.is_killed || this.halt != Halt::None;
        if self.now > latest && !is_disturbed {
            let late = self.now.since(latest);
            self.complain(format!("the command of --on-lost of heimdall {run} ends {late:?} too late"));
        }
    }

    /// A job begins, which is told this token.
    pub fn judge_start(&mut self, run: usize, token: u64) {
        self.judge.jobs += 1;
        self.judge.lost.remove(&run);
        self.judge_term(run);
        let now = self.now;
        let Some(case) = self.judge.cases.get_mut(&run) else {
            return self.complain(format!("the job of heimdall {run} starts without a lock"));
        };
        case.started = Some(now);
        if self.runs[run].is_asked {
            self.complain(format!("heimdall {run} was asked to stop, and starts its program"));
        }
        let watched_at = now.after(self.setting.lease / 2);
        self.schedule_at(watched_at, Event::JudgeSilence(run, now));
        let Some(case) = self.judge.cases.get(&run) else { return };
        let learned = case.learned.filter(|_| case.lost.is_some());
        if case.token != token {
            self.complain(format!("the job of heimdall {run} is told a token of another term"));
        }
        let resumed = self.runs[run].resumed.max(self.hosts[self.runs[run].host].resumed);
        if learned.is_some_and(|learned| learned.max(resumed).after(SLACK) < now) {
            self.complain(format!(
                "the job of heimdall {run} starts long after it is known that the lock is lost"
            ));
        }
        if self.holds(run) {
            self.judge_failover(run);
            self.judge_together(run);
            self.judge_others(run);
        } else {
            self.judge_job(run);
        }
        self.ambush(run, 6, MOMENT);
    }

    /// Who knows that the server may have forgotten a holder starts when that one's job is gone.
    fn judge_failover(&mut self, run: usize) {
        let this = &self.runs[run];
        let known = self.judge.breaks.get(&run).map(|broken| self.hosts[this.host].clock.when(*broken));
        let known = known.max(this.options.settles.then_some(self.server.booted));
        let is_beside = |other: &usize| {
            let case = self.judge.cases.get(other);
            let forgotten = case.and_then(|case| case.lost).filter(|(_, loss)| *loss == Loss::Forgotten);
            forgotten.is_some_and(|(since, _)| Some(since) <= known)
                && self.is_running(*other)
                && self.excuse(*other).0 == Excuse::Taken
        };
        let age = self.now.since(self.server.booted);
        // By clocks that are 10 % apart.
        if self.runs[run].options.settles && age < self.setting.lease * 9 / 10 {
            self.complain(format!(
                "heimdall {run} starts its job on a server that has kept its locks for {age:?}"
            ));
        } else if let Some(other) = (0..self.runs.len()).filter(|other| *other != run).find(is_beside) {
            self.complain(format!(
                "heimdall {run} starts its job beside that of heimdall {other}, which was forgotten"
            ));
        }
    }

    /// Those that hold the lock by rights may do so at once.
    fn judge_together(&mut self, run: usize) {
        let case = &self.judge.cases[&run];
        for (other, others) in self.judge.cases.iter().filter(|(other, _)| **other != run) {
            let both_read = [run, *other].iter().all(|run| self.runs[*run].options.mode == Mode::Shared);
            if others.lost.is_none() && others.slot == case.slot && !both_read && self.is_running(*other) {
                return self.complain(format!("heimdall {run} and heimdall {other} hold the same lock"));
            }
        }
    }

    /// Who waits for a slot that is free takes it soon, where nothing keeps it from that.
    pub fn judge_slot(&mut self, slot: usize) {
        let Some(since) = self.server.free[slot].filter(|since| self.now >= since.after(HANDOVER)) else {
            return;
        };
        let is_undisturbed = |run: &Run| {
            let host = &self.hosts[run.host];
            let is_trying = matches!(run.stage, Stage::Listening { .. } | Stage::Trying { .. });
            let is_well = run.halt == Halt::None && !run.is_closed && !host.is_troubled();
            let disturbed = host.troubled.max(self.server.troubled).max(run.resumed);
            let has_session = run.connection.is_some_and(|connection| self.session_of(connection).is_some());
            is_trying && is_well && has_session && run.tries_since <= since && disturbed <= since
        };
        if self.server.state == State::Up
            && self.server.stalled_until <= since
            && let Some(run) = self.runs.iter().position(is_undisturbed)
        {
            let heir =
                self.server.heir.map(|heir| self.connections[self.server.sessions[heir].connection].run);
            let heir = heir.map_or("no heir".to_owned(), |heir| format!("heimdall {heir} as heir"));
            self.complain(format!(
                "slot {} is free for {HANDOVER:?}, and heimdall {run} waits, with {heir}",
                slot + 1
            ));
        }
    }

    /// heimdall has stopped itself: its job must not go on.
    pub fn judge_stop(&mut self, run: usize) {
        if self.is_running(run) {
            self.complain(format!("heimdall {run} is stopped, and its job goes on"));
        }
    }

    /// A program has ended: not later than `--timeout` has it, where nothing came in between.
    pub fn judge_program_end(&mut self, run: usize) {
        let this = &self.runs[run];
        let (Some(timeout), Some(started)) = (this.options.timeout, self.judge.cases[&run].started) else {
            return;
        };
        let host = &self.hosts[this.host];
        let latest = started.after(host.clock.takes(timeout + this.options.kill_after)).after(SLACK);
        let is_disturbed = this.resumed.max(host.resumed) > started
            || this.is_killed
            || this.halt != Halt::None
            || this.was_stopped
            || this.job.as_ref().is_some_and(|job| job.was_held);
        if self.now > latest && !is_disturbed {
            self.complain(format!(
                "the program of heimdall {run} ends {:?} too late",
                self.now.since(latest)
            ));
        }
    }

    /// Who else runs now needs an excuse.
    fn judge_others(&mut self, run: usize) {
        for other in 0..self.runs.len() {
            if other != run && self.is_running(other) && !self.holds(other) {
                self.judge_job(other);
                self.note_beside(other);
            }
        }
    }

    /// From now on a job runs beside one that holds the lock by rights.
    fn note_beside(&mut self, run: usize) {
        let now = self.now;
        if let Some(case) = self.judge.cases.get_mut(&run) {
            case.beside.get_or_insert(now);
        }
    }

    /// A job goes on.
    pub fn judge_resumed(&mut self, run: usize) {
        self.schedule(SLACK, Event::Judge(run));
        if self.holds(run) {
            return self.judge_others(run);
        }
        self.judge_job(run);
        let is_beside = (0..self.runs.len()).any(|other| self.holds(other) && self.is_running(other));
        if is_beside && self.is_running(run) {
            self.note_beside(run);
        }
    }

    /// A job has ended, or stands still.
    pub fn judge_pause(&mut self, run: usize) {
        if self.is_running(run) {
            return;
        }
        let (now, lease) = (self.now, self.setting.lease);
        let (excuse, _) = self.excuse(run);
        if let Some(since) = self.judge.cases.get_mut(&run).and_then(|case| case.beside.take()) {
            let (count, longest) = self.judge.excused.entry(excuse).or_default();
            *count += 1;
            *longest = longest.max(now.since(since).as_secs_f64() / lease.as_secs_f64());
        }
    }

    /// Whether the server says that the lock is its.
    pub fn holds(&self, run: usize) -> bool {
        self.judge.cases.get(&run).is_some_and(|case| case.lost.is_none())
    }

    /// A job that runs must hold the lock, or have an excuse that is still good.
    pub fn judge_job(&mut self, run: usize) {
        self.judge_overrun(run);
        if !self.is_running(run) || self.holds(run) {
            return;
        }
        let (excuse, until) = self.excuse(run);
        if until <= self.now {
            let case = &self.judge.cases[&run];
            let (since, loss) = case.lost.unwrap();
            let time = self.now.since(since);
            return self.complain(format!(
                "the job of heimdall {run} runs {time:?} after its lock was free ({loss:?}), its excuse is over ({excuse:?})"
            ));
        }
        if until != Time::NEVER {
            self.schedule_at(until, Event::Judge(run));
        }
    }

    /// Why a job may run without the lock, and until when.
    fn excuse(&self, run: usize) -> (Excuse, Time) {
        let Some(case) = self.judge.cases.get(&run) else { return (Excuse::None, self.now) };
        let Some((since, loss)) = case.lost else { return (Excuse::None, Time::NEVER) };
        let this = &self.runs[run];
        let host = &self.hosts[this.host];
        // While the job lives, no connection that it has inherited is closed.
        let is_given_away = loss == Loss::Left && this.options.inherits;
        if this.is_killed && !is_given_away {
            return (Excuse::Orphaned, Time::NEVER);
        }
        if this.halt == Halt::Heimdall && !is_given_away {
            return (Excuse::Stopped, Time::NEVER);
        }
        let lease = self.setting.lease;
        let resumed = this.resumed.max(host.resumed);
        let dead_at = host.clock.when(case.heard.after(lease * 3 / 4));
        let (excuse, until) = match (loss, case.learned) {
            (Loss::Left | Loss::Expired, _) => (Excuse::None, since),
            (Loss::Taken | Loss::Forgotten, Some(learned)) => {
                let grace = host.clock.takes(this.options.kill_after);
                (Excuse::Taken, learned.max(resumed).after(grace).min(dead_at).after(SLACK))
            }
            (Loss::Taken | Loss::Forgotten, None) => (Excuse::Taken, dead_at),
        };
        let woken = resumed.after(SLACK);
        if resumed > host.clock.when(case.heard) && woken > until {
            let was_alone = this.resumed_alone > host.clock.when(case.heard);
            (if was_alone { Excuse::Stopped } else { Excuse::Woken }, woken)
        } else {
            (excuse, until)
        }
    }

    /// The server has confirmed that the lock is free.
    pub fn judge_release(&mut self, run: usize) {
        let now = self.now;
        let Some(case) = self.judge.cases.get_mut(&run) else { return };
        case.lost.get_or_insert((now, Loss::Left));
        let this = &self.runs[run];
        let held = now.since(case.started.unwrap_or_default());
        let clock = self.hosts[this.host].clock;
        if held < clock.takes(this.options.min_hold) && !this.is_hurried && !this.is_lost {
            self.complain(format!("heimdall {run} gives the lock back after {held:?}"));
        }
        self.judge_job(run);
    }

    /// The host of a session is gone, and the server has not been told for how long to wait for it.
    pub fn judge_abandoned(&mut self, run: usize) {
        self.complain(format!("the server would keep the session of heimdall {run} for hours"));
    }

    /// heimdall ends by itself.
    pub fn judge_exit(&mut self, run: usize, exit: Exit) {
        *self.judge.exits.entry(exit).or_default() += 1;
        let this = &self.runs[run];
        let is_closed = this.is_closed;
        let has_waited = self.moment(run) >= this.asked.after(RELEASE_TIMEOUT);
        let leaves_some = this.job.as_ref().is_some_and(super::job::Job::is_left);
        if matches!(exit, Exit::Ended | Exit::TimedOut) && self.holds(run) && !has_waited && !is_closed {
            self.complain(format!("heimdall {run} ends, and the server has not said that the lock is free"));
        }
        if exit == Exit::Lost && leaves_some {
            self.complain(format!("heimdall {run} says that it has stopped its job, and some of it is left"));
        }
    }

    /// Nothing more will happen.
    pub fn judge_end(&mut self) {
        for run in 0..self.runs.len() {
            if !self.runs[run].has_ended() {
                let stage = self.runs[run].stage;
                return self.complain(format!("heimdall {run} never ends: {stage:?}"));
            }
        }
        assert_eq!(self.server.state, State::Up);
        let is_left = |session: &Session| {
            let is_poolers = self.between(session.connection) == Between::Pooler && session.locked.is_none();
            session.is_alive && !is_poolers
        };
        let left = self.server.sessions.iter().position(is_left);
        if let Some(session) = left {
            let run = self.connections[self.server.sessions[session].connection].run;
            self.complain(format!("the server still has the session of heimdall {run}"));
        }
    }

    pub fn complain(&mut self, text: String) {
        self.tell(|_| format!("VIOLATION: {text}"));
        self.judge.violation.get_or_insert(text);
    }
}

/// How long to pause after what has happened so often in a row.
fn back_off(in_a_row: u32) -> Duration {
    Duration::from_secs(1 << in_a_row.min(5)).min(A_MINUTE / 2)
}

/// From a moment at which heimdall must act to the end of the last process: it may wait for the processor a few times, and
/// looks after a job that it holds still every 20 ms.
const SLACK: Duration = Duration::from_millis(40);

const _: () = assert!(SLACK.as_millis() > 20 + MAX_LATENCY.as_millis() + 2 * DEATH.as_millis());

/// In this time a free slot is taken by someone who waits: those behind a dead heir try its key every six seconds, and one
/// that is stopped loses it after five.
pub const HANDOVER: Duration = Duration::from_secs(13);

/// After which a program that ends has run well.
const A_MINUTE: Duration = Duration::from_secs(60);
