//! A point on the monotonic clock by which something must have happened.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// A point in time, or never.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// `timeout` from now; `None`, and what lies beyond the clock's range, is never.
    #[must_use]
    pub fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// What is left; `None` for never, zero once it has passed.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// Waits until `fd` is ready for `events`.
    ///
    /// Returns `false` where the deadline passed first.
    pub(super) fn wait(self, fd: impl AsFd, events: PollFlags) -> Result<bool, Errno> {
        loop {
            let timeout = self.left().and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut [PollFd::new(&fd, events)], timeout.as_ref()) {
                Ok(0) if self.has_passed() => return Ok(false),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }
}
