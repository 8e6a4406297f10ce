//! Holding the lock while no program runs.

use std::os::fd::AsFd;
use std::time::Duration;

use super::job::reap_orphans;
use super::report::Report;
use super::timer::Timer;
use crate::lock::{Guard, Lost, Moment};

/// Holds the lock until that moment, and until it is sure that a program may start under it: the server's last answer is
/// fresh.
///
/// # Errors
/// The lock is lost.
pub(super) fn hold(
    guard: &mut Guard,
    lease: Duration,
    timer: &Timer,
    until: Moment,
    report: &Report,
) -> Result<(), Lost> {
    let mut now = Moment::now();
    if guard.next_tick().is_none() {
        if until <= now {
            return guard.confirm(lease);
        }
        guard.start_heartbeat(lease, now)?;
    }
    loop {
        guard.process(now)?;
        let is_fresh = now < guard.last_answered().after(lease / FRESH);
        if until <= now && is_fresh {
            return Ok(());
        }
        // An answer that is awaited comes by the descriptor.
        let until = Some(until).filter(|until| now < *until);
        timer.wait(
            [Some(guard.as_fd())],
            until.into_iter().chain(guard.next_tick()).chain(report.alive()).min(),
        );
        reap_orphans();
        now = Moment::now();
    }
}

/// An answer is fresh for this part of a lease, which is as long as the server may take to answer.
const FRESH: u32 = 3;
