//! A heimdall that holds its lock as long as a test wants.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::heimdall::{Heimdall, Outcome, Running};

/// Its program ends when its standard input does. When it is dropped, it ends, and the lock is free.
pub struct Holder {
    /// `None` once it was waited for.
    running: Option<Running>,
    /// The process on the server, and what else its program was told of the lock.
    pub backend: String,
    pub slot: String,
    pub key: String,
    pub token: String,
}

impl Heimdall {
    /// Starts it with a program of the holder's, and returns when that runs.
    pub fn hold(self) -> Holder {
        self.hold_by("echo $TOLD; exec cat")
    }

    /// Starts it with a shell that does this, and returns when that has said what it was told of the lock.
    pub fn hold_by(self, script: &str) -> Holder {
        let told = "$HEIMDALL_BACKEND_PID $HEIMDALL_SLOT $HEIMDALL_KEY $HEIMDALL_FENCING_TOKEN";
        let running = self.args(["sh", "-c", &format!("TOLD=\"{told}\"; {script}")]).pipe_stdin().spawn();
        let line = running.wait_for_stdout_line("");
        let [backend, slot, key, token] =
            line.split(' ').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
        Holder { running: Some(running), backend, slot, key, token }
    }
}

impl Holder {
    /// Ends it well; the lock is free.
    pub fn finish(mut self) {
        self.close_stdin();
        let outcome = self.wait();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    }

    /// Waits for an end that has another cause, at most 60 seconds long.
    pub fn wait(mut self) -> Outcome {
        self.running.take().expect(RUNS).wait()
    }
}

impl Deref for Holder {
    type Target = Running;

    fn deref(&self) -> &Running {
        self.running.as_ref().expect(RUNS)
    }
}

impl DerefMut for Holder {
    fn deref_mut(&mut self) -> &mut Running {
        self.running.as_mut().expect(RUNS)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.close_stdin();
            // Killed else, which frees the lock a little later.
            running.ends_within(Duration::from_secs(10));
        }
    }
}

/// This host's name as the session of this name tells it to others: without its domain, and without its beginning where
/// there is no room for all of it.
pub fn host(session: &str, process: i32) -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_str().unwrap().split('.').next().unwrap();
    let room = 63 - format!("{session} :{process} @1234567890").len();
    if name.len() <= room { name.to_owned() } else { format!("~{}", &name[name.len() - (room - 1)..]) }
}

const RUNS: &str = "only finish, wait and drop take it away";
