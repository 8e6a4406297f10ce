//! The rules of `--restart`: whether the program is started again after an end, when, and under which lock. No process,
//! clock or lock in here.

use std::time::Duration;

use crate::cli::exit::Status;

/// What is to be done after an end.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    pub when: When,
    /// How many times in a row; `None` is any number.
    pub limit: Option<u32>,
    /// Whether others may take the lock before the program is started again.
    pub yields: bool,
}

/// After which ends the program is started again; each also after those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum When {
    No,
    Lost,
    OnFailure,
    Always,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Someone has asked heimdall to end.
    Asked,
    /// By itself, or by a signal that was not heimdall's.
    Ended(Status),
    /// `--timeout` ran out.
    TimedOut,
    /// The lock was lost.
    Lost,
    /// It could not be started.
    NotStarted,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// All is over.
    Exit,
    /// All is over, since the program has been started again so many times in a row.
    GiveUp(u32),
    /// Start the program again, after this pause.
    Again {
        pause: Duration,
        /// Whether the lock is held until then; otherwise it is to be waited for like any other.
        keeps_lock: bool,
    },
}

/// Counts how often the program was started again.
#[derive(Debug)]
pub struct Restarts {
    policy: Policy,
    /// Whether the program was ever started.
    has_started: bool,
    all: u32,
    /// Since the program has last run for as long as [`WELL`].
    in_a_row: u32,
}

impl Restarts {
    /// Nothing has been started yet.
    pub fn new(policy: Policy) -> Self {
        Self { policy, has_started: false, all: 0, in_a_row: 0 }
    }

    /// How often the program was started again.
    pub fn count(&self) -> u32 {
        self.all
    }

    /// Whether the program may be started again at all.
    pub fn are_wanted(&self) -> bool {
        self.policy.when > When::No
    }

    /// Notes that the program has started.
    pub fn started(&mut self) {
        self.has_started = true;
    }

    /// Whether the program is started again after an end, if the lock is lost by then, or if it is not.
    pub fn is_wanted(&self, end: End, is_lost: bool) -> bool {
        self.policy.when
            >= match end {
                End::Asked => return false,
                // A slip in its name; later, it may be about to be replaced.
                End::NotStarted if !self.has_started => return false,
                End::Lost => When::Lost,
                End::Ended(Status::Exited(0)) => When::Always,
                // It may have met the end of the server before we did.
                End::Ended(_) if is_lost => When::Lost,
                End::Ended(_) | End::TimedOut | End::NotStarted => When::OnFailure,
            }
    }

    /// Returns what to do after an end. The lock may be lost also where that is not what has ended the program. `ran` is for how
    /// long the program ran, whatever was waited for after it.
    pub fn next(&self, end: End, is_lost: bool, ran: Duration) -> Next {
        if !self.is_wanted(end, is_lost) {
            return Next::Exit;
        }
        let in_a_row = self.in_a_row(ran);
        if self.policy.limit.is_some_and(|limit| limit <= in_a_row) {
            return Next::GiveUp(in_a_row);
        }
        let pause = pause(in_a_row);
        Next::Again { pause, keeps_lock: !is_lost && !self.policy.yields }
    }

    /// Returns the same, and counts it.
    pub fn step(&mut self, end: End, is_lost: bool, ran: Duration) -> Next {
        let next = self.next(end, is_lost, ran);
        if matches!(next, Next::Again { .. }) {
            self.in_a_row = self.in_a_row(ran).saturating_add(1);
            self.all = self.all.saturating_add(1);
        }
        next
    }

    fn in_a_row(&self, ran: Duration) -> u32 {
        if ran >= WELL { 0 } else { self.in_a_row }
    }
}

/// Returns how long to pause before what was tried again so often in a row is tried once more.
pub(super) fn pause(in_a_row: u32) -> Duration {
    LONGEST.min(SHORTEST * 2_u32.saturating_pow(in_a_row))
}

