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
    KillJob,
    TerminateBackend,
    Cut,
    Silence,
    Restart(Stop),
}

/// Each is in here as often as it comes relatively to the others.
const DECK: [Fault; 20] = [
    Fault::KillHeimdall,
    Fault::KillHeimdall,
    Fault::KillHeimdall,
    Fault::KillHeimdall,
    Fault::StopHeimdall,
    Fault::StopHeimdall,
    Fault::StopHeimdall,
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
            Fault::KillJob => self.kill_job(),
            Fault::TerminateBackend => self.terminate_backend(),
            Fault::Cut => self.cut(),
            Fault::Silence => self.silence(),
            Fault::Restart(how) => Some(self.restart(how)),
        }
    }

    /// The heimdall of the job that is inside, or any: one that is connecting, being turned away, giving back.
    fn strike(&mut self, kind: &'static str, signal: Signal) -> Option<&'static str> {
        let run = if self.dice.below(3) == 0 {
            *self.dice.pick(&self.contenders.runs())?
        } else {
            self.holder()?.1
        };
        if run.is_killed || run.is_stopped {
            return None;
        }
        self.record.fault(kind, run.id, || self.contenders.signal(run.id, signal));
        Some(kind)
    }

    fn kill_job(&self) -> Option<&'static str> {
        let (leader, run) = self.holder()?;
        // A process of that number may be anybody's by now, unless heimdall is its parent.
        if run.is_killed || parent(leader)? != run.pid.as_raw_nonzero().get() {
            return None;
        }
        let group = Pid::from_raw(leader)?;
        self.record.fault("kill-job", run.id, || kill_process_group(group, Signal::KILL)).ok()?;
        Some("kill-job")
    }

    fn terminate_backend(&self) -> Option<&'static str> {
        self.make_cover();
        let id = self.holder()?.1.id;
        let sql = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'run-{id}'"
        );
        let answer = self.record.fault("terminate-backend", id, || self.cluster.sql(&sql));
        (answer == "t").then_some("terminate-backend")
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

    fn proxy_of(&self, run: Run) -> Option<&(&'static str, Proxy)> {
        self.proxies.iter().find(|(name, _)| *name == run.route)
    }
}

/// The parent of a process (`man 5 proc_pid_stat`).
fn parent(process: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Most jobs are over by then, and the next has begun.
const PATIENCE: Duration = Duration::from_secs(2);

/// More than anything takes here, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);
