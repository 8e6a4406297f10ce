//! How a server stops while a test goes on, and starts again.

use std::fs;
use std::io::Write;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Cluster, READY};
use crate::support::poll;

/// How a server is told to stop (PostgreSQL documentation, "Shutting Down the Server").
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// Once the last client has gone.
    Smart,
    /// Clients are told with 57P01 and disconnected.
    Fast,
    /// As in a crash.
    Immediate,
}

impl Cluster {
    /// Stops the server and waits until it has, at most 30 seconds long.
    pub fn stop(&self, how: Stop) {
        let pid =
            fs::read_to_string(self.directory.path().join("data/postmaster.pid")).expect("the server runs");
        let pid = Pid::from_raw(pid.lines().next().unwrap().parse().unwrap()).unwrap();
        let signal = match how {
            Stop::Smart => Signal::TERM,
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        };
        // The last that it does, after it has removed its files.
        let ends = || self.log().matches("database system is shut down").count();
        let before = ends();
        kill_process(pid, signal).unwrap();
        poll(Duration::from_secs(30), || (ends() > before).then_some(()))
            .unwrap_or_else(|| panic!("the server does not stop:\n{}", self.log()));
    }

    /// Starts it again after [`Cluster::stop`] and waits until it takes connections, at most 60 seconds long.
    pub fn start_again(&self) {
        let starts = || self.log().matches(READY).count();
        let before = starts();
        self.guard
            .stdin
            .as_ref()
            .expect("a pipe")
            .write_all(b"\n")
            .expect("the guard lives as long as we do");
        poll(Duration::from_secs(60), || (starts() > before).then_some(()))
            .unwrap_or_else(|| panic!("PostgreSQL does not start again:\n{}", self.log()));
    }
}