/// The first pause; each is twice as long as the one before.
const SHORTEST: Duration = Duration::from_secs(1);

const LONGEST: Duration = Duration::from_secs(30);

/// A program that has run for so long has started well.
const WELL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: End = End::Ended(Status::Exited(3));
    const KILLED: End = End::Ended(Status::Signalled(9));
    const DONE: End = End::Ended(Status::Exited(0));

    fn policy(when: When) -> Policy {
        Policy { when, limit: None, yields: false }
    }

    fn again(seconds: u64, keeps_lock: bool) -> Next {
        Next::Again { pause: Duration::from_secs(seconds), keeps_lock }
    }

    #[test]
    fn each_policy_starts_the_program_again_after_its_ends_and_keeps_a_lock_that_is_not_lost() {
        let (exit, kept, lost) = (Next::Exit, again(1, true), again(1, false));
        // A program that fails as the lock is lost may have met the end of the server, one that is done has not.
        for (when, held, too_late) in [
            (When::No, [exit, exit, exit, exit, exit], [exit, exit, exit, exit, exit, exit]),
            (When::Lost, [exit, exit, exit, exit, exit], [lost, lost, exit, exit, exit, lost]),
            (When::OnFailure, [kept, kept, kept, exit, exit], [lost, lost, lost, exit, exit, lost]),
            (When::Always, [kept, kept, kept, kept, exit], [lost, lost, lost, lost, exit, lost]),
        ] {
            let ends = [FAILED, KILLED, End::TimedOut, DONE, End::Asked, End::Lost];
            let held = ends.into_iter().zip(held).map(|(end, next)| (end, false, next));
            let too_late = ends.into_iter().zip(too_late).map(|(end, next)| (end, true, next));
            for (end, is_lost, next) in held.chain(too_late) {
                let mut restarts = Restarts::new(policy(when));
                restarts.started();
                assert_eq!(restarts.step(end, is_lost, Duration::ZERO), next, "{when:?} {end:?} {is_lost}");
            }
        }
    }

    #[test]
    fn who_yields_gives_the_lock_back() {
        let mut restarts = Restarts::new(Policy { yields: true, ..policy(When::Always) });
        assert_eq!(restarts.step(FAILED, false, Duration::ZERO), again(1, false));
    }

    #[test]
    fn pauses_double_up_to_half_a_minute_until_the_program_has_run_for_a_minute() {
        let mut restarts = Restarts::new(policy(When::OnFailure));
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(restarts.step(FAILED, false, Duration::from_secs(59)), again(seconds, true));
        }
        assert_eq!(restarts.step(FAILED, false, WELL), again(1, true));
        assert_eq!(restarts.count(), 8);
    }

    #[test]
    fn the_limit_counts_restarts_in_a_row() {
        let mut restarts = Restarts::new(Policy { limit: Some(2), ..policy(When::Always) });
        for next in [again(1, true), again(1, true), again(1, true)] {
            assert_eq!(restarts.step(DONE, false, WELL), next, "after a minute");
        }
        assert_eq!(restarts.step(FAILED, false, Duration::ZERO), again(2, true));
        assert_eq!(restarts.step(FAILED, false, Duration::ZERO), Next::GiveUp(2));
        let mut never = Restarts::new(Policy { limit: Some(0), ..policy(When::Always) });
        assert_eq!(never.step(FAILED, false, Duration::ZERO), Next::GiveUp(0));
    }

    #[test]
    fn a_program_that_can_not_be_started_at_first_is_a_slip_and_later_a_failure() {
        let mut restarts = Restarts::new(policy(When::Always));
        assert_eq!(restarts.step(End::NotStarted, false, Duration::ZERO), Next::Exit);
        restarts.started();
        assert_eq!(restarts.step(FAILED, false, Duration::ZERO), again(1, true));
        assert_eq!(restarts.step(End::NotStarted, false, Duration::ZERO), again(2, true));
    }
}
