//! The signals that were sent to heimdall, one after the other, elsewhere than on Linux: by handlers that write to a pipe.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::signal::{SigSet, Signal as NixSignal, raise};
use rustix::process::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithRawSiginfo;

/// A signal that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Info {
    /// Its number.
    pub(super) signal: i32,
    /// Whether the kernel sent it, for instance because of a key at the terminal, and not a process by `kill`.
    pub(super) is_from_kernel: bool,
    /// Whether it comes of what heimdall itself has done; such signals don't come here.
    pub(super) is_our_own: bool,
}

/// What the handlers have written.
pub(super) struct SignalQueue(SignalDelivery<UnixStream, WithRawSiginfo>);

impl SignalQueue {
    /// From now on all signals come here, except those that a process may cause itself or that stop it.
    pub(super) fn open() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let caught = (1..=MAX_SIGNAL).filter_map(Signal::from_named_raw);
        let caught: Vec<i32> =
            caught.filter(|signal| !LEFT_ALONE.contains(signal)).map(Signal::as_raw).collect();
        let delivery = SignalDelivery::with_pipe(read, write, WithRawSiginfo, &caught)?;
        // Our caller may have blocked some: they are to wait in the program.
        caught.into_iter().map(NixSignal::try_from).collect::<Result<SigSet, _>>()?.thread_unblock()?;
        Ok(Self(delivery))
    }

    /// Takes the next signal, if there is one.
    pub(super) fn next(&mut self) -> Option<Info> {
        let info = self.0.pending().next()?;
        Some(Info { signal: info.si_signo, is_from_kernel: info.si_code != SI_USER, is_our_own: false })
    }

    /// Does to this process what the signal does by default.
    pub(super) fn take_effect(signal: Signal) -> io::Result<()> {
        if LEFT_ALONE.contains(&signal) {
            return Ok(raise(NixSignal::try_from(signal.as_raw())?)?);
        }
        signal_hook::low_level::emulate_default_handler(signal.as_raw())
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }
}

/// What can't be caught, or can't be told from what heimdall causes itself; what stops heimdall stops it at once.
const LEFT_ALONE: [Signal; 14] = [
    Signal::KILL,
    Signal::STOP,
    Signal::TSTP,
    Signal::TTIN,
    Signal::TTOU,
    Signal::ILL,
    Signal::TRAP,
    Signal::BUS,
    Signal::FPE,
    Signal::SEGV,
    Signal::SYS,
    Signal::PIPE,
    Signal::XCPU,
    Signal::XFSZ,
];

/// No signal with a name has a higher number.
const MAX_SIGNAL: i32 = 31;

/// As in the BSDs.
const SI_USER: i32 = 0x10001;
