//! A simulated heimdall: what `cli::run`, `cli::wait`, `cli::supervise` and `lock::Guard` do between system calls, around the
//! rules themselves, which are the product's.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use heimdall::internals::heartbeat::Heartbeat;
use heimdall::internals::rules::{
    self, Action, Cause, ExitReason, Found, Left, Next, Supervisor, Terms, Then, Waiter,
};
use heimdall::lock::{Moment, Place};

use super::dice::Dice;
use super::job::{Job, Member};
use super::mutants::Mutant;
use super::network::{ToClient, ToServer};
use super::postgres::{Answer, Grant, Statement};
use super::time::Time;
use super::world::{Event, World};

/// One heimdall, from its start to its exit, and its job.
#[derive(Debug)]
pub struct Run {
    pub host: usize,
    pub options: Options,
    pub stage: Stage,
    pub connection: Option<usize>,
    /// Which connection the job has inherited.
    pub job_connection: Option<usize>,
    pub job: Option<Job>,
    /// What its kernel has received for it.
    inbox: VecDeque<ToClient>,
    /// Whether the kernel knows that the connection is over.
    pub is_closed: bool,
    signals: VecDeque<i32>,
    pub has_dead_child: bool,
    /// By SIGSTOP, heimdall alone.
    pub is_stopped: bool,
    /// By SIGSTOP, with all of its job.
    pub is_frozen: bool,
    /// When it last went on, and when it did so while its job had run on.
    pub resumed: Time,
    pub resumed_alone: Time,
    /// By SIGKILL, heimdall alone.
    pub is_killed: bool,
    waiter: Option<Waiter>,
    supervisor: Option<Supervisor>,
    heartbeat: Option<Heartbeat>,
    is_lost: bool,
    grant: Option<Grant>,
    /// When the last statement was sent, and how many are not answered yet.
    pub asked: Moment,
    unanswered: u32,
    /// The last answer that the rules know of, and what they have said to do next.
    last_answered: Moment,
    then: Then,
    turn: u32,
    wakes_at: Time,
}

/// What was typed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    wait: Wait,
    pub kill_after: Duration,
    timeout: Option<Duration>,
    min_hold: Duration,
    pub inherits: bool,
}

/// `--wait`.
#[derive(Debug, Clone, Copy)]
enum Wait {
    No,
    For(Duration),
    Forever,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before it connects again.
    Pausing {
        until: Moment,
        timeout: Option<Duration>,
    },
    /// Until the answer to the statement that has travelled along.
    Connecting {
        deadline: Moment,
    },
    /// Between two tries.
    Listening {
        until: Moment,
        timeout: Option<Duration>,
    },
    Trying {
        deadline: Moment,
    },
    /// The program is being started.
    Starting {
        at: Moment,
    },
    Supervising {
        until: Option<Moment>,
    },
    Releasing {
        deadline: Moment,
    },
    Ended(Exit),
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    Ended,
    TimedOut,
    Lost,
    Busy,
    Unavailable,
    /// It was killed, or its host was.
    Killed,
}

impl Options {
    pub fn any(lease: Duration, dice: &mut Dice) -> Self {
        let seconds = Duration::from_secs;
        Self {
            wait: match dice.below(4) {
                0 => Wait::No,
                1 => Wait::For(dice.between(Duration::ZERO, lease * 4)),
                _ => Wait::Forever,
            },
            kill_after: *dice.pick(&[Duration::ZERO, seconds(1), seconds(10)]).unwrap(),
            timeout: dice.once_in(6).then(|| dice.between(Duration::ZERO, lease)),
            min_hold: if dice.once_in(6) { dice.between(Duration::ZERO, lease) } else { Duration::ZERO },
            inherits: !dice.once_in(4),
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wait {
            Wait::No => f.write_str("tries once")?,
            Wait::Forever => f.write_str("--wait")?,
            Wait::For(limit) => write!(f, "--wait={limit:?}")?,
        }
        write!(f, " --kill-after {:?}", self.kill_after)?;
        if let Some(timeout) = self.timeout {
            write!(f, " --timeout {timeout:?}")?;
        }
        if !self.min_hold.is_zero() {
            write!(f, " --min-hold {:?}", self.min_hold)?;
        }
        f.write_str(if self.inherits { "" } else { " --close" })
    }
}

impl Run {
    pub fn new(host: usize, options: Options) -> Self {
        Self {
            host,
            options,
            stage: Stage::Pausing { until: Moment::START, timeout: None },
            connection: None,
            job_connection: None,
            job: None,
            inbox: VecDeque::new(),
            is_closed: false,
            signals: VecDeque::new(),
            has_dead_child: false,
            is_stopped: false,
            is_frozen: false,
            resumed: Time::default(),
            resumed_alone: Time::default(),
            is_killed: false,
            waiter: None,
            supervisor: None,
            heartbeat: None,
            is_lost: false,
            grant: None,
            asked: Moment::START,
            unanswered: 0,
            last_answered: Moment::START,
            then: Then::Wait(None),
            turn: 0,
            wakes_at: Time::NEVER,
        }
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended(_))
    }

