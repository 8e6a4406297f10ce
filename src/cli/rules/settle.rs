//! The rule of a failover: when a program may start under a lock whose last holder the server may have forgotten. No server
//! and no clock in here.

use std::time::Duration;

use crate::lock::Moment;

/// Why a program is not started at once, though the lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The session broke in which the lock was held or waited for.
    Broken,
    /// The server has kept its locks for less than a lease.
    FreshServer,
}

/// Not before this moment, and why; the later one is the greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotBefore {
    pub moment: Moment,
    pub reason: Reason,
}

/// After a break of the session that was known at that moment: the server may have forgotten the lock while its holder's job
/// lives. That was answered before the break for the last time, and so is dead three quarters of a lease after it, by a clock
/// that may be 10 % slower than ours: 3/4 · 10/9 = 5/6.
pub fn after_break(broken: Moment, lease: Duration) -> NotBefore {
    NotBefore { moment: broken.after(lease * 5 / 6), reason: Reason::Broken }
}

/// On a server that had kept its locks for so long at `now`: a lease after it began to, whatever holder it may have
/// forgotten. It counts by the server's clock, which has more to forget than a break that was seen.
pub fn on_server(age: Duration, now: Moment, lease: Duration) -> NotBefore {
    NotBefore { moment: now.after(lease.saturating_sub(age)), reason: Reason::FreshServer }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);

    #[test]
    fn after_a_break_the_last_holders_job_is_dead_by_clocks_that_run_10_percent_apart() {
        let at = |seconds| Moment::START.after(Duration::from_secs(seconds));
        let start = after_break(at(100), LEASE).moment;
        // Three quarters of a lease by a clock for which ten of our seconds are nine.
        let dead = at(100).after(LEASE * 3 / 4 * 10 / 9);
        assert_eq!((start, dead), (at(150), at(150)));
    }

    #[test]
    fn a_server_that_has_kept_its_locks_for_a_lease_lets_a_program_start_at_once() {
        let now = Moment::START.after(LEASE);
        for (age, wait) in [(0, 60), (20, 40), (60, 0), (6000, 0)] {
            let start = on_server(Duration::from_secs(age), now, LEASE).moment;
            assert_eq!(start.since(now), Duration::from_secs(wait), "{age}");
        }
    }
}
