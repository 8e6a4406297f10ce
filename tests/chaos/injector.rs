//! Does harm to heimdalls, jobs, the server and the network, in an order that a seed decides.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::contenders::{Contenders, Run};
use super::record::Record;
use crate::support::dice::Dice;
use crate::support::poll;
use crate::support::postgres::{Cluster, Stop};
use crate::support::proxy::Proxy;

/// All that can be harmed.
pub struct Injector<'a> {
    pub cluster: &'a Cluster,
    /// By the name of their route.
    pub proxies: &'a [(&'static str, Proxy)],
    pub contenders: &'a Contenders,
    pub record: &'a Record,
    pub dice: Dice,
    /// How often what was done.
    pub done: BTreeMap<&'static str, u32>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    KillHeimdall,
    /// SIGSTOP; SIGCONT comes a few faults later, or before one that takes the lock away.
    StopHeimdall,
    /// SIGTSTP, which stops the job too; continued like that.
    Suspend,
    /// SIGSTOP for heimdall and its job at once, as where a host is suspended; SIGCONT comes after a while.
    SuspendHost {
        /// Whether the server takes the lock away meanwhile.
        loses: bool,
    },
    /// Every signal that can be caught, but for those that stop.
    Storm,
    KillJob,
    TerminateBackend,
    Cut,
    Silence,
    Restart(Stop),
}

/// Each is in here as often as it comes relatively to the others.
const DECK: [Fault; 28] = [
    Fault::KillHeimdall,
    Fault::KillHeimdall,
    Fault::KillHeimdall,
    Fault::KillHeimdall,
    Fault::StopHeimdall,
    Fault::StopHeimdall,
    Fault::StopHeimdall,
    Fault::Suspend,
    Fault::Suspend,
    Fault::SuspendHost { loses: false },
    Fault::SuspendHost { loses: false },
    Fault::SuspendHost { loses: true },
    Fault::Storm,
    Fault::Storm,
    Fault::Storm,
    Fault::KillJob,
    Fault::KillJob,
    Fault::KillJob,
    Fault::TerminateBackend,
    Fault::TerminateBackend,
    Fault::TerminateBackend,
    Fault::TerminateBackend,
    Fault::Cut,
    Fault::Cut,
    Fault::Cut,
    Fault::Silence,
    Fault::Restart(Stop::Fast),
    Fault::Restart(Stop::Immediate),
];

