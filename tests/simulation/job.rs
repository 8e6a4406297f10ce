//! A simulated job: the program and what it has forked, each of which obeys SIGTERM or not, and may stop and go on.

use std::time::Duration;

use heimdall::internals::rules::{Event as News, Received, Signal, Status};

use super::dice::Dice;
use super::holder::MOMENT;
use super::mutants::Mutant;
use super::run::Halt;
use super::world::{Event, World};

/// All processes of a job.
#[derive(Debug)]
pub struct Job {
    /// The first is the program.
    members: Vec<Process>,
    /// Whether heimdall has begun to end all of it, or waits for all of it.
    is_whole: bool,
    /// Whether heimdall holds it still, and ever did.
    pub is_held: bool,
    pub was_held: bool,
    /// Whether its connection is its own too.
    inherits: bool,
    is_reaped: bool,
    stopped_by: Option<Signal>,
}

#[derive(Debug)]
struct Process {
    is_alive: bool,
    /// Who has forked it.
    parent: Option<usize>,
    /// How long it takes to end after SIGTERM; `None` for one that ignores it.
    obeys: Option<Duration>,
    /// Whether it ignores SIGTSTP.
    ignores_stop: bool,
    /// Whether it forks once more when it is asked to end.
    forks_at_end: bool,
    /// How it ended, or would.
    fate: Status,
    /// Which it is of all that have ever been.
    born: u32,
    /// Of several ends that were planned, only the last counts.
    turn: u32,
    /// Its end came while it stood still.
    is_due: bool,
    /// By heimdall's SIGSTOP.
    is_held: bool,
    /// By someone else, or by itself.
    is_stopped: bool,
    is_asked: bool,
}

impl Process {
    fn any(parent: Option<usize>, born: u32, lease: Duration, dice: &mut Dice) -> Self {
        let obeys = match dice.below(4) {
            0 => None,
            1 => Some(dice.between(Duration::ZERO, lease)),
            _ => Some(dice.between(Duration::ZERO, lease / 20)),
        };
        Self {
            is_alive: true,
            parent,
            obeys,
            ignores_stop: dice.once_in(3),
            forks_at_end: dice.once_in(6),
            fate: Status::Exited(0),
            born,
            turn: born,
            is_due: false,
            is_held: false,
            is_stopped: false,
            is_asked: false,
        }
    }
}

impl Job {
    fn alive(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|member| self.members[*member].is_alive).collect()
    }

    /// Whether heimdall answers for this process: what the program has left in the background is on its own.
    fn includes(&self, member: usize) -> bool {
        self.members[member].is_alive && (self.is_whole || self.members[PROGRAM].is_alive)
    }

    /// Whether all of it was asked to end, or its program has ended.
    pub fn is_ending(&self) -> bool {
        self.is_whole || !self.members[PROGRAM].is_alive
    }

    /// Whether any process of it is left.
    pub fn is_left(&self) -> bool {
        self.members.iter().any(|process| process.is_alive)
    }

    /// What there is to tell once children have been reaped.
    pub fn reap(&mut self) -> Vec<News> {
        let has_ended = !self.members[PROGRAM].is_alive && !std::mem::replace(&mut self.is_reaped, true);
        let ended = if has_ended { News::Ended(self.members[PROGRAM].fate) } else { News::Reaped };
        [Some(ended), self.stopped_by.take().map(News::Stopped)].into_iter().flatten().collect()
    }
}

