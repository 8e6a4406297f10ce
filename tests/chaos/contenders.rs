//! Contenders for one lock, each of which starts heimdall again and again.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::record::{JOB, Record};
use crate::support::dice::Dice;
use crate::support::heimdall::Heimdall;
use crate::support::poll;

/// They contend until they are told to stop; all that they run is killed when dropped before that.
pub struct Contenders {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// A way to the server.
pub struct Route {
    pub name: &'static str,
    /// Where the server is, by connection parameters.
    pub place: String,
    pub user: &'static str,
    /// Options for heimdall.
    pub options: &'static [&'static str],
}

/// A heimdall, or what `kill -9` has left of it.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub id: u32,
    pub route: &'static str,
    pub pid: Pid,
    pub is_killed: bool,
    pub is_stopped: bool,
}

struct Shared {
    record: Arc<Record>,
    routes: Vec<Route>,
    /// What each contender runs. A process is reaped only after it has gone from here, so its number is no other's.
    runs: Vec<Mutex<Option<Run>>>,
    next_id: AtomicU32,
    is_over: AtomicBool,
}

impl Contenders {
    /// Starts `count` contenders, which take the routes in turn. The first on each route tries again and again; those
    /// behind it have heimdall wait for the lock.
    pub fn start(count: usize, routes: Vec<Route>, record: &Arc<Record>, dice: &mut Dice) -> Self {
        let shared = Arc::new(Shared {
            record: Arc::clone(record),
            routes,
            runs: (0..count).map(|_| Mutex::new(None)).collect(),
            next_id: AtomicU32::new(1),
            is_over: AtomicBool::new(false),
        });
        let contend = |place| {
            let (shared, dice) = (Arc::clone(&shared), dice.split());
            thread::spawn(move || shared.contend(place, dice))
        };
        let threads = (0..count).map(contend).collect();
        Self { shared, threads }
    }

    /// What runs now.
    pub fn runs(&self) -> Vec<Run> {
        self.shared.runs.iter().filter_map(|run| *run.lock().unwrap()).collect()
    }

    pub fn run(&self, id: u32) -> Option<Run> {
        self.runs().into_iter().find(|run| run.id == id)
    }

    /// Sends a signal to a heimdall, if it still is there.
    pub fn signal(&self, id: u32, signal: Signal) {
        for slot in &self.shared.runs {
            let mut slot = slot.lock().unwrap();
            if let Some(run) = slot.as_mut().filter(|run| run.id == id) {
                // A zombie, while its job goes on, takes signals too.
                kill_process(run.pid, signal).unwrap();
                run.is_killed |= signal == Signal::KILL;
                let stops = matches!(signal, Signal::STOP | Signal::TSTP);
                run.is_stopped = stops || (run.is_stopped && signal != Signal::CONT);
            }
        }
    }

    /// Sends signals of these numbers to a heimdall, if it still is there, or to its process group.
    pub fn storm(&self, id: u32, signals: &[i32], is_for_group: bool) {
        for slot in &self.shared.runs {
            let slot = slot.lock().unwrap();
            if let Some(run) = slot.filter(|run| run.id == id) {
                let pid = run.pid.as_raw_nonzero();
                let target = if is_for_group { format!("-{pid}") } else { pid.to_string() };
                // Only a shell sends those without a name.
                let kills: Vec<_> =
                    signals.iter().map(|signal| format!("kill -{signal} -- {target}")).collect();
                assert!(Command::new("bash").args(["-c", &kills.join("; ")]).status().unwrap().success());
            }
        }
    }

    /// Waits until all have seen the end of what they run, at most 60 seconds long.
    pub fn stop(mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let ended = || self.threads.iter().all(JoinHandle::is_finished).then_some(());
        assert!(poll(Duration::from_secs(60), ended).is_some(), "these do not end: {:?}", self.runs());
        for thread in self.threads.drain(..) {
            thread.join().expect("a contender panicked");
        }
    }
}

impl Drop for Contenders {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for run in self.runs() {
            self.signal(run.id, Signal::KILL);
        }
    }
}

impl Shared {
    fn contend(&self, place: usize, mut dice: Dice) {
        let route = &self.routes[place % self.routes.len()];
        while !self.is_over.load(Ordering::SeqCst) {
            let id = self.next_id.fetch_add(1, Ordering::Relaxed);
            let kind = if dice.below(3) == 0 { "stubborn" } else { "obedient" };
            let mut command = Heimdall::new()
                .database(&format!(
                    "{} user={} dbname=postgres application_name=run-{id} connect_timeout=10",
                    route.place, route.user
                ))
                // Of a job that a signal ends, some processes may not take notice.
                .args(["--name", "chaos", "--drain", "--kill-after"])
                .arg(format!("{}ms", KILL_AFTER.as_millis()))
                .args(route.options)
                .args((place >= self.routes.len()).then_some("--wait=2s"))
                .args(["bash", "-c", JOB, "job"])
                .arg(self.record.path())
                .args([id.to_string(), (5 + dice.below(36)).to_string(), kind.to_owned()])
                .into_command();
            self.record.note(format_args!("try {id} {}", route.name));
            let mut child = command.stdout(Stdio::null()).spawn().expect("heimdall starts");
            let pid = Pid::from_child(&child);
            *self.runs[place].lock().unwrap() =
                Some(Run { id, route: route.name, pid, is_killed: false, is_stopped: false });
            // Ends once neither heimdall nor any process of the job is left to write to it.
            let mut stderr = Vec::new();
            child.stderr.take().expect("a pipe").read_to_end(&mut stderr).unwrap();
            *self.runs[place].lock().unwrap() = None;
            let status = child.wait().unwrap();
            self.record.note(format_args!(
                "exit {id} {} {:?}",
                code(status),
                String::from_utf8_lossy(&stderr)
            ));
            thread::sleep(Duration::from_millis(30 + dice.below(120)));
        }
    }
}

fn code(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, Some(9)) => "killed".to_owned(),
        (None, signal) => format!("signal-{}", signal.unwrap()),
    }
}

/// From SIGTERM to SIGKILL, for the jobs that are stubborn.
pub const KILL_AFTER: Duration = Duration::from_millis(200);
