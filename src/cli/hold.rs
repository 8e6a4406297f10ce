//! Holding the lock while no program runs, as the rules of `holding` say.

use std::os::fd::AsFd;
use std::time::Duration;

use super::report::event::Event;
use super::report::{Report, heard};
use super::rules::holding::{Holding, Kept, Then};
use super::tend::{tend, tend_during};
use super::timer::Timer;
use crate::lock::{Guard, Lost, Moment};

/// Holds the lock until that moment, and until it is sure that a program may start under it. No longer if
/// someone asks that it be freed: then no program may start. Returns whether one may.
///
/// # Errors
/// The lock is lost.
pub(super) fn hold(
    guard: &mut Guard,
    lease: Duration,
    timer: &Timer,
    until: Moment,
    report: &Report,
) -> Result<bool, Lost> {
    let holding = Holding { lease, until };
    loop {
        match holding.round(&mut Held { guard, lease, report }, Moment::now())? {
            Then::Start => return Ok(true),
            Then::Confirm => tend_during(report, || guard.confirm(lease))?,
            Then::GiveBack => {
                guard.asker().into_iter().for_each(|asker| report.event(&Event::Asked { asker }));
                return Ok(false);
            }
            Then::Wait(until) => {
                timer.wait([Some(guard.as_fd())], until.into_iter().chain(tend(report)).min());
            }
        }
    }
}

struct Held<'a> {
    guard: &'a mut Guard,
    lease: Duration,
    report: &'a Report,
}

impl Kept for Held<'_> {
    type Lost = Lost;

    fn last_answered(&self) -> Moment {
        self.guard.last_answered()
    }

    fn next_tick(&self) -> Option<Moment> {
        self.guard.next_tick()
    }

    fn start_heartbeat(&mut self, now: Moment) -> Result<(), Lost> {
        self.guard.begin_heartbeat(self.lease, now)
    }

    fn process(&mut self, now: Moment) -> Result<(), Lost> {
        self.guard.process_telling(now, |polled, servers_half| heard::tell(polled, servers_half, self.report))
    }

    fn is_asked(&self) -> bool {
        self.guard.asker().is_some()
    }
}
