//! The course of a run, from the first try of the lock to the end of the last program: how long to wait for the lock, when a
//! program may start under it, and what follows an end. No process, server or clock in here.

use std::time::Duration;

use super::restart::{End, Next, Policy, Restarts, pause};
use super::settle::{self, NotBefore};
use crate::lock::Moment;

/// What a run is to keep to.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub wait: WaitPolicy,
    pub restart: Policy,
    /// Whether a fresh server is given a lease before a program is started.
    pub settles: bool,
    pub lease: Duration,
}

/// How long to wait for a busy lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitPolicy {
    /// One try.
    None,
    Limited(Duration),
    Endless,
}

/// Where a run stands.
#[derive(Debug)]
pub struct Course {
    plan: Plan,
    restarts: Restarts,
    /// Whether the lock was ever granted.
    has_held: bool,
    /// When the session last broke in which the lock was held or waited for.
    broken: Option<Moment>,
    /// How often in a row the lock was lost before the program was started.
    lost: u32,
    /// Not before that is the next program started.
    start_at: Moment,
}

impl Course {
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            restarts: Restarts::new(plan.restart),
            has_held: false,
            broken: None,
            lost: 0,
            start_at: Moment::START,
        }
    }

    /// Whether a program may be followed by another one.
    pub fn restarts(&self) -> bool {
        self.restarts.are_wanted()
    }

    /// How often the program was started again.
    pub fn count(&self) -> u32 {
        self.restarts.count()
    }

    /// Returns how long to wait for the lock: not at all where it is zero, for ever where it is `None`. Who has held it once
    /// goes back to waiting for it in any case.
    pub fn limit(&self) -> Option<Duration> {
        match self.plan.wait {
            WaitPolicy::None if !self.has_held => Some(Duration::ZERO),
            WaitPolicy::Limited(limit) => Some(limit),
            WaitPolicy::None | WaitPolicy::Endless => None,
        }
    }

    /// Notes that the lock was granted, and when the session broke in which it was waited for, if one did.
    pub fn acquired(&mut self, broken: Option<Moment>) {
        self.has_held = true;
        self.broken = self.broken.max(broken);
    }

    /// Whether the server is to be asked, under a lock that was just granted, for how long it has kept its locks.
    pub fn asks_age(&self) -> bool {
        self.plan.settles
    }

    /// Returns when a program may start under a lock that was just granted, if there is a reason to wait, as no job of a holder
    /// that the server may have forgotten is left by then. The server has kept its locks for `age`, where it was asked.
    pub fn settle(&mut self, age: Option<Duration>, now: Moment) -> Option<NotBefore> {
        let lease = self.plan.lease;
        let after_break = self.broken.map(|broken| settle::after_break(broken, lease));
        let settled = after_break.max(age.map(|age| settle::on_server(age, now, lease)));
        self.start_at = self.start_at.max(settled.map_or(Moment::START, |settled| settled.moment));
        settled
    }

    /// Returns until when the lock is held before the program starts.
    pub fn start_at(&self) -> Moment {
        self.start_at
    }

    /// The lock is lost before the program was started; returns after which pause it is waited for again, if it is. Whatever
    /// takes it away may do so each time, and each time costs the server a session and a token.
    pub fn lost_before_start(&mut self, now: Moment) -> Option<Duration> {
        self.broken = Some(now);
        let pause = pause(self.lost);
        self.lost = self.lost.saturating_add(1);
        (self.restarts() || self.plan.wait == WaitPolicy::Endless).then_some(pause)
    }

    /// Notes that the program has started.
    pub fn started(&mut self) {
        self.lost = 0;
        self.restarts.started();
    }

    /// Whether another program follows this end, after one that ran for so long, under the same lock.
    pub fn keeps_lock(&self, end: End, ran: Duration) -> bool {
        matches!(self.restarts.next(end, false, ran), Next::Again { keeps_lock: true, .. })
    }

    /// Returns what follows the end of a program that ran for so long. The lock may be lost also where that is not what has
    /// ended it.
    pub fn ended(&mut self, end: End, ran: Duration, is_lost: bool, now: Moment) -> Next {
        if is_lost {
            self.broken = Some(now);
        }
        let next = self.restarts.step(end, is_lost, ran);
        if let Next::Again { pause, .. } = next {
            self.start_at = now.after(pause);
        }
        next
    }

    /// Whether it depends on the lock's loss whether another program follows this end. Who was cut off from the server together
    /// with the program may not know it yet.
    pub fn depends_on_loss(&self, end: End) -> bool {
        self.restarts.is_wanted(end, true) && !self.restarts.is_wanted(end, false)
    }

    /// Notes that the lock was given back for a while, and whether the server has confirmed it: what other holders of a slot it
    /// may have forgotten is not known otherwise.
    pub fn released(&mut self, is_confirmed: bool, now: Moment) {
        if !is_confirmed {
            self.broken = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Status;
    use crate::cli::rules::restart::When;

    const LEASE: Duration = Duration::from_secs(60);
    const RAN: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Moment {
        Moment::START.after(Duration::from_secs(seconds))
    }

    fn course(wait: WaitPolicy, when: When) -> Course {
        let restart = Policy { when, limit: None, yields: false };
        Course::new(Plan { wait, restart, settles: true, lease: LEASE })
    }

    #[test]
    fn who_has_held_the_lock_once_waits_for_it_as_long_as_it_takes() {
        let mut course = course(WaitPolicy::None, When::Lost);
        assert_eq!(course.limit(), Some(Duration::ZERO));
        course.acquired(None);
        assert!(course.lost_before_start(at(0)).is_some());
        assert_eq!((course.limit(), course.count()), (None, 0));
        course.started();
        course.ended(End::Lost, RAN, true, at(1));
        assert_eq!((course.limit(), course.count()), (None, 1));
    }

    #[test]
    fn after_a_loss_the_next_program_obeys_the_rule_of_a_failover_and_after_another_end_the_back_off_alone() {
        let mut course = course(WaitPolicy::Endless, When::Always);
        course.acquired(None);
        assert_eq!(course.settle(None, at(0)), None);
        course.started();
        let failed = End::Ended(Status::Exited(1));
        assert_eq!(
            course.ended(failed, RAN, false, at(1)),
            Next::Again { pause: Duration::from_secs(1), keeps_lock: true }
        );
        assert_eq!(course.start_at(), at(2));
        course.started();
        course.ended(End::Lost, Duration::from_secs(98), true, at(100));
        assert_eq!(course.start_at(), at(101));
        course.acquired(None);
        assert!(course.settle(None, at(102)).is_some());
        assert_eq!(course.start_at(), at(150));
    }

    #[test]
    fn a_lock_that_is_lost_after_the_programs_end_is_not_kept_and_the_rule_of_a_failover_holds() {
        let mut course = course(WaitPolicy::Endless, When::Always);
        course.started();
        let again = Next::Again { pause: Duration::from_secs(1), keeps_lock: false };
        assert_eq!(course.ended(End::Ended(Status::Exited(0)), RAN, true, at(10)), again);
        course.settle(None, at(11));
        assert_eq!(course.start_at(), at(60));
        course.released(true, at(100));
        assert_eq!(course.settle(None, at(101)).unwrap().moment, at(60));
        course.released(false, at(100));
        assert_eq!(course.settle(None, at(101)).unwrap().moment, at(150));
    }

    #[test]
    fn who_restarts_after_a_loss_alone_looks_for_one_when_the_program_has_failed() {
        let failed = End::Ended(Status::Exited(2));
        for (when, end, depends) in [
            (When::Lost, failed, true),
            (When::Lost, End::Ended(Status::Exited(0)), false),
            (When::Lost, End::Asked, false),
            (When::No, failed, false),
            (When::OnFailure, failed, false),
        ] {
            assert_eq!(course(WaitPolicy::None, when).depends_on_loss(end), depends, "{when:?} {end:?}");
        }
    }

    #[test]
    fn the_latest_of_all_reasons_to_wait_counts() {
        let mut course = course(WaitPolicy::Endless, When::No);
        course.acquired(Some(at(10)));
        assert_eq!(
            course.settle(Some(Duration::from_secs(5)), at(20)).unwrap().reason,
            settle::Reason::FreshServer
        );
        assert_eq!(course.start_at(), at(75));
        course.acquired(Some(at(70)));
        assert_eq!(
            course.settle(Some(Duration::from_secs(60)), at(75)).unwrap().reason,
            settle::Reason::Broken
        );
        assert_eq!(course.start_at(), at(120));
    }

    #[test]
    fn a_lock_that_is_lost_before_the_program_starts_is_waited_for_again_by_who_waits_for_ever_or_restarts() {
        for (wait, when, again) in [
            (WaitPolicy::None, When::No, false),
            (WaitPolicy::Limited(LEASE), When::No, false),
            (WaitPolicy::Endless, When::No, true),
            (WaitPolicy::None, When::Lost, true),
        ] {
            let mut course = course(wait, when);
            assert_eq!(course.lost_before_start(at(10)).is_some(), again, "{wait:?} {when:?}");
            course.settle(None, at(11));
            assert_eq!(course.start_at(), at(60));
        }
    }

    #[test]
    fn the_more_often_the_lock_is_lost_before_the_program_starts_the_later_it_is_tried_again() {
        let mut course = course(WaitPolicy::Endless, When::No);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(course.lost_before_start(at(0)), Some(Duration::from_secs(seconds)));
        }
        course.started();
        assert_eq!(course.lost_before_start(at(0)), Some(Duration::from_secs(1)));
    }
}