/// Its life.
impl World {
    /// The program of a run starts.
    pub fn start_job(&mut self, run: usize) {
        let lease = self.setting.lease;
        let options = self.runs[run].options;
        let born = self.plan_turn(run);
        let mut program = Process::any(None, born, lease, &mut self.dice);
        program.fate = Status::Exited(u8::from(self.dice.once_in(3)));
        let token = self.runs[run].grant.unwrap().token;
        let first_token = *self.runs[run].first_token.get_or_insert(token);
        let token = if self.has(Mutant::KeepsTheOldToken) { first_token } else { token };
        self.judge_rest(run);
        self.runs[run].job = Some(Job {
            members: vec![program],
            is_whole: options.drains,
            is_held: false,
            was_held: false,
            inherits: options.inherits && !self.has(Mutant::KeepsTheConnectionToItself),
            is_reaped: false,
            stopped_by: None,
        });
        if let Some(connection) = self.runs[run].connection.filter(|_| self.job(run).inherits) {
            self.connections[connection].owners += 1;
        }
        let ran = match self.dice.below(4) {
            0 => self.dice.between(Duration::ZERO, Duration::from_millis(100)),
            1 => self.dice.between(Duration::ZERO, lease * 3),
            _ => self.dice.between(Duration::ZERO, lease),
        };
        self.schedule(ran, Event::ProcessEnds(run, PROGRAM, born));
        for _ in 0..*self.dice.pick(&[0, 0, 0, 1, 2]).unwrap() {
            let pause = self.dice.between(Duration::ZERO, ran);
            self.schedule(pause, Event::Forks(run, PROGRAM, born));
        }
        self.tell(|_| format!("heimdall {run}: its job starts"));
        self.judge_start(run, token);
    }

    fn plan_turn(&mut self, run: usize) -> u32 {
        self.runs[run].turns += 1;
        self.runs[run].turns
    }

    fn job(&mut self, run: usize) -> &mut Job {
        self.runs[run].job.as_mut().unwrap()
    }

    /// A process makes another one, which may outlive it.
    pub fn fork(&mut self, run: usize, parent: usize, born: u32) {
        let is_alive = |process: &Process| process.born == born && process.is_alive;
        if !self.job(run).members.get(parent).is_some_and(is_alive) || self.stands_still(run, parent) {
            return;
        }
        let lease = self.setting.lease;
        let born = self.plan_turn(run);
        let child = Process::any(Some(parent), born, lease, &mut self.dice);
        let job = self.job(run);
        let member = job.members.len();
        job.members.push(child);
        let lives = self.dice.between(Duration::ZERO, lease * 3 / 2);
        self.schedule(lives, Event::ProcessEnds(run, member, born));
    }

    /// A process ends, unless it stands still.
    pub fn end_process(&mut self, run: usize, member: usize, turn: u32) {
        let is_meant = |process: &Process| process.is_alive && process.turn == turn;
        if !self.job(run).members.get(member).is_some_and(is_meant) {
            return;
        }
        let can_end = self.can_end(run, member);
        let process = &mut self.job(run).members[member];
        if !can_end {
            process.is_due = true;
            return;
        }
        process.is_alive = false;
        let fate = process.fate;
        self.tell(|_| format!("heimdall {run}: {} ends, {fate:?}", name(member)));
        let job = self.job(run);
        if !job.is_left() && job.inherits {
            self.close_for_job(run);
        }
        if member == PROGRAM {
            self.judge_program_end(run);
        }
        self.judge_pause(run);
        // An orphan is heimdall's own, so that it gets SIGCHLD of it.
        let job = self.job(run);
        if job.members[member].parent.is_none_or(|parent| !job.members[parent].is_alive) {
            self.tell_of_child(run);
        }
    }

    fn tell_of_child(&mut self, run: usize) {
        self.runs[run].received.push_back(Received::Child);
        self.resume(run);
    }

    /// The command of `--on-lost` starts beside it.
    pub fn start_beside(&mut self, run: usize) {
        let Some(takes) = self.runs[run].options.on_lost else { return };
        let turn = self.plan_turn(run);
        self.tell(|_| format!("heimdall {run}: the command of --on-lost starts"));
        self.runs[run].beside = Some((self.now, turn));
        self.schedule(takes, Event::BesideEnds(run, turn));
        self.judge_beside(run);
    }

    pub fn kill_beside(&mut self, run: usize) {
        let turn = self.plan_turn(run);
        if let Some((_, ends)) = &mut self.runs[run].beside {
            *ends = turn;
            self.schedule(Duration::from_micros(50), Event::BesideEnds(run, turn));
        }
    }

    /// The command ends, unless it stands still.
    pub fn end_beside(&mut self, run: usize, turn: u32) {
        if self.runs[run].beside.is_none_or(|(_, ends)| ends != turn) {
            return;
        }
        let this = &self.runs[run];
        if this.halt == Halt::Both || self.hosts[this.host].is_down() {
            return self.schedule(self.setting.lease / 10, Event::BesideEnds(run, turn));
        }
        self.tell(|_| format!("heimdall {run}: the command of --on-lost ends"));
        self.judge_beside_end(run);
        self.runs[run].beside = None;
        self.tell_of_child(run);
    }

