//! A simulated job: the program, and perhaps a process that it leaves behind; each obeys SIGTERM or not.

use std::time::Duration;

use heimdall::internals::rules::Status;

use super::dice::Dice;
use super::mutants::Mutant;
use super::world::{Event, World};

/// All processes of a job.
#[derive(Debug)]
pub struct Job {
    program: Process,
    /// One that has left the program's process group, if there is one.
    child: Process,
    /// Whether heimdall has begun to stop all of it.
    pub is_stopping: bool,
    /// Whether SIGSTOP has reached all of it.
    pub is_stopped: bool,
    /// Whether its connection is its own too.
    pub inherits: bool,
    is_reaped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    Program,
    Child,
}

#[derive(Debug)]
struct Process {
    is_alive: bool,
    /// How long it takes to end after SIGTERM; `None` for one that ignores it.
    obeys: Option<Duration>,
    /// How it ended, or would.
    fate: Status,
    /// Of several ends that were planned, only the last counts.
    turn: u32,
    /// Its end came while it stood still.
    is_due: bool,
}

impl Job {
    /// Whether a process of it is there that heimdall answers for.
    pub fn is_alive(&self) -> bool {
        self.program.is_alive || self.is_stopping && self.child.is_alive
    }

    fn member(&mut self, member: Member) -> &mut Process {
        match member {
            Member::Program => &mut self.program,
            Member::Child => &mut self.child,
        }
    }

    /// How the program ended, once, if it has.
    pub fn reap(&mut self) -> Option<Status> {
        let has_ended = !self.program.is_alive && !std::mem::replace(&mut self.is_reaped, true);
        has_ended.then_some(self.program.fate)
    }

    /// Whether any process of it is left.
    pub fn is_left(&self) -> bool {
        self.program.is_alive || self.child.is_alive
    }
}

fn process(is_alive: bool, lease: Duration, dice: &mut Dice) -> Process {
    let obeys = match dice.below(4) {
        0 => None,
        1 => Some(dice.between(Duration::ZERO, lease)),
        _ => Some(dice.between(Duration::ZERO, lease / 20)),
    };
    Process { is_alive, obeys, fate: Status::Exited(0), turn: 0, is_due: false }
}

impl World {
    /// The program of a run starts.
    pub fn start_job(&mut self, run: usize) {
        let lease = self.setting.lease;
        let has_child = self.dice.once_in(4);
        let inherits = self.runs[run].options.inherits;
        let mut job = Job {
            program: process(true, lease, &mut self.dice),
            child: process(has_child, lease, &mut self.dice),
            is_stopping: false,
            is_stopped: false,
            inherits,
            is_reaped: false,
        };
        job.program.turn = 1;
        job.child.turn = 1;
        self.runs[run].job = Some(job);
        if let Some(connection) = self.runs[run].connection.filter(|_| inherits) {
            self.connections[connection].owners += 1;
        }
        let ran = match self.dice.below(4) {
            0 => self.dice.between(Duration::ZERO, Duration::from_millis(100)),
            1 => self.dice.between(Duration::ZERO, lease * 3),
            _ => self.dice.between(Duration::ZERO, lease),
        };
        self.schedule(ran, Event::ProcessEnds(run, Member::Program, 1));
        if has_child {
            let lived = ran + self.dice.between(Duration::ZERO, lease);
            self.schedule(lived, Event::ProcessEnds(run, Member::Child, 1));
        }
        self.tell(|_| format!("heimdall {run}: its job starts"));
        self.judge_start(run);
    }

