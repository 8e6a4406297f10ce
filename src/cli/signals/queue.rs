//! The signals that were sent to heimdall, one after the other, on Linux: by signalfd(2).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process;
use std::sync::Arc;

use nix::sys::signal::{SigSet, Signal as NixSignal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::Signal;
use rustix_libc_wrappers::process::SignalExt;

/// A signal that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Info {
    pub(super) signal: Signal,
    /// Whether the kernel sent it, for instance because of a key at the terminal, and not a process by `kill`.
    pub(super) is_from_kernel: bool,
    /// Whether it comes of what heimdall itself has done, such as writing to a file that may not grow.
    pub(super) is_our_own: bool,
}

/// Blocked signals wait in the kernel until they are read. So nothing is done in a signal handler, and real-time signals
/// stay as many as were sent.
pub(super) struct SignalQueue(SignalFd);

impl SignalQueue {
    /// From now on all signals come here. No other thread may be left that does not block them.
    pub(super) fn open() -> io::Result<Self> {
        // If the caller ignores it, ended children don't wait for us to ask for their status; any handler changes that.
        signal_hook::flag::register(Signal::CHILD.as_raw(), Arc::default())?;
        SigSet::all().thread_block()?;
        Ok(Self(SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// Takes the next signal, if there is one.
    pub(super) fn next(&mut self) -> Option<Info> {
        let info = self.0.read_signal().ok().flatten()?;
        Some(Info {
            // What the C library keeps for itself is not blocked, and does not come here.
            signal: Signal::from_raw(info.ssi_signo.try_into().ok()?)?,
            is_from_kernel: info.ssi_code > 0,
            is_our_own: info.ssi_pid == process::id(),
        })
    }

    /// Lets these signals, and those that stop a process, take effect at once, unless they are in the mask that our caller
    /// has left.
    #[expect(clippy::unused_self, reason = "it is not the queue that changes, but what comes to it")]
    pub(super) fn pause(&mut self, mask: &SigSet, signals: &[Signal]) -> io::Result<()> {
        let stopping = [Signal::TSTP, Signal::TTIN, Signal::TTOU];
        let all = signals.iter().chain(&stopping).map(|signal| NixSignal::try_from(signal.as_raw()));
        let all = all.collect::<Result<Vec<NixSignal>, _>>()?;
        Ok(all.into_iter().filter(|signal| !mask.contains(*signal)).collect::<SigSet>().thread_unblock()?)
    }

    /// From now on all signals come here again, also those that came meanwhile and had no effect.
    #[expect(clippy::unused_self, reason = "it is not the queue that changes, but what comes to it")]
    pub(super) fn go_on(&mut self) -> io::Result<()> {
        Ok(SigSet::all().thread_block()?)
    }

    /// Stops this process by the signal, and takes the SIGCONT that has ended that. One that has come already would be taken
    /// back, and no other would come: then this process does not stop.
    pub(super) fn stop(signal: Signal) -> io::Result<()> {
        let continued = SignalFd::with_flags(&SigSet::from(NixSignal::SIGCONT), SfdFlags::SFD_NONBLOCK)?;
        if continued.read_signal()?.is_none() {
            Self::take_effect(signal)?;
            continued.read_signal()?;
        }
        Ok(())
    }

    /// Does to this process what the signal does by default.
    pub(super) fn take_effect(signal: Signal) -> io::Result<()> {
        let signal = NixSignal::try_from(signal.as_raw())?;
        let blocked = SigSet::from(signal);
        raise(signal)?;
        blocked.thread_unblock()?;
        blocked.thread_block()?;
        Ok(())
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
