//! Signals as something that a poll loop can wait for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal as NixSignal};
use rustix::process::{Resource, Rlimit, Signal, getpid, setrlimit};
use signal_hook::flag::register_conditional_shutdown;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithRawSiginfo;
use signal_hook::low_level::emulate_default_handler;

/// What heimdall passes on to the program.
const FORWARDED: [Signal; 7] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2, Signal::ALARM];

/// What it passes on besides, unless terminal and shell send it to the program themselves.
const FORWARDED_IN_BACKGROUND: [Signal; 2] = [Signal::WINCH, Signal::CONT];

/// The signals that came since they were last taken.
pub(super) struct Signals {
    delivery: SignalDelivery<UnixStream, WithRawSiginfo>,
    in_foreground: bool,
    leads_session: bool,
    mask: SigSet,
    typed: Vec<Signal>,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// A child may have ended.
    Child,
    /// A signal for us alone, to be passed on.
    Sent(Signal),
    /// A signal that was typed at the terminal, whose whole foreground group got it, the program too.
    Typed,
}

impl Signals {
    /// From now on SIGCHLD and the signals to be passed on are caught, but for those that our caller has
    /// ignored: they stay ignored for the program too (nohup).
    pub(super) fn catch(in_foreground: bool) -> io::Result<Self> {
        let mask = SigSet::thread_get_mask()?;
        let more = if in_foreground { &[][..] } else { &FORWARDED_IN_BACKGROUND };
        let caught: Vec<i32> =
            not_ignored(FORWARDED.iter().chain(more)).chain([Signal::CHILD.as_raw()]).collect();
        let (read, write) = UnixStream::pair()?;
        let delivery = SignalDelivery::with_pipe(read, write, WithRawSiginfo, &caught)?;
        // Our caller may have blocked some: SIGCHLD we wait for, and the others are to wait in the program.
        caught.into_iter().map(NixSignal::try_from).collect::<Result<SigSet, _>>()?.thread_unblock()?;
        let leads_session = nix::unistd::getsid(None) == Ok(nix::unistd::getpid());
        Ok(Self { delivery, in_foreground, leads_session, mask, typed: Vec::new() })
    }

    /// The signal mask that our caller has left.
    pub(super) fn mask(&self) -> &SigSet {
        &self.mask
    }

    /// Whether this signal was typed at the terminal.
    pub(super) fn was_typed(&self, signal: u8) -> Option<Signal> {
        self.typed.iter().copied().find(|typed| typed.as_raw() == i32::from(signal))
    }

    /// Takes what came.
    pub(super) fn take(&mut self) -> Vec<Received> {
        let came: Vec<(i32, i32)> =
            self.delivery.pending().map(|info| (info.si_signo, info.si_code)).collect();
        let mut received = Vec::new();
        for (number, code) in came {
            let Some(signal) = Signal::from_named_raw(number) else { continue };
            received.push(if signal == Signal::CHILD {
                Received::Child
            } else if self.in_foreground && self.is_typed(signal, code) {
                self.typed.push(signal);
                Received::Typed
            } else {
                Received::Sent(signal)
            });
        }
        received
    }

    /// Whether the terminal has sent this to all of its foreground, and not a process by `kill` (`man 2 sigaction`,
    /// `si_code`).
    fn is_typed(&self, signal: Signal, code: i32) -> bool {
        let is_from_kernel = if cfg!(target_os = "linux") { code > 0 } else { code != BSD_SI_USER };
        match signal {
            Signal::INT | Signal::QUIT => is_from_kernel,
            // A terminal that is closed tells its session's leader alone.
            Signal::HUP => is_from_kernel && !self.leads_session,
            _ => false,
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

/// `SI_USER` where it is not 0.
const BSD_SI_USER: i32 = 0x10001;

/// Ends this process by a signal, so that a shell sees that its command was interrupted.
pub(super) fn die_of(signal: Signal) {
    if getpid().is_init() {
        // No signal ends process 1 from within; its exit code has to tell.
        return;
    }
    if signal == Signal::QUIT {
        // It was the program that was to leave a core.
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        let _ = setrlimit(Resource::Core, none);
    }
    let _ = emulate_default_handler(signal.as_raw());
}

/// Until [`Pid1Handlers::disarm`], signals end heimdall also where it is process 1, to which the kernel delivers only what has
/// a handler; elsewhere they do so anyway.
pub(super) struct Pid1Handlers(Arc<AtomicBool>);

impl Pid1Handlers {
    pub(super) fn install() -> io::Result<Self> {
        let armed = Arc::new(AtomicBool::new(true));
        if getpid().is_init() {
            for signal in not_ignored(FORWARDED.iter()) {
                register_conditional_shutdown(signal, 128 + signal, Arc::clone(&armed))?;
            }
        }
        Ok(Self(armed))
    }

    /// [`Signals::catch`] is in charge now.
    pub(super) fn disarm(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

fn not_ignored<'a>(signals: impl Iterator<Item = &'a Signal>) -> impl Iterator<Item = i32> {
    let ignored = ignored();
    signals.map(|signal| signal.as_raw()).filter(move |signal| !is_in(ignored, *signal))
}

/// The set of signals ignored since our start, one bit each (`man 5 proc`, `SigIgn`); empty where there is
/// no such file.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(set: u64, signal: i32) -> bool {
    u32::try_from(signal - 1)
        .ok()
        .and_then(|bit| set.checked_shr(bit))
        .is_some_and(|shifted| shifted & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_one_bit_a_signal() {
        assert!(is_in(0b1, 1));
        assert!(!is_in(0b1, 2));
        assert!(is_in(1 << 14, 15));
        assert!(!is_in(u64::MAX, 65));
        assert!(!is_in(u64::MAX, 0));
    }
}
