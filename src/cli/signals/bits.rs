//! Sets of signals as the process table shows them.

use std::fs;

use rustix::process::Signal;

/// One bit for each signal, by its number (`man 5 proc_pid_status`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::cli) struct SignalBits(u64);

impl SignalBits {
    /// Reads a field of a process's status, such as `SigIgn`; the set is empty where there is no such thing.
    pub(super) fn read(process: &str, field: &str) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let set = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Self(set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0))
    }

    /// Whether the signal of this number is in the set.
    pub(in crate::cli) fn contain(self, signal: i32) -> bool {
        self.0 & bit(signal) != 0
    }

    /// The set of this signal alone.
    pub(in crate::cli) fn of(signal: Signal) -> Self {
        Self(bit(signal.as_raw()))
    }

    /// Both sets in one.
    pub(in crate::cli) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether no signal is in the set.
    pub(in crate::cli) fn are_none(self) -> bool {
        self.0 == 0
    }
}

fn bit(signal: i32) -> u64 {
    u32::try_from(signal - 1).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_one_bit_a_signal() {
        for (set, signal, expected) in [
            (0b1, 1, true),
            (0b1, 2, false),
            (1 << 14, 15, true),
            (u64::MAX, 65, false),
            (u64::MAX, 0, false),
        ] {
            assert_eq!(SignalBits(set).contain(signal), expected, "{set:x} {signal}");
        }
        assert_eq!(SignalBits(0b1).with(SignalBits::of(Signal::QUIT)), SignalBits(0b101));
    }
}
