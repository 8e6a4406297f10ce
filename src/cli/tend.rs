//! What heimdall does beside waiting: signs of life for a service manager and, as process 1, the reaping of orphans.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::SigSet;
use rustix::process::getpid;

use super::job::reap_orphans;
use super::report::Report;
use crate::lock::Moment;

/// Does what is due while there is no program; returns when something is due again.
pub(super) fn tend(report: &Report) -> Option<Moment> {
    reap_orphans();
    let reap_at = getpid().is_init().then(|| Moment::now().after(REAP));
    reap_at.into_iter().chain(report.alive()).min()
}

/// Does what may take long, and has a deadline of its own; meanwhile tends to the rest.
pub(super) fn tend_during<T>(report: &Report, work: impl FnOnce() -> T) -> T {
    let mut due = tend(report);
    if due.is_none() {
        return work();
    }
    let is_done = AtomicBool::new(false);
    let tend_to_all = || {
        // Signals are not this thread's business.
        let _ = SigSet::all().thread_block();
        while let Some(next) = due
            && !is_done.load(Ordering::Acquire)
        {
            thread::park_timeout(next.since(Moment::now()));
            due = tend(report);
        }
    };
    thread::scope(|scope| {
        // Where there is no thread to be had, the work is done all the same.
        let tending = thread::Builder::new().spawn_scoped(scope, tend_to_all);
        let result = work();
        is_done.store(true, Ordering::Release);
        if let Ok(tending) = tending {
            tending.thread().unpark();
        }
        result
    })
}

/// How long what orphans leave stays.
const REAP: Duration = Duration::from_secs(1);