    fn close_for_job(&mut self, run: usize) {
        if let Some(connection) = self.runs[run].job_connection {
            self.close(connection);
        }
    }

    /// Goes on where it has stood still.
    pub fn resume_job(&mut self, run: usize) {
        let Some(job) = self.runs[run].job.as_ref() else { return };
        for member in job.alive() {
            if self.can_end(run, member) && std::mem::take(&mut self.job(run).members[member].is_due) {
                let turn = self.job(run).members[member].turn;
                self.schedule(Duration::from_micros(50), Event::ProcessEnds(run, member, turn));
            }
        }
        self.judge_resumed(run);
    }

    /// heimdall is gone. Its program's process group is an orphan then: if it is stopped, the kernel sends it SIGHUP and
    /// SIGCONT (`man 2 setpgid`).
    pub fn orphan_job(&mut self, run: usize) {
        let program = self.runs[run].job.as_ref().map(|job| &job.members[PROGRAM]);
        if program.is_some_and(|program| program.is_alive && (program.is_held || program.is_stopped)) {
            self.continue_member(run, PROGRAM);
            self.ask_to_end(run, PROGRAM);
        }
    }

    /// The host is gone, and with it every process at once.
    pub fn erase_job(&mut self, run: usize) {
        self.runs[run].beside = None;
        if let Some(job) = self.runs[run].job.as_mut() {
            job.members.iter_mut().for_each(|process| process.is_alive = false);
            self.judge_pause(run);
        }
    }

    /// Whether a process of a run's job gets no processor.
    fn stands_still(&self, run: usize, member: usize) -> bool {
        let run = &self.runs[run];
        let process = run.job.as_ref().map(|job| &job.members[member]);
        self.hosts[run.host].is_down()
            || run.halt == Halt::Both
            || process.is_some_and(|process| process.is_held || process.is_stopped)
    }

    /// A stopped process dies of SIGKILL, and a suspended host runs nothing.
    fn can_end(&self, run: usize, member: usize) -> bool {
        let this = &self.runs[run];
        let is_killed = this.job.as_ref().is_some_and(|job| job.members[member].fate == KILLED);
        if is_killed { !self.hosts[this.host].is_down() } else { !self.stands_still(run, member) }
    }

    /// Whether a job does something now that heimdall answers for.
    pub fn is_running(&self, run: usize) -> bool {
        let job = self.runs[run].job.as_ref();
        job.is_some_and(|job| {
            (0..job.members.len()).any(|member| job.includes(member) && !self.stands_still(run, member))
        })
    }
}

/// What heimdall does to it.
impl World {
    /// A signal to the program, or to all that it has left.
    pub fn signal_program(&mut self, run: usize, signal: Signal) {
        let job = self.job(run);
        let members = if job.members[PROGRAM].is_alive { vec![PROGRAM] } else { job.alive() };
        for member in members {
            let is_heeding = !self.job(run).members[member].ignores_stop;
            match signal {
                Signal::TERM | Signal::INT => self.ask_to_end(run, member),
                Signal::CONT => self.continue_member(run, member),
                by @ (Signal::TSTP | Signal::TTIN | Signal::TTOU) if is_heeding => {
                    self.stop_member(run, member, by);
                }
                Signal::STOP => self.stop_member(run, member, Signal::STOP),
                _ => {}
            }
        }
    }

    fn stop_member(&mut self, run: usize, member: usize, by: Signal) {
        let job = self.job(run);
        if job.members[member].is_held {
            return;
        }
        job.members[member].is_stopped = true;
        self.judge_pause(run);
        if member == PROGRAM {
            self.job(run).stopped_by = Some(by);
            self.tell_of_child(run);
        }
    }

    fn continue_member(&mut self, run: usize, member: usize) {
        let process = &mut self.job(run).members[member];
        if process.fate != KILLED {
            process.is_stopped = false;
            process.is_held = false;
        }
        self.resume_job(run);
    }

    /// SIGCONT to the program, or to what it has left.
    pub fn wake_program(&mut self, run: usize) {
        if self.runs[run].job.is_some() {
            self.signal_program(run, Signal::CONT);
        }
    }