impl Injector<'_> {
    /// Does harm for that long, and at least all that is in the deck.
    pub fn rage(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            let mut deck = DECK;
            self.dice.shuffle(&mut deck);
            for fault in deck {
                let kind = self.find_victim(fault);
                *self.done.entry(kind).or_default() += 1;
                if self.dice.below(3) == 0 {
                    self.resume();
                }
                thread::sleep(Duration::from_millis(self.dice.below(200)));
            }
        }
        self.resume();
    }

    /// Tries until there is a victim, which also shows that all goes on after the fault before.
    fn find_victim(&mut self, fault: Fault) -> &'static str {
        if let Some(kind) = poll(PATIENCE, || self.inject(fault)) {
            return kind;
        }
        // A stopped heimdall may hold the lock while its job has ended or not begun.
        self.resume();
        poll(LIMIT, || self.inject(fault))
            .unwrap_or_else(|| panic!("no victim for {fault:?} in {:?}", self.contenders.runs()))
    }

    /// Returns what was done, if there was a victim.
    fn inject(&mut self, fault: Fault) -> Option<&'static str> {
        match fault {
            Fault::KillHeimdall => self.strike("kill-heimdall", Signal::KILL),
            Fault::StopHeimdall => self.strike("stop-heimdall", Signal::STOP),
            Fault::Suspend => self.suspend(),
            Fault::SuspendHost { loses } => self.suspend_host(loses),
            Fault::Storm => self.storm(),
            Fault::KillJob => self.kill_job(),
            Fault::TerminateBackend => self.terminate_backend(),
            Fault::Cut => self.cut(),
            Fault::Silence => self.silence(),
            Fault::Restart(how) => Some(self.restart(how)),
        }
    }

    fn strike(&mut self, kind: &'static str, signal: Signal) -> Option<&'static str> {
        let run = self.victim()?;
        self.record.fault(kind, run.id, || self.contenders.signal(run.id, signal));
        Some(kind)
    }

    /// The heimdall of the job that is inside, or any: one that is connecting, being turned away, giving back.
    fn victim(&mut self) -> Option<Run> {
        let run = if self.dice.below(3) == 0 {
            *self.dice.pick(&self.contenders.runs())?
        } else {
            self.holder()?.1
        };
        (!run.is_killed && !run.is_stopped).then_some(run)
    }

    fn suspend(&mut self) -> Option<&'static str> {
        let run = self.victim()?;
        self.record.fault("suspend", run.id, || {
            self.contenders.signal(run.id, Signal::TSTP);
            // Or it is about to end. A SIGCONT that comes before it has stopped would be none.
            let is_gone = || self.contenders.run(run.id).is_none();
            poll(LIMIT, || (is_stopped(run.pid) || is_gone()).then_some(()))
                .unwrap_or_else(|| panic!("{run:?} does not stop"));
        });
        Some("suspend")
    }

    fn suspend_host(&mut self, loses: bool) -> Option<&'static str> {
        if loses {
            self.make_cover();
        }
        let (job, run) = self.job()?;
        if run.is_stopped {
            return None;
        }
        // More than three quarters of a short lease, now and then.
        let most = if self.dice.once_in(8) { 6000 } else { 600 };
        let pauses = [self.dice.below(most), self.dice.below(most)].map(Duration::from_millis);
        self.record.fault("suspend-host", run.id, || {
            self.contenders.signal(run.id, Signal::STOP);
            let has_stopped = kill_process_group(job, Signal::STOP).is_ok();
            thread::sleep(pauses[0]);
            if loses {
                self.take_lock_of(run);
            }
            thread::sleep(pauses[1]);
            if has_stopped {
                // heimdall does not reap it meanwhile.
                kill_process_group(job, Signal::CONT).expect("a stopped job");
            }
            self.contenders.signal(run.id, Signal::CONT);
        });
        Some(if loses { "suspend-host-and-lose" } else { "suspend-host" })
    }

    fn storm(&mut self) -> Option<&'static str> {
        let run = self.victim()?;
        let is_left_alone = |signal: &i32| {
            // The last two are the C library's own.
            let named =
                [Signal::KILL, Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU].map(Signal::as_raw);
            named.contains(signal) || [32, 33].contains(signal)
        };
        let mut signals: Vec<i32> = (1..=64).filter(|signal| !is_left_alone(signal)).collect();
        self.dice.shuffle(&mut signals);
        let is_for_group = self.dice.once_in(2);
        self.record.fault("storm", run.id, || self.contenders.storm(run.id, &signals, is_for_group));
        Some("storm")
    }

    fn kill_job(&self) -> Option<&'static str> {
        let (job, run) = self.job()?;
        self.record.fault("kill-job", run.id, || kill_process_group(job, Signal::KILL)).ok()?;
        Some("kill-job")
    }

    fn terminate_backend(&self) -> Option<&'static str> {
        self.make_cover();
        let run = self.holder()?.1;
        self.take_lock_of(run).then_some("terminate-backend")
    }

    fn take_lock_of(&self, Run { id, .. }: Run) -> bool {
        let sql = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'run-{id}'"
        );
        self.record.fault("terminate-backend", id, || self.cluster.sql(&sql)) == "t"
    }

    fn cut(&self) -> Option<&'static str> {
        self.make_cover();
        let proxy = self.proxy_of(self.holder()?.1)?;
        self.record.fault("cut", proxy.0, || proxy.1.cut());
        Some("cut")
    }

    /// A proxy that relays nothing: its kernel goes on to acknowledge, so the server keeps the lock until it is cut.
    fn silence(&self) -> Option<&'static str> {
        self.make_cover();
        let holder = self.holder()?.1;
        let (name, proxy) = self.proxy_of(holder)?;
        self.record.fault("silence", name, || {
            proxy.freeze();
            self.wait_for_end(|run| run.id == holder.id);
            self.record.fault("cut", name, || proxy.mend());
        });
        Some("silence")
    }

    fn restart(&self, how: Stop) -> &'static str {
        self.make_cover();
        let kind = match how {
            Stop::Immediate => "immediate-restart",
            Stop::Smart | Stop::Fast => "fast-restart",
        };
        self.record.fault(kind, "all", || {
            self.cluster.stop(how);
            self.record.note(format_args!("down {kind}"));
            self.cluster.start_again();
        });
        kind
    }

    /// Waits until each job has a heimdall that can stop it. When a fault takes the lock away from a job whose
    /// heimdall was killed or is stopped as well, nobody is there to stop the job, and nothing else is promised.
    fn make_cover(&self) {
        self.resume();
        self.wait_for_end(|run| run.is_killed);
    }

    fn resume(&self) {
        for run in self.contenders.runs().iter().filter(|run| run.is_stopped) {
            self.contenders.signal(run.id, Signal::CONT);
        }
    }

    fn wait_for_end(&self, of: impl Fn(&Run) -> bool) {
        let left = || self.contenders.runs().into_iter().filter(&of).collect::<Vec<_>>();
        poll(LIMIT, || left().is_empty().then_some(()))
            .unwrap_or_else(|| panic!("these do not end: {:?}", left()));
    }

    /// Who is inside: the leader of the job, and its run.
    fn holder(&self) -> Option<(i32, Run)> {
        let inside = self.record.last_inside()?;
        Some((inside.leader, self.contenders.run(inside.run)?))
    }

    /// The process group of the job that is inside, and its run.
    fn job(&self) -> Option<(Pid, Run)> {
        let (leader, run) = self.holder()?;
        // A process of that number may be anybody's by now, unless heimdall is its parent.
        let is_its = !run.is_killed && parent(leader)? == run.pid.as_raw_nonzero().get();
        Some((Pid::from_raw(leader).filter(|_| is_its)?, run))
    }

    fn proxy_of(&self, run: Run) -> Option<&(&'static str, Proxy)> {
        self.proxies.iter().find(|(name, _)| *name == run.route)
    }
}

/// The parent of a process.
fn parent(process: i32) -> Option<i32> {
    stat(process)?.split_whitespace().nth(1)?.parse().ok()
}

fn is_stopped(process: Pid) -> bool {
    stat(process.as_raw_nonzero().get()).is_some_and(|stat| stat.trim_start().starts_with('T'))
}

/// What the process table says of a process, from its state on (`man 5 proc_pid_stat`).
fn stat(process: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.to_owned())
}

/// Most jobs are over by then, and the next has begun.
const PATIENCE: Duration = Duration::from_secs(2);

/// More than anything takes here, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
