//! Waiting for descriptors until a moment comes, even if the host is suspended meanwhile.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::report::Report;
use super::tend::tend;
use crate::lock::Moment;

/// A clock to wait by.
#[derive(Debug)]
pub(super) struct Timer {
    #[cfg(target_os = "linux")]
    fd: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Timer {
    pub(super) fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self { fd: timerfd_create(TimerfdClockId::Boottime, flags)? })
    }

    /// Waits until one of the descriptors is readable or the moment has come, `None` being never; returns for each
    /// descriptor whether it is readable. A signal may end the wait too.
    pub(super) fn wait<const N: usize>(
        &self,
        fds: [Option<BorrowedFd<'_>>; N],
        until: Option<Moment>,
    ) -> [bool; N] {
        use std::os::fd::AsFd;

        use rustix::time::{Itimerspec, TimerfdTimerFlags, timerfd_settime};

        let mut timeout = None;
        // The timeout of poll(2) does not count while the host is suspended; this timer does.
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = Itimerspec { it_interval: zero, it_value: until.map_or(zero, Moment::timespec) };
        if timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &setting).is_err() {
            timeout = until.map(remaining);
        }
        poll_all(fds, Some(self.fd.as_fd()), timeout)
    }
}

impl Timer {
    /// Waits for the moment, however many signals come meanwhile.
    pub(super) fn sleep(&self, until: Moment, report: &Report) {
        while Moment::now() < until {
            self.wait([], tend(report).into_iter().chain([until]).min());
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Timer {
    #[expect(clippy::unnecessary_wraps, reason = "as on Linux, where it can fail")]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits until one of the descriptors is readable or the moment has come, `None` being never; returns for each
    /// descriptor whether it is readable. A signal may end the wait too.
    #[expect(clippy::unused_self, reason = "as on Linux, which has a clock to wait by")]
    pub(super) fn wait<const N: usize>(
        &self,
        fds: [Option<BorrowedFd<'_>>; N],
        until: Option<Moment>,
    ) -> [bool; N] {
        poll_all(fds, None, until.map(remaining))
    }
}

fn remaining(until: Moment) -> Timespec {
    Timespec::try_from(until.since(Moment::now())).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 })
}

fn poll_all<const N: usize>(
    fds: [Option<BorrowedFd<'_>>; N],
    clock: Option<BorrowedFd<'_>>,
    timeout: Option<Timespec>,
) -> [bool; N] {
    let given = fds.iter().flatten().chain(clock.as_ref());
    let mut polled: Vec<PollFd<'_>> = given.map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    if poll(&mut polled, timeout.as_ref()).is_err() {
        // EINTR: the signal is in its pipe, and the next round finds it.
        return [false; N];
    }
    let mut ready = polled.iter().map(|fd| !fd.revents().is_empty());
    fds.map(|fd| fd.is_some() && ready.next().unwrap_or(false))
}
