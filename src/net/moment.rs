//! Time as leases and deadlines count it: it only grows, also while the host sleeps.

use std::time::Duration;

#[cfg(all(feature = "cli", target_os = "linux"))]
use rustix::time::Timespec;
use rustix::time::{ClockId, clock_gettime};

/// A moment since the start of the host. It is a pure value: only [`Moment::now`] reads the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The start of the host.
    pub const START: Self = Self(Duration::ZERO);

    /// Reads the clock.
    #[must_use]
    pub fn now() -> Self {
        // The clock counts from the start of the host, so it is never negative.
        Self(Duration::try_from(clock_gettime(CLOCK)).unwrap_or_default())
    }

    /// Returns the moment that is so much later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// Returns how long this is after an `earlier` moment; zero where it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the same as an absolute time of the clock.
    #[cfg(all(feature = "cli", target_os = "linux"))]
    pub(crate) fn timespec(self) -> Timespec {
        // Only a moment after the end of the universe does not fit.
        Timespec::try_from(self.0).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 })
    }
}

/// The server goes on counting while this host is suspended; so does this clock (`man 2 clock_gettime`).
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;
