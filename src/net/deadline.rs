//! By when something must have happened, and what the time is for.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::error::{Error, Phase, system};
use super::moment::Moment;

/// A moment, or never, and the phase of the conversation that it ends.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Option<Moment>,
    phase: Phase,
}

impl Deadline {
    /// Returns the deadline that is so far from now; `None` is never.
    #[must_use]
    pub fn after(timeout: impl Into<Option<Duration>>) -> Self {
        Self::at(timeout.into().map(|timeout| Moment::now().after(timeout)))
    }

    /// Returns the deadline at this moment; `None` is never.
    #[must_use]
    pub fn at(moment: impl Into<Option<Moment>>) -> Self {
        Self { at: moment.into(), phase: Phase::Query }
    }

    /// Returns the deadline of what is done at once or not at all.
    pub(super) fn now(phase: Phase) -> Self {
        Self::after(Duration::ZERO).during(phase)
    }

    /// Returns the earlier of the two, in the phase of this one.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        Self { at: self.at.into_iter().chain(other.at).min(), ..self }
    }

    /// Returns the same moment in another phase.
    pub(super) fn during(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// Returns what is left: `None` for never, zero once it has passed.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        self.at.map(|at| at.since(Moment::now()))
    }

    /// Returns how long to wait before the clock is to be looked at again: while the host is suspended it goes on, but no wait
    /// does.
    pub(super) fn slice(self) -> Option<Duration> {
        self.left().map(|left| left.min(SLICE))
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// Fails once the deadline has passed.
    pub(super) fn check(self) -> Result<(), Error> {
        if self.has_passed() { Err(Error::TimedOut(self.phase)) } else { Ok(()) }
    }

    /// Returns the error for a connection that was closed before the deadline.
    pub(super) fn closed(self) -> Error {
        Error::Closed(self.phase)
    }

    /// Returns the same error, or in which phase the connection was reset.
    pub(super) fn reset(self, error: Error) -> Error {
        match error {
            Error::System(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                Error::Reset(self.phase)
            }
            error => error,
        }
    }

    /// Waits until `fd` is ready for `events`.
    ///
    /// # Errors
    /// The deadline has passed first.
    pub(super) fn wait(self, fd: impl AsFd, events: PollFlags) -> Result<(), Error> {
        loop {
            let timeout = self.slice().and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut [PollFd::new(&fd, events)], timeout.as_ref()) {
                Ok(0) => self.check()?,
                Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(system(errno)),
            }
        }
    }
}

/// How late a deadline may be noticed that has passed while the host was suspended.
const SLICE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_is_longer_than_a_slice_of_what_is_left() {
        assert_eq!(Deadline::after(Duration::from_secs(3600)).slice(), Some(SLICE));
        assert!(Deadline::after(Duration::from_millis(5)).slice() <= Some(Duration::from_millis(5)));
        assert_eq!(Deadline::after(None).slice(), None);
    }
}
