//! A simulated world: hosts with their heimdalls and jobs, a network and a PostgreSQL, moved by one queue of events.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use heimdall::internals::course::Plan;
use heimdall::internals::restart::{Policy, When};
use heimdall::internals::rules::{Received, Signal};

use super::coverage::Coverage;
use super::dice::Dice;
use super::faults::Fault;
use super::judge::Judge;
use super::mutants::Mutant;
use super::network::{Connection, Host, ToClient, ToServer};
use super::postgres::{Server, Statement};
use super::run::{Options, Run};
use super::time::Time;

/// All that is, and the one queue of what is to come.
pub struct World {
    pub now: Time,
    pub dice: Dice,
    pub setting: Setting,
    /// The deliberate mistake, if there is one.
    pub mutant: Option<Mutant>,
    pub hosts: Vec<Host>,
    pub runs: Vec<Run>,
    pub connections: Vec<Connection>,
    pub server: Server,
    pub judge: Judge,
    pub coverage: Coverage,
    /// How many more faults may come right when something happens.
    pub ambushes: u64,
    /// How many faults have come right so far, and which of them are left out.
    pub strikes: usize,
    pub spared: Vec<usize>,
    /// When the last heimdall has ended.
    pub ended: Time,
    /// What has happened, where anyone wants to read it.
    story: Option<Vec<String>>,
    queue: BinaryHeap<Reverse<(Time, u64, Event)>>,
    scheduled: u64,
}

/// What holds for a whole world.
#[derive(Debug, Clone)]
pub struct Setting {
    pub lease: Duration,
    /// 1 is a plain lock.
    pub slots: usize,
    /// Whether some take it together.
    pub has_readers: bool,
    /// No fault happens and no heimdall is started after that.
    pub quiet_at: Time,
    /// By then all must be over.
    pub over_at: Time,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A heimdall gets the processor; of several that were planned, only the last counts.
    Wake(usize, u32),
    /// A process of a job ends by itself, or of a signal.
    ProcessEnds(usize, usize, u32),
    /// So does the command of `--on-lost`.
    BesideEnds(usize, u32),
    /// A process of a job makes another one, if it is still that process.
    Forks(usize, usize, u32),
    /// A connection sends what its login ends with.
    Login(usize, Statement),
    /// Something arrives that has this number on its connection.
    AtServer(usize, u32, ToServer),
    /// The server gets to what had arrived before.
    Serve(usize, ToServer, u32),
    AtClient(usize, u32, ToClient),
    /// The server's kernel looks whether a client is still there.
    CheckSession(usize),
    /// The server looks whether a session has been idle for too long.
    CheckIdle(usize),
    /// Someone who waits must have taken a slot that was free.
    CheckSlot(usize),
    /// Someone starts a heimdall on this host.
    Start(usize),
    /// Something breaks, and hits this run or anyone.
    Fault(Fault, Option<usize>),
    /// It works again.
    Mended(Fault, usize),
    /// Nothing breaks any more.
    Quiet,
    /// Whoever has started a heimdall that starts its program again ends it.
    EndRestarts(usize),
    /// The job of a heimdall that does not hold the lock any more must be gone.
    Judge(usize),
    /// The job that has started then must stand still if the server has been silent for too long.
    JudgeSilence(usize, Time),
    /// Who was asked to stop then, on this connection, must have.
    JudgeAsked(usize, usize, Time),
}

impl World {
    /// The same dice make the same world.
    pub fn new(mut dice: Dice, mutant: Option<Mutant>) -> Self {
        let lease = Duration::from_secs(*dice.pick(&LEASES).unwrap());
        let leases = dice.between(lease * 6, lease * 20);
        let quiet_at = Time::default().after(leases);
        let slots = *dice.pick(&[1, 1, 1, 2, 3]).unwrap();
        let hosts = (0..*dice.pick(&[2, 3, 4]).unwrap()).map(|_| Host::any(&mut dice)).collect::<Vec<_>>();
        let server = Server::new(slots, &mut dice);
        let has_readers = slots == 1 && dice.once_in(3);
        let over_at = quiet_at.after(lease * 60 + LAST_WORDS);
        let setting = Setting { lease, slots, has_readers, quiet_at, over_at };
        let mut world = Self {
            now: Time::default(),
            setting,
            mutant,
            runs: Vec::new(),
            connections: Vec::new(),
            server,
            judge: Judge::default(),
            coverage: Coverage::default(),
            ambushes: dice.below(8),
            strikes: 0,
            spared: Vec::new(),
            ended: Time::default(),
            story: None,
            queue: BinaryHeap::new(),
            scheduled: 0,
            hosts,
            dice,
        };
        for host in 0..world.hosts.len() {
            for _ in 0..*world.dice.pick(&[1, 1, 2]).unwrap() {
                let pause = world.dice.between(Duration::ZERO, lease / 2);
                world.schedule(pause, Event::Start(host));
            }
        }
        for _ in 0..world.dice.below(MAX_FAULTS) {
            let pause = world.dice.between(Duration::ZERO, leases);
            let fault = Fault::any(&mut world.dice);
            world.schedule(pause, Event::Fault(fault, None));
        }
        world.schedule_at(quiet_at, Event::Quiet);
        world
    }

