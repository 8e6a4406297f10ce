//! What breaks in a simulated world, whom it hits, and when it works again.

use std::time::Duration;

use super::dice::Dice;
use heimdall::internals::rules::{Received, Signal};

use super::asked::Ringer;
use super::judge::Loss;
use super::network::ToClient;
use super::postgres::State;
use super::run::{Halt, Stage};
use super::world::{Event, World};

/// Something that breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing comes through between a host and the server.
    Partition,
    /// Nothing that the host sends.
    OneWayToServer,
    /// Nothing that the server sends.
    OneWayToClient,
    /// The network of a host is slow.
    Lag,
    /// Both ends of a connection are told that there is none.
    Reset,
    /// Only the client is told.
    ResetClient,
    /// An administrator ends a session.
    Terminate,
    /// The server crashes and starts again.
    Crash,
    /// It is restarted in good order.
    Restart,
    /// Its host dies without a word, and another server takes its place, which lacks the last transactions.
    Failover,
    /// It answers nothing for a while.
    Stall,
    /// SIGSTOP to a heimdall.
    Stop,
    /// SIGSTOP to a heimdall and all of its job.
    Freeze,
    /// A host sleeps.
    Suspend,
    /// A host loses its power.
    PowerCut,
    /// SIGKILL to a heimdall.
    KillHeimdall,
    /// SIGKILL to a program, from outside.
    KillJob,
    /// SIGTERM to a heimdall.
    Signal,
    /// SIGTSTP to a heimdall.
    StopHeimdall,
    /// Ctrl-Z at its terminal.
    TypeStop,
    /// Ctrl-C at its terminal.
    TypeInterrupt,
    /// SIGSTOP to a program, from outside.
    StopProgram,
    /// Someone who may do so asks a heimdall to stop.
    Ask,
    /// A stranger does.
    Ring,
}

pub const FAULTS: [Fault; 24] = [
    Fault::Partition,
    Fault::OneWayToServer,
    Fault::OneWayToClient,
    Fault::Lag,
    Fault::Reset,
    Fault::ResetClient,
    Fault::Terminate,
    Fault::Crash,
    Fault::Restart,
    Fault::Failover,
    Fault::Stall,
    Fault::Stop,
    Fault::Freeze,
    Fault::Suspend,
    Fault::PowerCut,
    Fault::KillHeimdall,
    Fault::KillJob,
    Fault::Signal,
    Fault::StopHeimdall,
    Fault::TypeStop,
    Fault::TypeInterrupt,
    Fault::StopProgram,
    Fault::Ask,
    Fault::Ring,
];

/// What makes a heimdall late.
pub const PAUSES: [Fault; 3] = [Fault::Stop, Fault::Freeze, Fault::Suspend];

/// What may take a lock away without a word to its holder.
pub const SILENT_LOSSES: [Fault; 4] =
    [Fault::Partition, Fault::OneWayToClient, Fault::Failover, Fault::Suspend];

impl Fault {
    fn is_of_host(self) -> bool {
        use Fault::{Lag, OneWayToClient, OneWayToServer, Partition, PowerCut, Suspend};
        matches!(self, Partition | OneWayToServer | OneWayToClient | Lag | Suspend | PowerCut)
    }

    /// What happens to whom.
    fn told(self, target: usize) -> String {
        let what = match self {
            Self::Partition => "nothing comes through between the server and host",
            Self::OneWayToServer => "nothing comes through to the server from host",
            Self::OneWayToClient => "nothing comes through from the server to host",
            Self::Lag => "the network is slow at host",
            Self::Suspend => "sleep comes over host",
            Self::PowerCut => "there is no power at host",
            Self::Reset => "a reset, to both ends, ends the connection of heimdall",
            Self::ResetClient => "a reset, to the client alone, ends the connection of heimdall",
            Self::Terminate => "an administrator ends the session of heimdall",
            Self::Crash => return "the server crashes".to_owned(),
            Self::Restart => return "the server is restarted".to_owned(),
            Self::Failover => return "the server is gone, and a standby is promoted".to_owned(),
            Self::Stall => return "the server stands still".to_owned(),
            Self::Stop => "SIGSTOP to heimdall",
            Self::Freeze => "SIGSTOP to all processes of heimdall",
            Self::KillHeimdall => "SIGKILL to heimdall",
            Self::KillJob => "SIGKILL to the program of heimdall",
            Self::Signal => "SIGTERM to heimdall",
            Self::StopHeimdall => "SIGTSTP to heimdall",
            Self::TypeStop => "Ctrl-Z at the terminal, if any, of heimdall",
            Self::TypeInterrupt => "Ctrl-C at the terminal, if any, of heimdall",
            Self::StopProgram => "SIGSTOP to the program of heimdall",
            Self::Ask => "--stop asks heimdall",
            Self::Ring => "a stranger rings the bell of heimdall",
        };
        format!("{what} {target}")
    }

