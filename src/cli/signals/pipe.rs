//! The signals that were sent to heimdall, one after the other, elsewhere than on Linux: by handlers that write to a pipe.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal as NixSignal, raise};
use rustix::process::Signal;
use signal_hook::flag::register_conditional_shutdown;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithRawSiginfo;

/// A signal that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Info {
    pub(super) signal: Signal,
    /// Whether the kernel sent it, for instance because of a key at the terminal, and not a process by `kill`.
    pub(super) is_from_kernel: bool,
    /// Whether it comes of what heimdall itself has done; such signals don't come here.
    pub(super) is_our_own: bool,
}

/// What the handlers have written.
pub(super) struct SignalQueue {
    delivery: SignalDelivery<UnixStream, WithRawSiginfo>,
    /// Whether what usually ends a program ends heimdall.
    is_paused: Arc<AtomicBool>,
}

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
        Ok(Self { delivery, is_paused: Arc::default() })
    }

    /// Takes the next signal, if there is one.
    pub(super) fn next(&mut self) -> Option<Info> {
        let info = self.delivery.pending().next()?;
        Some(Info {
            signal: Signal::from_named_raw(info.si_signo)?,
            is_from_kernel: info.si_code != SI_USER,
            is_our_own: false,
        })
    }

    /// Lets these signals take effect at once.
    pub(super) fn pause(&mut self, _: &SigSet, signals: &[Signal]) -> io::Result<()> {
        if !self.is_paused.swap(true, Ordering::SeqCst) && Arc::strong_count(&self.is_paused) == 1 {
            for signal in signals {
                register_conditional_shutdown(
                    signal.as_raw(),
                    128 + signal.as_raw(),
                    Arc::clone(&self.is_paused),
                )?;
            }
        }
        while let Some(info) = self.next() {
            if signals.contains(&info.signal) {
                Self::take_effect(info.signal)?;
            }
        }
        Ok(())
    }

    /// From now on all signals come here again, also those that came meanwhile and had no effect.
    #[expect(clippy::unnecessary_wraps, reason = "as on Linux, where it can fail")]
    pub(super) fn go_on(&mut self) -> io::Result<()> {
        self.is_paused.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Stops this process by the signal.
    pub(super) fn stop(signal: Signal) -> io::Result<()> {
        Self::take_effect(signal)
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
        self.delivery.get_read().as_fd()
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
