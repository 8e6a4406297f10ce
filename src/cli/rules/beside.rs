//! The rules of `--on-lost`: when its command is started and killed, beside the stopping of the job. No process and no clock in
//! here.

use std::mem;
use std::time::Duration;

use crate::lock::Moment;

/// A command that is run at most once.
#[derive(Debug)]
pub(super) struct Beside {
    is_wanted: bool,
    /// How long it may take.
    limit: Duration,
    /// When it is killed, once it runs.
    ends_at: Option<Moment>,
}

/// What to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Start,
    Kill,
}

impl Beside {
    pub(super) fn new(is_wanted: bool, lease: Duration) -> Self {
        Self { is_wanted, limit: limit(lease), ends_at: None }
    }

    /// When it is killed.
    pub(super) fn ends_at(&self) -> Option<Moment> {
        self.ends_at
    }

    /// It is not to be started any more.
    pub(super) fn forget(&mut self) {
        self.is_wanted = false;
    }

    /// Returns what to do after all has been done about the job; the command may have been there and be gone.
    pub(super) fn tick(&mut self, is_lost: bool, is_left: bool, now: Moment) -> Option<Act> {
        if is_lost && mem::take(&mut self.is_wanted) {
            self.ends_at = Some(now.after(self.limit));
            return Some(Act::Start);
        }
        let ends_at = self.ends_at.take_if(|ends_at| !is_left || *ends_at <= now);
        ends_at.filter(|_| is_left).map(|_| Act::Kill)
    }
}

/// Returns how long the command may take: the job, too, is gone three quarters of a lease after the last answer where silence
/// has told of the loss.
pub(in crate::cli) fn limit(lease: Duration) -> Duration {
    lease / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_started_once_when_the_lock_is_lost_and_killed_after_a_quarter_of_the_lease() {
        let at = |seconds| Moment::START.after(Duration::from_secs(seconds));
        let mut beside = Beside::new(true, Duration::from_secs(60));
        assert_eq!(beside.tick(false, false, at(0)), None);
        assert_eq!(beside.tick(true, false, at(1)), Some(Act::Start));
        assert_eq!((beside.tick(true, true, at(15)), beside.ends_at()), (None, Some(at(16))));
        assert_eq!((beside.tick(true, true, at(16)), beside.ends_at()), (Some(Act::Kill), None));
        assert_eq!(beside.tick(true, true, at(17)), None);
        let mut ends_by_itself = Beside::new(true, Duration::from_secs(60));
        ends_by_itself.tick(true, false, at(1));
        assert_eq!((ends_by_itself.tick(true, false, at(2)), ends_by_itself.ends_at()), (None, None));
        assert_eq!(Beside::new(false, Duration::from_secs(60)).tick(true, false, at(1)), None);
    }
}