    /// As [`World::new`], and everything is written down.
    pub fn told(dice: Dice, mutant: Option<Mutant>) -> Self {
        let mut world = Self { story: Some(Vec::new()), ..Self::new(dice, mutant) };
        let Setting { lease, slots, has_readers, .. } = world.setting;
        world.tell(|world| {
            let hosts: Vec<String> = world.hosts.iter().map(ToString::to_string).collect();
            let readers = if has_readers { ", or many with --shared" } else { "" };
            format!("a lease of {lease:?}, {slots} at once{readers}; {}", hosts.join("; "))
        });
        world
    }

    /// Lets happen all that is to happen, or until the first promise is broken.
    pub fn play(&mut self) {
        while let Some(Reverse((time, _, event))) = self.queue.pop() {
            self.now = time;
            self.happen(event);
            if self.judge.violation.is_some() {
                return;
            }
            if time > self.setting.over_at {
                break;
            }
        }
        self.judge_end();
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(run, turn) => self.wake(run, turn),
            Event::ProcessEnds(run, member, turn) => self.end_process(run, member, turn),
            Event::BesideEnds(run, turn) => self.end_beside(run, turn),
            Event::Forks(run, member, born) => self.fork(run, member, born),
            Event::Login(connection, first) => self.log_in(connection, first),
            Event::AtServer(connection, number, message) => {
                self.arrive_at_server(connection, number, message);
            }
            Event::Serve(connection, message, start) => self.serve_late(connection, message, start),
            Event::AtClient(connection, number, message) => {
                self.arrive_at_client(connection, number, message);
            }
            Event::CheckSession(session) => self.check_session(session),
            Event::CheckIdle(session) => self.check_idle(session),
            Event::CheckSlot(slot) => self.judge_slot(slot),
            Event::Start(host) => self.start_run(host),
            Event::Fault(fault, run) => self.strike(fault, run),
            Event::Mended(fault, target) => self.mend(fault, target),
            Event::Quiet => self.fall_quiet(),
            Event::EndRestarts(run) => self.signal(run, Received::Sent(Signal::TERM)),
            Event::Judge(run) => self.judge_job(run),
            Event::JudgeSilence(run, started) => self.judge_silence(run, started),
            Event::JudgeAsked(run, connection, since) => self.judge_asked(run, connection, since),
        }
    }

    pub fn schedule(&mut self, pause: Duration, event: Event) {
        self.schedule_at(self.now.after(pause), event);
    }

    pub fn schedule_at(&mut self, time: Time, event: Event) {
        self.scheduled += 1;
        self.queue.push(Reverse((time.max(self.now), self.scheduled, event)));
    }

    /// Whether this mistake is to be made.
    pub fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Writes down what has happened.
    pub fn tell(&mut self, what: impl FnOnce(&Self) -> String) {
        if let Some(mut story) = self.story.take() {
            story.push(format!("{} {}", self.now, what(self)));
            self.story = Some(story);
        }
    }

    /// How many leases long it was.
    pub fn leases(&self) -> f64 {
        self.ended.since(Time::default()).as_secs_f64() / self.setting.lease.as_secs_f64()
    }

    /// What has happened, a line each.
    pub fn story(&self) -> &[String] {
        self.story.as_deref().unwrap_or_default()
    }

    /// Those that would never end are ended, at any time.
    pub fn end_restarts(&mut self) {
        for run in 0..self.runs.len() {
            if self.runs[run].options.restart.when != When::No {
                let pause = self.dice.between(Duration::ZERO, self.setting.lease * 8);
                self.schedule(pause, Event::EndRestarts(run));
            }
        }
    }

    /// Someone starts a heimdall on this host, and will start another one once that is over.
    fn start_run(&mut self, host: usize) {
        if self.now >= self.setting.quiet_at {
            return;
        }
        if self.hosts[host].is_down() {
            let pause = self.setting.lease / 2;
            return self.schedule(pause, Event::Start(host));
        }
        let id = self.runs.len();
        let options = Options::any(&self.setting, &mut self.dice);
        self.tell(|_| format!("heimdall {id} starts on host {host}: {options}"));
        let limit = options.restart.limit.filter(|_| !self.has(Mutant::ForgetsTheRestartLimit));
        let plan = Plan {
            wait: options.wait,
            restart: Policy { limit, ..options.restart },
            settles: options.settles && !self.has(Mutant::DoesNotSettle),
            lease: self.setting.lease,
        };
        self.runs.push(Run::new(host, options, plan, self.hosts[host].clock.at(self.now)));
        self.wake_soon(id);
    }
}

/// In seconds; most are short, so that much happens in little time.
const LEASES: [u64; 6] = [2, 2, 4, 6, 12, 60];

const MAX_FAULTS: u64 = 10;

/// What those may take besides who wait for each other: time-outs that don't depend on the lease.
const LAST_WORDS: Duration = Duration::from_secs(300);
