//! A process in heimdall's process group that bears witness to whom a signal was sent: to the group, or to heimdall alone.
//!
//! The receiver of a signal is not told that, and on a terminal, where the program is in heimdall's group, it matters: what was
//! sent to the group (`kill %1`, `kill -- -PGID`) has reached the program already. So heimdall is started a second time there,
//! with all signals blocked, and does nothing but tell that there are some: what was sent to the group stays pending with it
//! (`man 5 proc_pid_status`), and was there before heimdall got it, since the kernel goes through a group from its youngest
//! process to its oldest. What was sent to the witness and not to heimdall (`pkill -P`) is no evidence of what comes later, so
//! heimdall hears of it at once and starts another.

use std::ffi::CStr;
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::bits::SignalBits;
use super::queue::SignalQueue;

/// It is gone when this is dropped, or when heimdall is gone, however that ends.
#[derive(Debug)]
pub(in crate::cli) struct Witness {
    pid: Pid,
    is_reaped: bool,
    /// Its standard input, which ends with heimdall.
    _stdin: PipeWriter,
    /// Where it tells that it has seen a signal.
    stdout: PipeReader,
}

impl Witness {
    /// Starts one, where there is a process table in which it can be looked at.
    pub(in crate::cli) fn start() -> io::Result<Self> {
        let (its_stdin, stdin) = io::pipe()?;
        let (stdout, its_stdout) = io::pipe()?;
        let mut attributes = PosixSpawnAttr::init()?;
        attributes.set_sigmask(&SigSet::all())?;
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)?;
        let mut actions = PosixSpawnFileActions::init()?;
        // It has nothing to say to others, and must not keep open what they wait for the end of.
        for (pipe, stream) in
            [its_stdin.as_raw_fd(), its_stdout.as_raw_fd(), its_stdout.as_raw_fd()].into_iter().zip(STREAMS)
        {
            actions.add_dup2(pipe, stream)?;
        }
        for fd in inheritable()? {
            actions.add_close(fd)?;
        }
        let no_environment: [&CStr; 0] = [];
        let pid = posix_spawn(c"/proc/self/exe", &actions, &attributes, &[NAME], &no_environment)?;
        let pid = Pid::from_raw(pid.as_raw()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { pid, is_reaped: false, _stdin: stdin, stdout })
    }

    pub(in crate::cli) fn pid(&self) -> Pid {
        self.pid
    }

    /// Lets go of one that someone has killed, and that was reaped.
    pub(in crate::cli) fn bury(mut self) {
        self.is_reaped = true;
    }

    /// Hears that it has seen a signal, when there is something to read.
    pub(in crate::cli) fn hear(&mut self) {
        let _ = self.stdout.read(&mut [0]);
    }

    /// The signals that were sent to the group since it was started, or to it alone.
    pub(in crate::cli) fn seen(&self) -> SignalBits {
        SignalBits::read(&self.pid.as_raw_nonzero().to_string(), "ShdPnd")
    }
}

/// Readable when it has seen a signal.
impl AsFd for Witness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        let _ = kill_process(self.pid, Signal::KILL);
        // It blocks nothing but signals, so this takes no time.
        let _ = waitpid(Some(self.pid), WaitOptions::empty());
    }
}

/// Our descriptors, except the standard streams.
fn inheritable() -> io::Result<Vec<RawFd>> {
    let open = fs::read_dir("/proc/self/fd")?.map(|entry| Ok(entry?.file_name()));
    let open = open.collect::<io::Result<Vec<_>>>()?;
    let numbers = open.iter().filter_map(|name| name.to_str()?.parse().ok());
    Ok(numbers.filter(|fd| !STREAMS.contains(fd)).collect())
}

const STREAMS: [RawFd; 3] = [0, 1, 2];

/// Whether this process was started to be a witness; if so, it has been one when this returns.
pub(in crate::cli) fn was_one() -> bool {
    let is_one = std::env::args_os().next().is_some_and(|name| name.as_encoded_bytes() == NAME.to_bytes());
    if is_one {
        tell_of_a_signal();
        let _ = io::stdin().read(&mut [0]);
    }
    is_one
}

/// Waits for a signal, which stays pending, or for the end of standard input.
fn tell_of_a_signal() {
    let Ok(signals) = SignalQueue::open() else { return };
    let stdin = io::stdin();
    let mut fds = [PollFd::new(&signals, PollFlags::IN), PollFd::new(&stdin, PollFlags::IN)];
    while poll(&mut fds, None) == Err(Errno::INTR) {}
    let [signal, _] = fds;
    if !signal.revents().is_empty() {
        // Who does not hear it is gone.
        let _ = io::stdout().write_all(b"\n");
    }
}

/// What process tables call it, and by what it knows what it is. `pkill -f heimdall` is to reach heimdall alone.
const NAME: &CStr = c"signal witness";
