//! The promises of README.md: each is kept by the tests that have its number in their names.

mod crash;
mod init;
mod lease;
mod loss;
mod release;
mod scripted;
mod signals;
mod start;
mod stop;
mod streams;
mod surroundings;
mod suspended;
mod tree;
mod waiting;

use std::io::Write;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::heimdall::Running;
use crate::support::poll;
use crate::support::postgres::{Cluster, shared};

/// On the shared server, also where `DATABASE_URL` is set: these tests act on the server's side.
fn ours() -> String {
    format!("{} user=trust_user dbname=app", shared().tcp())
}

/// Prints its process id, and that of a child of its own, and stays.
const FAMILY: &str = "sleep 300 & echo $$ $!; wait";

/// Ends the session that holds the lock of this name in the default namespace.
fn terminate_backend(name: &str) {
    let sql = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'heimdall:heimdall/{name}'"
    );
    assert_eq!(shared().sql(&sql), "t");
}

fn pids(line: &str) -> Vec<Pid> {
    line.split(' ').map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect()
}

/// The number behind this word on standard output.
fn pid_behind(running: &Running, word: &str) -> Pid {
    let line = running.wait_for_stdout_line(&format!("{word} "));
    Pid::from_raw(line.split(' ').nth(1).unwrap().parse().unwrap()).unwrap()
}

/// A stopped process, which goes on when this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn stop(pid: Pid) -> Self {
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).unwrap();
}

fn assert_gone(pids: &[Pid]) {
    for pid in pids {
        let gone = poll(Duration::from_secs(10), || test_kill_process(*pid).is_err().then_some(()));
        assert!(gone.is_some(), "process {pid:?} is left");
    }
}

/// Asserts that nothing is left now, as heimdall says.
fn assert_stopped(pids: &[Pid]) {
    for pid in pids {
        assert!(test_kill_process(*pid).is_err(), "process {pid:?} is left");
    }
}

/// Counts the holders of this name's lock in the default namespace.
fn holders(name: &str) -> String {
    let (_, key, _) = heimdall::lock::Key::named("heimdall", name).in_pg_locks();
    format!("select count(*) from pg_locks where locktype = 'advisory' and objid = {key}")
}

fn wait_for_no_holder(cluster: &Cluster, name: &str) {
    cluster.wait_for(&holders(name), "0");
}

/// Says past the test harness, which keeps what passing tests say to itself, that something was not tested.
fn did_not_run(name: &str, lack: &str) {
    std::io::stderr().write_all(format!("{name} DID NOT RUN: {lack}\n").as_bytes()).unwrap();
}
