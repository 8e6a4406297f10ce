//! One heimdall, from its start to its exit: what was typed, and where it stands.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use heimdall::internals::course::{Course, Plan, WaitPolicy};
use heimdall::internals::heartbeat::Heartbeat;
use heimdall::internals::line::Turn;
use heimdall::internals::restart::{Policy, When};
use heimdall::internals::rules::{Received, Supervision, Waiter};
use heimdall::lock::Moment;

use super::dice::Dice;
use super::job::Job;
use super::network::{Between, ToClient};
use super::postgres::{Grant, Mode};
use super::time::Time;
use super::world::Setting;

/// A heimdall and its job.
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
    pub inbox: VecDeque<ToClient>,
    /// Whether the kernel knows that the connection is over.
    pub is_closed: bool,
    /// What signals have told it, and it has not looked at yet.
    pub received: VecDeque<Received>,
    /// Who stands still, and by what.
    pub halt: Halt,
    /// Whether a signal has told it not to wait for anything.
    pub is_hurried: bool,
    /// For how long its last program ran.
    pub ran: Duration,
    /// Whether it was ever told to stand still.
    pub was_stopped: bool,
    /// Whether its bell rings, whether someone who may has asked it to stop, and whether it knows.
    pub hears_bell: bool,
    pub was_asked: bool,
    pub is_asked: bool,
    /// It goes on after it has stopped itself.
    pub is_continued: bool,
    /// When it last went on, and when it did so while its job had run on.
    pub resumed: Time,
    pub resumed_alone: Time,
    /// By SIGKILL, heimdall alone.
    pub is_killed: bool,
    pub course: Course,
    pub waiter: Option<Waiter>,
    /// How it tries next, and since when it does so undisturbed.
    pub turn: Turn,
    pub tries_since: Time,
    pub supervision: Option<Supervision>,
    pub heartbeat: Option<Heartbeat>,
    /// When the command of `--on-lost` was started, while it runs, and which end of it counts.
    pub beside: Option<(Time, u32)>,
    pub is_lost: bool,
    pub grant: Option<Grant>,
    /// The first token that it has told a program.
    pub first_token: Option<u64>,
    /// When the last program was to follow by the back-off alone.
    pub backed_off: Moment,
    /// When the last statement was sent, and how many are not answered yet.
    pub asked: Moment,
    pub unanswered: u32,
    /// Of several times at which it was to get the processor, only the last counts.
    pub wake: u32,
    pub wakes_at: Time,
    /// How many ends of its processes were planned.
    pub turns: u32,
}

/// Who of a run stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    None,
    /// heimdall, by SIGSTOP.
    Heimdall,
    /// heimdall and all of its job, by SIGSTOP.
    Both,
    /// heimdall, by its own doing, after it has stopped its job.
    Itself,
}

/// What was typed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub wait: WaitPolicy,
    pub restart: Policy,
    pub mode: Mode,
    pub kill_after: Duration,
    pub timeout: Option<Duration>,
    pub min_hold: Duration,
    pub drains: bool,
    pub settles: bool,
    /// How long the command of `--on-lost` takes by itself.
    pub on_lost: Option<Duration>,
    pub inherits: bool,
    /// Whether a shell takes heimdall and its program for one.
    pub is_on_terminal: bool,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before it connects.
    Pausing {
        until: Moment,
    },
    /// Until the answer to the statement that has travelled along.
    Connecting {
        deadline: Moment,
    },
    /// Between two tries.
    Listening {
        until: Moment,
        overtakes: bool,
    },
    Trying {
        deadline: Moment,
    },
    /// The lock is held until the program may start.
    Holding {
        until: Option<Moment>,
    },
    /// The lock was granted so late that the server is asked again.
    Confirming {
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
        then: Afterwards,
        deadline: Moment,
    },
    Ended(Exit),
}

