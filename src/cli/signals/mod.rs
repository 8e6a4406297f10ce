//! What the signals that came ask of heimdall, and what it does by a signal to itself.

pub(super) mod bits;
pub(super) mod name;
#[cfg(target_os = "linux")]
pub(super) mod queue;
#[cfg(not(target_os = "linux"))]
#[path = "pipe.rs"]
pub(super) mod queue;
pub(super) mod witness;

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::{SigSet, Signal as NixSignal};
use rustix::process::{Resource, Rlimit, Signal, getpid, setrlimit};
use signal_hook::consts::FORBIDDEN;
use signal_hook::flag::register_conditional_shutdown;

use crate::cli::exit::Status;
use crate::cli::rules::action::ExitReason;
use crate::cli::rules::supervision::Received;
use bits::SignalBits;
use queue::{Info, SignalQueue};

/// The signals that came since they were last taken.
pub(super) struct Signals {
    queue: SignalQueue,
    /// Those that our caller has ignored.
    ignored: SignalBits,
    /// Whether the program is in our process group, and gets what the terminal sends to it.
    is_group_shared: bool,
    leads_session: bool,
    mask: SigSet,
    /// What came before there was a program.
    early: Vec<Received>,
    typed: Vec<Signal>,
    /// Those that end a program, as they came.
    ending: Vec<Signal>,
}

impl Signals {
    /// From now on signals come here; those that our caller has ignored stay without effect, for the program too (nohup).
    pub(super) fn catch(is_group_shared: bool) -> io::Result<Self> {
        let mask = SigSet::thread_get_mask()?;
        let ignored = ignored();
        let leads_session = nix::unistd::getsid(None) == Ok(nix::unistd::getpid());
        let queue = SignalQueue::open()?;
        Ok(Self {
            queue,
            ignored,
            is_group_shared,
            leads_session,
            mask,
            early: Vec::new(),
            typed: Vec::new(),
            ending: Vec::new(),
        })
    }

    /// The signal mask that our caller has left.
    pub(super) fn mask(&self) -> &SigSet {
        &self.mask
    }

    /// Whether this signal was typed at the terminal.
    pub(super) fn was_typed(&self, signal: u8) -> Option<Signal> {
        self.typed.iter().copied().find(|typed| typed.as_raw() == i32::from(signal))
    }

    /// Keeps what came for the program that is about to be started: heimdall is to pass it on, also what was typed.
    pub(super) fn keep_early(&mut self) {
        let mut early = self.read(false);
        self.early.append(&mut early);
    }

    /// Takes what was kept.
    pub(super) fn take_early(&mut self) -> Vec<Received> {
        mem::take(&mut self.early)
    }

    /// Takes what came.
    pub(super) fn take(&mut self) -> Vec<Received> {
        self.read(true)
    }

    fn read(&mut self, has_program: bool) -> Vec<Received> {
        let mut received = Vec::new();
        while let Some(info) = self.queue.next() {
            let Some(one) = self.judge(info, has_program) else { continue };
            self.ending.extend(Some(info.signal).filter(|signal| ENDING.contains(signal)));
            received.push(one);
        }
        // They come by their numbers, and not in the order in which they were sent. What came about when the program ended was
        // typed while it was there.
        received.sort_by_key(|one| *one == Received::Child);
        received
    }

    /// Whether it was heimdall that was asked to end, and not the program alone: by SIGTERM or SIGINT, or by another signal
    /// that usually ends a program, if the program has died of it. To many programs, SIGHUP means to read their
    /// configuration again.
    pub(super) fn ask_to_end(&self, reason: ExitReason) -> bool {
        let death = match reason {
            ExitReason::Ended(Status::Signalled(signal)) => Signal::from_named_raw(signal.into()),
            _ => None,
        };
        self.ending.iter().any(|came| [Signal::TERM, Signal::INT].contains(came) || death == Some(*came))
    }

    /// Whether any came that usually ends a program.
    pub(super) fn have_ending(&self) -> bool {
        !self.ending.is_empty()
    }

    /// Until the next program is started, what usually ends a program ends heimdall; other signals come to nothing.
    pub(super) fn pause(&mut self) {
        // Where it fails, they wait for the next program.
        let _ = self.queue.pause(&self.mask, &ENDING);
    }

    /// Catches signals again, for the next program. Those that came meanwhile, and had no effect, are forgotten.
    pub(super) fn go_on(mut self) -> io::Result<Self> {
        self.queue.go_on()?;
        let mut next = Self { early: Vec::new(), typed: Vec::new(), ending: Vec::new(), ..self };
        next.keep_early();
        // These had an effect until just now, if the caller did not block them.
        let mask = next.mask;
        let has_effect = |signal: &Signal| {
            ENDING.contains(signal)
                && NixSignal::try_from(signal.as_raw()).is_ok_and(|signal| !mask.contains(signal))
        };
        next.early.retain(|one| matches!(one, Received::Sent(signal) if has_effect(signal)));
        next.ending.retain(has_effect);
        Ok(next)
    }

