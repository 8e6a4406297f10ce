//! The program itself, run as a user runs it, but in a clean environment and never for ever.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process};

use super::processes::{do_not_pass_on_ignored_signals, family, leave_terminal};
use super::stream::Stream;

/// The file that is the program.
pub const BINARY: &str = env!("CARGO_BIN_EXE_heimdall");

/// A command line under construction.
///
/// Its environment holds PATH and a HOME that is empty and stays so; its standard input is `/dev/null`.
pub struct Heimdall(Command);

/// A heimdall that was started; killed, with all that it has started, when dropped before its end.
pub struct Running {
    pid: Pid,
    stdin: Option<ChildStdin>,
    stdout: Stream,
    stderr: Stream,
    exit: Receiver<ExitStatus>,
    ended: bool,
}

/// How a heimdall ended, and all that it and its program printed.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Heimdall {
    pub fn new() -> Self {
        Self::program(BINARY)
    }

    /// heimdall behind a command that becomes it, such as `ip netns exec NAME`.
    pub fn within(prefix: &[impl AsRef<OsStr>]) -> Self {
        let mut words = prefix.iter().map(AsRef::as_ref).chain([OsStr::new(BINARY)]);
        Self::program(words.next().unwrap()).args(words)
    }

    /// Another program in its place, which gets the same care: what it executes is its own affair.
    pub fn program(program: impl AsRef<OsStr>) -> Self {
        do_not_pass_on_ignored_signals();
        leave_terminal();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", empty_home())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        Self(command)
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.0.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Takes a variable out of its environment.
    pub fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// Starts it in this directory.
    pub fn directory(mut self, path: impl AsRef<Path>) -> Self {
        self.0.current_dir(path);
        self
    }

    /// Runs it as another user, which only root can.
    pub fn uid(mut self, id: u32) -> Self {
        self.0.uid(id).gid(id);
        self
    }

    /// Adds `--database CONNINFO`.
    pub fn database(self, conninfo: &str) -> Self {
        self.args(["--database", conninfo])
    }

    /// Says where to connect in `HEIMDALL_DATABASE_URL`, where no other user sees the password.
    pub fn url(self, conninfo: &str) -> Self {
        self.env("HEIMDALL_DATABASE_URL", conninfo)
    }

    /// Lets the test write to standard input.
    pub fn pipe_stdin(mut self) -> Self {
        self.0.stdin(Stdio::piped());
        self
    }

    /// The bare command, for a test that watches over many at once.
    pub fn into_command(self) -> Command {
        self.0
    }

    /// Runs it to its end, at most 60 seconds long.
    pub fn run(self) -> Outcome {
        self.spawn().wait()
    }

    pub fn spawn(mut self) -> Running {
        let mut child = self.0.spawn().expect("heimdall starts");
        let (sender, exit) = mpsc::channel();
        let running = Running {
            pid: Pid::from_child(&child),
            stdin: child.stdin.take(),
            stdout: Stream::collect(child.stdout.take().unwrap()),
            stderr: Stream::collect(child.stderr.take().unwrap()),
            exit,
            ended: false,
        };
        thread::spawn(move || sender.send(Child::wait(&mut child).unwrap()));
        running
    }
}

impl Running {
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits for a whole line on standard output that contains `text`, and returns the line.
    pub fn wait_for_stdout_line(&self, text: &str) -> String {
        self.stdout.wait_for_line(text).unwrap_or_else(|| self.fail(&format!("no {text:?} on stdout")))
    }

    /// Whether standard output has this text by now.
    pub fn has_printed(&self, text: &str) -> bool {
        self.stdout.so_far().contains(text)
    }

    /// Waits for a whole line on standard error that contains `text`, and returns the line.
    pub fn wait_for_stderr_line(&self, text: &str) -> String {
        self.stderr.wait_for_line(text).unwrap_or_else(|| self.fail(&format!("no {text:?} on stderr")))
    }

    /// Sends a signal, by its number, to heimdall alone.
    pub fn signal(&self, number: i32) {
        kill_process(self.pid, Signal::from_named_raw(number).expect("a signal's number")).unwrap();
    }

    /// Writes to standard input, which [`Heimdall::pipe_stdin`] has made a pipe.
    pub fn write(&mut self, text: &str) {
        self.stdin.as_mut().expect("a piped standard input").write_all(text.as_bytes()).unwrap();
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Whether its end has come, or comes within this time.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        self.ended |= self.exit.recv_timeout(limit).is_ok();
        self.ended
    }

    /// Waits for the end, at most 60 seconds long.
    pub fn wait(mut self) -> Outcome {
        let Ok(status) = self.exit.recv_timeout(Duration::from_secs(60)) else {
            self.fail("heimdall does not end");
        };
        self.ended = true;
        // What heimdall leaves behind may keep the pipes open.
        let limit = Instant::now() + Duration::from_secs(5);
        Outcome {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.wait_for_end(limit),
            stderr: self.stderr.wait_for_end(limit),
        }
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{what}\nstdout:\n{}\nstderr:\n{}", self.stdout.so_far(), self.stderr.so_far())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended && self.exit.try_recv().is_err() {
            for pid in family(self.pid()) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// A home directory that is empty and stays so.
pub fn empty_home() -> PathBuf {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("empty-home");
    fs::create_dir_all(&home).unwrap();
    home
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::processes::is_alive;

    /// Any program can stand in for heimdall here.
    fn shell(script: &str) -> Heimdall {
        Heimdall::program("sh").args(["-c", script])
    }

    #[test]
    fn an_outcome_tells_all() {
        let outcome = shell("echo out; echo err >&2; exit 7").run();
        let expected =
            Outcome { code: Some(7), signal: None, stdout: "out\n".into(), stderr: "err\n".into() };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn a_running_program_can_be_talked_to_and_signalled() {
        let mut running = shell("echo ready >&2; read word; echo got $word; sleep 60").pipe_stdin().spawn();
        running.wait_for_stderr_line("ready");
        running.write("sesame\n");
        assert_eq!(running.wait_for_stdout_line("sesame"), "got sesame");
        running.signal(Signal::KILL.as_raw());
        assert_eq!(running.wait().signal, Some(Signal::KILL.as_raw()));
    }

    #[test]
    fn nothing_of_it_is_left_when_it_is_dropped() {
        let running = shell("set -m; sleep 60 & echo $!; wait").spawn();
        let child = Pid::from_raw(running.wait_for_stdout_line("").parse().unwrap()).unwrap();
        drop(running);
        let gone = crate::support::poll(Duration::from_secs(30), || (!is_alive(child)).then_some(()));
        assert!(gone.is_some(), "{child:?} is alive");
    }
}