    pub fn any(dice: &mut Dice) -> Self {
        *dice.pick(&FAULTS).unwrap()
    }
}

impl World {
    /// Something breaks, and hits this run or, where it is none in particular, anyone.
    pub fn strike(&mut self, fault: Fault, run: Option<usize>) {
        if self.now >= self.setting.quiet_at {
            return;
        }
        self.strikes += 1;
        if self.spared.contains(&(self.strikes - 1)) {
            return;
        }
        let lease = self.setting.lease;
        let lasts = match self.dice.below(4) {
            0 => self.dice.between(Duration::ZERO, lease / 6),
            1 => self.dice.between(lease, lease * 3),
            _ => self.dice.between(lease / 6, lease * 3 / 2),
        };
        self.cover(FAULTS.iter().position(|listed| *listed == fault).unwrap());
        let run = run.filter(|run| !self.runs[*run].has_ended());
        let host = match run {
            Some(run) => self.runs[run].host,
            None => self.dice.below(self.hosts.len() as u64) as usize,
        };
        let Some(target) = (match fault {
            Fault::Partition
            | Fault::OneWayToServer
            | Fault::OneWayToClient
            | Fault::Lag
            | Fault::Suspend
            | Fault::PowerCut => Some(host),
            Fault::Crash | Fault::Restart | Fault::Failover | Fault::Stall => Some(0),
            _ => run.or_else(|| self.someone()),
        }) else {
            return;
        };
        self.tell(|_| format!("FAULT: {}", fault.told(target)));
        if self.hit(fault, target, lasts) {
            self.schedule(lasts, Event::Mended(fault, target));
        }
    }

    /// One that runs, and most often one that holds the lock.
    fn someone(&mut self) -> Option<usize> {
        let is_there = |run: &usize| !self.runs[*run].has_ended();
        let holds = |run: &usize| matches!(self.runs[*run].stage, Stage::Supervising { .. });
        let all: Vec<usize> = (0..self.runs.len()).filter(is_there).collect();
        let holders: Vec<usize> = all.iter().copied().filter(holds).collect();
        if holders.is_empty() || self.dice.once_in(4) {
            self.dice.pick(&all).copied()
        } else {
            self.dice.pick(&holders).copied()
        }
    }

    /// Tells whether there is something to be mended later.
    fn hit(&mut self, fault: Fault, target: usize, lasts: Duration) -> bool {
        match fault {
            Fault::Partition => {
                self.hosts[target].reaches_server = false;
                self.hosts[target].is_reached = false;
            }
            Fault::OneWayToServer => self.hosts[target].reaches_server = false,
            Fault::OneWayToClient => self.hosts[target].is_reached = false,
            Fault::Lag => self.hosts[target].lag = self.dice.between(Duration::ZERO, self.setting.lease / 2),
            Fault::Reset | Fault::ResetClient => {
                if let Some(connection) = self.runs[target].connection {
                    if let Some(session) =
                        self.connections[connection].session.filter(|_| fault == Fault::Reset)
                    {
                        self.end_session(session, Loss::Taken);
                    }
                    self.reply(connection, ToClient::Reset, Duration::ZERO);
                }
                return false;
            }
            Fault::Terminate => {
                let connection = self.runs[target].connection;
                if let Some(session) = connection.and_then(|connection| self.connections[connection].session)
                    && self.server.sessions[session].is_alive
                {
                    self.terminate_session(session, Loss::Taken);
                }
                return false;
            }
            Fault::Crash | Fault::Restart | Fault::Failover if self.server.state != State::Up => {
                return false;
            }
            Fault::Crash => self.stop_server(State::Down, false),
            Fault::Restart => self.stop_server(State::Down, true),
            Fault::Failover => self.stop_server(State::Silent, false),
            // What has arrived meanwhile is served in order.
            Fault::Stall if self.server.stalled_until > self.now => return false,
            Fault::Stall => {
                self.server.stalled_until = self.now.after(lasts);
                return false;
            }
            Fault::Stop | Fault::Freeze if self.runs[target].halt != Halt::None => return false,
            Fault::Stop => self.runs[target].halt = Halt::Heimdall,
            Fault::Freeze => {
                self.runs[target].halt = Halt::Both;
                self.judge_pause(target);
            }
            Fault::Suspend => {
                self.hosts[target].is_suspended = true;
                (0..self.runs.len()).for_each(|run| self.judge_pause(run));
            }
            Fault::PowerCut => self.cut_power(target),
            Fault::KillHeimdall => {
                self.kill_heimdall(target);
                return false;
            }
            Fault::KillJob => {
                self.kill_program(target);
                return false;
            }
            Fault::Signal => {
                self.signal(target, Received::Sent(Signal::TERM));
                return false;
            }
            Fault::StopHeimdall => self.signal(target, Received::Stop(Signal::TSTP)),
            Fault::TypeStop => return self.type_at_terminal(target, Signal::TSTP),
            Fault::TypeInterrupt => {
                self.type_at_terminal(target, Signal::INT);
                return false;
            }
            Fault::StopProgram => {
                if !matches!(self.runs[target].stage, Stage::Supervising { .. }) {
                    return false;
                }
                self.signal_program(target, Signal::STOP);
            }
            Fault::Ask | Fault::Ring => {
                self.ring(target, if fault == Fault::Ask { Ringer::Entitled } else { Ringer::Stranger });
                return false;
            }
        }
        true
    }