    /// SIGCONT by someone else, to who was stopped by someone else.
    pub fn continue_stopped(&mut self, run: usize) {
        self.runs[run].resumed = self.now;
        for member in self.runs[run].job.as_ref().map(Job::alive).unwrap_or_default() {
            if self.job(run).members[member].is_stopped {
                self.continue_member(run, member);
            }
        }
    }

    /// SIGSTOP to all who are not stopped already.
    pub fn hold_job(&mut self, run: usize) {
        let job = self.job(run);
        let was_held = std::mem::replace(&mut job.is_held, true);
        job.was_held = true;
        for process in job.members.iter_mut().filter(|process| process.is_alive && !process.is_stopped) {
            process.is_held = true;
        }
        self.judge_pause(run);
        if !was_held {
            self.ambush(run, 2, MOMENT);
        }
    }

    /// SIGCONT to those.
    pub fn let_job_go_on(&mut self, run: usize) {
        let Some(job) = self.runs[run].job.as_mut() else { return };
        job.is_held = false;
        for process in job.members.iter_mut().filter(|process| process.fate != KILLED) {
            process.is_held = false;
        }
        self.resume_job(run);
    }

    /// Asks all of it to end; who is stopped goes on.
    pub fn terminate_job(&mut self, run: usize) {
        self.job(run).is_whole = true;
        self.let_job_go_on(run);
        for member in self.job(run).alive() {
            self.continue_member(run, member);
            self.ask_to_end(run, member);
        }
    }

    /// Asks those who have come since, and have lost their parent.
    pub fn terminate_orphans(&mut self, run: usize) {
        let job = self.job(run);
        let has_lost_parent =
            |process: &Process| process.parent.is_none_or(|parent| !job.members[parent].is_alive);
        let orphans: Vec<usize> = job
            .alive()
            .into_iter()
            .filter(|member| !job.members[*member].is_asked && has_lost_parent(&job.members[*member]))
            .collect();
        for member in orphans {
            self.continue_member(run, member);
            self.ask_to_end(run, member);
        }
    }

    fn ask_to_end(&mut self, run: usize, member: usize) {
        let planned = self.plan_turn(run);
        let process = &mut self.job(run).members[member];
        if std::mem::replace(&mut process.is_asked, true) || process.fate == KILLED {
            return;
        }
        let (forks, born) = (std::mem::take(&mut process.forks_at_end), process.born);
        if let Some(pause) = process.obeys {
            process.fate = Status::Signalled(15);
            process.turn = planned;
            let turn = process.turn;
            self.schedule(pause, Event::ProcessEnds(run, member, turn));
        }
        if forks {
            let pause = self.dice.between(Duration::ZERO, Duration::from_millis(5));
            self.schedule(pause, Event::Forks(run, member, born));
        }
    }

    /// SIGKILL to all of it.
    pub fn kill_job(&mut self, run: usize) {
        let spares_rest = self.has(Mutant::KillsTheProgramAlone);
        let Some(job) = self.runs[run].job.as_mut() else { return };
        job.is_whole = true;
        for member in job.alive() {
            if !spares_rest || member == PROGRAM {
                self.kill_member(run, member);
            }
        }
    }

    /// SIGKILL to the program, by someone else.
    pub fn kill_program(&mut self, run: usize) {
        if self.runs[run].job.as_ref().is_some_and(|job| job.members[PROGRAM].is_alive) {
            self.kill_member(run, PROGRAM);
        }
    }

    fn kill_member(&mut self, run: usize, member: usize) {
        let pause = self.dice.between(Duration::from_micros(50), DEATH);
        let turn = self.plan_turn(run);
        let process = &mut self.job(run).members[member];
        if process.fate != KILLED {
            process.fate = KILLED;
            process.turn = turn;
            self.schedule(pause, Event::ProcessEnds(run, member, turn));
        }
    }
}

fn name(member: usize) -> String {
    if member == PROGRAM { "the program".to_owned() } else { format!("process {member} of its job") }
}

const PROGRAM: usize = 0;

const KILLED: Status = Status::Signalled(9);

/// No process needs longer to die of SIGKILL.
pub const DEATH: Duration = Duration::from_millis(3);