    /// A process ends, unless it stands still.
    pub fn end_process(&mut self, run: usize, member: Member, turn: u32) {
        let is_standing = self.stands_still(run);
        let job = self.runs[run].job.as_mut().unwrap();
        let process = job.member(member);
        if !process.is_alive || process.turn != turn {
            return;
        }
        // A stopped process dies of SIGKILL, and a suspended host runs nothing.
        let is_killed = process.fate == Status::Signalled(9) && !self.hosts[self.runs[run].host].is_down();
        let process = self.runs[run].job.as_mut().unwrap().member(member);
        if is_standing && !is_killed {
            process.is_due = true;
            return;
        }
        process.is_alive = false;
        let fate = process.fate;
        self.tell(|_| format!("heimdall {run}: the {} of its job ends, {fate:?}", member.name()));
        let job = self.runs[run].job.as_ref().unwrap();
        if !job.is_left() && job.inherits {
            self.close_for_job(run);
        }
        self.judge_pause(run);
        // The child is heimdall's own once the program has ended, so that it gets SIGCHLD of both.
        self.runs[run].has_dead_child = true;
        self.wake_soon(run);
    }

    fn close_for_job(&mut self, run: usize) {
        if let Some(connection) = self.runs[run].job_connection {
            self.close(connection);
        }
    }

    /// Goes on where it has stood still.
    pub fn resume_job(&mut self, run: usize) {
        if self.stands_still(run) {
            return;
        }
        let Some(job) = self.runs[run].job.as_mut() else { return };
        for member in [Member::Program, Member::Child] {
            let process = job.member(member);
            if std::mem::take(&mut process.is_due) {
                let turn = process.turn;
                self.queue_end(run, member, turn, Duration::from_micros(50));
                return self.resume_job(run);
            }
        }
        self.judge_resumed(run);
    }

    fn queue_end(&mut self, run: usize, member: Member, turn: u32, pause: Duration) {
        self.schedule(pause, Event::ProcessEnds(run, member, turn));
    }

    /// SIGSTOP or SIGCONT to all of a job.
    pub fn stop_job(&mut self, run: usize, is_stopped: bool) {
        let Some(job) = self.runs[run].job.as_mut() else { return };
        if std::mem::replace(&mut job.is_stopped, is_stopped) && !is_stopped {
            self.resume_job(run);
        }
        self.judge_pause(run);
    }

    /// SIGTERM to some of a job.
    pub fn ask_job_to_end(&mut self, run: usize, members: &[Member]) {
        for member in members {
            let Some(job) = self.runs[run].job.as_mut() else { return };
            let process = job.member(*member);
            let Some(pause) = process.obeys.filter(|_| process.is_alive && process.fate != KILLED) else {
                continue;
            };
            if process.fate == Status::Signalled(15) {
                continue;
            }
            process.fate = Status::Signalled(15);
            process.turn += 1;
            let turn = process.turn;
            self.queue_end(run, *member, turn, pause);
        }
    }

    /// SIGKILL to all of a job.
    pub fn kill_job(&mut self, run: usize) {
        let spares_child = self.has(Mutant::KillsTheProgramAlone);
        for member in [Member::Program, Member::Child] {
            let Some(job) = self.runs[run].job.as_mut() else { return };
            let process = job.member(member);
            if !process.is_alive || process.fate == KILLED || spares_child && member == Member::Child {
                continue;
            }
            process.fate = KILLED;
            process.turn += 1;
            let turn = process.turn;
            let pause = self.dice.between(Duration::from_micros(50), DEATH);
            self.queue_end(run, member, turn, pause);
        }
    }

    /// The host is gone, and with it every process at once.
    pub fn erase_job(&mut self, run: usize) {
        if let Some(job) = self.runs[run].job.as_mut() {
            job.program.is_alive = false;
            job.child.is_alive = false;
            self.judge_pause(run);
        }
    }

    /// Whether no process of a run's job gets the processor.
    pub fn stands_still(&self, run: usize) -> bool {
        let run = &self.runs[run];
        self.hosts[run.host].is_down() || run.is_frozen || run.job.as_ref().is_some_and(|job| job.is_stopped)
    }

    /// Whether a job does something now.
    pub fn is_running(&self, run: usize) -> bool {
        self.runs[run].job.as_ref().is_some_and(Job::is_alive) && !self.stands_still(run)
    }
}

impl Member {
    fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Child => "child",
        }
    }
}

const KILLED: Status = Status::Signalled(9);

/// No process needs longer to die of SIGKILL.
pub const DEATH: Duration = Duration::from_millis(3);
