//! Signals as something that a poll loop can wait for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// What heimdall passes on to the program.
const FORWARDED: [Signal; 9] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::WINCH,
    Signal::CONT,
];

/// The signals that came since they were last taken.
pub(super) struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
}

impl Signals {
    /// From now on SIGCHLD and the signals to be passed on are caught, but for those that our caller has
    /// ignored: they stay ignored for the program too (nohup).
    pub(super) fn catch() -> io::Result<Self> {
        let ignored = ignored();
        let forwarded = FORWARDED.into_iter().map(Signal::as_raw).filter(|signal| !is_in(ignored, *signal));
        let caught = forwarded.chain([Signal::CHILD.as_raw()]);
        let (read, write) = UnixStream::pair()?;
        Ok(Self { delivery: SignalDelivery::with_pipe(read, write, SignalOnly, caught)? })
    }

    /// Takes what came: whether a child may have ended, and what is to be passed on.
    pub(super) fn take(&mut self) -> (bool, Vec<Signal>) {
        let mut child = false;
        let mut forward = Vec::new();
        for signal in self.delivery.pending().filter_map(Signal::from_named_raw) {
            if signal == Signal::CHILD {
                child = true;
            } else {
                forward.push(signal);
            }
        }
        (child, forward)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
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