/// What follows the release of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    Exit(Exit),
    /// It waits for the lock again, after the back-off.
    Wait,
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
    pub fn any(setting: &Setting, dice: &mut Dice) -> Self {
        let lease = setting.lease;
        let seconds = Duration::from_secs;
        Self {
            wait: match dice.below(4) {
                0 => WaitPolicy::None,
                1 => WaitPolicy::Limited(dice.between(Duration::ZERO, lease * 4)),
                _ => WaitPolicy::Endless,
            },
            restart: Policy {
                when: *dice.pick(&RESTARTS).unwrap(),
                limit: dice.once_in(3).then(|| dice.below(4) as u32),
                yields: dice.once_in(3),
            },
            mode: if setting.has_readers && !dice.once_in(3) { Mode::Shared } else { Mode::Exclusive },
            kill_after: *dice.pick(&[Duration::ZERO, seconds(1), seconds(10)]).unwrap(),
            timeout: dice.once_in(6).then(|| dice.between(Duration::ZERO, lease)),
            min_hold: if dice.once_in(6) { dice.between(Duration::ZERO, lease) } else { Duration::ZERO },
            drains: dice.once_in(5),
            settles: dice.once_in(3),
            on_lost: dice.once_in(2).then(|| dice.between(Duration::ZERO, lease / 2)),
            inherits: !dice.once_in(4),
            is_on_terminal: dice.once_in(2),
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--kill-after {:?}", self.kill_after)?;
        match self.wait {
            WaitPolicy::None => {}
            WaitPolicy::Endless => f.write_str(" --wait")?,
            WaitPolicy::Limited(limit) => write!(f, " --wait={limit:?}")?,
        }
        match self.restart.when {
            When::No => {}
            When::Lost => f.write_str(" --restart=lost")?,
            When::OnFailure => f.write_str(" --restart=on-failure")?,
            When::Always => f.write_str(" --restart")?,
        }
        if let Some(limit) = self.restart.limit.filter(|_| self.restart.when != When::No) {
            write!(f, " --restart-limit {limit}")?;
        }
        if let Some(timeout) = self.timeout {
            write!(f, " --timeout {timeout:?}")?;
        }
        if !self.min_hold.is_zero() {
            write!(f, " --min-hold {:?}", self.min_hold)?;
        }
        if let Some(time) = self.on_lost {
            write!(f, " --on-lost 'sleep {}'", time.as_secs_f64())?;
        }
        let flags = [
            (self.restart.yields && self.restart.when != When::No, " --yield"),
            (self.mode == Mode::Shared, " --shared"),
            (self.drains, " --drain"),
            (self.settles, " --settle"),
            (!self.inherits, " --close"),
            (self.is_on_terminal, ", on a terminal"),
        ];
        flags.iter().filter(|(is_set, _)| *is_set).try_for_each(|(_, text)| f.write_str(text))
    }
}

impl Run {
    /// One that keeps to this plan.
    pub fn new(host: usize, options: Options, plan: Plan, now: Moment) -> Self {
        Self {
            host,
            options,
            stage: Stage::Pausing { until: now },
            connection: None,
            job_connection: None,
            job: None,
            inbox: VecDeque::new(),
            is_closed: false,
            received: VecDeque::new(),
            halt: Halt::None,
            is_hurried: false,
            ran: Duration::ZERO,
            was_stopped: false,
            hears_bell: false,
            was_asked: false,
            is_asked: false,
            is_continued: false,
            resumed: Time::default(),
            resumed_alone: Time::default(),
            is_killed: false,
            course: Course::new(plan),
            waiter: None,
            turn: Turn::Any,
            tries_since: Time::NEVER,
            supervision: None,
            heartbeat: None,
            beside: None,
            is_lost: false,
            grant: None,
            first_token: None,
            backed_off: now,
            asked: now,
            unanswered: 0,
            wake: 0,
            wakes_at: Time::NEVER,
            turns: 0,
        }
    }

    /// Its program has ended, and another one is to follow.
    pub fn end_term(&mut self) {
        self.supervision = None;
        self.received.clear();
        self.is_hurried = false;
        self.is_lost = false;
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended(_))
    }

    /// What it is doing, by its place in [`STAGES`]; nothing any more once it has ended.
    pub fn stage_index(&self, between: Between) -> Option<usize> {
        let is_asking = self.unanswered > 0;
        let is_restarted = self.course.count() > 0;
        Some(match self.stage {
            Stage::Holding { .. } if is_restarted && self.waiter.is_none() => 13,
            Stage::Releasing { then: Afterwards::Wait, .. } => 14,
            Stage::Pausing { .. } | Stage::Connecting { .. } if is_restarted => 15,
            Stage::Pausing { .. } => 0,
            Stage::Connecting { .. } => 1,
            Stage::Listening { .. } => 2,
            Stage::Trying { .. } => 3,
            Stage::Confirming { .. } => 4,
            Stage::Holding { .. } => 5,
            Stage::Starting { .. } => 6,
            Stage::Supervising { .. } if self.halt == Halt::Itself => 7,
            Stage::Supervising { .. } if self.beside.is_some() => 17,
            Stage::Supervising { .. } if self.is_lost => 8,
            Stage::Supervising { .. } if self.job.as_ref().is_some_and(|job| job.is_held) => 9,
            Stage::Supervising { .. } if between != Between::Nothing => 16,
            Stage::Supervising { .. } => 10 + usize::from(is_asking),
            Stage::Releasing { .. } => 12,
            Stage::Ended(_) => return None,
        })
    }
}

/// What a run may be doing.
pub const STAGES: [&str; 18] = [
    "pausing",
    "connecting",
    "listening",
    "trying",
    "confirming a late grant",
    "holding the lock before the program",
    "starting the program",
    "stopped with its job",
    "stopping the job for good",
    "holding the job still",
    "running",
    "running and asking",
    "releasing",
    "holding the lock between two programs",
    "releasing the lock for a while",
    "connecting for another term",
    "running where TCP ends at a proxy",
    "running the command of --on-lost",
];

/// `--restart`.
const RESTARTS: [When; 6] = [When::No, When::No, When::No, When::Lost, When::OnFailure, When::Always];