    fn judge(&mut self, info: Info, has_program: bool) -> Option<Received> {
        match info.signal {
            Signal::CHILD => Some(Received::Child),
            // Rust's runtime has ignored it, and the program does not.
            signal if signal != Signal::PIPE && self.ignored.contain(signal.as_raw()) => None,
            Signal::PIPE | Signal::XFSZ if info.is_our_own => None,
            // About heimdall's own use of files and processor time.
            Signal::XFSZ | Signal::XCPU if info.is_from_kernel => None,
            signal if self.is_group_shared && info.is_from_kernel && self.is_from_terminal(signal) => {
                self.typed.push(signal);
                match signal {
                    Signal::INT | Signal::QUIT | Signal::HUP if has_program => Some(Received::Typed(signal)),
                    Signal::INT | Signal::QUIT | Signal::HUP => Some(Received::Sent(signal)),
                    Signal::TSTP | Signal::TTIN | Signal::TTOU if has_program => {
                        Some(Received::TypedStop(signal))
                    }
                    Signal::TSTP | Signal::TTIN | Signal::TTOU => Some(Received::Stop(signal)),
                    _ => None,
                }
            }
            // The kernel does not let process 1 stop.
            signal @ (Signal::TSTP | Signal::TTIN | Signal::TTOU) if !getpid().is_init() => {
                Some(Received::Stop(signal))
            }
            signal => Some(Received::Sent(signal)),
        }
    }

    /// Whether the kernel has sent this to the whole process group in the terminal.
    fn is_from_terminal(&self, signal: Signal) -> bool {
        match signal {
            Signal::INT
            | Signal::QUIT
            | Signal::TSTP
            | Signal::TTIN
            | Signal::TTOU
            | Signal::CONT
            | Signal::WINCH => true,
            // A terminal that is closed tells its session's leader alone.
            Signal::HUP => !self.leads_session,
            _ => false,
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

/// Stops this process by a signal, until it is continued; returns at once where the signal has no such effect, as in a
/// process group that no shell watches.
pub(super) fn stop_ourselves(signal: Signal) {
    // Who can't stop goes on.
    let _ = SignalQueue::stop(signal);
}

/// Ends this process by a signal, so that a shell sees that its command was interrupted. Returns in process 1, where no
/// signal does that from within.
pub(super) fn die_of(signal: Signal) {
    if signal == Signal::QUIT {
        // It was the program that was to leave a core.
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        let _ = setrlimit(Resource::Core, none);
    }
    let _ = SignalQueue::take_effect(signal);
}

/// Until [`Signals::catch`], signals end heimdall even if it is process 1, to which the kernel delivers only what has a
/// handler; elsewhere they do so anyway.
pub(super) fn let_signals_end_process_1() {
    if !getpid().is_init() {
        return;
    }
    let ignored = ignored();
    for signal in (1..=MAX_SIGNAL).filter(|signal| !ignored.contain(*signal)) {
        let is_harmless = Signal::from_named_raw(signal).is_some_and(|signal| HARMLESS.contains(&signal));
        if !is_harmless && !FORBIDDEN.contains(&signal) {
            // The C library keeps some of the real-time signals for itself.
            let _ = register_conditional_shutdown(signal, 128 + signal, Arc::new(AtomicBool::new(true)));
        }
    }
}

/// What usually ends a program.
const ENDING: [Signal; 5] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::ABORT];

/// Those that end no process by default (`man 7 signal`).
const HARMLESS: [Signal; 7] =
    [Signal::CHILD, Signal::CONT, Signal::URG, Signal::WINCH, Signal::TSTP, Signal::TTIN, Signal::TTOU];

/// The last real-time signal of Linux; elsewhere no signal has a higher number.
const MAX_SIGNAL: i32 = 64;

/// The signals ignored since our start.
fn ignored() -> SignalBits {
    SignalBits::read("self", "SigIgn")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use nix::sys::signal::raise;

    use super::*;

    #[test]
    fn what_is_typed_before_there_is_a_program_is_passed_on_to_it() {
        let mut signals = Signals::catch(true).unwrap();
        for (signal, early, later) in [
            (Signal::INT, Received::Sent(Signal::INT), Received::Typed(Signal::INT)),
            (Signal::TSTP, Received::Stop(Signal::TSTP), Received::TypedStop(Signal::TSTP)),
        ] {
            let mut judge = |has_program| {
                signals.judge(Info { signal, is_from_kernel: true, is_our_own: false }, has_program)
            };
            assert_eq!((judge(false), judge(true)), (Some(early), Some(later)));
        }
        assert_eq!(signals.was_typed(2), Some(Signal::INT));
    }

    #[test]
    fn what_asks_to_end_as_the_next_program_is_about_to_start_is_not_forgotten() {
        let mut signals = Signals::catch(false).unwrap();
        for signal in [NixSignal::SIGTERM, NixSignal::SIGUSR1] {
            raise(signal).unwrap();
        }
        signals = signals.go_on().unwrap();
        assert_eq!(signals.take_early(), [Received::Sent(Signal::TERM)]);
        // And is known where the program can't be started.
        assert!(signals.have_ending());
        assert!(!signals.go_on().unwrap().have_ending());
    }
}