    /// The program gets it from the terminal, and so does heimdall; tells whether there is a terminal.
    fn type_at_terminal(&mut self, run: usize, signal: Signal) -> bool {
        if !self.runs[run].options.is_on_terminal {
            return false;
        }
        match self.runs[run].stage {
            Stage::Supervising { .. } => {
                self.signal_program(run, signal);
                let is_stop = signal == Signal::TSTP;
                self.signal(run, if is_stop { Received::TypedStop(signal) } else { Received::Typed(signal) });
            }
            _ if signal == Signal::INT => self.signal(run, Received::Sent(signal)),
            _ => self.signal(run, Received::Stop(signal)),
        }
        true
    }

    fn cut_power(&mut self, host: usize) {
        self.hosts[host].is_crashed = true;
        self.hosts[host].is_suspended = false;
        for run in 0..self.runs.len() {
            if self.runs[run].host == host {
                self.erase(run);
            }
        }
        for connection in 0..self.connections.len() {
            self.forget(connection, host);
        }
    }

    /// It works again.
    pub fn mend(&mut self, fault: Fault, target: usize) {
        self.tell(|_| format!("over: {}", fault.told(target)));
        let outage = self.setting.lease;
        if let Some(host) = self.hosts.get_mut(target).filter(|_| fault.is_of_host()) {
            // What is under way arrives late.
            host.troubled = self.now.after(outage * 2 + host.lag);
        }
        match fault {
            Fault::Partition | Fault::OneWayToServer | Fault::OneWayToClient => {
                self.hosts[target].reaches_server = true;
                self.hosts[target].is_reached = true;
                self.retransmit(target, outage);
            }
            Fault::Lag => self.hosts[target].lag = Duration::ZERO,
            Fault::Crash | Fault::Restart | Fault::Failover if self.server.state != State::Up => {
                self.start_server();
            }
            Fault::Stop | Fault::Freeze => self.go_on(target),
            Fault::StopHeimdall | Fault::TypeStop => {
                self.go_on(target);
                self.continue_stopped(target);
            }
            // Whoever continues a job beside its stopped heimdall has to know what he does.
            Fault::StopProgram if self.runs[target].halt == Halt::Itself => {}
            Fault::StopProgram => self.continue_stopped(target),
            Fault::Suspend | Fault::PowerCut => {
                self.hosts[target].is_suspended = false;
                self.hosts[target].is_crashed = false;
                self.hosts[target].resumed = self.now;
                self.retransmit(target, Duration::from_millis(200));
                for run in 0..self.runs.len() {
                    if self.runs[run].host == target {
                        self.resume(run);
                        self.resume_job(run);
                    }
                }
            }
            _ => {}
        }
    }

    /// From now on nothing breaks any more, and what is broken works again.
    pub fn fall_quiet(&mut self) {
        self.tell(|_| "no more faults".to_owned());
        for host in 0..self.hosts.len() {
            self.mend(Fault::Partition, host);
            self.mend(Fault::Lag, host);
            self.mend(Fault::Suspend, host);
        }
        self.mend(Fault::Crash, 0);
        for run in 0..self.runs.len() {
            self.go_on(run);
            if self.runs[run].is_killed {
                // No one else continues what it has held still.
                self.let_job_go_on(run);
            }
            self.continue_stopped(run);
        }
        self.end_restarts();
    }

    /// Where something important happens to a run, something that hits it breaks more often than by chance.
    pub fn ambush(&mut self, run: usize, odds: u64, within: Duration) {
        self.ambush_by(&FAULTS, run, odds, within);
    }

    /// The same, by one of these.
    pub fn ambush_by(&mut self, faults: &[Fault], run: usize, odds: u64, within: Duration) {
        if self.ambushes > 0 && self.dice.once_in(odds) {
            self.ambushes -= 1;
            let fault = *self.dice.pick(faults).unwrap();
            let pause = self.dice.between(Duration::ZERO, within);
            self.schedule(pause, Event::Fault(fault, Some(run)));
        }
    }
}
