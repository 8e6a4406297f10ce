//! A terminal to run programs on, as a user sits at one: type, read, resize, hang up.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, iter, process};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use super::heimdall::{BINARY, empty_home};
use super::poll;
use super::processes::{do_not_pass_on_ignored_signals, with_environment};
use super::stream::Stream;

/// A terminal, which controls a session of its own; all that was started there is killed when it is dropped.
///
/// It has 24 rows of 80 columns and does not echo: what a test reads is what programs print. They end their lines
/// with `\r\n` here. The environment is as [`Heimdall`](super::heimdall::Heimdall) has it, with `TERM=dumb`, and
/// `heimdall` is found in PATH.
pub struct Terminal {
    keyboard: File,
    screen: Stream,
    /// How many bytes of the screen a test has read.
    seen: usize,
    leader: Child,
    /// In the environment of all that was started here, however far it went.
    mark: String,
}

impl Terminal {
    /// An interactive bash that has printed its first prompt, [`PROMPT`].
    pub fn bash(environment: &[(&str, &str)]) -> Self {
        let mut terminal = Self::start(&["bash", "--norc", "--noprofile", "--noediting", "-i"], environment);
        terminal.wait_for(PROMPT);
        terminal
    }

    /// Starts a program, given with its arguments.
    pub fn start(words: &[impl AsRef<OsStr>], environment: &[(&str, &str)]) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        do_not_pass_on_ignored_signals();
        let number = format!("{}.{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let (keyboard, end) = open();
        let screen = Stream::collect(keyboard.try_clone().unwrap());
        // setsid(1) becomes the program, with its standard input as the controlling terminal.
        let mut command = Command::new("setsid");
        command
            .arg("--ctty")
            .args(words)
            .env_clear()
            .env("PATH", path())
            .env("HOME", empty_home())
            .env("TERM", "dumb")
            .env("PS1", PROMPT)
            .env(MARK, &number)
            .envs(environment.iter().copied())
            .stdin(Stdio::from(end.try_clone().unwrap()))
            .stdout(Stdio::from(end.try_clone().unwrap()))
            .stderr(Stdio::from(end));
        let leader = command.spawn().expect("setsid, of util-linux, starts");
        Self { keyboard, screen, seen: 0, leader, mark: format!("{MARK}={number}") }
    }

    /// The process id of what was started, which is the session's id too.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.leader.id()).unwrap()
    }

    /// Types a line.
    pub fn enter(&self, line: &str) {
        self.press(&format!("{line}\n"));
    }

    /// Presses keys; [`INTERRUPT`] and its like are among them.
    pub fn press(&self, keys: &str) {
        (&self.keyboard).write_all(keys.as_bytes()).unwrap();
    }

    /// Gives the terminal another size, of which the foreground is told with SIGWINCH.
    pub fn resize(&self, rows: u16, columns: u16) {
        resize(&self.keyboard, rows, columns);
    }

    /// Reads on until `text` has been printed, at most 60 seconds long; what came before it and was not read yet.
    pub fn wait_for(&mut self, text: &str) -> String {
        let Some((read, seen)) = self.screen.read_until(self.seen, text) else {
            panic!("no {text:?} on the terminal, which shows:\n{}", self.all())
        };
        self.seen = seen;
        read
    }

    /// All that was ever printed.
    pub fn all(&self) -> String {
        self.screen.so_far()
    }

    /// Waits for the end of what was started, at most 60 seconds long: its exit code, or 128 and its signal. All that it
    /// has printed can be read then.
    pub fn wait(&mut self) -> i32 {
        let status = poll(Duration::from_secs(60), || self.leader.try_wait().unwrap());
        let Some(status) = status else { panic!("the terminal stays in use:\n{}", self.all()) };
        // What it leaves behind may keep the terminal open.
        self.screen.wait_for_end(Instant::now() + Duration::from_secs(2));
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Again, since what is found may just have started another.
        while let found = with_environment(&self.mark)
            && !found.is_empty()
        {
            for pid in found {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = self.leader.wait();
    }
}

/// Keys, as their bytes.
pub const INTERRUPT: &str = "\x03";
pub const QUIT: &str = "\x1c";
pub const SUSPEND: &str = "\x1a";
pub const END_OF_FILE: &str = "\x04";

/// bash's prompt.
pub const PROMPT: &str = "$ ";

/// The variable that tells one terminal's processes from all others.
const MARK: &str = "TEST_TERMINAL";

/// Both ends: the person's and the programs'.
fn open() -> (File, OwnedFd) {
    let keyboard =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let end = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    let mut settings = tcgetattr(&end).unwrap();
    settings.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&end, OptionalActions::Now, &settings).unwrap();
    resize(&keyboard, 24, 80);
    (keyboard.into(), end)
}

fn resize(keyboard: impl AsFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(keyboard, size).unwrap();
}

fn path() -> OsString {
    let folder = Path::new(BINARY).parent().unwrap().to_owned();
    let others = env::var_os("PATH").unwrap_or_default();
    env::join_paths(iter::once(folder).chain(env::split_paths(&others))).unwrap()
}

#[cfg(test)]
mod tests {
    use rustix::process::Pid;

    use super::*;
    use crate::support::processes::is_alive;

    #[test]
    fn a_shell_has_job_control() {
        let mut terminal = Terminal::bash(&[]);
        terminal.enter("cat");
        terminal.enter("one");
        terminal.wait_for("one\r\n");
        terminal.press(SUSPEND);
        terminal.wait_for("Stopped");
        terminal.wait_for(PROMPT);
        terminal.enter("fg");
        terminal.enter("two");
        terminal.wait_for("two\r\n");
        terminal.press(QUIT);
        terminal.wait_for(PROMPT);
        terminal.enter("echo \"code $?\"");
        assert_eq!(terminal.wait_for("\r\n"), "code 131");
        terminal.press(END_OF_FILE);
        assert_eq!(terminal.wait(), 0);
    }

    #[test]
    fn programs_learn_of_another_size() {
        let script = "trap 'stty size' WINCH; echo up; while :; do sleep 0.05; done";
        let mut terminal = Terminal::start(&["bash", "-c", script], &[]);
        terminal.wait_for("up\r\n");
        terminal.resize(30, 100);
        assert_eq!(terminal.wait_for("\r\n"), "30 100");
    }

    #[test]
    fn nothing_of_it_is_left_when_it_is_dropped() {
        for start in ["", "setsid --fork"] {
            let script = format!("{start} sh -c 'echo $$; exec sleep 300' & wait; sleep 300");
            let mut terminal = Terminal::start(&["bash", "-c", &script], &[]);
            let pid = Pid::from_raw(terminal.wait_for("\r\n").parse().unwrap()).unwrap();
            drop(terminal);
            let gone = poll(Duration::from_secs(30), || (!is_alive(pid)).then_some(()));
            assert!(gone.is_some(), "{pid:?}, started by {start:?}, is alive");
        }
    }
}