    /// What it is doing, by its place in [`STAGES`]; nothing any more once it has ended.
    pub fn stage_index(&self) -> Option<usize> {
        let is_asking = self.unanswered > 0;
        Some(match self.stage {
            Stage::Pausing { .. } => 0,
            Stage::Connecting { .. } => 1,
            Stage::Listening { .. } => 2,
            Stage::Trying { .. } => 3,
            Stage::Starting { .. } => 4,
            Stage::Supervising { .. } if self.is_lost => 7,
            Stage::Supervising { .. } => 5 + usize::from(is_asking),
            Stage::Releasing { .. } => 8,
            Stage::Ended(_) => return None,
        })
    }
}

/// What a run may be doing.
pub const STAGES: [&str; 9] = [
    "pausing",
    "connecting",
    "listening",
    "trying",
    "starting",
    "running",
    "running and asking",
    "stopping the job",
    "releasing",
];

/// Getting the processor.
impl World {
    pub fn moment(&self, run: usize) -> Moment {
        self.hosts[self.runs[run].host].clock.at(self.now)
    }

    pub fn begin(&mut self, run: usize) {
        self.wake_soon(run);
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
            this.turn += 1;
            let turn = this.turn;
            self.schedule_at(time, Event::Wake(run, turn));
        }
    }

    pub fn wake(&mut self, run: usize, turn: u32) {
        let this = &mut self.runs[run];
        if this.turn != turn {
            return;
        }
        this.wakes_at = Time::NEVER;
        if this.is_killed || this.has_ended() {
            return;
        }
        if this.is_stopped || this.is_frozen || self.hosts[this.host].is_down() {
            return;
        }
        while self.advance(run) {}
        if let Some(until) = self.timer(run) {
            let time = self.hosts[self.runs[run].host].clock.when(until);
            self.wake_at(run, time);
        }
    }

    /// It was stopped, or its host was suspended, and is not any more.
    pub fn resume(&mut self, run: usize) {
        let this = &mut self.runs[run];
        if this.is_stopped || this.is_frozen || self.hosts[this.host].is_down() || this.is_killed {
            return;
        }
        if !this.has_ended() {
            self.wake_soon(run);
        }
    }

    /// What has come for it.
    pub fn receive(&mut self, run: usize, connection: usize, message: ToClient) {
        let this = &mut self.runs[run];
        if this.connection != Some(connection) {
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
            Stage::Pausing { until, .. } | Stage::Listening { until, .. } => Some(until),
            Stage::Connecting { deadline } | Stage::Trying { deadline } | Stage::Releasing { deadline } => {
                Some(deadline)
            }
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
            Stage::Pausing { until, timeout } if until <= now => self.try_anew(run, timeout, now),
            Stage::Connecting { deadline } | Stage::Trying { deadline } => {
                return self.hear(run, deadline, now);
            }
            Stage::Listening { .. } if self.runs[run].is_closed => self.find(run, Found::Unavailable, now),
            Stage::Listening { until, timeout } if until <= now => {
                let deadline =
                    now.after(timeout.map_or(ANSWER_TIMEOUT, |timeout| timeout.min(ANSWER_TIMEOUT)));
                self.ask(run, Statement::Acquire, now);
                self.runs[run].stage = Stage::Trying { deadline };
            }
            Stage::Starting { at } if at <= now => self.supervise(run, now),
            Stage::Supervising { .. } => return self.go_round(run),
            Stage::Releasing { deadline } => return self.hear_release(run, deadline, now),
            _ => return false,
        }
        true
    }

    /// Sends a statement; tells whether the connection still takes it.
    fn ask(&mut self, run: usize, statement: Statement, now: Moment) -> bool {
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

/// Connecting and waiting.
impl World {
    fn try_anew(&mut self, run: usize, timeout: Option<Duration>, now: Moment) {
        let this = &mut self.runs[run];
        this.inbox.clear();
        this.is_closed = false;
        this.asked = now;
        this.unanswered = 1;
        let timeout = timeout.map_or(CONNECT_TIMEOUT, |timeout| timeout.min(CONNECT_TIMEOUT));
        this.stage = Stage::Connecting { deadline: now.after(timeout) };
        self.tell(|_| format!("heimdall {run}: connects"));
        let connection = self.connect(run, Statement::Acquire);
        self.runs[run].connection = Some(connection);
    }

    /// The answer to a try.
    fn hear(&mut self, run: usize, deadline: Moment, now: Moment) -> bool {
        match self.runs[run].inbox.pop_front() {
            Some(ToClient::Answer(Answer::Acquired(Some(grant)))) => {
                self.tell(|_| format!("heimdall {run}: the lock is ours, {grant:?}"));
                self.runs[run].unanswered -= 1;
                self.runs[run].grant = Some(grant);
                self.confirm(run, now);
            }
            Some(ToClient::Answer(Answer::Acquired(None))) => {
                self.runs[run].unanswered -= 1;
                self.find(run, BUSY, now);
            }
            Some(ToClient::Answer(_)) => {
                self.runs[run].unanswered -= 1;
                self.judge_heard(run);
                self.confirm(run, now);
            }
            Some(ToClient::Closed | ToClient::Reset) if self.runs[run].grant.is_some() => {
                self.exit(run, Exit::Unavailable);
            }
            None if deadline <= now && self.runs[run].grant.is_some() => self.exit(run, Exit::Unavailable),
            Some(ToClient::Closed | ToClient::Reset) => self.find(run, Found::Unavailable, now),
            None if deadline <= now => {
                self.tell(|_| format!("heimdall {run}: there was no answer"));
                self.find(run, Found::Unavailable, now);
            }
            None => return false,
        }
        true
    }

    /// Starts the program, or asks first whether the lock is still ours where the answer has come late.
    fn confirm(&mut self, run: usize, now: Moment) {
        if self.is_fresh(run, now) || self.has(Mutant::TrustsALateAnswer) {
            let spawn = self.dice.between(Duration::from_micros(200), Duration::from_millis(3));
            self.runs[run].stage = Stage::Starting { at: now.after(spawn) };
            return;
        }
        let deadline = now.after(self.setting.lease / 3);
        self.ask(run, Statement::Ping, now);
        self.runs[run].stage = Stage::Trying { deadline };
    }

    /// What follows from what was found.
    fn find(&mut self, run: usize, found: Found, now: Moment) {
        if found == Found::Unavailable {
            self.hang_up(run);
        }
        let random = self.dice.next() as u32;
        let this = &mut self.runs[run];
        if this.waiter.is_none() {
            match (this.options.wait, found) {
                (_, Found::Unavailable) => return self.exit(run, Exit::Unavailable),
                (Wait::No, _) => return self.leave(run, Exit::Busy),
                (Wait::For(limit), _) => this.waiter = Some(Waiter::new(Some(limit), now)),
                (Wait::Forever, _) => this.waiter = Some(Waiter::new(None, now)),
            }
        }
        let waiter = this.waiter.as_mut().unwrap();
        this.stage = match waiter.next(found, now, random) {
            Next::Ask { .. } => return self.find(run, found, now),
            Next::Try { pause, timeout, .. } => Stage::Listening { until: now.after(pause), timeout },
            Next::Connect { pause, timeout } => Stage::Pausing { until: now.after(pause), timeout },
            Next::GiveUp if found == Found::Unavailable => return self.exit(run, Exit::Unavailable),
            Next::GiveUp => return self.leave(run, Exit::Busy),
        };
    }

    /// Says Terminate and ends.
    fn leave(&mut self, run: usize, exit: Exit) {
        if let Some(connection) = self.runs[run].connection
            && !self.has(Mutant::LeavesWithoutAWord)
        {
            self.send(connection, ToServer::Terminate);
        }
        self.exit(run, exit);
    }

    /// Gives a connection up.
    fn hang_up(&mut self, run: usize) {
        if let Some(connection) = self.runs[run].connection.take()
            && !self.has(Mutant::KeepsOldConnections)
        {
            self.close(connection);
        }
    }

    fn exit(&mut self, run: usize, exit: Exit) {
        self.tell(|_| format!("heimdall {run}: ends, {exit:?}"));
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
    pub fn start_another(&mut self, run: usize) {
        self.ended = self.now;
        let pause = self.dice.between(Duration::ZERO, self.setting.lease / 4);
        let host = self.runs[run].host;
        self.schedule(pause, Event::Start(host));
    }
}

/// While the lock is held.
impl World {
    /// As `Guard::confirm`: tells whether the answer that has granted the lock is fresh enough to start the program.
    fn is_fresh(&self, run: usize, now: Moment) -> bool {
        now < self.runs[run].asked.after(self.setting.lease / 3)
    }

    fn supervise(&mut self, run: usize, now: Moment) {
        let lease = self.setting.lease;
        let this = &mut self.runs[run];
        this.job_connection = this.connection;
        let Options { kill_after, timeout, min_hold, .. } = this.options;
        // For the mistake, the rules are told of a lease that is longer.
        let ruled = if self.mutant == Some(Mutant::KillsAfterAWholeLease) { lease * 10 / 7 } else { lease };
        let terms = Terms {
            timeout,
            kill_after,
            lease: ruled,
            min_hold,
            drains: false,
            sweeps: false,
            is_group_shared: false,
        };
        this.last_answered = this.asked;
        this.supervisor = Some(Supervisor::new(terms, this.last_answered, now));
        this.stage = Stage::Supervising { until: None };
        self.start_job(run);
        self.listen(run);
        self.runs[run].heartbeat = Some(Heartbeat::new(lease, self.runs[run].asked));
        let settings = self.lease_of_server().map_or(Statement::Ping, |lease| Statement::Settings { lease });
        self.ping(run, settings, now);
    }

    fn ping(&mut self, run: usize, statement: Statement, now: Moment) {
        self.runs[run].heartbeat.as_mut().unwrap().sent(now);
        if !self.ask(run, statement, now) {
            return self.lose(run);
        }
        if self.has(Mutant::CountsFromTheQuestion) {
            self.runs[run].heartbeat.as_mut().unwrap().renew(now);
            self.feed(run, rules::Event::Answered(now));
        }
    }

    /// One round of the loop of `cli::supervise`; tells whether there is more to do at once.
    fn go_round(&mut self, run: usize) -> bool {
        self.feed(run, rules::Event::Tick);
        while let Some(signal) = self.runs[run].signals.pop_front() {
            self.feed(run, rules::Event::Signal(signal));
        }
        if std::mem::take(&mut self.runs[run].has_dead_child) {
            self.reap(run);
        }
        self.listen(run);
        self.tick(run);
        match self.runs[run].then {
            Then::Exit(reason) => self.end_supervision(run, reason),
            Then::Wait(until) => self.runs[run].stage = Stage::Supervising { until },
        }
        let this = &self.runs[run];
        matches!(this.stage, Stage::Supervising { .. }) && !this.is_lost && !this.inbox.is_empty()
    }

    /// As `Guard::poll`.
    fn listen(&mut self, run: usize) {
        if self.runs[run].is_lost {
            return;
        }
        match self.runs[run].inbox.pop_front() {
            None => {}
            Some(ToClient::Answer(_)) => {
                self.runs[run].unanswered -= 1;
                if self.runs[run].unanswered == 0 && self.runs[run].heartbeat.is_some() {
                    self.hear_all(run);
                }
            }
            Some(ToClient::Closed | ToClient::Reset) => self.lose(run),
        }
    }

    /// Everything that was asked is answered.
    fn hear_all(&mut self, run: usize) {
        self.judge_heard(run);
        let now = self.moment(run);
        let counts_from_answer = self.has(Mutant::CountsFromTheAnswer);
        let this = &mut self.runs[run];
        let heartbeat = this.heartbeat.as_mut().unwrap();
        if counts_from_answer {
            heartbeat.sent(now);
        }
        heartbeat.answered();
        let last_answered = heartbeat.last_answered();
        if std::mem::replace(&mut this.last_answered, last_answered) != last_answered {
            self.feed(run, rules::Event::Answered(last_answered));
        }
    }

    /// As `Guard::tick`.
    fn tick(&mut self, run: usize) {
        let now = self.moment(run);
        let is_late = |this: &Run| {
            !this.is_lost && this.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.silence(now).is_some())
        };
        while is_late(&self.runs[run]) && !self.runs[run].inbox.is_empty() {
            self.listen(run);
        }
        if self.runs[run].is_lost {
            return;
        }
        if is_late(&self.runs[run]) {
            return self.lose(run);
        }
        if self.runs[run].heartbeat.as_ref().unwrap().is_due(now) {
            self.ping(run, Statement::Ping, now);
        }
    }

    fn lose(&mut self, run: usize) {
        self.tell(|_| format!("heimdall {run}: has lost the lock"));
        self.runs[run].is_lost = true;
        if std::mem::take(&mut self.runs[run].has_dead_child) {
            self.reap(run);
        }
        self.feed(run, rules::Event::Lost);
        self.ambush();
    }

    fn reap(&mut self, run: usize) {
        let status = self.runs[run].job.as_mut().and_then(Job::reap);
        self.feed(run, status.map_or(rules::Event::Reaped, rules::Event::Ended));
    }

    fn feed(&mut self, run: usize, event: rules::Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = self.moment(run);
            let actions = self.runs[run].supervisor.as_mut().unwrap().step(event, now);
            self.runs[run].then = actions.then;
            for action in actions.now {
                if action == Action::Look {
                    let is_left = self.runs[run].job.as_ref().is_some_and(Job::is_left)
                        && !self.has(Mutant::LooksAtTheProgramAlone);
                    events.push_back(rules::Event::Left(if is_left { Left::Yes } else { Left::No }));
                }
                self.act(run, action, now);
            }
        }
    }

    fn act(&mut self, run: usize, action: Action, now: Moment) {
        match action {
            Action::Signal(signal) => {
                if signal == SIGTERM {
                    self.ask_job_to_end(run, &[Member::Program]);
                }
            }
            Action::Stop => self.stop_job(run, true),
            Action::Resume => self.stop_job(run, false),
            Action::Renew => {
                self.runs[run].heartbeat.as_mut().unwrap().renew(now);
                self.ping(run, Statement::Ping, now);
            }
            Action::Terminate | Action::TerminateOrphans => {
                self.stop_job(run, false);
                if let Some(job) = self.runs[run].job.as_mut() {
                    job.is_stopping = true;
                }
                self.ask_job_to_end(run, &[Member::Program, Member::Child]);
            }
            Action::Kill if self.has(Mutant::NeverKills) => {}
            Action::Kill => self.kill_job(run),
            // No one asks a simulated heimdall to stop.
            Action::Look | Action::Wake | Action::StopOurselves(_) => {}
            Action::Tell(news) => self.tell(|_| format!("heimdall {run}: {news:?}")),
        }
    }

    fn end_supervision(&mut self, run: usize, reason: ExitReason) {
        let now = self.moment(run);
        if reason == ExitReason::Stopped(Cause::Lost) {
            return self.exit(run, Exit::Lost);
        }
        let exit = if matches!(reason, ExitReason::Ended(_)) { Exit::Ended } else { Exit::TimedOut };
        let slot = self.runs[run].grant.unwrap().slot;
        if !self.ask(run, Statement::Release { slot }, now) || self.has(Mutant::DoesNotWaitForTheRelease) {
            return self.leave(run, exit);
        }
        self.runs[run].stage = Stage::Releasing { deadline: now.after(RELEASE_TIMEOUT) };
    }

    fn hear_release(&mut self, run: usize, deadline: Moment, now: Moment) -> bool {
        match self.runs[run].inbox.pop_front() {
            Some(ToClient::Answer(Answer::Released(_))) => {
                self.judge_release(run);
                self.leave(run, Exit::Ended);
            }
            Some(ToClient::Answer(_)) => {}
            Some(ToClient::Closed | ToClient::Reset) => self.leave(run, Exit::Ended),
            None if deadline <= now => self.leave(run, Exit::Ended),
            None => return false,
        }
        true
    }

    /// A signal for heimdall alone.
    pub fn signal(&mut self, run: usize, signal: i32) {
        match self.runs[run].stage {
            Stage::Supervising { .. } => {
                self.runs[run].signals.push_back(signal);
                self.wake_soon(run);
            }
            // It has the signal's usual effect.
            _ => self.kill_heimdall(run),
        }
    }

    /// SIGKILL to heimdall alone.
    pub fn kill_heimdall(&mut self, run: usize) {
        if std::mem::replace(&mut self.runs[run].is_killed, true) || self.runs[run].has_ended() {
            return;
        }
        self.runs[run].stage = Stage::Ended(Exit::Killed);
        self.judge_job(run);
        if let Some(connection) = self.runs[run].connection {
            self.close(connection);
        }
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

/// `man 7 signal`.
pub const SIGTERM: i32 = 15;

const BUSY: Found = Found::Busy { is_watched: false, place: Place::Outside };

/// From readiness to running.
const LATENCY: Duration = Duration::from_micros(300);

/// On a host that has much to do.
pub const MAX_LATENCY: Duration = Duration::from_millis(10);

/// As in the product.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);
